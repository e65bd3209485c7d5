"""Callers that wait for Redis, and the tickets and reservations that they receive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from ev_energy._messages import RateLimit
from ev_energy._runtime.clocks import REAL
from ev_energy.budget._protocol import WouldExceedDeadline
from ev_energy.budget._redis.pending_updates import PendingUpdates
from ev_energy.budget._window import blocked_seconds

if TYPE_CHECKING:
    from ev_energy.budget._redis.bucket import RedisBucket


@attrs.define(eq=False)
class RedisWaiter:
    """One caller that waits for a ticket or a reservation."""

    order: tuple[int, int]
    """The rank, and the number within it."""
    name: str
    """The name of its request in Redis, used only once."""
    deadline: float
    future: asyncio.Future[None]
    on_wait: Callable[[float], None] | None
    reservation: RedisReservation | None = None
    """The reservation to make; None for a ticket."""
    since: float = attrs.field(factory=REAL.monotonic)
    timer: asyncio.TimerHandle | None = None
    sent: bool = False
    """Whether Redis may know of the waiter."""
    wait: float | None = None
    """The minimum seconds until it is served, as last heard."""

    @property
    def count(self) -> int:
        """The number of requests that it waits for."""
        return 1 if self.reservation is None else self.reservation.remaining

    def __lt__(self, other: RedisWaiter) -> bool:
        return self.order < other.order

    def resolve(self, error: Exception | None = None) -> None:
        """Serve the waiter, or refuse it with *error*."""
        if self.timer is not None:
            self.timer.cancel()
        if self.future.done():
            return
        if error is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(error)

    def set_wait(self, wait: float, now: float) -> None:
        """Note the expected seconds; refuse the waiter if they exceed its deadline."""
        self.wait = wait
        if now + wait > self.deadline:
            self.resolve(WouldExceedDeadline(wait))
        else:
            self.notify_of_wait(wait)

    def notify_of_wait(self, wait: float) -> None:
        """Call `on_wait`, once."""
        if self.on_wait is not None:
            on_wait, self.on_wait = self.on_wait, None
            try:
                on_wait(wait)
            except Exception as error:  # noqa: BLE001  (raised to the caller, whose hook it is)
                self.resolve(error)


class RedisReservation:
    """Capacity that is held in Redis as long as this process lives."""

    def __init__(self, bucket: RedisBucket, number: int, size: int) -> None:
        self.bucket, self.number, self._remaining = bucket, number, size

    @property
    def remaining(self) -> int:
        """Requests that the reservation still covers."""
        return self._remaining

    def take(self) -> bool:
        """Take one request if one remains."""
        if self._remaining < 1:
            return False
        self._remaining -= 1
        return True

    def put_back(self) -> None:
        """Return a request that was taken and not used."""
        if self.number:
            self._remaining += 1

    def lower(self, remaining: int) -> None:
        """Give up capacity that others were granted while this process was considered dead."""
        self._remaining = min(self._remaining, remaining)

    async def release(self) -> None:
        """Return the unused capacity."""
        self.bucket.end_reservation(self)
        self._remaining = self.number = 0
        await self.bucket.flush()


class RedisTicket:
    """Permission to send one request."""

    __slots__ = ("_acquired_at", "_bucket", "_name")

    def __init__(self, bucket: RedisBucket, name: str, acquired_at: float) -> None:
        self._bucket, self._name, self._acquired_at = bucket, name, acquired_at

    def complete(
        self, rate_limit: RateLimit | None, *, success: bool, retry_after: float | None
    ) -> None:
        """Record that the request was answered, or may have been sent."""
        updates = PendingUpdates(unlimited=success and rate_limit is None)
        if rate_limit is not None:
            updates.rate_limit = rate_limit.limit, rate_limit.remaining, self._acquired_at
        if retry_after is not None:
            blocked_for = blocked_seconds(retry_after, self._bucket.window)
            updates.blocked_until = REAL.monotonic() + blocked_for
        self._bucket.complete(self._name, updates)

    def release(self) -> None:
        """Return the capacity of a request that was provably not sent."""
        self._bucket.release(self._name)
