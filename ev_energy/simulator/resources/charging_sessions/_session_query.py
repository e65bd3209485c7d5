"""Queries for plug-in episodes, which compute no episodes but those that may match."""

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


#: Charging history goes back this far from the day that the world is made for.
HISTORY_START: Final = ANCHOR - timedelta(days=200)
#: No car is plugged in for longer: all leave by the next morning.
MAX_SESSION_LENGTH: Final = timedelta(days=1)
_AFTER_ALL_SITES: Final = 1 << 62


def _all(_episode: Episode) -> bool:
    return True


@attrs.frozen(kw_only=True)
class SessionQuery:
    """A query for episodes by site, start and any other condition."""

    world: World
    sites: tuple[ChargingSite, ...] | None = None
    """None for all sites."""
    since: datetime = HISTORY_START
    """Episodes that started before do not match."""
    before: datetime | None = None
    """Episodes that started at this instant or later do not match."""
    keep: Callable[[Episode], bool] = _all

    def at_sites(self, sites: tuple[ChargingSite, ...]) -> SessionQuery:
        """Narrow the query to some sites."""
        if self.sites is not None:
            own_numbers = {site.number for site in self.sites}
            sites = tuple(site for site in sites if site.number in own_numbers)
        return attrs.evolve(self, sites=sites)

    def within(
        self, *, since: datetime | None = None, before: datetime | None = None
    ) -> SessionQuery:
        """Narrow the query by when episodes start."""
        low = self.since if since is None else max(self.since, since)
        high = self.before
        if before is not None:
            high = before if high is None else min(high, before)
        return attrs.evolve(self, since=low, before=high)

    def where(self, keep: Callable[[Episode], bool]) -> SessionQuery:
        """Narrow the query by a condition."""
        keep_before = self.keep

        def both(episode: Episode) -> bool:
            return keep_before(episode) and keep(episode)

        return attrs.evolve(self, keep=both)

    def matches(self, episode: Episode) -> bool:
        """Return whether an episode matches."""
        if self.sites is not None and episode.site.number not in {
            site.number for site in self.sites
        }:
            return False
        too_late = self.before is not None and episode.start >= self.before
        return episode.start >= self.since and not too_late and self.keep(episode)

    def find(
        self,
        now: datetime,
        *,
        after: EpisodePosition | None,
        before: EpisodePosition | None,
        newest_first: bool,
    ) -> Iterator[Episode]:
        """Return the matching episodes between two positions, as known at *now*."""
        low = EpisodePosition(micros(self.since) - 1, _AFTER_ALL_SITES)
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
            by_site = (
                self.world.charging.episodes(
                    site,
                    now=now,
                    after=nearest_instant(low.start_us - 1),
                    before=None if high is None else nearest_instant(high.start_us + 1),
                    newest_first=newest_first,
                )
                for site in self.sites
            )
            merged = heapq.merge(*by_site, key=EpisodePosition.of, reverse=newest_first)
            found = (
                episode
                for episode in merged
                if low < EpisodePosition.of(episode)
                and (high is None or EpisodePosition.of(episode) < high)
            )
        return filter(self.keep, found)
