"""Budgets: who may send a request when. The allowance is a thousand per rolling hour.

A budget keeps as many allowances as there are (application, user) pairs, each under a *bucket*, a
text without secrets. `MemoryBudget` is for one process, `ev_energy.redis.RedisBudget` for many.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Final, Literal, Protocol, TypeAlias

import attrs

from ev_energy._http import RateLimit
from ev_energy._rolling import RollingLog

#: Whose turn is first: ``interactive`` before ``batch``.
Priority: TypeAlias = Literal["interactive", "batch"]
RANKS: Final[dict[str, int]] = {"interactive": 0, "batch": 1}


class Exhausted(Exception):  # noqa: N818  (the session turns it into a BudgetExceeded)
    """There will be nothing in time; in *wait* seconds there may."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"nothing for {wait:.1f} s")
        self.wait = wait


class Unavailable(Exception):  # noqa: N818  (the session turns it into a BudgetUnavailableError)
    """Nobody can say what is left."""


@attrs.frozen
class Ask:
    """Somebody wants to send something."""

    bucket: str
    patience: float = float("inf")
    """Seconds that they are ready to wait."""
    priority: Priority = "interactive"
    share: Share | None = None
    """What was set aside for them."""
    on_wait: Callable[[float], None] | None = None
    """Told once if there is a wait, and how long it will be as far as is known."""


class Ticket(Protocol):
    """One request that may be sent. Exactly one of its methods is to be called, once."""

    def settle(self, stated: RateLimit | None, *, success: bool, retry_after: float | None) -> None:
        """It was answered, or may have been sent.

        With what the reply stated, whether it was a success, and for a refusal by the rate limit
        the seconds after which the server wants to see us again.
        """
        ...

    def give_back(self) -> None:
        """It was provably not sent."""
        ...


class Share(Protocol):
    """Requests that were set aside."""

    @property
    def left(self) -> int:
        """How many are left."""
        ...

    async def end(self) -> None:
        """Give back what is left."""
        ...


class Budget(Protocol):
    """What hands out requests."""

    def at_once(self, bucket: str, share: Share | None) -> Ticket | None:
        """One request that may be sent now, if that can be said without waiting for anything."""
        ...

    async def acquire(self, ask: Ask) -> Ticket:
        """One request, once it may be sent. `Exhausted` if that is too late, at once."""
        ...

    async def reserve(self, ask: Ask, count: int) -> Share:
        """*count* requests, set aside at once. `Exhausted` if that takes too long."""
        ...

    def state(self, bucket: str) -> RateLimit | None:
        """How an allowance stands, as far as is known here; None where there is no limit."""
        ...


class MemoryBudget:
    """The budget of one process. Clients that are given the same one share it.

    Args:
        limit: Requests per window at most, whatever the server allows. None: what the server
            states; a thousand until it does, and no limit if its first reply states none.
        window: Seconds that a request counts for.
        clock: Seconds that never run backwards.
        sleep: Waits for some.
    """

    def __init__(
        self,
        limit: int | None = None,
        *,
        window: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"limit must be 1 or more, not {limit}")
        if not window > 0:
            raise ValueError(f"window must be more than 0 seconds, not {window}")
        self._limit, self._window = limit, window
        self.clock, self.sleep = clock, sleep
        self._buckets: dict[str, _Bucket] = {}

    def at_once(self, bucket: str, share: Share | None) -> Ticket | None:
        """One request that may be sent now; None if it would have to wait."""
        found = self._bucket(bucket)
        if not (isinstance(share, MemoryShare) and share.spend()) and not found.is_free(1):
            return None
        found.log.take()
        return MemoryTicket(found, self.clock())

    async def acquire(self, ask: Ask) -> Ticket:
        """One request, once it may be sent."""
        if (ticket := self.at_once(ask.bucket, ask.share)) is not None:
            return ticket
        bucket = self._bucket(ask.bucket)
        await bucket.wait_for_turn(ask, 1, bucket.log.take)
        return MemoryTicket(bucket, self.clock())

    async def reserve(self, ask: Ask, count: int) -> Share:
        """*count* requests, set aside at once."""
        bucket = self._bucket(ask.bucket)
        if count < 1:
            raise ValueError(f"count must be 1 or more, not {count}")
        if bucket.log.limit is not None and count > bucket.log.limit:
            raise ValueError(f"count must be {bucket.log.limit} or less, not {count}")
        if bucket.is_free(count):
            bucket.log.set_aside(count)
        else:
            await bucket.wait_for_turn(ask, count, lambda: bucket.log.set_aside(count))
        return MemoryShare(bucket, count)

    def state(self, bucket: str) -> RateLimit | None:
        """How an allowance stands."""
        found = self._bucket(bucket)
        log, now = found.log, self.clock()
        free = log.free(now)
        if log.limit is None or free is None:
            return None
        return RateLimit(log.limit, free, log.reserved, len(found.turns), log.wait(now))

    def _bucket(self, name: str) -> _Bucket:
        bucket = self._buckets.get(name)
        if bucket is None:
            log = RollingLog(self._limit, window=self._window)
            bucket = self._buckets.setdefault(name, _Bucket(log, self.clock, self.sleep))
        return bucket


class MemoryShare:
    """Requests that were set aside in memory."""

    def __init__(self, bucket: _Bucket, count: int) -> None:
        self._bucket, self._left = bucket, count

    @property
    def left(self) -> int:
        """How many are left."""
        return self._left

    def spend(self) -> bool:
        """Turn one of them into one that is free, if there is one left."""
        if self._left < 1:
            return False
        self._left -= 1
        self._bucket.log.set_aside(-1)
        return True

    async def end(self) -> None:
        """Give back what is left."""
        self._bucket.log.set_aside(-self._left)
        self._left = 0
        self._bucket.look_again()


class MemoryTicket:
    """One request that may be sent."""

    __slots__ = ("_bucket", "_since")

    def __init__(self, bucket: _Bucket, since: float) -> None:
        self._bucket, self._since = bucket, since

    def settle(self, stated: RateLimit | None, *, success: bool, retry_after: float | None) -> None:
        """It was answered, or may have been sent."""
        bucket = self._bucket
        log, now = bucket.log, bucket.clock()
        log.settle(now)
        if stated is not None:
            log.learn(now, self._since, stated.limit, stated.remaining)
        elif success:
            log.learn_nothing()
        if retry_after is not None:
            log.block(now, retry_after)
        bucket.look_again()

    def give_back(self) -> None:
        """It was provably not sent."""
        self._bucket.log.give_back()
        self._bucket.look_again()


@attrs.define(eq=False)
class _Turn:
    """Somebody in the queue. Who is first waits for the time; the others for who is before them."""

    rank: tuple[int, int]
    count: int
    woken: asyncio.Future[None]

    def __lt__(self, other: _Turn) -> bool:
        return self.rank < other.rank

    def wake(self) -> None:
        self.woken.get_loop().call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        if not self.woken.done():
            self.woken.set_result(None)


@attrs.define(eq=False)
class _Bucket:
    """One allowance, and who waits for it."""

    log: RollingLog
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    turns: list[_Turn] = attrs.field(factory=list[_Turn])
    _order: itertools.count[int] = attrs.field(factory=itertools.count)

    def is_free(self, count: int) -> bool:
        """Whether *count* can be taken now, and nobody waits."""
        return not self.turns and self.log.wait(self.clock(), count) <= 0

    def look_again(self) -> None:
        """Something changed: whoever is first should see what that means for them."""
        if self.turns:
            self.turns[0].wake()

    async def wait_for_turn(self, ask: Ask, count: int, take: Callable[[], None]) -> None:
        """Wait until *count* are free and it is one's turn, and *take* them."""
        over = self.clock() + ask.patience
        loop = asyncio.get_running_loop()
        turn = _Turn((RANKS[ask.priority], next(self._order)), count, loop.create_future())
        before = sum(other.count for other in self.turns if other < turn)
        self._in_time(self.log.wait(self.clock(), before + count), over)
        told = ask.on_wait
        heapq.heappush(self.turns, turn)
        if self.turns[0] is turn and len(self.turns) > 1:
            min(self.turns[1:]).wake()  # who was first is not any more
        try:
            while True:
                wait = self.log.wait(self.clock(), count)
                is_first = self.turns[0] is turn
                if is_first and wait <= 0:
                    break
                self._in_time(wait, over)
                if told is not None:
                    told(wait)
                    told = None
                await self._nap(turn, wait if is_first else None)
            take()
        finally:
            self.turns.remove(turn)
            heapq.heapify(self.turns)
            self.look_again()

    def _in_time(self, wait: float, over: float) -> None:
        if self.clock() + wait > over:
            raise Exhausted(wait)

    async def _nap(self, turn: _Turn, seconds: float | None) -> None:
        """Until somebody wakes this turn, or the seconds are over."""
        if turn.woken.done():
            turn.woken = turn.woken.get_loop().create_future()
        if seconds is None:
            await turn.woken
            return
        timer = asyncio.ensure_future(self.sleep(seconds))
        try:
            await asyncio.wait({timer, turn.woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
