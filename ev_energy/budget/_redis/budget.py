"""The budget of many processes: allowances that are kept in Redis."""

from __future__ import annotations

import asyncio
import os
import secrets
from typing import Literal, Self
from urllib.parse import quote

from ev_energy._messages import RateLimit
from ev_energy._runtime.per_loop import PerLoop
from ev_energy.budget._protocol import Acquire, Reservation, Ticket
from ev_energy.budget._redis.bucket import RedisBucket
from ev_energy.budget._redis.connection import ClientFactory, Connection, RedisClient
from ev_energy.budget._redis.grants import RedisReservation
from ev_energy.budget._redis.pending_updates import Settings


class RedisBudget:
    """The budget of all processes, on all machines, that use one Redis.

    A request costs one round trip to Redis at most; where that takes 10 ms or longer, a busy
    process acquires requests ahead of its calls. Close the budget in the end, or use it with
    ``async with``: that sends the pending updates.

    Args:
        redis: A URL, from which each event loop of each process creates its own client; or a client
            of ``redis.asyncio``, which serves one event loop and which you close yourself.
        limit: Maximum number of requests per window, whatever the server allows. None: what the
            server states; 1000 until it does, and no limit if its first reply states none.
        on_outage: What calls do while Redis is unavailable. ``"block"``: they wait until it is
            back, within their timeout or deadline, then raise `BudgetUnavailableError`.
            ``"local_fraction"``: each process continues on its own with a fraction of the
            allowance.
        local_fraction: That fraction, per process: 0.05 of 1000 requests are 50 per window.
        window: Seconds that a request counts for.
        heartbeat_ttl: Seconds after which a silent process is considered dead and its reservations
            end. Also how long a Redis that lost its data waits for the reports of all processes.
        timeout: Seconds that Redis may take to reply. If a connection that worked before is silent
            for that long, or leads to a server that is no longer the primary, the command is sent
            once more over a new connection.
        prefix: The prefix of all keys.
    """

    def __init__(
        self,
        redis: RedisClient | str,
        *,
        limit: int | None = None,
        on_outage: Literal["block", "local_fraction"] = "block",
        local_fraction: float = 0.05,
        window: float = 3600.0,
        heartbeat_ttl: float = 10.0,
        timeout: float = 2.0,
        prefix: str = "ev-energy",
    ) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"limit must be 1 or more, not {limit}")
        if on_outage not in {"block", "local_fraction"}:
            raise ValueError(f"on_outage must be 'block' or 'local_fraction', not {on_outage!r}")
        if not 0 < local_fraction <= 1:
            raise ValueError(
                f"local_fraction must be more than 0 and at most 1, not {local_fraction}"
            )
        for name, seconds in (("window", window), ("heartbeat_ttl", heartbeat_ttl)):
            if not seconds > 0:
                raise ValueError(f"{name} must be more than 0 seconds, not {seconds}")
        self._settings = Settings(
            limit=limit,
            window=window,
            heartbeat_ttl=heartbeat_ttl,
            local_fraction=local_fraction if on_outage == "local_fraction" else None,
        )
        self._prefix = prefix
        self._clients = ClientFactory(redis, timeout)
        self._loop_states = PerLoop(
            lambda: _LoopState(self._clients.connection(heartbeat_ttl / 4)),
            self._close,
            close_with_loop=self._clients.owns_clients,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Send the pending updates, and close this event loop's connections.

        Its reservations end. A later use opens new connections.
        """
        await self._loop_states.close_for_running_loop()

    async def _close(self, state: _LoopState) -> None:
        await asyncio.gather(*(bucket.close() for bucket in list(state.buckets.values())))
        await self._clients.close(state.connection.client)

    def try_acquire(self, bucket: str, reservation: Reservation | None) -> Ticket | None:
        """Return a ticket that this process holds already, else None: Redis has to be asked."""
        return None if reservation is not None else self._bucket(bucket).try_acquire()

    async def acquire(self, params: Acquire) -> Ticket:
        """Wait for a ticket.

        Raises:
            WouldExceedDeadline: As soon as the ticket cannot be granted within the timeout.
            BudgetUnavailable: If Redis does not reply within the timeout.
        """
        bucket, reservation = self._bucket(params.bucket), params.reservation
        if not isinstance(reservation, RedisReservation) or reservation.bucket is not bucket:
            reservation = None  # of another allowance, or another event loop
        return await bucket.acquire(params, reservation)

    async def reserve(self, params: Acquire, count: int) -> Reservation:
        """Wait for a reservation of *count* requests, which lasts as long as this process lives.

        Raises:
            WouldExceedDeadline: As soon as it cannot be granted within the timeout.
            BudgetUnavailable: If Redis does not reply within the timeout.
            ValueError: If *count* is less than 1, or more than the whole allowance.
        """
        limit = self._settings.limit
        if count < 1:
            raise ValueError(f"count must be 1 or more, not {count}")
        if limit is not None and count > limit:
            raise ValueError(f"count must be {limit} or less, not {count}")
        return await self._bucket(params.bucket).reserve(params, count)

    @property
    def window(self) -> float:
        """Seconds that a request counts for."""
        return self._settings.window

    def state(self, bucket: str) -> RateLimit | None:
        """Return the state of an allowance as of the last reply of Redis.

        `waiting` counts the callers of this process. Before a reply, this is the limit of this
        budget, if it has one, else None; also None if there is no limit.
        """
        found = [s.buckets[bucket] for s in self._loop_states.all() if bucket in s.buckets]
        latest = max(found, key=lambda each: each.last_reply_at, default=None)
        if latest is None or latest.last_reply_at < 0:
            limit = self._settings.limit
            return None if limit is None else RateLimit(limit, limit)
        state = latest.state()
        return state and state._replace(waiting=sum(each.waiting for each in found))

    def queued(self, bucket: str) -> int:
        """Return how many requests the callers of this process wait for.

        More than `RateLimit.waiting` if some of them wait for reservations.
        """
        found = (s.buckets[bucket] for s in self._loop_states.all() if bucket in s.buckets)
        return sum(each.queued for each in found)

    def _bucket(self, name: str) -> RedisBucket:
        state = self._loop_states.for_running_loop().value
        bucket = state.buckets.get(name)
        if bucket is None:
            bucket = state.buckets[name] = RedisBucket(
                f"{self._prefix}:{{{quote(name, safe=':')}}}",
                state.connection,
                self._settings,
                state.process,
                lambda: state.remove(name),
            )
        return bucket


class _LoopState:
    """The connection and the buckets of one event loop."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.process = f"{os.getpid():x}{secrets.token_hex(5)}"
        self.buckets: dict[str, RedisBucket] = {}

    def remove(self, name: str) -> None:
        """Remove an idle bucket."""
        self.buckets.pop(name, None)
