"""Sweeps: comparing the past with what was handed over, by the number and sum of each hour."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ev_energy._changes.batch import Change, Updated, id_of
from ev_energy._changes.levels import MARGIN
from ev_energy._changes.passes import Step
from ev_energy._changes.records import Records, end_of, key_of
from ev_energy._changes.source import ListedPage, Source
from ev_energy._changes.state import (
    DAY,
    MIXED,
    Bucket,
    SweepPlace,
    hour_of,
    start_of_hour,
    time_of_hour,
)
from ev_energy.errors import BadRequestError, CursorError, NotFoundError

if TYPE_CHECKING:
    from ev_energy.models.charging import ChargingSubSession

_HOUR = timedelta(hours=1)
_HOURS_OF_DAY = 24


class Sweep:
    """Finds what passes miss, because it became readable or changed later than their levels allow.

    A sweep reads each day within the horizon by the ends of its sub-sessions, and compares each
    hour with its bucket. It reads an hour that differs once more, and hands it over again.
    """

    def __init__(
        self, source: Source, records: Records, every: timedelta | None, horizon: timedelta
    ) -> None:
        self._source, self._records, self._state = source, records, records.state
        self._every, self._horizon = every, horizon
        self._pages: AsyncIterator[ListedPage] | None = None

    def is_due(self, now: datetime) -> bool:
        """Return whether a sweep is due or not finished."""
        if self._every is None:
            return False
        return self._state.sweep is not None or now - self._state.swept >= self._every

    def next_due(self) -> datetime | None:
        """Return when the next sweep is due; None for never."""
        return None if self._every is None else self._state.swept + self._every

    async def advance(self, now: datetime) -> Step:
        """Do the next piece of the sweep: one page of a day, or one hour that differs."""
        state = self._state
        place = state.sweep
        if place is None:
            first = max(state.since, state.floor - self._horizon)
            place = state.sweep = SweepPlace(start_of_hour(first))
        # Passes may have gone on while the sweep waited, and have dropped the oldest buckets.
        oldest = hour_of((state.floor - self._horizon).timestamp())
        place.differing = [hour for hour in place.differing if hour >= oldest]
        if place.differing:
            return await self._read_hour(place, place.differing[0])
        if place.day < state.floor:
            return await self._read_page(place)
        state.sweep, state.swept, self._pages = None, now, None
        return Step(has_moved=True)

    async def _read_page(self, place: SweepPlace) -> Step:
        page = await self._next_page(place)
        changes: list[Change] = []
        if page is not None:
            self._records.at = page.at.timestamp()
            for item in page.items:
                changes += self._take(item, place.day, place.day + DAY)
                self._count(item, place.found, place.day, place.day + DAY)
        if page is not None and not page.is_last:
            place.cursor = page.next_cursor
            return Step(changes, has_moved=True)
        first = hour_of(place.day.timestamp())
        oldest = hour_of((self._state.floor - self._horizon).timestamp())
        hours = range(max(first, oldest), first + _HOURS_OF_DAY)
        differing = [hour for hour in hours if not self._matches(hour, place.found)]
        self._state.sweep = SweepPlace(place.day + DAY, differing=differing)
        self._pages = None
        return Step(changes, has_moved=True)

    async def _next_page(self, place: SweepPlace) -> ListedPage | None:
        is_resumed = self._pages is None and place.cursor is not None
        if self._pages is None and place.cursor is None:
            place.found = {}  # the day is read from its beginning
        try:
            if self._pages is None:
                query = {"end__gt": place.day - MARGIN, "end__lt": place.day + DAY}
                self._pages = self._source.pages(query, place.cursor, urgent=False)
            return await anext(self._pages, None)
        except BaseException as error:
            self._pages = None
            if is_resumed and isinstance(error, CursorError | BadRequestError | NotFoundError):
                place.cursor = None
                return await self._next_page(place)
            raise

    async def _read_hour(self, place: SweepPlace, hour: int) -> Step:
        """Read an hour again as a whole, since pages of the day may have repeated some items."""
        begin = time_of_hour(hour)
        items: dict[str, ChargingSubSession] = {}
        query = {"end__gt": begin - MARGIN, "end__lt": begin + _HOUR}
        async for page in self._source.pages(query, None, urgent=False):
            self._records.at = page.at.timestamp()
            items.update((id_of(item), item) for item in page.items)
        # Nothing is awaited from here to the hand-over.
        changes: list[Change] = []
        found: dict[int, Bucket] = {}
        counted: list[ChargingSubSession] = []
        for item in items.values():
            changes += self._take(item, begin, begin + _HOUR)
            if self._count(item, found, begin, begin + _HOUR):
                counted.append(item)
        place.differing.remove(hour)
        if self._matches(hour, found):
            return Step(changes, has_moved=True)
        told = self._state.buckets.get(hour, Bucket())
        self._records.note_gap(
            f"of the hour from {begin:%Y-%m-%d %H:%M} UTC, {told.count} sub-sessions were handed "
            f"over, and {len(counted)} are there; they are handed over again"
        )
        bucket = Bucket()
        for item in counted:
            bucket = bucket.plus(id_of(item), self._records.digest(item), 0)
            changes.append(Updated(item, "sweep", late=True))
        self._state.buckets[hour] = bucket
        return Step(changes, has_moved=True)

    def _take(self, item: ChargingSubSession, begin: datetime, end: datetime) -> list[Change]:
        """Return the changes of *item* if a pass can list it, so that it is in no bucket."""
        if not id_of(item) or not _ends_within(item, begin, end):
            return []
        if key_of(item, self._records.at) <= self._state.floor.timestamp():
            return []
        return self._records.take_or_note(item, "sweep")

    def _count(
        self, item: ChargingSubSession, found: dict[int, Bucket], begin: datetime, end: datetime
    ) -> bool:
        """Add *item* to the buckets of *found* if it belongs there; return whether it did."""
        key, id_ = key_of(item, self._records.at), id_of(item)
        if not id_ or id_ in self._state.seen or not _ends_within(item, begin, end):
            return False
        if not self._state.since.timestamp() < key <= self._state.floor.timestamp():
            return False
        hour = hour_of(end_of(item, key))
        projection = self._state.buckets.get(hour, Bucket()).projection
        index = 0 if projection == MIXED else projection
        digest = self._records.digest(item, index)
        found[hour] = found.get(hour, Bucket()).plus(id_, digest, index)
        return True

    def _matches(self, hour: int, found: dict[int, Bucket]) -> bool:
        told, read = self._state.buckets.get(hour, Bucket()), found.get(hour, Bucket())
        return told.projection != MIXED and told.matches(read)


def _ends_within(item: ChargingSubSession, begin: datetime, end: datetime) -> bool:
    at: Any = item.end
    return isinstance(at, datetime) and begin <= at < end
