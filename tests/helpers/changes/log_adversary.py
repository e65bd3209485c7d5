"""A log in memory that is harder to follow than the API's, and a process that follows it and dies.

Entries share their times, appear late, and are dated in the future; the log grows while it is read.
The cursor of a page is a time, behind which entries of the same time are lost, or a position.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Literal

import attrs
from yarl import URL

from ev_energy import LogPager
from ev_energy._changes.digest import Projection
from ev_energy._changes.follow import FollowOptions, LogStream, Timing
from ev_energy._changes.log_source import LogPage
from ev_energy._changes.log_state import LogState
from ev_energy._changes.pace import Pace
from ev_energy._changes.row_stores import MemoryRowStateStore
from ev_energy._changes.server_clock import ServerClock
from ev_energy._messages import Request
from ev_energy.errors import NotSentError
from ev_energy.models import EVSEStatusLog

EPOCH = datetime(2026, 3, 1, tzinfo=UTC)
_END = datetime(9999, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
_LISTING = "a log in memory"
_URL = URL("http://127.0.0.1/evses/evse01/status_logs")


class Killed(BaseException):
    """The process that reads the log was killed."""


@attrs.frozen
class World:
    """What the adversary does. Probabilities are of each entry, or of each request."""

    days: float = 8
    every: timedelta = timedelta(minutes=15)
    """The mean time between two times with entries."""
    late: float = 0.1
    lateness: timedelta = 25 * HOUR
    """The longest time after which late entries appear."""
    too_late: float = 0.0
    """The probability that an entry appears up to 90 hours later than its time."""
    future: float = 0.02
    """The probability that an entry is dated up to 10 hours ahead."""
    failing: float = 0.03
    """The probability that a request fails."""
    killed: float = 0.03
    """The probability that the process dies during a request."""
    page_sizes: Sequence[int] = (6, 20, 100)
    cursors: Sequence[Literal["time", "position"]] = ("time", "position")
    page_time: timedelta = 5 * SECOND
    """The longest time until a page arrives."""
    skew: timedelta = timedelta(minutes=15)
    """The greatest difference between the clocks of the server and of the process."""
    has_dates: bool = True
    order: Literal["newest", "appearance"] = "newest"


@attrs.define
class Written:
    """An entry, and when it appears."""

    at: datetime
    appears: datetime
    number: int
    kind: Literal["punctual", "late", "too late", "future"]

    @property
    def entry(self) -> EVSEStatusLog:
        """The entry as the API sends it."""
        return EVSEStatusLog(sampled_at=self.at, charge_rate_watts=self.number)


class AdverseLog:
    """The log, and the clock of its server."""

    def __init__(self, seed: int, world: World) -> None:
        self.world = world
        self.random = draw = random.Random(seed)
        self.now, self.requests = EPOCH, 0
        self.page_size = draw.choice(world.page_sizes)
        self.cursor: Literal["time", "position"] = draw.choice(world.cursors)
        self.written: list[Written] = []
        at, number = EPOCH - timedelta(days=3), 0
        while at < EPOCH + timedelta(days=world.days):
            at += draw.expovariate(1.0) * world.every
            if draw.random() < 0.1:
                at = at.replace(microsecond=0)
            for _ in range(draw.choice([1, 1, 1, 1, 5])):
                number += 1
                self.written.append(self._entry(at, number))
        self.written.sort(key=_position)

    def _entry(self, at: datetime, number: int) -> Written:
        draw, world = self.random, self.world
        if draw.random() < world.future:
            return Written(at + draw.random() * 10 * HOUR, at, number, "future")
        if draw.random() < world.late:
            return Written(at, at + draw.random() * world.lateness, number, "late")
        if draw.random() < world.too_late:
            return Written(at, at + draw.random() * 90 * HOUR, number, "too late")
        return Written(at, at + draw.random() * 4 * SECOND, number, "punctual")

    def pages(
        self, low: datetime, high: datetime | None, *, deep: bool
    ) -> AsyncIterator[LogPage[EVSEStatusLog]]:
        """Return the pages of the entries from *low* to *high*, both included."""
        del deep
        return _Pages(self, low, high)

    def listed(
        self, low: datetime, high: datetime | None, last: Written | None
    ) -> Iterator[Written]:
        """Yield what the server lists now, after the entry *last*."""
        if self.world.order == "appearance":
            shown = [written for written in self.written if low <= written.at <= (high or _END)]
            shown.sort(key=_by_appearance, reverse=True)
            if last is not None:
                shown = [each for each in shown if _by_appearance(each) < _by_appearance(last)]
        else:
            start = bisect_left(self.written, low, key=_time)
            end = len(self.written) if high is None else bisect_right(self.written, high, key=_time)
            if last is not None:
                position = bisect_left(self.written, _position(last), key=_position)
                if self.cursor == "time":
                    position = bisect_left(self.written, last.at, key=_time)
                end = min(end, position)
            numbers = range(end - 1, start - 1, -1)
            return (each for each in map(self.written.__getitem__, numbers) if self._has(each))
        return filter(self._has, shown)

    def _has(self, written: Written) -> bool:
        return written.appears <= self.now


class _Pages(AsyncIterator[LogPage[EVSEStatusLog]]):
    def __init__(self, log: AdverseLog, low: datetime, high: datetime | None) -> None:
        self._log, self._low, self._high = log, low, high
        self._last: Written | None = None
        self._is_done = False

    async def __anext__(self) -> LogPage[EVSEStatusLog]:
        log = self._log
        if self._is_done:
            raise StopAsyncIteration
        log.requests += 1
        log.now += log.random.random() * log.world.page_time
        if log.random.random() < log.world.killed:
            raise Killed
        if log.random.random() < log.world.failing:
            raise NotSentError("refused", Request("GET", _URL))
        found = list(islice(log.listed(self._low, self._high, self._last), log.page_size + 1))
        page = found[: log.page_size]
        self._is_done = len(found) <= log.page_size
        if page:
            self._last = page[-1]
        date = log.now.replace(microsecond=0) if log.world.has_dates else None
        entries = [(written.at, written.entry) for written in page]
        return LogPage(entries, not self._is_done, date)


def _time(written: Written) -> datetime:
    return written.at


def _position(written: Written) -> tuple[datetime, int]:
    return written.at, written.number


def _by_appearance(written: Written) -> tuple[datetime, int]:
    return written.appears, written.number


@attrs.frozen(kw_only=True)
class Result:
    """What a run has handed over, compared with the log."""

    expected: int
    missing: Sequence[int]
    doubles: int
    late: int
    disorder: int
    """The number of entries that were handed over after newer ones and not flagged as late."""
    kills: int
    requests: int
    largest_state: int


class Follower:
    """A process that follows the log, dies now and then, and begins again from its saved state."""

    def __init__(
        self,
        seed: int,
        world: World,
        *,
        hold: timedelta = timedelta(0),
        transactional: bool = True,
        sweep: timedelta | None = 7 * DAY,
        horizon: timedelta = 35 * DAY,
        listing: Callable[[AdverseLog, Follower], LogPager[EVSEStatusLog]] | None = None,
    ) -> None:
        self.log, self.world, self.hold = AdverseLog(seed, world), world, hold
        self._listing = listing
        """The listing of a client that reads the log over a socket."""
        self.transactional, self.sweep, self.horizon = transactional, sweep, horizon
        # The state is kept by the consumer, or in a store of rows, which must bring back the same.
        self.store = MemoryRowStateStore() if seed % 2 else None
        self.random = draw = random.Random(seed + 99)
        self.since = EPOCH - draw.random() * 60 * HOUR
        self.skew = draw.uniform(-1, 1) * world.skew
        self.saved: str | None = None
        self.received: Counter[int] = Counter()
        self.kills = self.late = self.disorder = self.largest_state = 0
        self._newest: datetime | None = None

    async def run(self) -> Result:
        """Follow the log until days after its end, and compare."""
        end = EPOCH + timedelta(days=self.world.days + 3) + self.hold
        if self.world.too_late and self.sweep is not None:
            end += self.sweep + DAY
        while True:
            try:
                await self._live(end)
                return self._compared()
            except Killed:
                self.kills += 1
                if self.random.random() < 0.1:
                    self.log.now += self.random.random() * 100 * HOUR

    async def _live(self, end: datetime) -> None:
        stream = self._stream()
        async for batch in stream.batches():
            if self._dies():
                raise Killed
            for entry in batch.entries:
                self._receive(entry.item, is_late=entry.late)
            if not self.transactional and self._dies():
                raise Killed
            self.saved = batch.state
            self.largest_state = max(self.largest_state, len(batch.state))
            await batch.commit()
            if batch.caught_up and self.log.now >= end + DAY:
                return

    def _dies(self) -> bool:
        return self.random.random() < self.world.killed

    def clock(self) -> float:
        """Return monotonic seconds."""
        return (self.log.now - EPOCH).total_seconds()

    def wall_clock(self) -> float:
        """Return the time of the process, which differs from the server's."""
        return (self.log.now + self.skew).timestamp()

    async def sleep(self, seconds: float) -> None:
        """Move the clock, sometimes much further than asked."""
        self.log.now += timedelta(seconds=seconds) * self.random.choice([1, 1, 1, 1, 10])

    def _stream(self) -> LogStream[EVSEStatusLog]:
        if self._listing is not None:
            return self._listing(self.log, self).follow(
                since=self.since, state=self.saved, hold=self.hold, sweep=self.sweep
            )
        fresh = LogState(
            listing=_LISTING, projection=Projection.of(EVSEStatusLog), floor=self.since
        )
        options = FollowOptions(
            hold=self.hold,
            interval=timedelta(minutes=15),
            look_back=26 * HOUR,
            sweep=self.sweep,
            horizon=self.horizon,
            state=None if self.store else self.saved,
            store=self.store,
        )
        timing = Timing(
            clock=self.clock,
            pause=self.sleep,
            server=ServerClock(self.wall_clock),
            pace=Pace(0.5, lambda: 1000, self.clock, self.sleep),
        )
        return LogStream(self.log, fresh, options, timing)

    def _receive(self, entry: EVSEStatusLog, *, is_late: bool) -> None:
        assert entry.charge_rate_watts is not None
        assert entry.sampled_at is not None
        self.received[entry.charge_rate_watts] += 1
        self.late += is_late
        if self._newest is not None and entry.sampled_at < self._newest and not is_late:
            self.disorder += 1
        if entry.sampled_at <= self.log.now + timedelta(minutes=5):
            self._newest = max(entry.sampled_at, self._newest or entry.sampled_at)

    def _compared(self) -> Result:
        expected = [
            written
            for written in self.log.written
            if written.at >= self.since and (self.sweep or written.kind != "too late")
        ]
        return Result(
            expected=len(expected),
            missing=[one.number for one in expected if one.number not in self.received],
            doubles=sum(count - 1 for count in self.received.values()),
            late=self.late,
            disorder=self.disorder,
            kills=self.kills,
            requests=self.log.requests,
            largest_state=self.largest_state,
        )
