"""Which plug-in episodes are meant, and how they are found without a look at any others."""

from __future__ import annotations

import heapq
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator.charging._charging_model import EpisodePosition
from ev_energy.simulator.clock._instants import ANCHOR, micros, nearest_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from ev_energy.simulator.charging._charging_site import ChargingSite
    from ev_energy.simulator.charging._episodes import Episode
    from ev_energy.simulator.world._world import World


#: How far back charging is told, from the day the world is made for.
HISTORY_START: Final = ANCHOR - timedelta(days=200)
#: No car stays longer: all leave by the next morning.
MAX_SESSION_LENGTH: Final = timedelta(days=1)
_LAST_SITE: Final = 1 << 62


def _all(_episode: Episode) -> bool:
    return True


@attrs.frozen(kw_only=True)
class SessionQuery:
    """Episodes of some bays, or of all, that began within a while."""

    world: World
    sites: tuple[ChargingSite, ...] | None = None
    """None: all there are."""
    since: datetime = HISTORY_START
    """No earlier ones."""
    before: datetime | None = None
    """Only earlier ones."""
    keep: Callable[[Episode], bool] = _all

    def at(self, sites: tuple[ChargingSite, ...]) -> SessionQuery:
        """Return those of them that are at some bays."""
        if self.sites is not None:
            mine = {site.number for site in self.sites}
            sites = tuple(site for site in sites if site.number in mine)
        return attrs.evolve(self, sites=sites)

    def within(
        self, *, since: datetime | None = None, before: datetime | None = None
    ) -> SessionQuery:
        """Return those of them that began within a while."""
        low = self.since if since is None else max(self.since, since)
        high = self.before
        if before is not None:
            high = before if high is None else min(high, before)
        return attrs.evolve(self, since=low, before=high)

    def where(self, keep: Callable[[Episode], bool]) -> SessionQuery:
        """Return those of them that pass a test."""
        before = self.keep

        def both(episode: Episode) -> bool:
            return before(episode) and keep(episode)

        return attrs.evolve(self, keep=both)

    def has(self, episode: Episode) -> bool:
        """Return whether an episode is one of them."""
        if self.sites is not None and episode.site.number not in {
            site.number for site in self.sites
        }:
            return False
        late = self.before is not None and episode.start >= self.before
        return episode.start >= self.since and not late and self.keep(episode)

    def find(
        self,
        now: datetime,
        *,
        after: EpisodePosition | None,
        before: EpisodePosition | None,
        newest_first: bool,
    ) -> Iterator[Episode]:
        """Return the episodes between two places of their order, as they are seen at ``now``."""
        low = EpisodePosition(micros(self.since) - 1, _LAST_SITE)
        low = low if after is None else max(low, after)
        high = before
        if self.before is not None:
            bound = EpisodePosition(micros(self.before), -1)
            high = bound if high is None else min(high, bound)
        if high is not None and high <= low:
            return iter(())
        if self.sites is None:
            found = self.world.charging.fleet_episodes(
                now=now, after=low, before=high, newest_first=newest_first
            )
        else:
            each = (
                self.world.charging.episodes(
                    site,
                    now=now,
                    after=nearest_instant(low.start_us - 1),
                    before=None if high is None else nearest_instant(high.start_us + 1),
                    newest_first=newest_first,
                )
                for site in self.sites
            )
            merged = heapq.merge(*each, key=EpisodePosition.of, reverse=newest_first)
            found = (
                episode
                for episode in merged
                if low < EpisodePosition.of(episode)
                and (high is None or EpisodePosition.of(episode) < high)
            )
        return filter(self.keep, found)
