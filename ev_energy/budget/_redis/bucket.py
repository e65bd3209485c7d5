"""One allowance, as one event loop of one process uses it."""

from __future__ import annotations

import asyncio
import itertools
from bisect import insort
from collections.abc import Callable
from typing import Final

from ev_energy._messages import RateLimit
from ev_energy._runtime.clocks import REAL
from ev_energy.budget._protocol import Acquire, BudgetUnavailable, WouldExceedDeadline
from ev_energy.budget._queue import RANKS
from ev_energy.budget._redis.batches import gathering_seconds, next_batch
from ev_energy.budget._redis.connection import Connection, RedisUnavailable
from ev_energy.budget._redis.grants import RedisReservation, RedisTicket, RedisWaiter
from ev_energy.budget._redis.lease import Lease
from ev_energy.budget._redis.pending_updates import CountedRequests, PendingUpdates, Settings
from ev_energy.budget._redis.script import ScriptReply
from ev_energy.budget._redis.script_calls import ScriptCalls
from ev_energy.budget._window import DEFAULT_LIMIT

#: Seconds that an update may wait for others, to travel to Redis together.
_UPDATE_DELAY: Final = 0.1
#: Released requests that are remembered while Redis is unavailable. Others count for their hour.
_MAX_RELEASED: Final = 10_000


class RedisBucket:
    """One allowance.

    At any time, at most one call of the script is under way, made by a task that lives only while
    callers wait or updates are pending. Callers that arrive in the meantime take a leased request,
    or are part of the next call, and the outcomes of requests travel with it.
    """

    def __init__(
        self,
        key: str,
        connection: Connection,
        settings: Settings,
        process: str,
        on_idle: Callable[[], None],
    ) -> None:
        self._connection, self._settings = connection, settings
        self._process, self._on_idle = process, on_idle
        self._numbers = itertools.count(1)
        self._waiters: list[RedisWaiter] = []
        self._covered: list[RedisWaiter] = []  # served by a reservation, once Redis has recorded it
        self._flush_waiters: list[asyncio.Future[None]] = []
        self._counted = CountedRequests(settings.window)
        self._script = ScriptCalls(key, connection, settings, process, self._counted)
        self._reservations: dict[int, RedisReservation] = {}
        self._lease = Lease(settings.heartbeat_ttl)
        self._updates = PendingUpdates()
        self._gathering = 0.0
        """Seconds for which the next call waits for more callers, as the last one suggests."""
        self._task: asyncio.Task[None] | None = None
        self._wakeup = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._last_reply = ScriptReply(epoch="")

    # The interface to callers.

    @property
    def window(self) -> float:
        """Seconds that a request counts for."""
        return self._settings.window

    @property
    def last_reply_at(self) -> float:
        """When Redis last replied."""
        return self._script.last_reply_at

    @property
    def waiting(self) -> int:
        """Number of waiting callers."""
        return len(self._waiters) + len(self._covered)

    @property
    def queued(self) -> int:
        """Number of requests that they wait for."""
        return sum(waiter.count for waiter in (*self._waiters, *self._covered))

    def state(self) -> RateLimit | None:
        """Return the state that Redis replied last; None before a reply, or without a limit."""
        return self._last_reply.state(self._updates.rate_limit, self._settings.limit)

    def try_acquire(self) -> RedisTicket | None:
        """Return the ticket of a leased request, or None if there is none."""
        now = REAL.monotonic()
        if self._waiters or not self._lease.take(now):
            return None
        self._lease.note_caller()
        name = f"{self._process}-{next(self._numbers)}"
        self._count_unrecorded(name)
        self._wake()  # Redis learns of it at once, and leases more
        return RedisTicket(self, name, now)

    async def acquire(self, params: Acquire, reservation: RedisReservation | None) -> RedisTicket:
        """Wait for a ticket."""
        taken_from = reservation if reservation is not None and reservation.take() else None
        if taken_from is None:
            if (ticket := self.try_acquire()) is not None:
                return ticket
            self._lease.note_caller()
        waiter = self._waiter(params)
        try:
            if taken_from is not None:
                waiter.sent = True
                self._count_unrecorded(waiter.name)
                self._covered.append(waiter)
            else:
                insort(self._waiters, waiter)
            self._wake()
            await waiter.future
        except BaseException:
            self._withdraw(waiter)
            if taken_from is not None:
                taken_from.put_back()
            raise
        return RedisTicket(self, waiter.name, REAL.monotonic())

    async def reserve(self, params: Acquire, size: int) -> RedisReservation:
        """Wait for a reservation of *size* requests, which lasts as long as this process lives."""
        waiter = self._waiter(params)
        reservation = waiter.reservation = RedisReservation(self, waiter.order[1], size)
        insort(self._waiters, waiter)
        try:
            self._wake()
            await waiter.future
        except BaseException:
            self._withdraw(waiter)
            self._reservations.pop(reservation.number, None)
            raise
        return reservation

    def end_reservation(self, reservation: RedisReservation) -> None:
        """Stop prolonging *reservation*, so that its capacity becomes available."""
        self._reservations.pop(reservation.number, None)

    def complete(self, name: str, updates: PendingUpdates) -> None:
        """Record that a request was answered, or may have been sent."""
        now = REAL.monotonic()
        self._counted.complete(name, now)
        updates.completed[name] = now
        if updates.allows_no_more:
            self._lease.give_up()
        self._updates.add(updates)
        self._wake_within(_UPDATE_DELAY)

    def release(self, name: str) -> None:
        """Return the capacity of a request that was provably not sent."""
        self._counted.discard(name)
        if len(self._updates.released) < _MAX_RELEASED:
            self._updates.add(PendingUpdates(released={name}))
        self._wake_within(_UPDATE_DELAY)

    async def flush(self) -> None:
        """Send the pending updates now. Return when Redis has replied, or does not reply."""
        flushed = asyncio.get_running_loop().create_future()
        self._flush_waiters.append(flushed)
        self._wake()
        await flushed

    async def close(self) -> None:
        """Send the pending updates and end all reservations. Waiting callers are refused."""
        for waiter in (*self._waiters, *self._covered):
            waiter.resolve(BudgetUnavailable("the budget was closed"))
        if self._reservations or self._lease.is_held or self._updates or self._task is not None:
            for reservation in self._reservations.values():
                reservation.lower(0)
            self._reservations.clear()
            self._lease.clear()
            await self.flush()
        if self._task is not None:
            await asyncio.wait([self._task])
        self._cancel_timer()

    def _count_unrecorded(self, name: str) -> None:
        """Count a request of which Redis learns in the next call of the script."""
        self._counted.add(name)
        self._updates.in_flight.add(name)

    def _waiter(self, params: Acquire) -> RedisWaiter:
        loop, number = asyncio.get_running_loop(), next(self._numbers)
        waiter = RedisWaiter(
            (RANKS[params.priority], number),
            f"{self._process}-{number}",
            REAL.monotonic() + params.timeout,
            loop.create_future(),
            params.on_wait,
        )
        if params.timeout < float("inf"):
            # A call that does not wait for capacity still waits for a reply of Redis, also over a
            # new connection, as far as its deadline allows.
            timeout = min(max(params.timeout, 2.5 * self._connection.timeout), params.deadline)
            waiter.timer = loop.call_later(timeout, self._time_out, waiter)
        return waiter

    def _time_out(self, waiter: RedisWaiter) -> None:
        outage = self._connection.outage
        if outage or waiter.wait is None:
            waiter.resolve(BudgetUnavailable(f"Redis is unavailable: {outage or 'no reply'}"))
        else:
            waiter.resolve(WouldExceedDeadline(waiter.wait))

    def _withdraw(self, waiter: RedisWaiter) -> None:
        """Remove a caller that gave up, and return what it was granted."""
        if waiter.timer is not None:
            waiter.timer.cancel()
        for waiters in (self._waiters, self._covered):
            if waiter in waiters:
                waiters.remove(waiter)
        if waiter.sent:
            if waiter.reservation is None:
                self.release(waiter.name)
            self._wake()  # so that Redis removes it from the queue

    # The task that calls the script.

    def _wake(self) -> None:
        self._wakeup.set()
        if self._task is None:
            self._cancel_timer()
            self._task = asyncio.get_running_loop().create_task(self._run())

    def _wake_within(self, seconds: float) -> None:
        loop, timer = asyncio.get_running_loop(), self._timer
        if timer is not None:
            if timer.when() <= loop.time() + seconds:
                return
            timer.cancel()
        self._timer = loop.call_later(seconds, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._counted.prune(REAL.monotonic())
        if self._updates or self._counted or self._reservations or self._lease.is_held:
            self._wake()
        else:
            self._on_idle()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _run(self) -> None:
        """Call the script until no caller waits and Redis knows of all leased requests taken."""
        try:
            while True:
                if self._gathering and (self._waiters or self._covered):
                    await asyncio.sleep(self._gathering)
                self._wakeup.clear()
                pause = await self._exchange()
                if not self._has_more_to_say:
                    break
                try:
                    async with asyncio.timeout(pause):
                        await self._wakeup.wait()
                except TimeoutError:
                    pass
        finally:
            self._task = None
            for waiter in (*self._waiters, *self._covered):  # no other task would serve them
                waiter.resolve(BudgetUnavailable("the event loop ends"))
            self._resolve_flushes(self._flush_waiters)
            self._schedule_next_run()

    @property
    def _has_more_to_say(self) -> bool:
        """Whether the script has to be called again without waiting for other updates."""
        return bool(
            self._waiters or self._covered or self._flush_waiters or self._lease.must_report
        )

    def _schedule_next_run(self) -> None:
        self._cancel_timer()
        if self._connection.outage and (self._updates or self._lease.is_held):
            retry_in = self._connection.retry_at - REAL.monotonic()
            self._wake_within(max(_UPDATE_DELAY, retry_in))
        elif self._updates:
            self._wake_within(_UPDATE_DELAY)
        elif self._lease.is_held:
            self._wake_within(self._lease.kept_for)
        elif self._counted or self._reservations:
            # A heartbeat, which also shows whether Redis lost its data.
            self._wake_within(self._settings.heartbeat_ttl / 3)
        else:
            self._wake_within(self._settings.window)

    # One call of the script.

    async def _exchange(self) -> float:
        """Call the script once. Return the seconds until the next call if nothing happens."""
        connection, flush_waiters = self._connection, self._flush_waiters
        self._flush_waiters = []
        self._counted.prune(REAL.monotonic())
        try:
            if connection.outage and REAL.monotonic() < connection.retry_at:
                return self._continue_without_redis()
            covered, self._covered = self._covered, []
            updates, self._updates = self._updates, PendingUpdates()
            waiters = next_batch(self._waiters)
            started = REAL.monotonic()
            lease = self._lease.begin_call(started)
            try:
                reply = await self._script.call(
                    updates, waiters, self._reservations.values(), lease
                )
            except BaseException as error:
                self._lease.clear()
                updates.add(self._updates)
                self._updates = updates
                self._covered = covered + self._covered
                if not isinstance(error, RedisUnavailable):
                    raise
                connection.failed(error, self._settings.outage_policy)
                return self._continue_without_redis()
            connection.succeeded()
            served = len(covered) + len(reply.granted)
            self._gathering = gathering_seconds(served, self.last_reply_at - started)
            if self._lease.end_call(reply.leased, started, self.last_reply_at):
                self._wakeup.set()
            for waiter in covered:
                waiter.resolve()
            return self._apply(reply, waiters)
        finally:
            self._resolve_flushes(flush_waiters)

    def _apply(self, reply: ScriptReply, waiters: list[RedisWaiter]) -> float:
        """Apply *reply*; return the seconds until the next call."""
        for number, remaining in reply.reservations:
            if number in self._reservations:
                self._reservations[number].lower(remaining)
        self._last_reply = reply
        granted = {index for index in reply.granted if index < len(waiters)}
        for index in granted:
            waiter = waiters[index]
            if waiter in self._waiters:  # else it gave up meanwhile, and the next call returns it
                self._waiters.remove(waiter)
                if waiter.reservation is None:
                    self._counted.add(waiter.name)
                else:
                    self._reservations[waiter.reservation.number] = waiter.reservation
                waiter.resolve()
        self._serve_from_lease()
        if reply.exceeds_limit:
            waiters[0].resolve(ValueError(f"count must be {reply.limit} or less"))
        return self._apply_waits(reply, [w for n, w in enumerate(waiters) if n not in granted])

    def _serve_from_lease(self) -> None:
        """Serve the callers that arrived during the call of the script, as far as that goes."""
        now, served = REAL.monotonic(), 0
        for waiter in self._waiters:
            if waiter.reservation is not None or not self._lease.take(now):
                break
            served += 1
            waiter.sent = True
            self._count_unrecorded(waiter.name)
            waiter.resolve()
        del self._waiters[:served]

    def _apply_waits(self, reply: ScriptReply, waiters: list[RedisWaiter]) -> float:
        now, waits = REAL.monotonic(), reply.waits
        for waiter, wait in zip(waiters, waits, strict=False):
            waiter.set_wait(wait, now)
        if waits:  # those behind the batch wait at least as long as its last
            for waiter in self._waiters:
                if waiter.wait is None and waiter not in waiters:
                    waiter.set_wait(waits[-1], now)
        self._waiters = [waiter for waiter in self._waiters if not waiter.future.done()]
        if not self._waiters or not waits:  # callers arrived meanwhile, or did not fit in the batch
            return 0.0
        settings = self._settings
        # Not earlier than after a part of the window that is too short to matter.
        return min(max(waits[0], settings.window / 5000), settings.heartbeat_ttl / 3)

    # During an outage.

    def _continue_without_redis(self) -> float:
        """Serve and notify the waiters during an outage; return the seconds until the next try."""
        now, settings = REAL.monotonic(), self._settings
        pause = max(0.0, self._connection.retry_at - now)
        if settings.local_fraction is not None:
            for waiter in self._covered:
                waiter.resolve()
            self._covered = []
            pause = min(pause, self._serve_local_fraction(now, settings.local_fraction))
        for waiter in (*self._waiters, *self._covered):
            if now + pause > waiter.deadline:
                outage = self._connection.outage
                waiter.resolve(BudgetUnavailable(f"Redis is unavailable: {outage}"))
            else:
                waiter.notify_of_wait(pause)
        self._waiters = [waiter for waiter in self._waiters if not waiter.future.done()]
        self._covered = [waiter for waiter in self._covered if not waiter.future.done()]
        return pause

    def _serve_local_fraction(self, now: float, local_fraction: float) -> float:
        """Grant what this process may use on its own; return the seconds until there is more."""
        settings = self._settings
        self._counted.prune(REAL.monotonic())
        limit = self._last_reply.limit or settings.limit or DEFAULT_LIMIT
        allowance = int(limit * local_fraction)
        blocked_for = self._updates.blocked_until - now
        for waiter in list(self._waiters):
            if waiter.reservation is not None:
                continue
            if blocked_for <= 0 and len(self._counted) < allowance:
                self._waiters.remove(waiter)
                self._count_unrecorded(waiter.name)
                waiter.resolve()
                continue
            expires_in = self._counted.next_expiry_in(now)
            wait = max(blocked_for, expires_in if len(self._counted) >= allowance else 0.0)
            waiter.set_wait(wait, now)
            return max(wait, 0.0)
        return settings.heartbeat_ttl

    def _resolve_flushes(self, flush_waiters: list[asyncio.Future[None]]) -> None:
        for flushed in flush_waiters:
            if not flushed.done():
                flushed.set_result(None)
