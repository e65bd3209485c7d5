"""The collections of charging sessions and sub-sessions, newest first; none is stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from ev_energy.simulator.charging._charging_model import EpisodePosition
from ev_energy.simulator.http._paging import ScanLimitError
from ev_energy.simulator.resources.charging_sessions._parts import part_of
from ev_energy.simulator.resources.charging_sessions._rows import (
    FOLDER,
    SUB_FOLDER,
    session_row,
    sub_session_row,
)
from ev_energy.simulator.resources.charging_sessions._session_query import (
    HISTORY_START,
    SessionQuery,
)
from ev_energy.simulator.resources.charging_sessions._unreliable_data import view_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ev_energy.simulator.charging._episodes import Episode
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._world import World


#: Sessions that started before do not exist; only their sub-sessions do.
RECORDED_SINCE: Final = datetime(2026, 7, 1, tzinfo=UTC)

#: The episodes that one page of a filtered list of all sites reads. In a large world, finding out
#: that no episode matches would take hours.
_SCAN_LIMIT: Final = 10_000


class SubSessionPosition(NamedTuple):
    """A position in the order of sub-sessions, the oldest first."""

    mark: EpisodePosition
    number: int
    """The number of the period in its episode."""


@attrs.frozen
class Sessions:
    """The sessions of the episodes that match a query."""

    query: SessionQuery

    def _row(self, episode: Episode, now: datetime) -> Row:
        return session_row(self.query.world, episode, now)

    def get(self, key: str) -> Row | None:
        """Return the session with this id."""
        now = self.query.world.now
        episode = self.query.world.charging.session(key, now)
        return self._row(episode, now) if episode and self.query.matches(episode) else None

    def after(self, position: EpisodePosition | None) -> Iterator[Row]:
        """Yield the sessions that started before *position*, the newest first."""
        now = self.query.world.now
        for episode in self.query.find(now, after=None, before=position, newest_first=True):
            yield self._row(episode, now)

    def before(self, position: EpisodePosition | None) -> Iterator[Row]:
        """Yield the sessions that started after *position*, the oldest first."""
        now = self.query.world.now
        for episode in self.query.find(now, after=position, before=None, newest_first=False):
            yield self._row(episode, now)

    def position(self, row: Row) -> EpisodePosition:
        """Return the position of the session's episode."""
        return EpisodePosition.of(row["_episode"])

    def cursor(self, row: Row) -> str:
        """Return the id."""
        return str(row["id"])

    def parse_cursor(self, cursor: str) -> EpisodePosition:
        """Return the position of the cursor, which is an id."""
        found = self.query.world.charging.position(cursor) if cursor.startswith("cses") else None
        if found is None:
            raise ValueError(cursor)
        return found[0]

    def view_for(self, row: Row, viewer: Viewer) -> Row:  # noqa: ARG002 - all viewers see the same
        """Return the session."""
        return row

    def owner_id(self, row: Row) -> str | None:
        """Return the id of the user that the site belongs to."""
        return str(row["_user"])

    def for_user(self, user_id: str) -> Sessions:
        """Return the sessions of a user."""
        sites = tuple(self.query.world.fleet.sites_of_user(user_id))
        return attrs.evolve(self, query=self.query.at_sites(sites))


def _all_periods(_episode: Episode, _number: int, _now: datetime) -> bool:
    return True


@attrs.frozen
class SubSessions:
    """The sub-sessions of the episodes that match a query: one for each period."""

    query: SessionQuery
    keep: Callable[[Episode, int, datetime], bool] = _all_periods
    """Return whether a period is included: its episode, its number, and when it is known so."""
    read_at: datetime | None = None
    """The instant whose state is shown; None for now."""

    @property
    def _now(self) -> datetime:
        return self.read_at or self.query.world.now

    def where(self, keep: Callable[[Episode, int, datetime], bool]) -> SubSessions:
        """Narrow the collection by a condition."""
        keep_before = self.keep

        def both(episode: Episode, number: int, now: datetime) -> bool:
            return keep_before(episode, number, now) and keep(episode, number, now)

        return attrs.evolve(self, keep=both)

    def _row(self, episode: Episode, number: int, now: datetime) -> Row | None:
        """Return a sub-session as it is shown, or None if it is not included."""
        view = view_of(self.query.world, episode, number, now)
        if view is None or not self.keep(view.episode, number, view.now):
            return None
        return sub_session_row(self.query.world, view.episode, number, view.now)

    def _find(self, key: str) -> Row | None:
        found = self.query.world.charging.sub_session(key, self._now)
        if found is None or not self.query.matches(found[0]):
            return None
        return self._row(*found, self._now)

    def get(self, key: str) -> Row | None:
        """Return the sub-session with this id, or for ``ID/NAME`` that part of it."""
        key, slash, part = key.partition("/")
        row = self._find(key)
        return part_of(self.query.world, row, part) if slash and row is not None else row

    def after(self, position: SubSessionPosition | None) -> Iterator[Row]:
        """Yield the sub-sessions older than *position*, the newest first."""
        now = self._now
        # The episode at the position itself may have more sub-sessions.
        before = None if position is None else _shifted(position.mark, 1)
        found = self.query.find(now, after=None, before=before, newest_first=True)
        for scanned, episode in enumerate(found, 1):
            for number in reversed(range(len(episode.periods))):
                current = SubSessionPosition(EpisodePosition.of(episode), number)
                if position is None or current < position:
                    row = self._row(episode, number, now)
                    if row is not None:
                        yield row
            self._limit_scan(scanned, episode, 0)

    def before(self, position: SubSessionPosition | None) -> Iterator[Row]:
        """Yield the sub-sessions newer than *position*, the oldest first."""
        now = self._now
        after = None if position is None else _shifted(position.mark, -1)
        found = self.query.find(now, after=after, before=None, newest_first=False)
        for scanned, episode in enumerate(found, 1):
            for number in range(len(episode.periods)):
                current = SubSessionPosition(EpisodePosition.of(episode), number)
                if position is None or current > position:
                    row = self._row(episode, number, now)
                    if row is not None:
                        yield row
            self._limit_scan(scanned, episode, len(episode.periods) - 1)

    def _limit_scan(self, scanned: int, episode: Episode, number: int) -> None:
        if scanned >= _SCAN_LIMIT and self.query.sites is None and self.keep is not _all_periods:
            raise ScanLimitError(self.query.world.charging.sub_session_id(episode, number))

    def position(self, row: Row) -> SubSessionPosition:
        """Return the position of a sub-session."""
        return SubSessionPosition(EpisodePosition.of(row["_episode"]), row["_number"])

    def cursor(self, row: Row) -> str:
        """Return the id."""
        return str(row["id"])

    def parse_cursor(self, cursor: str) -> SubSessionPosition:
        """Return the position of the cursor, which is an id."""
        world = self.query.world
        found = world.charging.position(cursor) if cursor.startswith("csub") else None
        if found is None:
            raise ValueError(cursor)
        return SubSessionPosition(*found)

    def view_for(self, row: Row, viewer: Viewer) -> Row:  # noqa: ARG002 - all viewers see the same
        """Return the sub-session."""
        return row

    def owner_id(self, row: Row) -> str | None:
        """Return the id of the user that the site belongs to."""
        return str(row["_user"])

    def for_user(self, user_id: str) -> SubSessions:
        """Return the sub-sessions of a user."""
        sites = tuple(self.query.world.fleet.sites_of_user(user_id))
        return attrs.evolve(self, query=self.query.at_sites(sites))


def _shifted(position: EpisodePosition, sites: int) -> EpisodePosition:
    return EpisodePosition(position.start_us, position.site_number + sites)


def all_sessions(world: World) -> Sessions:
    """Return all sessions."""
    return Sessions(SessionQuery(world=world, since=max(RECORDED_SINCE, HISTORY_START)))


def all_sub_sessions(world: World, *, read_at: datetime | None = None) -> SubSessions:
    """Return all sub-sessions, now or as they were shown at an instant."""
    return SubSessions(SessionQuery(world=world), read_at=read_at)


def add_sessions(world: World) -> None:
    """Add the collections of sessions and sub-sessions."""
    world.collections[FOLDER] = all_sessions(world)
    world.collections[SUB_FOLDER] = all_sub_sessions(world)
