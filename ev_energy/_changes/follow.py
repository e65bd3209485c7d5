"""Forward reading of a log that the API lists newest first.

A pass lists the log from some time before the previous pass to the present, and hands over what was
not handed over before (see `ev_energy._changes.levels`). It goes through the time in windows, the
oldest first: what a window holds is in memory at once, since it arrives newest first.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, Generic, Self, TypeVar

import attrs

from ev_energy._changes.levels import MARGIN, Level, up_to
from ev_energy._changes.log_batch import LogBatch, LogEntry, LogStatus
from ev_energy._changes.log_source import LogSource
from ev_energy._changes.log_state import LogPlace, LogState
from ev_energy._changes.log_walk import LogWalk
from ev_energy._changes.outage import TRANSIENT, Outage
from ev_energy._changes.pace import SHORTEST_PAUSE, Pace
from ev_energy._changes.saving import AnyStateStore, Saving
from ev_energy._changes.server_clock import ServerClock
from ev_energy._changes.stores import revision_of
from ev_energy._changes.times import describe_progress, warn_if_ahead
from ev_energy.errors import EvEnergyError, UncommittedBatchError
from ev_energy.models._base import Model

M = TypeVar("M", bound=Model)

#: The number of pages that a window should have, at most. Its length is adjusted to that.
_WINDOW_PAGES: Final = 20
_FIRST_WINDOW: Final = timedelta(days=1)
_LONGEST_WINDOW: Final = timedelta(days=32)
_SHORTEST_WINDOW: Final = timedelta(minutes=1)
#: The number of entries in a batch, at most.
_BATCH_SIZE: Final = 100
#: How late entries may appear without being missed by the frequent passes.
_TICK_LAG: Final = timedelta(minutes=10)
#: The time between two passes that look back.
_DEEP_EVERY: Final = timedelta(hours=6)
#: The name of the level whose passes read up to the horizon.
_SWEEP: Final = "sweep"
#: Entries further ahead of the server's clock do not make others late: their clock is wrong, or
#: they are forecasts.
_CLOCK_TOLERANCE: Final = timedelta(minutes=5)


@attrs.frozen(kw_only=True)
class FollowOptions:
    """How a log is followed; see `LogPager.follow`."""

    hold: timedelta
    interval: timedelta
    look_back: timedelta
    sweep: timedelta | None
    horizon: timedelta
    state: str | None
    store: AnyStateStore | None


@attrs.frozen(kw_only=True, eq=False)
class Timing:
    """The clocks of a client, and its pace."""

    clock: Callable[[], float]
    pause: Callable[[float], Awaitable[None]]
    server: ServerClock
    pace: Pace


@attrs.define(eq=False)
class _Pass:
    """A pass of a level."""

    level: Level
    low: datetime
    """Everything before this time has been read."""
    began: datetime | None = None
    """When the server made the first page; None before that."""
    until: datetime | None = None
    """The latest time that the last request asked for, if entries are held."""
    requests: int = 0


@attrs.define(eq=False)
class _Window(Generic[M]):
    """The new entries of a window that was read completely, without those handed over."""

    high: datetime | None
    """The end of the window; None for the last one of a pass."""
    entries: deque[tuple[datetime, str, M]]


def _levels_for(options: FollowOptions) -> tuple[Level, ...]:
    """Return the levels of a stream, from the most frequent to the deepest."""
    levels = (
        Level("tick", options.interval, _TICK_LAG),
        Level("deep", _DEEP_EVERY, max(options.look_back, _TICK_LAG)),
    )
    if options.sweep is None:
        return levels
    return (*levels, Level(_SWEEP, options.sweep, max(options.horizon, _TICK_LAG)))


class LogStream(AsyncIterator[M], Generic[M]):
    """The entries of a log in the order of time, each once.

    Iterate over it for the entries themselves: a batch is committed when the entry after it is
    asked for. Or iterate over `batches`, which tell late entries, and commit each yourself. The
    iteration never ends; it waits for new entries. It may be left and continued at any time, also
    after an error.

    Connection failures, errors of the server and exhausted rate limits do not raise: the stream
    logs them, waits, and continues where it was; `status` shows them. All other errors raise.
    """

    def __init__(
        self, source: LogSource[M], fresh: LogState, options: FollowOptions, timing: Timing
    ) -> None:
        self._source, self._fresh, self._options, self._timing = source, fresh, options, timing
        self._levels = _levels_for(options)
        self._state: LogState | None = None
        self._saving = Saving(options.store)
        if options.store is None and options.state is not None:
            self._saving.revision = revision_of(options.state)
        self._started: dict[str, float] = {}
        """When the latest pass of each level began, by the monotonic clock."""
        self._pass: _Pass | None = None
        self._sweep: _Pass | None = None
        """A sweep that waits for the end of a shorter pass."""
        self._latest_requests = 0
        """The number of requests of the latest of the frequent passes."""
        self._walk: LogWalk[M] | None = None
        self._window: _Window[M] | None = None
        self._window_length = _FIRST_WINDOW
        self._batch: LogBatch[M] | None = None
        """The batch that was handed over last."""
        self._iterated: LogBatch[M] | None = None
        """The batch whose entries plain iteration hands over."""
        self._entries = iter(tuple[LogEntry[M], ...]())
        self._is_running = False
        self._late = 0
        self._outage = Outage("the stream of log entries", timing.pause)

    def __repr__(self) -> str:
        path = self._fresh.listing.partition("#")[0]
        return f"<LogStream of {path}, {describe_progress(self._fresh.floor, self._read_through)}>"

    @property
    def _read_through(self) -> datetime | None:
        """The time until which the log was read; None before the first pass has ended."""
        return (self._state or self._fresh).through.get(self._levels[0].name)

    def __aiter__(self) -> Self:
        """Return this stream: leaving the iteration and starting it again loses nothing."""
        return self

    async def __anext__(self) -> M:
        """Return the next entry; commit the batch of the previous one if it was its last."""
        while True:
            for entry in self._entries:
                return entry.item
            if self._iterated is not None:
                await self._iterated.commit()
                self._iterated = None
            self._iterated = await self._next_batch()
            self._entries = iter(self._iterated)

    def batches(self) -> AsyncIterator[LogBatch[M]]:
        """Return an iterator over batches, each of which must be committed before the next.

        A pass without new entries gives an empty batch, since the state changes too. Asking for the
        next batch without committing raises `UncommittedBatchError`.
        """
        return _Batches(self._next_batch)

    def status(self) -> LogStatus:
        """Return where the stream is. Nothing is sent."""
        state, now = self._state or self._fresh, self._timing.server.now()
        through = self._read_through
        seconds = max(self._next_due(state), 0.0)
        return LogStatus(
            through=through,
            lag=None if through is None else now - through,
            remembered=state.remembered,
            requests=self._timing.pace.sent,
            next_pass=None if self._pass is not None else now + timedelta(seconds=seconds),
            late=self._late,
            has_server_time=self._timing.server.is_known,
            error=self._outage.error,
        )

    async def _next_batch(self) -> LogBatch[M]:
        if self._batch is not None and not self._batch.is_committed:
            raise UncommittedBatchError
        if self._is_running:
            raise RuntimeError("another task is waiting for the next entries of this stream")
        self._is_running = True
        try:
            state = self._state = self._state or await self._load()
            if self._pass is not None and self._window is None:
                self._pass = self._shorter_pass(state, self._pass) or self._pass
            if self._pass is None:
                self._pass, self._sweep = self._sweep, None
            if self._pass is None:
                self._pass = await self._begin_pass(state)
            if self._window is None:
                self._window = await self._read_window(state, self._pass)
        finally:
            self._is_running = False
        return self._hand_over(state, self._pass, self._window)

    async def _load(self) -> LogState:
        text, listing = self._options.state, self._fresh.listing
        state = await self._saving.load(
            lambda stored: LogState.load(stored, listing),
            lambda rows: LogState.load_rows(rows, listing),
        )
        if state is None:
            state = self._fresh if text is None else LogState.load(text, listing)
        state.writer = secrets.token_hex(4)
        names = {level.name for level in self._levels}
        for name in state.places.keys() - names:  # of a stream with other options
            del state.places[name]
        return state

    async def _begin_pass(self, state: LogState) -> _Pass:
        while (seconds := self._next_due(state)) > 0:
            await self._timing.pause(max(seconds, SHORTEST_PAUSE))
        level = next(each for each in reversed(self._levels) if self._due(each, state) <= 0)
        return self._new_pass(level, state)

    def _shorter_pass(self, state: LogState, current: _Pass) -> _Pass | None:
        """Return a pass that is due between two windows of a sweep.

        A sweep may have thousands of pages, and new entries need not wait for it. Before the first
        pass is finished they must: it hands over the past in the order of time.
        """
        tick, reached = self._levels[0], state.through.get(self._levels[0].name)
        if current.level.name != _SWEEP or self._walk is not None:
            return None
        if reached is None or reached <= current.low + tick.lag:
            return None
        due = [each for each in self._levels[:-1] if self._due(each, state) <= 0]
        if not due:
            return None
        self._sweep = current
        return self._new_pass(due[-1], state)

    def _new_pass(self, level: Level, state: LogState) -> _Pass:
        place = state.places.get(level.name)
        if place is not None:
            # It may have begun long ago, so another pass is due after it: none is noted as started.
            return _Pass(level, place.low, place.began)
        now = self._timing.clock()
        for each in up_to(self._levels, level):
            self._started[each.name] = now
        return _Pass(level, self._low(level, state))

    def _next_due(self, state: LogState) -> float:
        return min(self._due(level, state) for level in self._levels)

    def _due(self, level: Level, state: LogState) -> float:
        """Return the seconds until a pass of *level* is due; negative if it is overdue.

        The frequent passes go by the monotonic clock, since the server's may stand still or jump.
        The deep ones also go by the server's, which continues while no process reads the log.
        """
        through, started = state.through.get(level.name), self._started.get(level.name)
        is_tick = level is self._levels[0]
        if through is None or (is_tick and started is None):
            return 0.0
        every = level.every.total_seconds()
        if is_tick:
            every = max(every, self._timing.pace.seconds_for(self._latest_requests))
        since_start = 0.0 if started is None else self._timing.clock() - started
        if is_tick:
            return every - since_start
        due = through + level.every + self._options.hold - self._timing.server.now()
        return min(due.total_seconds(), every - since_start)

    def _low(self, level: Level, state: LogState) -> datetime:
        through = state.through.get(level.name)
        return state.floor if through is None else max(through - level.lag, state.floor)

    async def _read_window(self, state: LogState, current: _Pass) -> _Window[M]:
        """Read the next window of a pass, and return its new entries."""
        while True:
            walk = self._walk = self._walk or self._begin_walk(state, current)
            while not walk.is_complete:
                await self._read_page(walk, current)
                if self._is_too_long(walk):
                    break
            else:
                return self._end_walk(state, current, walk)
            self._walk = None

    def _begin_walk(self, state: LogState, current: _Pass) -> LogWalk[M]:
        high = end = self._window_end(current.low)
        server, hold = self._timing.server, self._options.hold
        if end is None and hold and server.is_known:  # newer entries are not wanted yet
            high = current.until = max(server.now() - hold + _CLOCK_TOLERANCE, current.low)
        deep = current.level is not self._levels[0]
        return LogWalk(self._source, state.projection, current.low, high, end=end, deep=deep)

    def _window_end(self, low: datetime) -> datetime | None:
        """Return the end of the window from *low*; None if it is the last one of the pass."""
        end = low + self._window_length
        is_last = end + self._window_length >= self._timing.server.now() - self._options.hold
        return None if is_last else end

    def _is_too_long(self, walk: LogWalk[M]) -> bool:
        """Return whether to begin *walk* again with a shorter window.

        Its first page shows how far apart the entries are, and the server's time. That page may be
        misleading, so the number of pages is limited too.
        """
        fitting = self._window_length
        if walk.pages_read == 1 and walk.span is not None:
            fitting = _WINDOW_PAGES * walk.span
        elif walk.pages_read == 2 * _WINDOW_PAGES:
            until = walk.end or self._timing.server.now() - self._options.hold
            fitting = (until - walk.low) / 4
        elif walk.pages_read > 1:
            return False
        if 2 * fitting < self._window_length:
            self._window_length = max(fitting, _SHORTEST_WINDOW)
        end = self._window_end(walk.low)
        return end is not None and (walk.end is None or end < walk.end) and not walk.is_complete

    def _end_walk(self, state: LogState, current: _Pass, walk: LogWalk[M]) -> _Window[M]:
        self._walk = None
        if walk.pages_read <= _WINDOW_PAGES // 2:
            self._window_length = min(2 * self._window_length, _LONGEST_WINDOW)
        return _Window(walk.end, self._new_entries(state, current, walk))

    async def _read_page(self, walk: LogWalk[M], current: _Pass) -> None:
        while True:
            await self._timing.pace.request()
            current.requests += 1
            try:
                page = await walk.read_page()
            except TRANSIENT as error:
                await self._outage.wait_after(error)
            except EvEnergyError:
                self._walk = None  # its iterator may be behind the page that could not be read
                raise
            else:
                self._outage.end()
                if page is not None:
                    # Of the first page: later ones do not show what appeared in front of them.
                    # But an earlier date on one of them tells that the clock was wrong.
                    date = self._timing.server.read(page.date)
                    current.began = min(current.began or date, date)
                return

    def _new_entries(
        self, state: LogState, current: _Pass, walk: LogWalk[M]
    ) -> deque[tuple[datetime, str, M]]:
        until = self._through(current) if self._options.hold else None
        entries = [
            (at, digest, entry)
            for (at, digest), entry in reversed(walk.entries.items())
            if at >= state.floor and (until is None or at <= until) and not state.has(at, digest)
        ]
        return deque(sorted(entries, key=lambda entry: entry[0]))

    def _through(self, current: _Pass) -> datetime:
        """Return the time until which a pass reads the log completely."""
        began = current.began or self._timing.server.now()
        through = began - self._options.hold
        return through if current.until is None else min(through, current.until)

    def _hand_over(self, state: LogState, current: _Pass, window: _Window[M]) -> LogBatch[M]:
        if self._batch is None and self._timing.server.is_known:
            warn_if_ahead("the stream of log entries", state.floor, self._timing.server.now())
        count = min(len(window.entries), _BATCH_SIZE)
        chunk = [window.entries.popleft() for _ in range(count)]
        through = self._through(current)
        latest = self._timing.server.now() + _CLOCK_TOLERANCE
        entries: list[LogEntry[M]] = []
        for at, digest, item in chunk:
            is_late = state.latest is not None and at < state.latest
            entries.append(LogEntry(item, late=is_late))
            self._late += is_late
            state.add(at, digest)
            if at <= latest:
                state.latest = at if state.latest is None else max(at, state.latest)
        is_last = not window.entries and window.high is None
        if window.entries:
            # The last one may be dated far ahead.
            current.low = max(current.low, min(chunk[-1][0], self._timing.server.now()))
        else:
            self._window = None
            current.low = window.high or current.low
        if is_last:
            for level in up_to(self._levels, current.level):
                state.through[level.name] = max(through, state.through.get(level.name, through))
                state.places.pop(level.name, None)
            if current.level is self._levels[0]:
                self._latest_requests = current.requests
            self._pass = None
        else:
            began = current.began or self._timing.server.now()
            state.places[current.level.name] = LogPlace(current.low, began)
        # What a later pass reads again must be remembered.
        lows = [state.through.get(level.name, through) - level.lag for level in self._levels]
        lows += [place.low for place in state.places.values()]
        state.forget_before(min(lows) - MARGIN)
        self._batch = LogBatch(
            entries, state, self._saving, caught_up=is_last and self._next_due(state) > 0
        )
        return self._batch


class _Batches(AsyncIterator[LogBatch[M]], Generic[M]):
    def __init__(self, next_batch: Callable[[], Awaitable[LogBatch[M]]]) -> None:
        self._next_batch = next_batch

    async def __anext__(self) -> LogBatch[M]:
        return await self._next_batch()
