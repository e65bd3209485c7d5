"""A simulated fleet, a client that lives in its time, and a receiver of its webhooks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import attrs
from aiohttp import web

from ev_energy import Client, ClientCredentials, webhooks
from ev_energy.changes import WebhookEvent
from ev_energy.simulator import Clock, Simulator


@attrs.define(eq=False, slots=False)  # tests replace its methods
class Fleet:
    """A running simulator and what happens in it."""

    simulator: Simulator
    client: Client
    random: random.Random
    requests: int = 0
    """The number of requests for sub-sessions."""
    loss: float = 0.0
    """The probability that the receiver drops an event that it has confirmed."""
    on_event: Callable[[WebhookEvent], None] | None = None
    """Called with each event that the receiver does not drop."""
    events: int = 0
    step: timedelta = timedelta(seconds=20)
    """The time that passes while the client sleeps, before it may be woken."""

    def now(self) -> datetime:
        """Return the simulated time."""
        return self.simulator.clock.now()

    async def advance(self, duration: timedelta) -> None:
        """Let time pass in steps, with the deliveries of webhooks after each."""
        end = self.now() + duration
        while (remaining := end - self.now()) > timedelta():
            self.simulator.clock.advance(min(remaining, self.step))
            if self.on_event is not None:
                await self.simulator.webhooks.settled()
            await asyncio.sleep(0)

    async def sleep(self, seconds: float) -> None:
        """Sleep in simulated time."""
        await self.advance(timedelta(seconds=seconds))

    async def receive(self, request: web.Request) -> web.Response:
        """Take a delivery."""
        event = webhooks.read(await request.read())
        if self.on_event is None:
            return web.Response(status=503)
        if self.random.random() >= self.loss:
            self.events += 1
            self.on_event(event)
        return web.Response()

    async def truth(self, since: datetime) -> dict[str, Any]:
        """Return all sub-sessions that started or ended after *since*, by their ids."""
        family = self.client.charging_sub_sessions
        listed = await family.list(start__gt=since - timedelta(days=5)).collect()
        return {one.id: one for one in listed if max(one.start, one.end or one.start) > since}


@asynccontextmanager
async def running_fleet(
    *, vehicles: int, seed: int = 5, rate_limit: int | None = 1000, **settings: Any
) -> AsyncIterator[Fleet]:
    """Run a simulator whose clock stands still unless the client sleeps."""
    clock = Clock(speed=0)

    @web.middleware
    async def count(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        fleet.requests += request.path.startswith("/v2/charging_sub_sessions")
        return await handler(request)

    class CountingSimulator(Simulator):
        _middlewares = (*Simulator._middlewares, count)

    simulator = CountingSimulator(vehicles=vehicles, seed=seed, clock=clock, rate_limit=rate_limit)
    async with simulator:
        auth = ClientCredentials(
            client_id=simulator.client_id, client_secret=simulator.client_secret
        )

        async def sleep(seconds: float) -> None:
            await fleet.sleep(seconds)

        client = Client(
            auth,
            base_url=simulator.base_url,
            clock=lambda: clock.now().timestamp(),
            wall_clock=lambda: clock.now().timestamp(),
            sleep=sleep,
            **settings,
        )
        fleet = Fleet(simulator, client, random.Random(seed))
        async with client:
            yield fleet


@asynccontextmanager
async def receiving_webhooks(fleet: Fleet) -> AsyncIterator[None]:
    """Run a receiver, and have the simulator deliver its webhooks there."""
    app = web.Application()
    app.router.add_post("/", fleet.receive)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        fleet.simulator.webhooks.add(f"http://{host}:{port}/")
        yield
    finally:
        await runner.cleanup()
