"""The budget of many processes: an allowance that is kept in Redis."""

from __future__ import annotations

import asyncio
import os
import secrets
from typing import Literal, Self
from urllib.parse import quote

from ev_energy._messages import RateLimit
from ev_energy._runtime.per_loop import PerLoop
from ev_energy.budget._protocol import Acquire, Reservation, Ticket
from ev_energy.budget._redis.bucket import Bucket
from ev_energy.budget._redis.connection import Link, RedisClient, Redises
from ev_energy.budget._redis.pending_updates import Settings
from ev_energy.budget._redis.queue import Lease


class RedisBudget:
    """The budget of all processes, on all machines, that use one Redis.

    A request costs one round trip to Redis. Close the budget when all is done, or use it with
    ``async with``: that tells Redis what it does not know yet.

    Args:
        redis: A URL, from which each event loop of each process makes a client of its own; or a
            client of ``redis.asyncio``, which stays yours to close and serves one event loop.
        limit: Requests per window at most, whatever the server allows. None: what the server
            states; a thousand until it does, and no limit if its first reply states none.
        when_down: What calls do while Redis does not answer: ``"closed"``: wait for as long as
            their patience or deadline allows, then `BudgetUnavailableError`. ``"share"``: go on
            with a part of the allowance, for each process on its own.
        share: That part, for one process: 0.05 of a thousand are 50 per window.
        window: Seconds that a request counts for.
        lease: Seconds after which a process that is silent is held for dead, and what it had set
            aside is free. Also how long a Redis that lost its data waits for reports.
        timeout: Seconds that Redis may take to answer. If a connection that worked before is
            silent for that long, or leads to a server that is no primary any more, the command is
            sent once more over a new one.
        prefix: What its keys begin with.
    """

    def __init__(
        self,
        redis: RedisClient | str,
        *,
        limit: int | None = None,
        when_down: Literal["closed", "share"] = "closed",
        share: float = 0.05,
        window: float = 3600.0,
        lease: float = 10.0,
        timeout: float = 2.0,
        prefix: str = "ev-energy",
    ) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"limit must be 1 or more, not {limit}")
        if when_down not in {"closed", "share"}:
            raise ValueError(f"when_down must be 'closed' or 'share', not {when_down!r}")
        if not 0 < share <= 1:
            raise ValueError(f"share must be more than 0 and at most 1, not {share}")
        for name, seconds in (("window", window), ("lease", lease)):
            if not seconds > 0:
                raise ValueError(f"{name} must be more than 0 seconds, not {seconds}")
        self._settings = Settings(
            limit=limit,
            window=window,
            lease=lease,
            share=share if when_down == "share" else None,
        )
        self._prefix = prefix
        self._redises = Redises(redis, timeout)
        self._desks = PerLoop(
            lambda: _Desk(self._redises.link(lease / 4)),
            self._close,
            close_with_loop=self._redises.are_ours,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Tell Redis what it does not know yet, and let go of this event loop's connections.

        What was set aside is given back. Used again afterwards, it opens again.
        """
        await self._desks.close_for_running_loop()

    async def _close(self, desk: _Desk) -> None:
        await asyncio.gather(*(bucket.close() for bucket in list(desk.buckets.values())))
        await self._redises.close(desk.link.client)

    def try_acquire(self, bucket: str, reservation: Reservation | None) -> Ticket | None:  # noqa: ARG002
        """None: Redis must be asked."""
        return None

    async def acquire(self, params: Acquire) -> Ticket:
        """One request, once it may be sent."""
        found = self._bucket(params.bucket)
        reservation = params.reservation
        if not isinstance(reservation, Lease) or reservation.bucket is not found:
            reservation = None  # of another allowance, or another event loop
        return await found.acquire(params, reservation)

    async def reserve(self, params: Acquire, count: int) -> Reservation:
        """*count* requests, set aside at once, for as long as this process lives."""
        most = self._settings.limit
        if count < 1:
            raise ValueError(f"count must be 1 or more, not {count}")
        if most is not None and count > most:
            raise ValueError(f"count must be {most} or less, not {count}")
        return await self._bucket(params.bucket).set_aside(params, count)

    def state(self, bucket: str) -> RateLimit | None:
        """How an allowance stood when Redis was asked last, with all who wait here."""
        found = [desk.buckets[bucket] for desk in self._desks.all() if bucket in desk.buckets]
        if not found:
            return None
        state = max(found, key=lambda each: each.heard_at).state()
        return state and state._replace(waiting=sum(each.waiting for each in found))

    def _bucket(self, name: str) -> Bucket:
        desk = self._desks.for_running_loop().value
        found = desk.buckets.get(name)
        if found is None:
            key = f"{self._prefix}:{{{quote(name, safe=':')}}}"
            found = Bucket(key, desk.link, self._settings, desk.me, lambda: desk.forget(name))
            desk.buckets[name] = found
        return found


class _Desk:
    """What one event loop has to do with Redis."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.me = f"{os.getpid():x}{secrets.token_hex(5)}"
        self.buckets: dict[str, Bucket] = {}

    def forget(self, name: str) -> None:
        """Nobody has anything to do with this allowance any more."""
        self.buckets.pop(name, None)
