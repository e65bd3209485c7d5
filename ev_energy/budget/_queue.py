"""Waiting for a rate-limit allowance in memory, from any thread and any event loop.

A `RateLimitBucket` pairs the accounting of one allowance (`RollingWindow`) with the queue of
callers that wait for capacity (`WaitQueue`). Freed capacity goes to the head of the queue; the
thread that observes it does the handover.
"""

from __future__ import annotations

import asyncio
import heapq
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import msgspec

from ev_energy.budget._protocol import Priority, WouldExceedDeadline
from ev_energy.budget._window import RollingWindow

#: The rank of reservation holders. They are served first: their capacity is already held, so they
#: wait only for what the server makes of it.
RESERVED: Final = 0
#: The ranks of all others. A lower rank is served first.
RANKS: Final[dict[Priority, int]] = {"interactive": 1, "batch": 2}
#: Stale deadline entries tolerated before the heap is rebuilt.
_STALE_ENTRIES: Final = 64


class Waiter(msgspec.Struct, eq=False):
    """One caller in the queue."""

    rank: int
    count: int
    deadline: float
    acquire: Callable[[float], None]
    """Take the capacity at the given time; called under the lock."""
    release: Callable[[], None]
    """Return capacity that was acquired but cannot be delivered."""
    loop: asyncio.AbstractEventLoop
    wakeup: asyncio.Future[None]
    acquired: bool = False
    refused_wait: float | None = None
    """Seconds until capacity, if that is past the deadline; then the caller is refused."""
    next_check: float = float("inf")
    """When this waiter's timer fires. One waiter per loop runs the timer for the others."""

    _notified: bool = False

    @property
    def pending(self) -> bool:
        """Whether the waiter has been neither served nor refused."""
        return not self.acquired and self.refused_wait is None

    def notify(self) -> bool:
        """Wake the waiter on its own loop. Return False if that loop is closed."""
        if self._notified:
            return True
        self._notified = True
        try:
            if asyncio.get_running_loop() is self.loop:
                self._set_wakeup()
                return True
        except RuntimeError:  # called from a thread without a loop
            pass
        try:
            self.loop.call_soon_threadsafe(self._set_wakeup)
        except RuntimeError:  # the loop was closed in the meantime
            return False
        return True

    def rearm(self) -> None:
        """Prepare for another wait on `wakeup`."""
        self._notified = False
        if self.wakeup.done():
            self.wakeup = self.loop.create_future()

    def _set_wakeup(self) -> None:
        if not self.wakeup.done():
            self.wakeup.set_result(None)


class WaitQueue:
    """Waiters by rank, then in order of arrival. Every operation is O(log n) or better.

    Not thread-safe: `RateLimitBucket` holds its lock around every call.
    """

    def __init__(self) -> None:
        self._by_rank = tuple(OrderedDict[Waiter, None]() for _ in range(3))
        self._requested = [0, 0, 0]
        self._by_loop: dict[asyncio.AbstractEventLoop, OrderedDict[Waiter, None]] = {}
        self._deadlines: list[tuple[float, int, Waiter]] = []
        self._sequence = 0
        self.size = 0
        """Number of waiters."""

    def add(self, waiter: Waiter) -> None:
        """Append *waiter* behind the others of its rank."""
        self._by_rank[waiter.rank][waiter] = None
        self._requested[waiter.rank] += waiter.count
        self._by_loop.setdefault(waiter.loop, OrderedDict())[waiter] = None
        self.size += 1
        self._sequence += 1
        heapq.heappush(self._deadlines, (waiter.deadline, self._sequence, waiter))

    def remove(self, waiter: Waiter) -> None:
        """Remove *waiter* if it is queued."""
        if waiter not in self:
            return
        del self._by_rank[waiter.rank][waiter]
        self.size -= 1
        self._requested[waiter.rank] -= waiter.count
        same_loop = self._by_loop[waiter.loop]
        del same_loop[waiter]
        if not same_loop:
            del self._by_loop[waiter.loop]
        # Removed waiters stay in the heap until they surface; rebuild it before they dominate.
        if len(self._deadlines) > 2 * self.size + _STALE_ENTRIES:
            self._deadlines = [entry for entry in self._deadlines if entry[2] in self]
            heapq.heapify(self._deadlines)

    def __contains__(self, waiter: Waiter) -> bool:
        return waiter in self._by_rank[waiter.rank]

    def head(self) -> Waiter | None:
        """Return the waiter to serve next."""
        for waiters in self._by_rank:
            if waiters:
                return next(iter(waiters))
        return None

    def requested_before(self, rank: int) -> int:
        """Return how many requests are queued ahead of a new waiter of *rank*."""
        return sum(self._requested[: rank + 1])

    def pop_expired(self, moment: float) -> Iterator[Waiter]:
        """Remove and yield the waiters with a deadline before *moment*."""
        deadlines = self._deadlines
        while deadlines and (deadlines[0][0] < moment or deadlines[0][2] not in self):
            waiter = heapq.heappop(deadlines)[2]
            if waiter in self:
                self.remove(waiter)
                deadlines = self._deadlines  # `remove` may have rebuilt the heap
                yield waiter

    def owns_timer(self, waiter: Waiter) -> bool:
        """Whether *waiter* runs the timer of its loop."""
        return waiter in self and next(iter(self._by_loop[waiter.loop])) is waiter

    def timer_owners(self) -> list[Waiter]:
        """Return one waiter per loop: a timer on one loop must not delay the waiters of another."""
        return [next(iter(waiters)) for waiters in self._by_loop.values()]

    def purge_closed_loops(self) -> None:
        """Remove the waiters of loops that were closed meanwhile; nothing else would."""
        for loop in [loop for loop in self._by_loop if loop.is_closed()]:
            for waiter in tuple(self._by_loop[loop]):
                self.remove(waiter)


class RateLimitBucket:
    """One allowance and the callers that wait for it."""

    def __init__(
        self,
        window: RollingWindow,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.window, self.clock, self.sleep = window, clock, sleep
        self.queue = WaitQueue()
        self.lock = threading.Lock()
        """Guards window and queue. Never held across an await or a callback."""
        self._next_capacity = float("inf")

    def estimated_wait(self, now: float, rank: int, count: int) -> float:
        """Return the seconds until a new waiter would be served, after those queued ahead of it."""
        total = self.queue.requested_before(rank) + count
        return self.window.wait(now, total, reserved=rank == RESERVED)

    def dispatch(self, now: float) -> None:
        """Serve or refuse waiters after a change or a timer. Call with the lock held."""
        queue, window = self.queue, self.window
        queue.purge_closed_loops()
        while True:
            head = queue.head()
            if head is None:
                return
            wait = window.wait(now, head.count, reserved=head.rank == RESERVED)
            capacity = window.capacity()
            if capacity is not None and head.count > capacity:  # the server lowered the limit
                self._resolve(head, now, window.length)
            elif wait <= 0:
                self._resolve(head, now)
            elif now + wait > head.deadline:
                self._resolve(head, now, wait)
            else:
                break
        # Nothing is served before the head, so these deadlines cannot be met either.
        for waiter in queue.pop_expired(now + wait):
            self._resolve(waiter, now, wait)
        self._next_capacity = now + wait
        for owner in queue.timer_owners():
            if owner.next_check > self._next_capacity:
                owner.notify()

    async def acquire(self, waiter: Waiter, on_wait: Callable[[float], None] | None) -> None:
        """Wait until *waiter* is served.

        Raises:
            WouldExceedDeadline: As soon as its deadline cannot be met. Nothing is acquired then,
                nor if the caller is cancelled or *on_wait* raises.
        """
        with self.lock:
            now = self.clock()
            wait = self.estimated_wait(now, waiter.rank, waiter.count)
            if now + wait > waiter.deadline:
                raise WouldExceedDeadline(wait)
            self.queue.add(waiter)
            self.dispatch(now)
        try:
            if on_wait is not None and waiter.pending:
                on_wait(wait)
            while waiter.pending:
                await self._wait(waiter)
        except BaseException:
            with self.lock:
                self.queue.remove(waiter)
                if waiter.acquired:
                    waiter.release()
                self.dispatch(self.clock())
            raise
        if waiter.refused_wait is not None:
            raise WouldExceedDeadline(waiter.refused_wait)

    def _resolve(self, waiter: Waiter, now: float, refused_wait: float | None = None) -> None:
        """Serve *waiter*, or refuse it if *refused_wait* is given."""
        self.queue.remove(waiter)
        if refused_wait is None:
            waiter.acquire(now)
        waiter.acquired, waiter.refused_wait = refused_wait is None, refused_wait
        if not waiter.notify() and waiter.acquired:
            waiter.release()

    async def _wait(self, waiter: Waiter) -> None:
        """Wait for a notification; the loop's timer owner also waits for the next capacity."""
        with self.lock:
            if not waiter.pending:
                return
            waiter.rearm()
            seconds = None
            if self.queue.owns_timer(waiter):
                seconds = max(0.0, self._next_capacity - self.clock())
                waiter.next_check = self._next_capacity
        if seconds is None:
            await waiter.wakeup
            return
        timer = asyncio.ensure_future(self.sleep(seconds))
        try:
            await asyncio.wait({timer, waiter.wakeup}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiter.next_check = float("inf")
            if not waiter.loop.is_closed():  # a closed loop discards the timer with this task
                timer.cancel()
        if timer.done():
            timer.result()
            with self.lock:
                self.dispatch(self.clock())
