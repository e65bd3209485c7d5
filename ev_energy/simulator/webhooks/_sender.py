"""Webhooks as Svix delivers them: signed, and retried in the world's time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, Self

import aiohttp
from aiohttp import hdrs

from ev_energy.simulator.webhooks._outbox import Outbox
from ev_energy.simulator.webhooks._signing import make_secret, sign
from ev_energy.simulator.webhooks._state import Trick

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    from ev_energy.simulator._secrets import Secrets
    from ev_energy.simulator._seeded_random import SeededRandom
    from ev_energy.simulator.clock._clock import Clock
    from ev_energy.simulator.clock._service_time import TimeSource
    from ev_energy.simulator.webhooks._state import Endpoint, Errand, Message


#: Receivers refuse what is more than five minutes old.
_STALE_SECONDS: Final = 600
_WRONG_SECRET: Final = make_secret(b"not the one that was agreed")


class Webhooks(Outbox):
    """Sends messages to endpoints while it runs: ``async with webhooks``.

    What is published before that waits. Each endpoint is served on its own, one message after the
    other; ``timeout`` is how many real seconds it has to answer. ``timestamps`` says which time
    the deliveries are signed with: ``"real"`` is that of this machine, which receivers compare it
    with, and ``"world"`` that of the simulated clock. Retries are signed anew.
    """

    def __init__(
        self,
        clock: Clock,
        random: SeededRandom,
        secrets: Secrets | None = None,
        *,
        timeout: float = 15.0,
        timestamps: TimeSource = "world",
    ) -> None:
        super().__init__(clock, random, secrets)
        self._signing_time = time.time if timestamps == "real" else lambda: clock.now().timestamp()
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._running: asyncio.Task[None] | None = None
        self._served: set[str] = set()

    async def start(self) -> None:
        """Begin to send, in the running event loop."""
        if self._running is not None:
            raise RuntimeError("The webhooks are running already")
        self._running = asyncio.create_task(self._run(), name="ev-energy-simulator webhooks")
        # Whoever waits for what will never come is to hear of it.
        self._running.add_done_callback(lambda _: self._changed.notify())

    async def close(self) -> None:
        """Send no more; what was on its way will be sent again after another start."""
        running, self._running = self._running, None
        if running is None:
            return
        running.cancel()
        await asyncio.wait([running])
        if not running.cancelled():
            running.result()  # it broke down before: here is why

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

    async def settled(self) -> None:
        """Return once everything that is due by now was sent and answered, or failed.

        Messages that are held for reordering are not due. Any event loop may wait for this.
        """
        with self._changed.listen() as rung:
            while True:
                rung.clear()
                if not self._busy():
                    return
                running = self._running
                if running is None:
                    raise RuntimeError("The webhooks are not running: nothing will be sent")
                if running.done():
                    raise RuntimeError("The webhooks broke down") from running.exception()
                await rung.wait()

    def _busy(self) -> bool:
        with self._lock:
            now = self._clock.now()
            due = self._schedule.endpoints_due(now)
            return self._more_to_come or self._schedule.flying or bool(due)

    async def _run(self) -> None:
        # Nothing is reused: a connection that was closed meanwhile would count as a failure.
        # Neither proxies nor cookies: an endpoint is all that is contacted.
        session = aiohttp.ClientSession(
            timeout=self._timeout,
            connector=aiohttp.TCPConnector(force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={hdrs.USER_AGENT: "ev-energy-simulator"},
        )
        try:
            with self._changed.listen() as rung:
                async with session, asyncio.TaskGroup() as group:
                    while True:
                        rung.clear()
                        now = self._clock.now()
                        with self._lock:
                            due = set(self._schedule.endpoints_due(now))
                            next_due = self._schedule.next_due(after=now)
                        for endpoint_id in due - self._served:
                            self._served.add(endpoint_id)
                            group.create_task(self._serve(session, endpoint_id))
                        await self._wait(rung, next_due)
        finally:
            self._served.clear()
            with self._lock:
                for message_id in self._schedule.bring_back():
                    self._settle(message_id)

    async def _wait(self, rung: asyncio.Event, until: datetime | None) -> None:
        """Return when it rings, or at this time at the latest."""
        if until is None:
            await rung.wait()
            return
        alarm = asyncio.create_task(self._clock.wait_until(until))
        alarm.add_done_callback(lambda _: rung.set())
        try:
            await rung.wait()
        finally:
            alarm.cancel()
            await asyncio.wait([alarm])

    async def _serve(self, session: aiohttp.ClientSession, endpoint_id: str) -> None:
        """Send an endpoint all that is due, one after the other."""
        while True:
            with self._lock:  # nobody may add something between the last look and the end
                taken = self._take(endpoint_id)
                if taken is None:
                    self._served.discard(endpoint_id)
                    return
            status, error = await self._attempt(session, *taken)
            self._landed(taken[0], status, error)

    async def _attempt(
        self, session: aiohttp.ClientSession, errand: Errand, endpoint: Endpoint, message: Message
    ) -> tuple[int | None, str | None]:
        now, body = self._clock.now(), message.body.encode()
        stale = Trick.STALE_TIMESTAMP in errand.tricks
        timestamp = int(self._signing_time()) - (_STALE_SECONDS if stale else 0)
        corrupt = Trick.CORRUPT_SIGNATURE in errand.tricks
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
            return None, f"no answer within {self._timeout.total:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:  # the last: impossible hosts
            return None, f"{type(error).__name__}: {error}"
