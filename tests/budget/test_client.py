"""The budget of a client against the rolling limit of the simulator."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

import ev_energy_sync
from ev_energy import Client, ClientCredentials, MemoryBudget, RateLimit, errors
from ev_energy.simulator import Clock, Simulator
from tests.helpers.support import FakeTime

LIMIT = 100


class Setup:
    """A simulator whose clock moves when a client sleeps."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.stack = contextlib.AsyncExitStack()

    def clock(self) -> float:
        return self.simulator.clock.now().timestamp()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.05)  # let requests in flight arrive first
        self.simulator.clock.advance(seconds=math.ceil(seconds * 1e6) / 1e6)

    async def client(self, **settings: Any) -> Client:
        simulator = self.simulator
        auth = ClientCredentials(
            client_id=simulator.client_id, client_secret=simulator.client_secret
        )
        settings = {"deadline": 1e9, "retries": 20, **settings}
        made = Client(
            auth,
            base_url=simulator.base_url,
            clock=self.clock,
            sleep=self.sleep,
            wall_clock=self.clock,
            **settings,
        )
        return await self.stack.enter_async_context(made)

    def budget(self, limit: int | None = None) -> MemoryBudget:
        return MemoryBudget(limit, clock=self.clock, sleep=self.sleep)

    @property
    def statuses(self) -> Counter[int | None]:
        """Return the statuses of the replies, without those of the token endpoint."""
        seen = [r for r in self.simulator.requests if r.path.startswith("/v2")]
        return Counter(request.status for request in seen)


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    async with Simulator(vehicles=1, rate_limit=LIMIT, clock=Clock(speed=0)) as simulator:
        made = Setup(simulator)
        async with made.stack:
            yield made


async def work(client: Client, calls: int, width: int = 10) -> None:
    """Make *calls* calls, several at a time."""

    async def some(count: int) -> None:
        for _ in range(count):
            await client.timezones.list().first()

    async with asyncio.TaskGroup() as group:
        for _ in range(width):
            group.create_task(some(calls // width))


@pytest.mark.slow
async def test_thousand_calls_take_ten_hours_and_none_is_refused(setup: Setup) -> None:
    client = await setup.client()
    began = setup.clock()
    await client.timezones.list().first()  # the reply states the unusual limit
    await work(client, 990)
    assert setup.statuses == {200: 991}
    # A window has room for LIMIT requests, so 991 requests need ten windows.
    assert setup.clock() - began < 9 * 3600 / 0.98


async def test_clients_that_share_a_budget_are_not_refused(setup: Setup) -> None:
    budget = setup.budget()
    clients = [await setup.client(budget=budget) for _ in range(3)]
    await clients[0].timezones.list().first()
    await asyncio.gather(*(work(client, 100) for client in clients))
    assert setup.statuses == {200: 301}


@pytest.mark.slow
async def test_clients_with_separate_budgets_are_refused_occasionally_and_succeed(
    setup: Setup,
) -> None:
    clients = [await setup.client() for _ in range(2)]
    for client in clients:
        await client.timezones.list().first()
    await asyncio.gather(*(work(client, 200, 5) for client in clients))
    assert setup.statuses[200] == 402
    assert setup.statuses[429] < 40


async def test_first_reply_shows_the_use_of_an_earlier_run(setup: Setup) -> None:
    await work(await setup.client(), 90)
    restarted = await setup.client()
    assert restarted.rate_limit is None
    await restarted.timezones.list().first()
    assert restarted.rate_limit == RateLimit(LIMIT, 9)


async def test_call_that_would_exceed_its_deadline_is_refused_with_the_time(
    setup: Setup,
) -> None:
    client = await setup.client(deadline=120)
    await work(client, LIMIT)
    began = setup.clock()
    with pytest.raises(errors.BudgetExceeded) as caught:
        await client.timezones.list().first()
    error = caught.value
    assert setup.clock() == began
    assert error.wait == pytest.approx(3601)
    assert error.at.timestamp() == pytest.approx(setup.clock() + error.wait)
    assert error.request is not None
    assert error.request.template == "/timezones"
    assert setup.statuses == {200: LIMIT}
    setup.simulator.clock.advance(seconds=3600)
    await client.timezones.list().first()  # 1 s is within the deadline


async def test_when_exhausted_raise_does_not_wait(setup: Setup) -> None:
    client = await setup.client()
    await work(client, LIMIT)
    with pytest.raises(errors.BudgetExceeded):
        await client.with_options(when_exhausted="raise").timezones.list().first()
    assert setup.statuses == {200: LIMIT}


async def test_on_wait_is_called_once_per_wait(setup: Setup) -> None:
    events: list[Any] = []
    client = await setup.client(on_wait=events.append)
    await work(client, LIMIT)
    await client.timezones.list().first()
    async with client.reserve(50) as reserved:
        await reserved.timezones.list().first()
    async with client.reserve(LIMIT - 1) as reserved:
        await reserved.timezones.list().first()
    assert [(event.reason, round(event.seconds)) for event in events] == [
        ("budget", 3601),
        ("budget", 3601),
    ]
    assert events[0].request.template == "/timezones"
    assert events[1].request is None


async def test_views_share_the_allowance_of_the_application(setup: Setup) -> None:
    client = await setup.client()
    await client.timezones.list().first()
    await client.acting_for(setup.simulator.user_id).timezones.list().first()
    await client.with_options(priority="batch").timezones.list().first()
    assert client.rate_limit == RateLimit(LIMIT, LIMIT - 3)
    assert client.acting_for("user01").rate_limit == client.rate_limit


async def test_each_user_has_a_separate_allowance(serve) -> None:
    async def reply(request: web.Request) -> web.Response:
        left = {"Bearer one": "7", "Bearer two": "3"}.get(request.headers.get("Authorization", ""))
        headers = {"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": left or "1"}
        return web.json_response([], headers=headers)

    server, budget = await serve(reply), MemoryBudget()
    async with (
        server.client("one", budget=budget) as one,
        server.client("two", budget=budget) as two,
        server.client(None, budget=budget) as anonymous,
    ):
        for client in (one, two):
            await client.timezones.list().first()
        assert (one.rate_limit, two.rate_limit) == (RateLimit(10, 7), RateLimit(10, 3))
        await anonymous.evse_makes.list().first()
        assert anonymous.rate_limit == RateLimit(10, 1)
        with pytest.raises(ValueError, match="needs a client with credentials and a budget"):
            await anonymous.reserve(1).__aenter__()
    assert len(budget._buckets) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "headers", [{}, {"X-RateLimit-Limit": "many", "X-RateLimit-Remaining": "-1"}]
)
async def test_server_that_states_no_limit_has_none(serve, time: FakeTime, headers) -> None:
    async def reply(_: web.Request) -> web.Response:
        return web.json_response([], headers=headers)

    server = await serve(reply)
    async with server.client(clock=time, sleep=time.sleep) as client:
        await client.timezones.list().first()
        await work(client, 1100, 50)
        assert client.rate_limit is None
        assert time.slept == []
    budget = MemoryBudget(30, clock=time, sleep=time.sleep)
    async with server.client(budget=budget, clock=time, sleep=time.sleep, deadline=1e9) as client:
        await work(client, 90, 1)
        assert client.rate_limit == RateLimit(30, 0, 0, 0, pytest.approx(3601))
        assert time.now - 1000 == pytest.approx(2 * 3601)


class TestReservations:
    async def test_reservation_is_kept_for_the_calls_inside(self, setup: Setup) -> None:
        client = await setup.client(when_exhausted="raise")
        await client.timezones.list().first()
        async with client.reserve(60) as reserved:
            await work(client, 39, 13)
            with pytest.raises(errors.BudgetExceeded):
                await client.timezones.list().first()
            assert client.rate_limit == RateLimit(LIMIT, 0, 60, 0, pytest.approx(3601))
            await work(reserved, 50)
            inner = reserved.with_options(priority="batch").acting_for(setup.simulator.user_id)
            await work(inner, 5, 5)
        assert client.rate_limit == RateLimit(LIMIT, 5)
        await work(client, 5, 5)
        assert setup.statuses == {200: LIMIT}

    async def test_unused_requests_are_returned_after_an_error_and_a_cancellation(
        self, setup: Setup
    ) -> None:
        client = await setup.client()
        await client.timezones.list().first()
        with pytest.raises(LookupError):
            async with client.reserve(60):
                raise LookupError
        task = asyncio.current_task()
        assert task is not None
        with contextlib.suppress(asyncio.CancelledError):
            async with client.reserve(60):
                task.cancel()
                await asyncio.sleep(0)
        task.uncancel()
        assert client.rate_limit == RateLimit(LIMIT, LIMIT - 1)

    async def test_unused_requests_are_returned_when_the_client_closes(self, setup: Setup) -> None:
        budget = setup.budget()
        client, other = await setup.client(budget=budget), await setup.client(budget=budget)
        await client.timezones.list().first()
        async with client.reserve(60):
            await client.close()
            assert other.rate_limit == RateLimit(LIMIT, LIMIT - 1)
        with pytest.raises(errors.ClientClosedError):
            await client.reserve(1).__aenter__()
        assert other.rate_limit == RateLimit(LIMIT, LIMIT - 1)

    async def test_reservation_is_entered_once(self, setup: Setup) -> None:
        reservation = (await setup.client()).reserve(5)
        assert reservation.remaining == 0
        async with reservation as reserved:
            assert reservation.remaining == 5
            await reserved.timezones.list().first()
            assert reservation.remaining == 4
        assert reservation.remaining == 0
        with pytest.raises(RuntimeError, match="can be entered once"):
            await reservation.__aenter__()

    async def test_nested_reservation_is_independent(self, setup: Setup) -> None:
        client = await setup.client(when_exhausted="raise")
        await client.timezones.list().first()
        async with client.reserve(50) as outer, outer.reserve(49) as inner:
            with pytest.raises(errors.BudgetExceeded):
                await outer.reserve(1).__aenter__()
            await inner.timezones.list().first()
        assert client.rate_limit == RateLimit(LIMIT, LIMIT - 2)

    async def test_reservation_that_exceeds_the_limit_is_an_error(self, setup: Setup) -> None:
        client = await setup.client()
        await client.timezones.list().first()
        with pytest.raises(ValueError, match=f"count must be {LIMIT} or less, not {LIMIT + 1}"):
            await client.reserve(LIMIT + 1).__aenter__()


async def test_closing_ends_a_wait_for_capacity(serve, time: FakeTime) -> None:
    async def reply(_: web.Request) -> web.Response:
        headers = {"X-RateLimit-Limit": "1", "X-RateLimit-Remaining": "0"}
        return web.json_response([], headers=headers)

    async def sleep(_: float) -> None:
        await asyncio.Event().wait()

    server = await serve(reply)
    client = server.client(clock=time, sleep=sleep, deadline=1e9)
    await client.timezones.list().first()
    waiting = asyncio.create_task(client.timezones.list().first())
    while client.rate_limit.waiting == 0:
        await asyncio.sleep(0)
    await client.close()
    with pytest.raises(errors.ClientClosedError):
        await waiting
    assert client.rate_limit.waiting == 0


class TestBlocking:
    def test_blocking_client_waits_and_reserves(self) -> None:
        with Simulator.in_thread(vehicles=1, rate_limit=20, clock=Clock(speed=0)) as simulator:
            setup = Setup(simulator)
            budget = setup.budget()
            settings: dict[str, Any] = {
                "base_url": simulator.base_url,
                "clock": setup.clock,
                "sleep": setup.sleep,
                "wall_clock": setup.clock,
                "budget": budget,
            }
            auth = ClientCredentials(
                client_id=simulator.client_id, client_secret=simulator.client_secret
            )
            with (
                ev_energy_sync.Client(auth, **settings) as client,
                ev_energy_sync.Client(auth, **settings) as other,
            ):
                client.timezones.list().first()
                with client.reserve(10) as reserved:
                    assert other.rate_limit == RateLimit(20, 9, 10)
                    reserved.timezones.list().first()
                with pytest.raises(LookupError), client.reserve(10):
                    raise LookupError
                assert other.rate_limit == RateLimit(20, 18)
                for _ in range(18):
                    other.timezones.list().first()
                with pytest.raises(errors.BudgetExceeded):
                    client.timezones.list().first()
                with client.with_options(deadline=4000).reserve(20) as reserved:
                    reserved.timezones.list().first()
                    client.close()
                    assert other.rate_limit == RateLimit(20, 19)
                assert other.rate_limit == RateLimit(20, 19)
            assert setup.statuses == {200: 21}
