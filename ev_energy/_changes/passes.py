"""Passes: reading what began or ended since the previous pass of a level began."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from ev_energy._changes.batch import Change, id_of
from ev_energy._changes.levels import MARGIN, Level, up_to
from ev_energy._changes.outage import TRANSIENT
from ev_energy._changes.records import Records
from ev_energy._changes.source import ListedPage, Query, Source
from ev_energy._changes.state import DAY, Walk
from ev_energy._redaction.scrub import printable
from ev_energy.errors import (
    ApiError,
    BadRequestError,
    CursorError,
    DecodeError,
    NotFoundError,
    UnauthorizedError,
)

#: A place that is older than this, after a restart, is not resumed: the pass begins again. The row
#: that its cursor names may have left the listing, which would end there.
_MAX_AGE_OF_PLACE: Final = timedelta(hours=6)
#: How many known sub-sessions may be missing from the listings of a deep pass, at least and as a
#: part of all, before the listings are taken to be wrong. So many of them are read nevertheless.
_MAX_MISSING: Final = 20
_MAX_MISSING_PART: Final = 0.25
#: The longest slice of a backfill, and the pages with which the next one is longer or shorter.
_LONGEST_SLICE: Final = timedelta(days=32)
_FEW_PAGES: Final = 5
_MANY_PAGES: Final = 20
#: The number of sub-sessions that one pass reads by their ids because of webhooks.
_MAX_READS: Final = 100


@attrs.frozen
class Step:
    """The result of one piece of work."""

    changes: Sequence[Change] = ()
    has_moved: bool = False
    """Whether the state is worth saving even without changes."""
    finished: Level | None = None
    """The level of the pass that this piece finished."""


class Passes:
    """The passes of all levels. A piece of work is one page of a listing, or one read by id."""

    def __init__(self, source: Source, records: Records, horizon: timedelta) -> None:
        self._source, self._records, self._state = source, records, records.state
        self._horizon = horizon
        self._pages: dict[str, AsyncIterator[ListedPage]] = {}
        """By level, the open listing of its pass."""
        self._to_read: dict[str, list[str]] = {}
        """By level, the ids that its pass still has to read."""
        self._doubtful: dict[str, list[str]] = {}
        """By level, what was doubtful when its pass began."""
        self._read_again: set[tuple[str, int]] = set()
        """The level and the number of each listing that its pass reads again from the beginning."""
        self._slice = DAY
        """The length of the next slice of a backfill."""
        self.pages_read: dict[str, int] = {}
        """By level, the number of requests of its latest pass."""

    def passed(self, level: Level) -> datetime:
        """Return when the latest finished pass of *level* began."""
        return self._state.through.get(level.name, self._state.floor)

    def bound(self, level: Level) -> datetime:
        """Return the bound of the next pass: what started or ended later is listed."""
        return max(self.passed(level) - level.lag, self._state.floor) - MARGIN

    def is_behind(self, level: Level, now: datetime) -> bool:
        """Return whether a deep pass up to the present would be too long to be done at once."""
        return now - self.bound(level) > level.lag + level.every + 2 * DAY

    def drop_old_places(self, now: datetime) -> None:
        """Have the passes begin again whose places, saved before a restart, are too old."""
        for name, walk in list(self._state.walks.items()):
            if walk.read is None or now - walk.read > _MAX_AGE_OF_PLACE:
                del self._state.walks[name]

    async def advance(self, level: Level, levels: Sequence[Level], now: datetime) -> Step:
        """Do the next piece of the pass of *level*; begin it if it has not begun."""
        is_deep = level.name == levels[-1].name
        walk = self._state.walks.get(level.name)
        if walk is None:
            walk = self._begin(level, now, is_deep=is_deep)
        queries = self._queries(walk, is_deep=is_deep)
        if walk.query < len(queries):
            return await self._read_page(level, walk, queries[walk.query], is_deep=is_deep)
        if level.name not in self._to_read:
            is_tick = level.name == levels[0].name
            self._to_read[level.name] = self._ids_to_read(
                level, walk, is_deep=is_deep, is_tick=is_tick
            )
        if self._to_read[level.name]:
            return await self._read_one(level, self._to_read[level.name], is_deep=is_deep)
        return self._finish(level, levels, walk, is_deep=is_deep)

    def _begin(self, level: Level, now: datetime, *, is_deep: bool) -> Walk:
        low = self.bound(level)
        high: datetime | None = None
        if is_deep and self.is_behind(level, now):  # a backfill goes slice by slice
            high = min(low + self._slice, now - level.lag - DAY)
        walk = Walk(level=level.name, low=low, high=high)
        self._state.walks[level.name] = walk
        self._state.deep_passes += is_deep
        self._pages.pop(level.name, None)
        self._to_read.pop(level.name, None)
        self._read_again = {one for one in self._read_again if one[0] != level.name}
        self.pages_read[level.name] = 0
        # What this pass makes doubtful is read by the next one: a replica may need the time.
        self._doubtful[level.name] = list(self._records.doubtful)
        return walk

    def _queries(self, walk: Walk, *, is_deep: bool) -> Sequence[Query]:
        """Return the listings that together have everything that started or ended after the bound.

        ``end__gt`` alone would list what is open no more; what started before the bound and ended
        after it is in the second one. Both together have each item once, or nearly so.
        """
        started: dict[str, object] = {"start__gt": walk.low}
        if walk.high is not None:
            started["start__lt"] = walk.high + MARGIN
        queries: list[Query] = [
            started,
            {"end__gt": walk.low, "start__lt": walk.low + MARGIN},
        ]
        if is_deep and walk.high is None:
            # What began long ago and goes on. Filters are combined, so it takes few pages.
            queries.append({"is_finished": False, "start__lt": walk.low + MARGIN})
        return queries

    async def _read_page(self, level: Level, walk: Walk, query: Query, *, is_deep: bool) -> Step:
        page = await self._next_page(level, walk, query, is_deep=is_deep)
        # Nothing is awaited from here to the hand-over: the state names only what is handed over.
        records = self._records
        if page is not None and self._may_have_ended_early(level, walk, page):
            self._pages.pop(level.name, None)
            self._read_again.add((level.name, walk.query))
            walk.cursor = None
            return Step(has_moved=True)
        if page is None or page.is_last:
            self._pages.pop(level.name, None)
            walk.query, walk.cursor = walk.query + 1, None
        else:
            walk.cursor = page.next_cursor
        if page is None:
            return Step(has_moved=True)
        records.at = page.at.timestamp()
        # What becomes readable after the first page was made may be missed. A later page with an
        # earlier date tells that the clock of the server, or of one of its machines, was wrong.
        walk.began = page.at if walk.began is None else min(walk.began, page.at)
        walk.read = page.at
        changes: list[Change] = []
        for item in page.items:
            if not (id_ := id_of(item)):
                records.note_gap("a listed sub-session has neither id nor URL, and was left out")
                continue
            changes += records.take_or_note(item, "poll")
            if is_deep:
                records.note_listed(id_)
        if walk.high is not None and walk.high > page.at - level.lag:
            # The slice was planned by a clock that is ahead of the server's, which is known now. It
            # would count for times that are still to come: begin again.
            del self._state.walks[level.name]
            self._pages.pop(level.name, None)
            return Step(changes, has_moved=True)
        return Step(changes, has_moved=not page.is_last)

    def _may_have_ended_early(self, level: Level, walk: Walk, page: ListedPage) -> bool:
        """Return whether a listing is to be read again, because it may have lost its place.

        If the row that a cursor names has left the listing, the API may end it there. Such a page
        looks like the empty one that may follow a full last page, so it is read again once.
        """
        is_again = (level.name, walk.query) in self._read_again
        return page.is_last and not page.items and walk.cursor is not None and not is_again

    async def _next_page(
        self, level: Level, walk: Walk, query: Query, *, is_deep: bool
    ) -> ListedPage | None:
        """Return the next page of *walk*; None after the last one.

        After an error, the next call fetches the same page again.
        """
        is_resumed = level.name not in self._pages and walk.cursor is not None
        pages = self._pages.get(level.name)
        self.pages_read[level.name] = self.pages_read.get(level.name, 0) + 1
        try:
            if pages is None:
                pages = self._source.pages(query, walk.cursor, urgent=not is_deep)
                self._pages[level.name] = pages
            return await anext(pages, None)
        except BaseException as error:
            self._pages.pop(level.name, None)
            if is_resumed and isinstance(error, CursorError | BadRequestError | NotFoundError):
                # The API does not know the place any more. What is listed again is known.
                walk.cursor = None
                return await self._next_page(level, walk, query, is_deep=is_deep)
            raise

    def _ids_to_read(self, level: Level, walk: Walk, *, is_deep: bool, is_tick: bool) -> list[str]:
        """Return the ids that are doubtful, and those that listings should have had and had not."""
        state, records = self._state, self._records
        if walk.began is not None:
            for id_ in [id_ for id_, until in records.doubtful.items() if walk.began > until]:
                records.resolve(id_)  # a sub-session that never was readable, or old news
        begun_with = self._doubtful.get(level.name, [])
        wanted = [id_ for id_ in begun_with if id_ in records.doubtful][:_MAX_READS]
        if not is_tick:
            wanted += records.to_confirm()
        if is_deep:
            low = walk.low.timestamp()
            high = math.inf if walk.high is None else walk.high.timestamp()
            missing = [
                id_
                for id_, known in state.seen.items()
                if known.listed_in != state.deep_passes
                and (
                    low < known.key <= high
                    or (walk.high is None and (known.end is None or not known.was_read))
                )
            ]
            if len(missing) > _MAX_MISSING + len(state.seen) * _MAX_MISSING_PART:
                # Listings that lack so much are no reason to spend an hour's requests.
                records.note_gap(
                    f"listings lacked {len(missing)} of {len(state.seen)} known sub-sessions; "
                    f"{_MAX_MISSING} of them are read"
                )
                missing = missing[:_MAX_MISSING]
            wanted += missing
        return list(dict.fromkeys(wanted))

    async def _read_one(self, level: Level, to_read: list[str], *, is_deep: bool) -> Step:
        id_, records = to_read[0], self._records
        self.pages_read[level.name] = self.pages_read.get(level.name, 0) + 1
        try:
            item = await self._source.get(id_, urgent=not is_deep)
        except (ApiError, DecodeError, ValueError) as error:
            if isinstance(error, (*TRANSIENT, UnauthorizedError)):
                raise
            # One sub-session that cannot be read must not stop the stream for all others.
            to_read.pop(0)
            records.tried.add(id_)
            records.note_gap(f"the sub-session {printable(id_)} cannot be read: {error}")
            if is_deep:
                records.note_listed(id_)
            return Step(has_moved=True)
        to_read.pop(0)
        if item is None:
            records.tried.add(id_)
            return Step(records.gone(id_, "read"), has_moved=True)
        records.resolve(id_)
        changes = records.take_or_note(item, "read")
        if is_deep:
            records.note_listed(id_)
        return Step(changes)

    def _finish(self, level: Level, levels: Sequence[Level], walk: Walk, *, is_deep: bool) -> Step:
        state = self._state
        began = walk.began or self.passed(level)
        if walk.high is not None:
            began = walk.high + level.lag
            self._adapt_slice(self.pages_read.get(level.name, 0))
        for lower in up_to(levels, level):
            state.through[lower.name] = max(began, self.passed(lower))
        if is_deep and walk.high is None and state.swept == state.since:
            state.swept = began  # all of the past has been read just now
        if is_deep:
            self._records.forget(self.passed(level) - level.lag - MARGIN)
            self._records.forget_buckets(self._horizon)
        # A pass counts for the levels before it, so theirs need not be finished.
        for lower in up_to(levels, level):
            state.walks.pop(lower.name, None)
            self._pages.pop(lower.name, None)
            self._to_read.pop(lower.name, None)
        return Step(has_moved=True, finished=level)

    def _adapt_slice(self, pages: int) -> None:
        """Choose the length of the next slice by the *pages* of the last one.

        The state remembers what a slice has, so that must be little; and each slice takes two
        requests at least.
        """
        if pages <= _FEW_PAGES:
            self._slice = min(2 * self._slice, _LONGEST_SLICE)
        elif pages > _MANY_PAGES:
            self._slice = max(self._slice / 2, DAY)
