"""Service time: times that clients measure with their own clocks, at any speed of the world."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from ev_energy import Client, ClientCredentials
from ev_energy.budget import MemoryBudget
from ev_energy.simulator import Clock, Simulator
from ev_energy.webhooks import Webhook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MINUTES = timedelta(minutes=5)


class RealSeconds:
    """A monotonic clock that stands still until a test moves it."""

    seconds = 0.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.seconds


@pytest.fixture
def real() -> RealSeconds:
    return RealSeconds()


@pytest.mark.parametrize("speed", [0, 1, 60, 3600])
async def test_retry_after_is_in_real_seconds_at_any_speed(
    start: Any, real: RealSeconds, speed: float
) -> None:
    api = await start(rate_limit=1, clock=Clock(speed=speed, monotonic=real))
    assert (await api.get("/evses")).status == 200
    refused = await api.get("/evses")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "3600")
    real.seconds += 3599
    assert (await api.get("/evses")).headers["Retry-After"] == "1"
    real.seconds += 1
    assert (await api.get("/evses")).status == 200


@pytest.mark.parametrize("speed", [0, 1, 60, 3600])
async def test_expires_in_is_in_real_seconds_at_any_speed(
    start: Any, real: RealSeconds, speed: float
) -> None:
    api = await start(clock=Clock(speed=speed, monotonic=real))
    expires_in = (await api.log_in()).body["expires_in"]
    real.seconds += expires_in - 1
    assert (await api.get("/evses")).status == 200
    real.seconds += 1
    assert (await api.get("/evses")).status == 401


async def test_jump_of_the_world_ends_tokens_and_resets_the_rate_limit(start: Any) -> None:
    api = await start(rate_limit=1, clock=Clock(speed=0))
    await api.get("/evses")
    api.simulator.clock.advance(minutes=61)
    assert (await api.get("/evses")).status == 200
    api.simulator.clock.advance(hours=12)
    assert (await api.get("/evses")).status == 401


async def test_service_time_of_the_world_runs_at_its_speed(start: Any, real: RealSeconds) -> None:
    clock = Clock(speed=60, monotonic=real)
    api = await start(rate_limit=1, clock=clock, service_time="world")
    await api.get("/evses")
    assert (await api.get("/evses")).headers["Retry-After"] == "3600"
    real.seconds += 60
    assert (await api.get("/evses")).status == 200
    real.seconds += 600
    assert (await api.get("/evses")).status == 401


@pytest.mark.shows_secrets("files", reason="a state file keeps tokens")
async def test_rate_limit_continues_from_a_state_file(
    start: Any, real: RealSeconds, tmp_path: Any
) -> None:
    options: Any = {"rate_limit": 1, "state": tmp_path / "state.json", "vehicles": 3}
    api = await start(clock=Clock(speed=60, monotonic=real), **options)
    await api.get("/evses")
    real.seconds += 1800
    api.simulator.save()
    real.seconds += 100_000  # passes while no simulator runs
    again = await start(clock=Clock(speed=60, monotonic=real), **options)
    again.token = api.token
    assert (await again.get("/evses")).headers["Retry-After"] == "1800"


async def test_fault_with_a_date_counts_from_the_date_of_its_reply(start: Any) -> None:
    api = await start(clock=Clock(speed=0))
    api.simulator.clock.advance(days=300)
    api.simulator.faults.add("rate_limited", seconds=90, as_date=True)
    headers = (await api.get("/evses")).headers
    until, date = (parsedate_to_datetime(headers[name]) for name in ("Retry-After", "Date"))
    assert date == api.simulator.clock.now()
    assert until - date == timedelta(seconds=90)


def client_with_service_clock(simulator: Simulator, **options: Any) -> Client:
    """Return a client that measures time with the service clock of the simulator."""
    clock = simulator.service_clock
    auth = ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret)
    budget = MemoryBudget(clock=clock.monotonic, sleep=clock.sleep)
    return Client(
        auth, base_url=simulator.base_url, budget=budget, wall_clock=clock.timestamp, **options
    )


async def test_client_with_the_service_clock_renews_token_and_budget_after_a_jump() -> None:
    async with (
        Simulator(vehicles=2, rate_limit=1, clock=Clock(speed=0)) as simulator,
        client_with_service_clock(simulator) as client,
    ):
        await client.evses.list().first()
        simulator.clock.advance(hours=12)
        await client.evses.list().first()
        seen = [(one.path, one.status) for one in simulator.requests]
    assert seen == [("/o/token/", 200), ("/v2/evses", 200)] * 2


async def test_jump_wakes_a_client_with_the_service_clock_that_waits_for_the_limit() -> None:
    async with (
        Simulator(vehicles=2, rate_limit=1, clock=Clock(speed=0)) as simulator,
        client_with_service_clock(simulator, deadline=4000) as client,
    ):
        await client.evses.list().first()
        waiting = asyncio.create_task(client.evses.list().first())
        async with asyncio.timeout(30):
            while client.rate_limit is None or not client.rate_limit.waiting:
                await asyncio.sleep(0)
            simulator.clock.advance(minutes=61)
            assert await waiting


async def test_service_clock_sleeps_until_a_jump() -> None:
    simulator = Simulator(vehicles=1, clock=Clock(speed=0))
    clock = simulator.service_clock
    before = clock.monotonic()
    sleeper = asyncio.create_task(clock.sleep(3600))
    await asyncio.sleep(0)
    simulator.clock.advance(hours=1)
    async with asyncio.timeout(10):
        await sleeper
        await clock.sleep(-1)
    assert clock.monotonic() - before >= 3600


class Receiver:
    """An endpoint that checks signatures like the Svix libraries."""

    def __init__(self, statuses: list[int]) -> None:
        self.statuses = statuses
        self.secret = ""
        self.stamps: list[tuple[str, int, bool]] = []
        self.url = ""
        self.raw: list[tuple[bytes, Any]] = []

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.raw.append((body, request.headers))
        message, stamp = request.headers["svix-id"], request.headers["svix-timestamp"]
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        digest = hmac.new(key, f"{message}.{stamp}.".encode() + body, hashlib.sha256).digest()
        given = request.headers["svix-signature"].split(" ")
        is_valid = f"v1,{base64.b64encode(digest).decode()}" in given
        self.stamps.append((message, int(stamp), is_valid))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 204)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver([])
    app = web.Application()
    app.router.add_post("/events", receiver.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
    yield receiver
    await runner.cleanup()


async def test_deliveries_are_signed_with_real_time(receiver: Receiver) -> None:
    async with Simulator(vehicles=30, clock=Clock(speed=0)) as simulator:
        receiver.secret = simulator.webhooks.add(receiver.url).secret
        simulator.clock.advance(hours=12)
        await simulator.webhooks.settled()
    assert receiver.stamps
    assert all(is_valid for *_, is_valid in receiver.stamps)
    assert all(abs(stamp - time.time()) < 240 for _, stamp, _ in receiver.stamps)


async def test_deliveries_are_signed_with_simulated_time_if_so_configured(
    receiver: Receiver,
) -> None:
    clock = Clock(speed=0)
    async with Simulator(vehicles=30, clock=clock, webhook_timestamps="world") as simulator:
        receiver.secret = simulator.webhooks.add(receiver.url).secret
        clock.advance(hours=12)
        await simulator.webhooks.settled()
        now = int(clock().timestamp())
    assert receiver.stamps
    assert {(stamp, is_valid) for _, stamp, is_valid in receiver.stamps} == {(now, True)}


async def test_deliveries_are_signed_with_the_clock_of_the_receiver(receiver: Receiver) -> None:
    now = datetime(2030, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    async with Simulator(vehicles=1, webhook_timestamps=lambda: now) as simulator:
        receiver.secret = simulator.webhooks.add(receiver.url).secret
        for _ in range(2):
            simulator.webhooks.publish("an.event", {})
            await simulator.webhooks.settled()
            now += timedelta(days=1)
    day = 86_400
    stamps = [stamp for _, stamp, is_valid in receiver.stamps if is_valid]
    assert stamps == [
        int(datetime(2030, 1, 1, 10, tzinfo=UTC).timestamp()) + n * day for n in (0, 1)
    ]


def test_clock_of_the_receiver_must_have_a_time_zone() -> None:
    with pytest.raises(ValueError, match="^webhook_timestamps: .* time zone"):
        Simulator(vehicles=1, webhook_timestamps=lambda: datetime(2030, 1, 1))


@pytest.mark.parametrize("speed", [0, 3600])
async def test_receiver_with_a_real_clock_accepts_deliveries_of_any_simulated_time(
    receiver: Receiver, speed: float
) -> None:
    clock = Clock(datetime(1999, 1, 1, tzinfo=UTC), speed=speed)
    async with Simulator(vehicles=1, clock=clock) as simulator:
        receiver.secret = simulator.webhooks.add(receiver.url).secret
        for _ in range(3):
            simulator.webhooks.publish("an.event", {})
            clock.advance(days=366)
        await simulator.webhooks.settled()
        assert abs(simulator.webhooks.signing_time() - datetime.now(UTC)) < MINUTES
    assert [is_valid for *_, is_valid in receiver.stamps] == [True] * 3
    webhook = Webhook(receiver.secret)
    assert [webhook.verify(*delivery).type for delivery in receiver.raw] == ["an.event"] * 3
    assert all(abs(stamp - time.time()) < 240 for _, stamp, _ in receiver.stamps)


async def test_retries_are_signed_again_in_real_time(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.statuses = [500, 500]
    seconds = 1_800_000_000.0
    monkeypatch.setattr(time, "time", lambda: seconds)
    async with Simulator(vehicles=2, clock=Clock(speed=0)) as simulator:
        receiver.secret = simulator.webhooks.add(receiver.url).secret
        simulator.webhooks.publish("an.event", {})
        await simulator.webhooks.settled()
        for _ in range(2):
            seconds += 7
            simulator.clock.advance(minutes=30)
            await simulator.webhooks.settled()
    assert len({message for message, *_ in receiver.stamps}) == 1
    stamps = [1_800_000_000, 1_800_000_007, 1_800_000_014]
    assert receiver.stamps == [(receiver.stamps[0][0], stamp, True) for stamp in stamps]


@pytest.mark.parametrize("name", ["service_time", "webhook_timestamps"])
def test_unknown_source_of_time_is_refused_by_name(name: str) -> None:
    options: Any = {name: "wall"}
    with pytest.raises(ValueError, match=name):
        Simulator(**options)


@pytest.mark.slow
async def test_requests_are_served_during_a_long_jump(start: Any, receiver: Receiver) -> None:
    api = await start(vehicles=60, rate_limit=None, clock=Clock(speed=0))
    api.simulator.webhooks.add(receiver.url)
    jump = asyncio.create_task(asyncio.to_thread(api.simulator.clock.advance, days=20))
    slowest, requests = 0.0, 0
    while not jump.done():
        started = time.perf_counter()
        await api.get("/", token=None)
        slowest, requests = max(slowest, time.perf_counter() - started), requests + 1
    assert await jump == datetime(2026, 10, 25, 12, tzinfo=UTC)
    assert requests > 5
    assert slowest < 2.5
    assert len(api.simulator.webhooks.deliveries) > 0


@pytest.mark.slow
async def test_jump_in_the_event_loop_publishes_all_messages(
    start: Any, receiver: Receiver
) -> None:
    api = await start(vehicles=60, rate_limit=None, clock=Clock(speed=0))
    receiver.secret = api.simulator.webhooks.add(receiver.url).secret
    api.simulator.clock.advance(days=5)  # more messages than are published in one step
    await api.simulator.webhooks.settled()
    in_loop = len(receiver.stamps)
    assert in_loop > 400

    again = await start(vehicles=60, rate_limit=None, clock=Clock(speed=0))
    receiver.stamps.clear()
    receiver.secret = again.simulator.webhooks.add(receiver.url).secret
    await asyncio.to_thread(again.simulator.clock.advance, days=5)
    await again.simulator.webhooks.settled()
    assert len({message for message, *_ in receiver.stamps}) == len(receiver.stamps) == in_loop
