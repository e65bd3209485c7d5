"""The calls of the script for one allowance, by one event loop of one process."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterable

import msgspec

from ev_energy._runtime.clocks import REAL
from ev_energy.budget._redis.connection import Connection, RedisUnavailable
from ev_energy.budget._redis.grants import RedisReservation, RedisWaiter
from ev_energy.budget._redis.pending_updates import CountedRequests, PendingUpdates, Settings
from ev_energy.budget._redis.script import (
    BUDGET_SCRIPT,
    ScriptReply,
    ScriptRequest,
    StatedLimit,
    decode,
    encode,
)


class ScriptCalls:
    """Calls the script, and reports all requests again if Redis has lost them."""

    def __init__(
        self,
        key: str,
        connection: Connection,
        settings: Settings,
        process: str,
        counted: CountedRequests,
    ) -> None:
        self._key, self._connection, self._settings = key, connection, settings
        self._process, self._counted = process, counted
        self._numbers = itertools.count(1)
        self._epoch = ""
        self.last_reply_at = float("-inf")
        """When Redis last replied."""

    async def call(
        self,
        updates: PendingUpdates,
        waiters: list[RedisWaiter],
        reservations: Iterable[RedisReservation],
        lease: tuple[int, int],
    ) -> ScriptReply:
        """Send *updates* and serve *waiters*; `RedisUnavailable` if Redis does not reply.

        *lease* is what `Lease.begin_call` returns. What the process must report again if Redis has
        lost it is added to *updates*.
        """
        reply = await self._send(updates, waiters, reservations, lease)
        while reply.lost:
            self._connection.lost_data()
            updates.add(self._counted.report())
            reply = await self._send(updates, waiters, reservations, (0, 0), report_to=reply.epoch)
        self._epoch, self.last_reply_at = reply.epoch, REAL.monotonic()
        return reply

    async def _send(
        self,
        updates: PendingUpdates,
        waiters: list[RedisWaiter],
        reservations: Iterable[RedisReservation],
        lease: tuple[int, int],
        report_to: str | None = None,
    ) -> ScriptReply:
        # As of now: requests taken from them during the call are updates for the next call.
        remaining = [(each.number, each.remaining) for each in reservations]

        def request() -> bytes:
            call = next(self._numbers)
            script_request = _build_request(
                self._process, call, self._settings, updates, waiters, remaining, lease
            )
            if report_to is not None:
                script_request.epoch, script_request.is_report = report_to, True
            elif self._epoch and REAL.monotonic() - self.last_reply_at < self._settings.window:
                script_request.epoch = self._epoch
            return encode(script_request)

        # Safe to repeat: the names of requests and reservations are used only once, so that the
        # script recognises what it granted before, the number of an attempt tells whether what it
        # states of the lease is still true, and all else states facts, not changes. Ages are
        # computed anew for each attempt.
        reply = await self._connection.run(BUDGET_SCRIPT, 1, self._key, request)
        try:
            return decode(reply)
        except (ValueError, msgspec.DecodeError) as error:
            raise RedisUnavailable("its reply cannot be decoded") from error


def _build_request(
    process: str,
    call: int,
    settings: Settings,
    updates: PendingUpdates,
    waiters: list[RedisWaiter],
    reservations: list[tuple[int, int]],
    lease: tuple[int, int],
) -> ScriptRequest:
    """Return the script's input. *reservations* are numbers, with what remains of each."""
    now = REAL.monotonic()
    request = ScriptRequest(
        process=process,
        call=call,
        new_epoch=secrets.token_hex(6),
        window=settings.window,
        in_flight_ttl=settings.in_flight_ttl,
        heartbeat_ttl=settings.heartbeat_ttl,
        check_interval=settings.heartbeat_ttl / 3,
        check_tolerance=settings.heartbeat_ttl / 5,
        local_limit=settings.limit,
        released=list(updates.released),
        in_flight=list(updates.in_flight),
        completed=[(name, now - moment) for name, moment in updates.completed.items()],
        reservations=reservations,
        unlimited=updates.unlimited,
        lease=lease if any(lease) else None,
    )
    if updates.rate_limit is not None:
        limit, remaining, acquired_at = updates.rate_limit
        request.rate_limit = StatedLimit(limit, remaining, now - acquired_at)
    if updates.blocked_until > now:
        request.blocked_for = updates.blocked_until - now
    for waiter in waiters:
        waiter.sent = True
    if waiters:
        first = waiters[0]
        request.rank, request.waited = first.order[0], now - first.since
        if first.reservation is not None:
            request.reserve = first.reservation.number, first.reservation.remaining
        else:
            request.acquire = [waiter.name for waiter in waiters]
    return request
