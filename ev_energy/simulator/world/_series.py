"""Logs: entries by time, newest first, computed on demand.

Entries come at regular times (`periodic_entries`) or follow events (`shortly_after`).
"""

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


#: The start of chunk 0 of every log.
ORIGIN: Final = datetime(2024, 1, 1, tzinfo=UTC)

#: The instant of an entry, and its members besides key and URL, or a function that makes them.
Entry = tuple[datetime, Row | Callable[[], Row]]


@attrs.frozen(kw_only=True)
class TimeSeries:
    """A log of one row.

    Time is divided into chunks of equal length; the entries of a chunk are computed alone.
    """

    folder: str
    member: str
    """The member that holds the instant of an entry, which is its key."""
    start: datetime
    """There are no entries before."""
    end: datetime
    """There are no entries after."""
    chunk: timedelta
    make: Callable[[int], Sequence[Entry]]
    """Return the entries of a chunk, oldest first, no two at the same instant."""

    def between(self, low: datetime | None, high: datetime | None) -> TimeSeries:
        """Return the part of the log from *low* to *high*, both included."""
        start = self.start if low is None else max(low, self.start)
        end = self.end if high is None else min(high, self.end)
        return attrs.evolve(self, start=start, end=end)

    def _row(self, instant: datetime, members: Row | Callable[[], Row]) -> Row:
        text = write_instant(instant)
        row = members() if callable(members) else members
        url = Link(self.folder, text)
        return {"url": url, self.member: text, **row, "_instant": micros(instant)}

    def _chunk_number(self, instant: datetime) -> int:
        return (instant - ORIGIN) // self.chunk

    def entries(self, low: datetime, high: datetime) -> Iterator[Entry]:
        """Yield the entries between two instants, both included, oldest first."""
        low, high = max(low, self.start), min(high, self.end)
        for number in (
            range(self._chunk_number(low), self._chunk_number(high) + 1) if low <= high else ()
        ):
            yield from (entry for entry in self.make(number) if low <= entry[0] <= high)

    def latest(self) -> Link | None:
        """Return a link to the newest entry, or None if the log is empty."""
        newest = next(self._newest_first(self.end), None)
        return None if newest is None else Link(self.folder, write_instant(newest[0]))

    def get(self, key: str) -> Row | None:
        """Return the entry at an instant, in any spelling of RFC 3339, or None."""
        try:
            instant = read_instant(key)
        except ValueError:
            return None
        if not self.start <= instant <= self.end:
            return None
        for entry_instant, members in self.make(self._chunk_number(instant)):
            if entry_instant == instant:
                return self._row(instant, members)
        return None

    def after(self, position: Any) -> Iterator[Row]:
        """Yield the entries older than *position*, the newest first."""
        # Compared as numbers, since one microsecond before year 1 is not a datetime.
        if position is not None and -position <= micros(self.start):
            return
        high = self.end
        if position is not None and -position <= micros(high):
            high = instant_of(-position - 1)
        for instant, members in self._newest_first(high):
            yield self._row(instant, members)

    def _newest_first(self, high: datetime) -> Iterator[Entry]:
        """Yield the entries until *high*, the newest first."""
        if high < self.start:
            return
        for number in range(self._chunk_number(high), self._chunk_number(self.start) - 1, -1):
            for entry in reversed(self.make(number)):
                if self.start <= entry[0] <= high:
                    yield entry

    def before(self, position: Any) -> Iterator[Row]:
        """Yield the entries newer than *position*, the oldest first."""
        if position is not None and -position >= micros(self.end):
            return
        low = self.start
        if position is not None and -position >= micros(low):
            low = instant_of(-position + 1)
        for instant, members in self.entries(low, self.end):
            yield self._row(instant, members)

    def position(self, row: Row) -> int:
        """Return the negated microseconds of the instant: older entries come later."""
        return -int(row["_instant"])

    def cursor(self, row: Row) -> str:
        """Return the instant of the entry."""
        return str(row[self.member])

    def parse_cursor(self, cursor: str) -> int:
        """Return the position of an instant.

        Raises:
            ValueError: If *cursor* is not an instant.
        """
        return -micros(read_instant(cursor))

    def view_for(self, row: Row, viewer: Viewer) -> Row:  # noqa: ARG002 - all viewers see the same
        """Return the entry."""
        return row

    def owner_id(self, row: Row) -> str | None:  # noqa: ARG002 - see the docstring
        """Return None: access is decided by the row that the log belongs to."""
        return None

    def for_user(self, user_id: str) -> Collection:  # noqa: ARG002 - see the docstring
        """Return the whole log, since access is decided by its row."""
        return self


DAY: Final = timedelta(days=1)
#: Events this close to midnight have no entry, since `shortly_after` stays within the day.
END_OF_DAY_MARGIN: Final = timedelta(milliseconds=1)
_NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
#: Logs go back this far from the day that the world is made for.
_RETENTION: Final = timedelta(days=200)


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
    """Return a log of a row, which begins when the row became known, 200 days ago at most.

    The log of a device that does not report yet is empty; of one that stopped, it ends at *until*.
    """
    link: Link = owner["url"]
    reports: bool = owner.get("_reports", True)
    return TimeSeries(
        folder=f"{link.folder}/{link.key}/{log}",
        member=member,
        start=_start(owner["_made_at"]) if reports else _NEVER,
        end=world.now if until is None else min(until, world.now),
        chunk=chunk,
        make=make,
    )


@functools.lru_cache(8192)
def _start(known_since: str) -> datetime:
    return max(read_instant(known_since), ANCHOR - _RETENTION)


def periodic_entries(
    random: SeededRandom,
    spacing: timedelta,
    jitter: timedelta,
    make: Callable[[datetime], Row],
    *about: object,
) -> Callable[[int], Sequence[Entry]]:
    """Return the `TimeSeries.make` of a log with an entry every *spacing*, up to *jitter* late."""
    max_delay = jitter // timedelta(microseconds=1)

    def entries(number: int) -> Sequence[Entry]:
        instant = _periodic_instant(random, spacing, max_delay, (*about, number), number)
        return [(instant, functools.partial(make, instant))]

    return entries


# Each list of vehicles or EVSEs shows the newest entry of their logs.
@functools.lru_cache(8192)
def _periodic_instant(
    random: SeededRandom, spacing: timedelta, max_delay: int, key: tuple[object, ...], number: int
) -> datetime:
    delay = timedelta(microseconds=random.between(1, max_delay, *key))
    return avoid_full_second(ORIGIN + number * spacing + delay)


def avoid_full_second(instant: datetime) -> datetime:
    """Return *instant*, or the next microsecond if it is a full second.

    Full seconds would hide that a client loses the microseconds.
    """
    return instant if instant.microsecond else instant + timedelta(microseconds=1)


def shortly_after(
    random: SeededRandom, instant: datetime, max_delay: timedelta, *about: object
) -> datetime:
    """Return an instant at most *max_delay* after *instant*, on the same day."""
    latest = min(
        instant + max_delay,
        ORIGIN + ((instant - ORIGIN) // DAY + 1) * DAY - timedelta(microseconds=2),
    )
    span = max(1, (latest - instant) // timedelta(microseconds=1))
    delay = timedelta(microseconds=random.between(1, span, *about, micros(instant)))
    return avoid_full_second(instant + delay)
