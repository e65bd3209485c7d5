"""Budgets: who may send a request when. The allowance is a thousand per rolling hour.

A budget keeps as many allowances as there are (application, user) pairs, each under a *bucket*, a
text without secrets. `MemoryBudget` is for one process, `ev_energy.redis.RedisBudget` for many.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from typing import Final, Protocol
from weakref import WeakSet

import attrs

from ev_energy._messages import RateLimit
from ev_energy._runtime.clocks import REAL
from ev_energy.budget._bucket import Bucket, WouldExceedDeadline
from ev_energy.budget._queue import ASIDE, RANKS, Priority, Turn
from ev_energy.budget._window import RollingLog

__all__ = [
    "RANKS",
    "Acquire",
    "Budget",
    "BudgetUnavailable",
    "MemoryBudget",
    "Priority",
    "Reservation",
    "Ticket",
    "WouldExceedDeadline",
]

#: From how many allowances on it is worth looking which of them are forgotten.
_MANY: Final = 256


class BudgetUnavailable(Exception):  # noqa: N818  (the session turns it into a BudgetUnavailableError)
    """Nobody can say what is left."""


@attrs.frozen
class Acquire:
    """Somebody wants to send something."""

    bucket: str
    timeout: float = float("inf")
    """Seconds that they are ready to wait."""
    priority: Priority = "interactive"
    reservation: Reservation | None = None
    """What was set aside for them."""
    on_wait: Callable[[float], None] | None = None
    """Told once if there is a wait, and how long it will be as far as is known."""
    deadline: float = float("inf")
    """Seconds until the call fails in any case, should the budget itself be slow to answer."""


class Ticket(Protocol):
    """One request that may be sent. Exactly one of its methods is to be called, once."""

    def complete(
        self, rate_limit: RateLimit | None, *, success: bool, retry_after: float | None
    ) -> None:
        """It was answered, or may have been sent.

        With what the reply stated, whether it was a success, and for a refusal by the rate limit
        the seconds after which the server wants to see us again, 0 if it did not say.
        """
        ...

    def release(self) -> None:
        """It was provably not sent."""
        ...


class Reservation(Protocol):
    """Requests that were set aside."""

    @property
    def remaining(self) -> int:
        """How many are left."""
        ...

    async def release(self) -> None:
        """Give back what is left."""
        ...


class Budget(Protocol):
    """What hands out requests."""

    def try_acquire(self, bucket: str, reservation: Reservation | None) -> Ticket | None:
        """One request that may be sent now, if that can be said without waiting for anything."""
        ...

    async def acquire(self, params: Acquire) -> Ticket:
        """One request, once it may be sent. `WouldExceedDeadline` if that is too late, at once."""
        ...

    async def reserve(self, params: Acquire, count: int) -> Reservation:
        """*count* requests, set aside at once. `WouldExceedDeadline` if that takes too long."""
        ...

    def state(self, bucket: str) -> RateLimit | None:
        """How an allowance stands, as far as is known here; None where there is no limit."""
        ...


class MemoryBudget:
    """The budget of one process. Clients that are given the same one share it.

    They may live on different event loops, in different threads. A forked child goes on with a
    copy: what it and its parent send from then on, each learns of the other from replies.

    Args:
        limit: How many requests may be sent from here in a window, whatever the server allows: a
            fixed part of the allowance, say. The server's own limit is kept in any case: it is
            what replies state, and if they state none, there is none.
        window: Seconds that a request counts for.
        clock: Seconds that never run backwards.
        sleep: Waits for some.
    """

    def __init__(
        self,
        limit: int | None = None,
        *,
        window: float = 3600.0,
        clock: Callable[[], float] = REAL.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"limit must be 1 or more, not {limit}")
        if not 0 < window < float("inf"):
            raise ValueError(f"window must be more than 0 seconds, and finite, not {window}")
        self._limit, self._window = limit, window
        self.clock, self.sleep = clock, sleep
        self._buckets: dict[str, Bucket] = {}
        self._many = _MANY
        self._lock = threading.Lock()
        _budgets.add(self)

    def try_acquire(self, bucket: str, reservation: Reservation | None) -> Ticket | None:
        """One request that may be sent now; None if it would have to wait."""
        found = self._buckets.get(bucket) or self._bucket(bucket)
        log = found.log
        with found.lock:
            now = self.clock()
            if isinstance(reservation, MemoryReservation) and reservation.is_left_in(found):
                if found.wait_for(now, ASIDE, 1) > 0:
                    return None
                reservation.claim()
                log.set_aside(-1)
                log.take(now)
            elif found.turns.size or not log.try_take(now):
                return None
            return MemoryTicket(found, now, log.counted)

    async def acquire(self, params: Acquire) -> Ticket:
        """One request, once it may be sent."""
        if (ticket := self.try_acquire(params.bucket, params.reservation)) is not None:
            return ticket
        bucket, reservation = self._bucket(params.bucket), params.reservation
        log = bucket.log
        with bucket.lock:
            claimed: MemoryReservation | None = None
            if isinstance(reservation, MemoryReservation) and reservation.is_left_in(bucket):
                claimed = reservation
                claimed.claim()
        if claimed is not None:

            def take(now: float) -> None:
                log.set_aside(-1)
                log.take(now)

            def undo() -> None:
                log.give_back()
                log.set_aside(1)

            try:
                await bucket.wait_for_turn(self._turn(params, ASIDE, 1, take, undo), params.on_wait)
            except BaseException:
                claimed.unclaim()
                raise
        else:
            turn = self._turn(params, RANKS[params.priority], 1, log.take, log.give_back)
            await bucket.wait_for_turn(turn, params.on_wait)
        return MemoryTicket(bucket, self.clock(), log.counted)

    async def reserve(self, params: Acquire, count: int) -> Reservation:
        """Reserve *count* requests, all at once; `params.reservation` is not used for them."""
        bucket = self._bucket(params.bucket)
        if count < 1:
            raise ValueError(f"count must be 1 or more, not {count}")
        self._check(bucket, count)
        turn = self._turn(
            params,
            RANKS[params.priority],
            count,
            lambda _: bucket.log.set_aside(count),
            lambda: bucket.log.set_aside(-count),
        )
        try:
            await bucket.wait_for_turn(turn, params.on_wait)
        except WouldExceedDeadline:
            self._check(bucket, count)  # the limit may have become another one
            raise
        return MemoryReservation(bucket, count)

    def state(self, bucket: str) -> RateLimit | None:
        """How an allowance stands; None before a reply told, and where there is no limit."""
        found = self._buckets.get(bucket)
        if found is None:
            return None
        with found.lock:
            log, now = found.log, self.clock()
            limit, free = log.capacity(), log.free(now)
            if limit is None or free is None or not (log.stated or log.most is not None):
                return None
            wait = found.wait_for(now, RANKS["interactive"], 1)
            return RateLimit(limit, free, log.reserved, found.turns.size, wait)

    def _turn(
        self,
        params: Acquire,
        rank: int,
        count: int,
        take: Callable[[float], None],
        undo: Callable[[], None],
    ) -> Turn:
        loop, over = asyncio.get_running_loop(), self.clock() + params.timeout
        return Turn(rank, count, over, take, undo, loop, loop.create_future())

    def _check(self, bucket: Bucket, count: int) -> None:
        capacity = bucket.log.capacity()
        if capacity is not None and count > capacity:
            raise ValueError(f"count must be {capacity} or less, not {count}")

    def _bucket(self, name: str) -> Bucket:
        with self._lock:
            found = self._buckets.get(name)
            if found is None:
                if len(self._buckets) >= self._many:
                    self._tidy()
                found = self._buckets[name] = self._new(
                    RollingLog(self._limit, window=self._window)
                )
            return found

    def _new(self, log: RollingLog) -> Bucket:
        return Bucket(log, self.clock, self.sleep)

    def _tidy(self) -> None:
        """Forget the allowances that nobody used for a window."""
        now = self.clock()
        for name, bucket in tuple(self._buckets.items()):
            with bucket.lock:
                if not bucket.turns.size and bucket.log.is_blank(now):
                    del self._buckets[name]
        self._many = max(_MANY, 2 * len(self._buckets))

    def after_fork(self) -> None:
        """In the child: nobody of those who held a lock, waited, or sent something is here."""
        now, self._lock = self.clock(), threading.Lock()
        for name, bucket in self._buckets.items():
            log, blank = bucket.log, RollingLog(self._limit, window=self._window)
            log.disown(now)
            self._buckets[name] = self._new(log)
            # What the parent's tickets and shares do here is to change nothing.
            Bucket.__init__(bucket, blank, self.clock, self.sleep)


class MemoryReservation:
    """Requests that were set aside in memory. Each is free, or claimed by a call that waits."""

    def __init__(self, bucket: Bucket, count: int) -> None:
        self._bucket, self._left, self._ended = bucket, count, False

    @property
    def remaining(self) -> int:
        """How many are left."""
        return self._left

    def is_left_in(self, bucket: Bucket) -> bool:
        """Whether one of this allowance is left."""
        return self._left > 0 and self._bucket is bucket

    def claim(self) -> None:
        """Promise one of those that are left to a call."""
        self._left -= 1

    def unclaim(self) -> None:
        """The call did not make use of it."""
        with self._bucket.lock:
            if self._ended:
                self._give_back(1)
            else:
                self._left += 1

    async def release(self) -> None:
        """Give back what is left."""
        with self._bucket.lock:
            left, self._left, self._ended = self._left, 0, True
            self._give_back(left)

    def _give_back(self, count: int) -> None:
        bucket = self._bucket
        bucket.log.set_aside(-count)
        bucket.look(bucket.clock())


class MemoryTicket:
    """One request that may be sent."""

    __slots__ = ("_bucket", "_mark", "_since")

    def __init__(self, bucket: Bucket, since: float, mark: int) -> None:
        self._bucket = bucket
        self._since = since
        self._mark = mark

    def complete(
        self, rate_limit: RateLimit | None, *, success: bool, retry_after: float | None
    ) -> None:
        """It was answered, or may have been sent."""
        bucket = self._bucket
        with bucket.lock:
            now = bucket.clock()
            bucket.log.settle(
                now, self._since, self._mark, rate_limit, success=success, retry_after=retry_after
            )
            if bucket.turns.size:
                bucket.look(now)

    def release(self) -> None:
        """It was provably not sent."""
        bucket = self._bucket
        with bucket.lock:
            bucket.log.give_back()
            if bucket.turns.size:
                bucket.look(bucket.clock())


_budgets: Final[WeakSet[MemoryBudget]] = WeakSet()


def _after_fork() -> None:
    for budget in tuple(_budgets):
        budget.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
