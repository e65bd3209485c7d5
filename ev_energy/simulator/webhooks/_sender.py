"""Deliveries as Svix makes them: signed, and retried in simulated time."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

import aiohttp
from aiohttp import hdrs

from ev_energy.simulator.webhooks._outbox import Outbox
from ev_energy.simulator.webhooks._signing import make_secret, sign
from ev_energy.simulator.webhooks._state import DeliveryFault

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ev_energy.simulator._secrets import Secrets
    from ev_energy.simulator._seeded_random import SeededRandom
    from ev_energy.simulator.clock._clock import Clock
    from ev_energy.simulator.clock._service_time import TimeSource
    from ev_energy.simulator.webhooks._state import Endpoint, Message, PendingAttempt


#: Receivers refuse timestamps that are more than five minutes old.
_STALE_SECONDS: Final = 600
_WRONG_SECRET: Final = make_secret(b"not the one that was agreed")


class Webhooks(Outbox):
    """Sends messages to endpoints while it runs: ``async with webhooks``.

    Messages that are published earlier wait. Each endpoint receives one message after the other
    and has ``timeout`` real seconds to reply. ``timestamps`` is the time that deliveries are
    signed with: ``"real"``, which receivers compare with their own clock, ``"world"``, the time
    of the simulated clock, or a function that returns the time of the receivers. Retries are
    signed anew.
    """

    def __init__(
        self,
        clock: Clock,
        random: SeededRandom,
        secrets: Secrets | None = None,
        *,
        timeout: float = 15.0,
        timestamps: TimeSource | Callable[[], datetime] = "world",
    ) -> None:
        super().__init__(clock, random, secrets)
        self._signing_clock = _signing_clock(timestamps, clock)
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._running: asyncio.Task[None] | None = None
        self._served: set[str] = set()

    async def start(self) -> None:
        """Start sending, in the running event loop."""
        if self._running is not None:
            raise RuntimeError("The webhooks are already running")
        self._running = asyncio.create_task(self._run(), name="ev-energy-simulator webhooks")
        # Wakes `settled`, which then raises instead of waiting forever.
        self._running.add_done_callback(lambda _: self._changed.notify())

    async def close(self) -> None:
        """Stop sending; attempts in flight are made again after the next start."""
        running, self._running = self._running, None
        if running is None:
            return
        running.cancel()
        await asyncio.wait([running])
        if not running.cancelled():
            running.result()  # raise the error that ended it

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()

    def signing_time(self) -> datetime:
        """Return the time that a delivery would be signed with now.

        A receiver that compares timestamps with this clock accepts all deliveries.
        """
        return self._signing_clock()

    def block_until_settled(self) -> None:
        """Block until all attempts that are due have been made, like `settled`.

        For blocking code beside a simulator in a thread (`Simulator.in_thread`).

        Raises:
            RuntimeError: An event loop is running in this thread, which this would block, or the
                simulator is not running.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            raise RuntimeError("An event loop is running in this thread: use 'await settled()'")
        running = self._running
        if running is None:
            raise RuntimeError("The webhooks are not running; start the simulator first")
        asyncio.run_coroutine_threadsafe(self.settled(), running.get_loop()).result()

    async def settled(self) -> None:
        """Return once all attempts that are due have been made.

        Messages that are held for reordering are not due. Any event loop may wait for this;
        blocking code calls `block_until_settled`.
        """
        with self._changed.listen() as changed:
            while True:
                changed.clear()
                if not self._busy():
                    return
                running = self._running
                if running is None:
                    raise RuntimeError("The webhooks are not running; start the simulator first")
                if running.done():
                    raise RuntimeError("The webhooks have failed") from running.exception()
                await changed.wait()

    def _busy(self) -> bool:
        with self._lock:
            now = self._clock.now()
            due = self._schedule.endpoints_due(now)
            return self._expects_more or self._schedule.in_flight or bool(due)

    async def _run(self) -> None:
        # No connection is reused: one that the endpoint has closed would count as a failure.
        # No proxies and no cookies: only the endpoint is contacted.
        session = aiohttp.ClientSession(
            timeout=self._timeout,
            connector=aiohttp.TCPConnector(force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={hdrs.USER_AGENT: "ev-energy-simulator"},
        )
        try:
            with self._changed.listen() as changed:
                async with session, asyncio.TaskGroup() as group:
                    while True:
                        changed.clear()
                        now = self._clock.now()
                        with self._lock:
                            due = set(self._schedule.endpoints_due(now))
                            next_due = self._schedule.next_due(after=now)
                        for endpoint_id in due - self._served:
                            self._served.add(endpoint_id)
                            group.create_task(self._serve(session, endpoint_id))
                        await self._wait(changed, next_due)
        finally:
            self._served.clear()
            with self._lock:
                for message_id in self._schedule.requeue():
                    self._retire_if_done(message_id)

    async def _wait(self, changed: asyncio.Event, until: datetime | None) -> None:
        """Wait for a change, or until this instant."""
        if until is None:
            await changed.wait()
            return
        timer = asyncio.create_task(self._clock.wait_until(until))
        timer.add_done_callback(lambda _: changed.set())
        try:
            await changed.wait()
        finally:
            timer.cancel()
            await asyncio.wait([timer])

    async def _serve(self, session: aiohttp.ClientSession, endpoint_id: str) -> None:
        """Make the due attempts of an endpoint, one after the other."""
        while True:
            with self._lock:  # no attempt may be added between this check and the end
                taken = self._start_next(endpoint_id)
                if taken is None:
                    self._served.discard(endpoint_id)
                    return
            status, error = await self._attempt(session, *taken)
            self._finish(taken[0], status, error)

    async def _attempt(
        self,
        session: aiohttp.ClientSession,
        pending: PendingAttempt,
        endpoint: Endpoint,
        message: Message,
    ) -> tuple[int | None, str | None]:
        now, body = self._clock.now(), message.body.encode()
        stale = DeliveryFault.STALE_TIMESTAMP in pending.faults
        timestamp = int(self.signing_time().timestamp()) - (_STALE_SECONDS if stale else 0)
        corrupt = DeliveryFault.CORRUPT_SIGNATURE in pending.faults
        secrets = [_WRONG_SECRET] if corrupt else endpoint.secrets(now)
        headers = {
            hdrs.CONTENT_TYPE: "application/json",
            "svix-id": message.id,
            "svix-timestamp": str(timestamp),
            "svix-signature": " ".join(sign(s, message.id, timestamp, body) for s in secrets),
            "svix-event-type": message.event_type,
        }
        try:
            async with session.post(
                endpoint.url, data=body, headers=headers, allow_redirects=False
            ) as response:
                return response.status, None
        except TimeoutError:
            return None, f"no reply within {self._timeout.total:g} s"
        # A ValueError means an impossible host.
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return None, f"{type(error).__name__}: {error}"


def _signing_clock(
    timestamps: TimeSource | Callable[[], datetime], clock: Clock
) -> Callable[[], datetime]:
    if timestamps == "world":
        return clock.now
    if callable(timestamps):
        if timestamps().utcoffset() is None:
            raise ValueError("webhook_timestamps: must return datetimes with a time zone")
        return timestamps
    real_time = time.time  # even if a test freezes the module's clock later
    return lambda: datetime.fromtimestamp(real_time(), UTC)
