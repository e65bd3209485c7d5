"""Charging sessions and sub-sessions, listed newest first: nothing of them is stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ev_energy.simulator.charging._episodes import Episode
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._world import World


#: Sessions were not recorded before, only sub-sessions were.
RECORDED_SINCE: Final = datetime(2026, 7, 1, tzinfo=UTC)

#: So many episodes of a whole fleet are looked at for one page: in a large one, it would take hours
#: to find out that nothing is as it was asked for.
_MOST_LOOKED_AT: Final = 10_000


@attrs.frozen(order=True)
class Place:
    """A place in the order of sub-sessions, from the oldest on."""

    mark: EpisodePosition
    number: int
    """Of the period."""


@attrs.frozen
class Sessions:
    """The sessions that some plug-in episodes are."""

    stays: SessionQuery

    def _row(self, episode: Episode, now: datetime) -> Row:
        return session_row(self.stays.world, episode, now)

    def get(self, key: str) -> Row | None:
        """Return the session with this id."""
        now = self.stays.world.now
        episode = self.stays.world.charging.session(key, now)
        return self._row(episode, now) if episode and self.stays.has(episode) else None

    def after(self, position: EpisodePosition | None) -> Iterator[Row]:
        """Return the sessions that began before a place, the newest first."""
        now = self.stays.world.now
        for episode in self.stays.find(now, after=None, before=position, newest_first=True):
            yield self._row(episode, now)

    def before(self, position: EpisodePosition | None) -> Iterator[Row]:
        """Return the sessions that began after a place, the oldest first."""
        now = self.stays.world.now
        for episode in self.stays.find(now, after=position, before=None, newest_first=False):
            yield self._row(episode, now)

    def position(self, row: Row) -> EpisodePosition:
        """Return where a session stands among all episodes."""
        return EpisodePosition.of(row["_episode"])

    def cursor(self, row: Row) -> str:
        """Return the id."""
        return str(row["id"])

    def parse_cursor(self, cursor: str) -> EpisodePosition:
        """Return the place an id tells of."""
        found = self.stays.world.charging.position(cursor) if cursor.startswith("cses") else None
        if found is None:
            raise ValueError(cursor)
        return found[0]

    def view_for(self, row: Row, viewer: Viewer) -> Row:  # noqa: ARG002 - all see the same
        """Return the session."""
        return row

    def owner_id(self, row: Row) -> str | None:
        """Return the id of the user whose car or EVSE it is."""
        return str(row["_user"])

    def for_user(self, user_id: str) -> Sessions:
        """Return the sessions of a user."""
        sites = tuple(self.stays.world.fleet.sites_of_user(user_id))
        return attrs.evolve(self, stays=self.stays.at(sites))


def _every(_episode: Episode, _number: int) -> bool:
    return True


@attrs.frozen
class SubSessions:
    """The sub-sessions that the periods of some plug-in episodes are."""

    stays: SessionQuery
    keep: Callable[[Episode, int], bool] = _every
    """Which periods are meant, by episode and number."""

    def where(self, keep: Callable[[Episode, int], bool]) -> SubSessions:
        """Return those of them that pass a test."""
        before = self.keep

        def both(episode: Episode, number: int) -> bool:
            return before(episode, number) and keep(episode, number)

        return attrs.evolve(self, keep=both)

    def _row(self, episode: Episode, number: int, now: datetime) -> Row:
        return sub_session_row(self.stays.world, episode, number, now)

    def get(self, key: str) -> Row | None:
        """Return the sub-session with this id; or a part of one, by id, slash and name."""
        world = self.stays.world
        now = world.now
        key, slash, part = key.partition("/")
        found = world.charging.sub_session(key, now)
        if found is None or not self.stays.has(found[0]):
            return None
        row = self._row(*found, now)
        return part_of(world, row, part) if slash else row

    def after(self, position: Place | None) -> Iterator[Row]:
        """Return the sub-sessions that are older than a place, the newest first."""
        now = self.stays.world.now
        # The episode of the place itself may have more of them.
        before = None if position is None else _beside(position.mark, 1)
        found = self.stays.find(now, after=None, before=before, newest_first=True)
        for looked_at, episode in enumerate(found, 1):
            for number in reversed(range(len(episode.periods))):
                place = Place(EpisodePosition.of(episode), number)
                if (position is None or place < position) and self.keep(episode, number):
                    yield self._row(episode, number, now)
            self._check(looked_at, episode, 0)

    def before(self, position: Place | None) -> Iterator[Row]:
        """Return the sub-sessions that are newer than a place, the oldest first."""
        now = self.stays.world.now
        after = None if position is None else _beside(position.mark, -1)
        found = self.stays.find(now, after=after, before=None, newest_first=False)
        for looked_at, episode in enumerate(found, 1):
            for number in range(len(episode.periods)):
                place = Place(EpisodePosition.of(episode), number)
                if (position is None or place > position) and self.keep(episode, number):
                    yield self._row(episode, number, now)
            self._check(looked_at, episode, len(episode.periods) - 1)

    def _check(self, looked_at: int, episode: Episode, number: int) -> None:
        if looked_at >= _MOST_LOOKED_AT and self.stays.sites is None and self.keep is not _every:
            raise ScanLimitError(self.stays.world.charging.sub_session_id(episode, number))

    def position(self, row: Row) -> Place:
        """Return where a sub-session stands among all there are."""
        return Place(EpisodePosition.of(row["_episode"]), row["_number"])

    def cursor(self, row: Row) -> str:
        """Return the id."""
        return str(row["id"])

    def parse_cursor(self, cursor: str) -> Place:
        """Return the place an id tells of."""
        world = self.stays.world
        found = world.charging.position(cursor) if cursor.startswith("csub") else None
        if found is None:
            raise ValueError(cursor)
        return Place(*found)

    def view_for(self, row: Row, viewer: Viewer) -> Row:  # noqa: ARG002 - all see the same
        """Return the sub-session."""
        return row

    def owner_id(self, row: Row) -> str | None:
        """Return the id of the user whose car or EVSE it is."""
        return str(row["_user"])

    def for_user(self, user_id: str) -> SubSessions:
        """Return the sub-sessions of a user."""
        sites = tuple(self.stays.world.fleet.sites_of_user(user_id))
        return attrs.evolve(self, stays=self.stays.at(sites))


def _beside(mark: EpisodePosition, by: int) -> EpisodePosition:
    return EpisodePosition(mark.start_us, mark.site_number + by)


def all_sessions(world: World) -> Sessions:
    """Return all sessions there are."""
    return Sessions(SessionQuery(world=world, since=max(RECORDED_SINCE, HISTORY_START)))


def all_sub_sessions(world: World) -> SubSessions:
    """Return all sub-sessions there are."""
    return SubSessions(SessionQuery(world=world))


def add_sessions(world: World) -> None:
    """Open the collections of sessions and sub-sessions."""
    world.collections[FOLDER] = all_sessions(world)
    world.collections[SUB_FOLDER] = all_sub_sessions(world)
