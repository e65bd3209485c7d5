"""The budget of one process."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from typing import Final
from weakref import WeakSet

import msgspec

from ev_energy._messages import RateLimit
from ev_energy._runtime.clocks import REAL
from ev_energy.budget._protocol import (
    Acquire,
    Priority,
    Reservation,
    Ticket,
    WouldExceedDeadline,
)
from ev_energy.budget._queue import RANKS, RESERVED, RateLimitBucket, Waiter
from ev_energy.budget._window import RollingWindow

#: Buckets kept before unused ones are purged.
_PURGE_THRESHOLD: Final = 256


class Forecast(msgspec.Struct, frozen=True):
    """What a caller may send under an allowance in memory."""

    limit: int | None
    """The maximum number of requests in a window; None if there is no limit."""
    available: int | None
    """The number of requests that may be sent now, apart from reserved ones."""
    is_stated: bool
    """Whether a reply has stated the limit, or that the server has none."""
    wait: Callable[[int], float]
    """Returns the seconds until the last of a number of requests may be sent."""


class MemoryBudget:
    """The budget of one process. Clients that are given the same budget share its allowances.

    The clients may run on different event loops and in different threads. A forked child continues
    with a copy: parent and child learn of each other's later requests from the replies only.

    Args:
        limit: Maximum number of requests that this process sends in a window, whatever the server
            allows: a fixed part of the allowance, for example. The server's own limit applies in
            any case. It is learnt from the replies; a server that states none has none.
        window: Seconds that a request counts for.
        clock: A monotonic clock, in seconds.
        sleep: An async sleep, in seconds.
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
        self.clock: Callable[[], float] = clock
        self.sleep: Callable[[float], Awaitable[None]] = sleep
        self._buckets: dict[str, RateLimitBucket] = {}
        self._purge_threshold = _PURGE_THRESHOLD
        self._lock = threading.Lock()
        _budgets.add(self)

    def try_acquire(self, bucket: str, reservation: Reservation | None) -> Ticket | None:
        """Return a ticket, or None if the caller would have to wait."""
        found = self._buckets.get(bucket) or self._bucket(bucket)
        window = found.window
        with found.lock:
            now = self.clock()
            if (
                reservation is not None
                and isinstance(reservation, MemoryReservation)
                and reservation.covers(found)
            ):
                if found.estimated_wait(now, RESERVED, 1) > 0:
                    return None
                reservation.claim()
                window.unreserve(1)
                window.acquire(now)
            elif found.queue.size or not window.try_acquire(now):
                return None
            return MemoryTicket(found, now, window.confirmed)

    async def acquire(self, params: Acquire) -> Ticket:
        """Wait for a ticket.

        Raises:
            WouldExceedDeadline: As soon as the ticket cannot be granted within the timeout.
        """
        if (ticket := self.try_acquire(params.bucket, params.reservation)) is not None:
            return ticket
        bucket, reservation = self._bucket(params.bucket), params.reservation
        window = bucket.window
        claimed: MemoryReservation | None = None
        with bucket.lock:
            if isinstance(reservation, MemoryReservation) and reservation.covers(bucket):
                claimed = reservation
                claimed.claim()
        if claimed is not None:

            def acquire(now: float) -> None:
                window.unreserve(1)
                window.acquire(now)

            def release() -> None:
                window.release()
                window.reserve(1)

            try:
                waiter = self._waiter(params, RESERVED, 1, acquire, release)
                await bucket.acquire(waiter, params.on_wait)
            except BaseException:
                claimed.unclaim()
                raise
        else:
            rank = RANKS[params.priority]
            waiter = self._waiter(params, rank, 1, window.acquire, window.release)
            await bucket.acquire(waiter, params.on_wait)
        return MemoryTicket(bucket, self.clock(), window.confirmed)

    async def reserve(self, params: Acquire, count: int) -> Reservation:
        """Wait for a reservation of *count* requests. `params.reservation` is not used for it.

        Raises:
            WouldExceedDeadline: As soon as it cannot be granted within the timeout.
            ValueError: If *count* is less than 1, or more than the whole allowance.
        """
        bucket = self._bucket(params.bucket)
        if count < 1:
            raise ValueError(f"count must be 1 or more, not {count}")
        self._check_capacity(bucket, count)
        waiter = self._waiter(
            params,
            RANKS[params.priority],
            count,
            lambda _: bucket.window.reserve(count),
            lambda: bucket.window.unreserve(count),
        )
        try:
            await bucket.acquire(waiter, params.on_wait)
        except WouldExceedDeadline:
            self._check_capacity(bucket, count)  # the server may have lowered the limit
            raise
        return MemoryReservation(bucket, count)

    @property
    def window(self) -> float:
        """Seconds that a request counts for."""
        return self._window

    def state(self, bucket: str) -> RateLimit | None:
        """Return the state of an allowance.

        Without a limit of this budget, None before a reply has stated one, and if there is none.
        """
        found = self._buckets.get(bucket)
        if found is None:
            return None if self._limit is None else RateLimit(self._limit, self._limit)
        with found.lock:
            window, now = found.window, self.clock()
            limit, available = window.capacity(), window.available(now)
            if limit is None or available is None:
                return None
            if not window.synced and window.local_limit is None:
                return None
            wait = found.estimated_wait(now, RANKS["interactive"], 1)
            return RateLimit(limit, available, window.reserved, found.queue.size, wait)

    def forecast(
        self, bucket: str, priority: Priority = "interactive", reserved: int = 0
    ) -> Forecast:
        """Return what a caller may send now and later, if no other calls are made.

        It is served after the calls that wait already, except for *reserved* requests, which a
        reservation of its own covers.
        """
        found = self._buckets.get(bucket) or self._new_bucket(self._new_window())
        rank = RANKS[priority]

        def wait(count: int) -> float:
            with found.lock:
                now = self.clock()
                covered = found.estimated_wait(now, RESERVED, 1) if reserved else 0.0
                own = count - reserved
                return max(covered, found.estimated_wait(now, rank, own)) if own > 0 else covered

        with found.lock:
            window = found.window
            available = window.available(self.clock())
            if available is not None:
                available = max(0, available - found.queue.requested_before(rank))
            is_stated = window.synced or window.confirmed > 0
            return Forecast(window.capacity(), available, is_stated, wait)

    def _waiter(
        self,
        params: Acquire,
        rank: int,
        count: int,
        acquire: Callable[[float], None],
        release: Callable[[], None],
    ) -> Waiter:
        loop, deadline = asyncio.get_running_loop(), self.clock() + params.timeout
        return Waiter(rank, count, deadline, acquire, release, loop, loop.create_future())

    def _check_capacity(self, bucket: RateLimitBucket, count: int) -> None:
        capacity = bucket.window.capacity()
        if capacity is not None and count > capacity:
            raise ValueError(f"count must be {capacity} or less, not {count}")

    def _bucket(self, name: str) -> RateLimitBucket:
        with self._lock:
            bucket = self._buckets.get(name)
            if bucket is None:
                if len(self._buckets) >= self._purge_threshold:
                    self._purge_idle_buckets()
                bucket = self._buckets[name] = self._new_bucket(self._new_window())
            return bucket

    def _new_window(self) -> RollingWindow:
        return RollingWindow(self._limit, length=self._window)

    def _new_bucket(self, window: RollingWindow) -> RateLimitBucket:
        return RateLimitBucket(window, self.clock, self.sleep)

    def _purge_idle_buckets(self) -> None:
        """Remove the allowances that were not used for a window."""
        now = self.clock()
        for name, bucket in tuple(self._buckets.items()):
            with bucket.lock:
                if not bucket.queue.size and bucket.window.is_idle(now):
                    del self._buckets[name]
        self._purge_threshold = max(_PURGE_THRESHOLD, 2 * len(self._buckets))

    def disown_after_fork(self) -> None:
        """Part with the callers of the parent process, in its child.

        Threads that held a lock, callers that waited and replies under way stay in the parent.
        """
        now, self._lock = self.clock(), threading.Lock()
        for name, bucket in self._buckets.items():
            window, blank = bucket.window, self._new_window()
            window.disown_in_flight(now)
            self._buckets[name] = self._new_bucket(window)
            # Copies of the parent's tickets and reservations must not change the new bucket.
            RateLimitBucket.__init__(bucket, blank, self.clock, self.sleep)


class MemoryReservation:
    """Capacity held in memory. Each unit is free, or claimed by a call that waits."""

    def __init__(self, bucket: RateLimitBucket, count: int) -> None:
        self._bucket, self._remaining, self._released = bucket, count, False

    @property
    def remaining(self) -> int:
        """Requests that the reservation still covers."""
        return self._remaining

    def covers(self, bucket: RateLimitBucket) -> bool:
        """Return whether the reservation has capacity of *bucket* left."""
        return self._remaining > 0 and self._bucket is bucket

    def claim(self) -> None:
        """Assign one of the remaining requests to a call."""
        self._remaining -= 1

    def unclaim(self) -> None:
        """Take back a request that its call did not use."""
        with self._bucket.lock:
            if self._released:
                self._unreserve(1)
            else:
                self._remaining += 1

    async def release(self) -> None:
        """Return the unused capacity."""
        with self._bucket.lock:
            remaining, self._remaining, self._released = self._remaining, 0, True
            self._unreserve(remaining)

    def _unreserve(self, count: int) -> None:
        bucket = self._bucket
        bucket.window.unreserve(count)
        bucket.dispatch(bucket.clock())


class MemoryTicket:
    """Permission to send one request."""

    __slots__ = ("_acquired_at", "_bucket", "_sequence")

    def __init__(self, bucket: RateLimitBucket, acquired_at: float, sequence: int) -> None:
        self._bucket = bucket
        self._acquired_at = acquired_at
        self._sequence = sequence

    def complete(
        self, rate_limit: RateLimit | None, *, success: bool, retry_after: float | None
    ) -> None:
        """Record that the request was answered, or may have been sent."""
        bucket = self._bucket
        with bucket.lock:
            now = bucket.clock()
            bucket.window.complete(
                now,
                self._acquired_at,
                self._sequence,
                rate_limit,
                success=success,
                retry_after=retry_after,
            )
            if bucket.queue.size:
                bucket.dispatch(now)

    def release(self) -> None:
        """Return the capacity of a request that was provably not sent."""
        bucket = self._bucket
        with bucket.lock:
            bucket.window.release()
            if bucket.queue.size:
                bucket.dispatch(bucket.clock())


_budgets: Final[WeakSet[MemoryBudget]] = WeakSet()


def _after_fork() -> None:
    for budget in tuple(_budgets):
        budget.disown_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
