"""Logs: entries by time, newest first, made when they are asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.simulator.clock._instants import (
    ANCHOR,
    instant_of,
    micros,
    read_instant,
    write_instant,
)
from ev_energy.simulator.world._rows import Link, Row, Viewer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ev_energy.simulator._seeded_random import SeededRandom
    from ev_energy.simulator.world._tables import Collection
    from ev_energy.simulator.world._world import World


#: Chunks of every log are counted from here.
ORIGIN: Final = datetime(2024, 1, 1, tzinfo=UTC)

#: When an entry was, and its members besides its key and its URL, or what makes them.
Entry = tuple[datetime, Row | Callable[[], Row]]


@attrs.frozen(kw_only=True)
class TimeSeries:
    """Entries of a log of one thing.

    Time is cut into chunks of one length; a chunk's entries can be made without any other's.
    """

    folder: str
    member: str
    """The member whose instant is the key of an entry."""
    began: datetime
    """Nothing was logged before."""
    now: datetime
    """Nothing is logged after."""
    chunk: timedelta
    make: Callable[[int], Sequence[Entry]]
    """The entries of chunk number n, oldest first, no two at one instant."""

    def between(self, low: datetime | None, high: datetime | None) -> TimeSeries:
        """Return the part of the log from ``low`` to ``high``, both included."""
        began = self.began if low is None else max(low, self.began)
        now = self.now if high is None else min(high, self.now)
        return attrs.evolve(self, began=began, now=now)

    def _row(self, instant: datetime, members: Row | Callable[[], Row]) -> Row:
        text = write_instant(instant)
        made = members() if callable(members) else members
        url = Link(self.folder, text)
        return {"url": url, self.member: text, **made, "_instant": micros(instant)}

    def _number(self, instant: datetime) -> int:
        return (instant - ORIGIN) // self.chunk

    def entries(self, low: datetime, high: datetime) -> Iterator[Entry]:
        """Return the entries between two instants, both included, oldest first."""
        low, high = max(low, self.began), min(high, self.now)
        for number in range(self._number(low), self._number(high) + 1) if low <= high else ():
            yield from (entry for entry in self.make(number) if low <= entry[0] <= high)

    def latest(self) -> Link | None:
        """Return a link to the newest entry, without making it."""
        newest = next(self._instants(self.now), None)
        return None if newest is None else Link(self.folder, write_instant(newest[0]))

    def get(self, key: str) -> Row | None:
        """Return the entry of an instant, however it is spelt."""
        try:
            instant = read_instant(key)
        except ValueError:
            return None
        if not self.began <= instant <= self.now:
            return None
        found = [members for at, members in self.make(self._number(instant)) if at == instant]
        return self._row(instant, found[0]) if found else None

    def after(self, position: Any) -> Iterator[Row]:
        """Return the entries that are older, the newest first."""
        # Compared as numbers: one microsecond before the calendar begins is no datetime.
        if position is not None and -position <= micros(self.began):
            return
        high = self.now
        if position is not None and -position <= micros(high):
            high = instant_of(-position - 1)
        for instant, members in self._instants(high):
            yield self._row(instant, members)

    def _instants(self, high: datetime) -> Iterator[Entry]:
        """Return the entries until an instant, the newest first."""
        if high < self.began:
            return
        for number in range(self._number(high), self._number(self.began) - 1, -1):
            for entry in reversed(self.make(number)):
                if self.began <= entry[0] <= high:
                    yield entry

    def before(self, position: Any) -> Iterator[Row]:
        """Return the entries that are newer, the oldest first."""
        if position is not None and -position >= micros(self.now):
            return
        low = self.began
        if position is not None and -position >= micros(low):
            low = instant_of(-position + 1)
        for instant, members in self.entries(low, self.now):
            yield self._row(instant, members)

    def position(self, row: Row) -> int:
        """Return a number that is the greater the older the entry is."""
        return -int(row["_instant"])

    def cursor(self, row: Row) -> str:
        """Return the instant."""
        return str(row[self.member])

    def parse_cursor(self, cursor: str) -> int:
        """Return where an instant would stand."""
        return -micros(read_instant(cursor))

    def view_for(self, row: Row, viewer: Viewer) -> Row:  # noqa: ARG002 - all see the same
        """Return the entry."""
        return row

    def owner_id(self, row: Row) -> str | None:  # noqa: ARG002 - entries are found by their owner
        """Return None: an entry belongs to whatever it is below."""
        return None

    def for_user(self, user_id: str) -> Collection:  # noqa: ARG002 - as above
        """Return the whole log."""
        return self


DAY: Final = timedelta(days=1)
#: What happens so shortly before midnight is not followed by anything on the same day.
END_OF_DAY_MARGIN: Final = timedelta(milliseconds=1)
_NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
#: How far back logs go, from the day the world is made for.
_KEPT: Final = timedelta(days=200)


def row_log(
    world: World,
    owner: Row,
    log: str,
    member: str,
    chunk: timedelta,
    make: Callable[[int], Sequence[Entry]],
    *,
    until: datetime | None = None,
) -> TimeSeries:
    """Return a log of a row, from when it was first known, but not from too long ago.

    Of what does not report yet the log is empty; of what does no more it ends at ``until``.
    """
    home: Link = owner["url"]
    reports: bool = owner.get("_reports", True)
    return TimeSeries(
        folder=f"{home.folder}/{home.key}/{log}",
        member=member,
        began=max(read_instant(owner["_made_at"]), ANCHOR - _KEPT) if reports else _NEVER,
        now=world.now if until is None else min(until, world.now),
        chunk=chunk,
        make=make,
    )


def periodic_entries(
    random: SeededRandom,
    spacing: timedelta,
    jitter: timedelta,
    make: Callable[[datetime], Row],
    *about: object,
) -> Callable[[int], Sequence[Entry]]:
    """Return the maker of a log with an entry every ``spacing``, give or take ``jitter``."""
    most = jitter // timedelta(microseconds=1)

    def entries(number: int) -> Sequence[Entry]:
        late = timedelta(microseconds=random.between(1, most, *about, number))
        at = avoid_full_second(ORIGIN + number * spacing + late)
        return [(at, functools.partial(make, at))]

    return entries


def avoid_full_second(at: datetime) -> datetime:
    """Return an instant that is no full second.

    A clock that shows full seconds would hide a client that loses the microseconds.
    """
    return at if at.microsecond else at + timedelta(microseconds=1)


def shortly_after(random: SeededRandom, at: datetime, most: timedelta, *about: object) -> datetime:
    """Return an instant a little later, on the same day."""
    latest = min(at + most, ORIGIN + ((at - ORIGIN) // DAY + 1) * DAY - timedelta(microseconds=2))
    span = max(1, (latest - at) // timedelta(microseconds=1))
    late = timedelta(microseconds=random.between(1, span, *about, micros(at)))
    return avoid_full_second(at + late)
