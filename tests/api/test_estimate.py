"""`Client.estimate`: requests and times, without sending anything."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest
from aiohttp import web

from ev_energy import Client, MemoryBudget
from ev_energy._api.estimate import Allowance, estimate, latest_wait
from ev_energy.models import EVSESite, Region, RegionDetail, Vehicle
from ev_energy.redis import RedisBudget
from tests.helpers.fleet_server import Fleet, vehicle
from tests.helpers.recording_server import RecordingServer
from tests.helpers.support import FakeTime

#: 2026-01-01 00:00 UTC, the time of the client.
NOW = 1767225600.0
IDS = [f"vhcl{n:05}" for n in range(5000)]


@pytest.fixture
def fleet() -> Fleet:
    return Fleet({"vehicles": [vehicle(n) for n in range(3)]})


@pytest.fixture
async def client(
    serve: Callable[[Any], Awaitable[RecordingServer]], fleet: Fleet, time: FakeTime
) -> AsyncIterator[Client]:
    server = await serve(fleet)
    budget = MemoryBudget(limit=400, clock=time, sleep=time.sleep)
    async with server.client(budget=budget, clock=time, wall_clock=lambda: NOW) as opened:
        yield opened


def words(estimate: object) -> str:
    """Return the part of the text before the allowance."""
    return str(estimate).partition(" (")[0]


async def test_allowance_is_assumed_before_the_first_reply(
    serve: Callable[[Any], Awaitable[RecordingServer]], fleet: Fleet
) -> None:
    server = await serve(fleet)
    async with server.client(wall_clock=lambda: NOW) as client:
        found = client.estimate(5050)
    assert (found.requests, found.at_most) == (5050, 5050)
    assert (found.limit, found.remaining, found.is_assumed) == (1000, 1000, True)
    assert not found.fits_now
    assert found.seconds == pytest.approx(5 * 3601)  # and a second of doubt for each hour
    assert str(found) == (
        "5,050 requests, sent by 2026-01-01 05:01 UTC at the latest, in 5 h 1 min (1,000 of 1,000 "
        "an hour remaining, which is assumed, since no reply has stated it)"
    )
    assert fleet.count == 0


async def test_budget_states_the_allowance_after_a_call(client: Client, fleet: Fleet) -> None:
    await client.vehicles.get("vhcl00000")
    found = client.estimate(300)
    assert (found.limit, found.remaining, found.is_assumed) == (400, 399, False)
    assert found.fits_now
    assert found.seconds == 0
    assert found.starts_at == found.finishes_at
    assert str(found) == "300 requests, may be sent now (399 of 400 an hour remaining)"
    assert not client.estimate(400).fits_now
    assert fleet.count == 1


async def test_listing_has_a_lower_bound_or_the_pages_of_its_items(client: Client) -> None:
    assert words(client.estimate(client.vehicles.list())) == "at least 1 request, may be sent now"
    exact = client.estimate(client.vehicles.list(), items=5000)
    assert (exact.requests, exact.at_most) == (50, 50)
    assert client.estimate(client.vehicles.list(page_size=30), items=31).requests == 2
    assert client.estimate(client.vehicles.list(), items=0).requests == 1
    unpaged = client.estimate(client.evse_sites.list(), items=5000)
    assert (unpaged.requests, unpaged.at_most) == (1, None)


async def test_resolve_has_bounds_that_hold(client: Client, fleet: Fleet) -> None:
    resolution = client.resolve(IDS, Vehicle)
    found = client.estimate(resolution)
    assert (found.requests, found.at_most) == (50, 10_000)
    assert words(found) == "50 to 10,000 requests, may be sent now"
    assert found == client.estimate(IDS, Vehicle)
    assert fleet.count == 0
    assert client.estimate(["vhcl00000"], Vehicle).at_most == 1
    assert client.estimate(["r1", "r2", "r3"], RegionDetail).requests == 3
    assert client.estimate(["r1", "r2", "r3"], Region).requests == 1
    known = await client.vehicles.get("vhcl00000")
    assert client.estimate([known]).requests == 0
    assert client.estimate([known], expand=["trim"]).requests == 1
    assert words(client.estimate([])) == "0 requests, may be sent now"


async def test_reservation_of_the_client_is_available_to_it(client: Client) -> None:
    await client.vehicles.get("vhcl00000")
    async with client.reserve(390) as reserved:
        assert client.estimate(9).fits_now
        assert not client.estimate(10).fits_now
        assert reserved.estimate(399).fits_now


async def test_budget_of_one_process_knows_when_its_requests_expire(
    client: Client, time: FakeTime
) -> None:
    for _ in range(4):
        await client.vehicles.get("vhcl00000")
    time.now += 3000
    for _ in range(396):
        await client.vehicles.get("vhcl00000")
    assert client.rate_limit is not None
    assert client.rate_limit.remaining == 0
    found = client.estimate(4)
    assert found.seconds == found.finishes_at.timestamp() - NOW == 601  # and a second of doubt
    assert found.starts_at == found.finishes_at
    assert client.estimate(5).seconds == pytest.approx(3601)
    assert client.estimate(404).seconds == pytest.approx(3601 + 601)


@pytest.mark.parametrize(
    ("work", "arguments", "error", "message"),
    [
        (-1, {}, ValueError, "the number of requests must not be negative, got -1"),
        (iter(["v"]), {}, TypeError, "an estimate would use up an iterator: pass a list"),
        (
            3.5,
            {},
            TypeError,
            "pass a number of requests, a listing or a list of ids or links to es",
        ),
        (True, {}, TypeError, "pass a number of requests, .* not a bool"),
        (Vehicle, {}, TypeError, "pass a number of requests, .* not the class Vehicle"),
        (10**12, {}, ValueError, "1,000,000,000,000 requests would end after the year 9999"),
        (
            5,
            {"into": Vehicle},
            TypeError,
            r"into= is an argument of resolve\(\): pass it with a list",
        ),
        (
            5,
            {"expand": ["trim"]},
            TypeError,
            r"expand= is an argument of resolve\(\): pass it with",
        ),
        (5, {"items": 3}, TypeError, "items= is the number of items of a listing: pass it with"),
        (["v"], {}, ValueError, r"items\[0\]='v' is a bare id"),
        (["v"], {"into": Vehicle, "expand": ["x"]}, ValueError, "expand: 'x' is not one of"),
    ],
)
async def test_wrong_argument_is_refused(
    client: Client, work: Any, arguments: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"^{message}"):
        client.estimate(work, **arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"items": -1}, ValueError, "items must be 0 or more, not -1"),
        ({"items": 5000.0}, TypeError, "items must be a whole number, not 5000.0"),
        ({"items": "5000"}, TypeError, "items must be a whole number, not '5000'"),
        ({"items": True}, TypeError, "items must be a whole number, not True"),
        ({"into": Vehicle}, TypeError, r"into= is an argument of resolve\(\): pass it with a list"),
        ({"expand": ["x"]}, TypeError, r"expand= is an argument of resolve\(\): pass it with a li"),
    ],
)
async def test_wrong_argument_for_a_listing_is_refused(
    client: Client, arguments: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"^{message}"):
        client.estimate(client.vehicles.list(), **arguments)


async def test_call_is_refused_since_its_requests_are_unknown(client: Client) -> None:
    for call in (client.vehicles.list().collect(), client.gather([]), client.vehicles.get("v")):
        with pytest.raises(TypeError, match="not a coroutine: pass the number of calls, since how"):
            client.estimate(call)  # type: ignore[call-overload]
        call.close()


@pytest.mark.parametrize(
    ("count", "limit", "available", "wait", "seconds"),
    [
        (10, 1000, 10, 0, 0),
        (11, 1000, 10, 0, 3600),
        (10, 1000, 6, 0, 3600),
        (1, 1000, 0, 90, 90),
        (2, 1000, 0, 90, 3600),
        (1000, 1000, 0, 90, 3600),
        (1001, 1000, 0, 90, 7200),
        (5, 0, 0, 7000, 5 * 3600),
        (1, 1000, 0, 5000, 5000),
        (1, 1000, 0, 0, 3600),
    ],
)
def test_times_are_those_of_the_allowance(
    count: int, limit: int, available: int, wait: float, seconds: float
) -> None:
    assert latest_wait(count, limit, available, wait, 3600.0) == seconds


def test_text_rounds_up_to_minutes() -> None:
    allowance = Allowance(limit=1000, available=0, wait=lambda _: 90.0)
    assert str(estimate(1, 1, allowance, NOW)) == (
        "1 request, sent by 2026-01-01 00:02 UTC at the latest, in 2 min (0 of 1,000 an hour "
        "remaining)"
    )


async def test_estimate_of_a_resumed_resolve(client: Client, fleet: Fleet) -> None:
    partial = await client.resolve(IDS[:3], Vehicle)
    assert client.estimate(IDS[:4], Vehicle, resume=partial).requests == 1
    assert client.estimate(IDS[:3], Vehicle, resume=partial).requests == 0


async def test_listing_is_not_read_beyond_max_pages(client: Client) -> None:
    few = client.with_options(max_pages=10)
    assert few.estimate(few.vehicles.list(), items=5000).requests == 10


async def test_items_of_a_resumed_listing_are_those_that_it_returns(
    client: Client, fleet: Fleet
) -> None:
    fleet.collections["vehicles"] = [vehicle(n) for n in range(300)]
    page = await client.vehicles.list(page_size=30).page()
    assert page.next_cursor is not None
    rest = client.vehicles.list().resume(page.next_cursor)
    assert client.estimate(rest, items=270).requests == 9


async def test_resources_in_a_listing_without_pages_take_a_request_at_least(
    client: Client,
) -> None:
    found = client.estimate([f"site{n}" for n in range(500)], EVSESite)
    assert (found.requests, found.at_most) == (1, 1000)


async def test_reservation_that_waits_is_served_first(client: Client) -> None:
    await client.vehicles.get("vhcl00000")
    batch = client.with_options(priority="batch", deadline=4000)
    async with client.reserve(100), asyncio.TaskGroup() as group:
        waiting = group.create_task(batch.reserve(350).__aenter__())
        await asyncio.sleep(0)
        assert client.estimate(10).fits_now  # it is more urgent
        found = batch.estimate(10)
        assert not found.fits_now
        assert (found.remaining, found.seconds) == (0, 3601)
        waiting.cancel()


@pytest.mark.parametrize("count", [201, 400])
async def test_window_of_the_budget_counts(
    serve: Callable[[Any], Awaitable[RecordingServer]], fleet: Fleet, count: int
) -> None:
    server = await serve(fleet)
    async with server.client(budget=MemoryBudget(200, window=60)) as client:
        found = client.estimate(count)
    assert found.seconds == pytest.approx(60, abs=0.1)
    assert (found.limit, found.window, found.remaining) == (200, 60, 200)
    assert found.is_assumed
    assert "(200 of 200 in 60 s remaining, which is assumed, since no reply" in str(found)


async def test_shared_budget_states_its_own_limit(
    serve: Callable[[Any], Awaitable[RecordingServer]], fleet: Fleet
) -> None:
    server = await serve(fleet)
    budget = RedisBudget("redis://127.0.0.1:1", limit=20, window=60)
    async with server.client(budget=budget) as client:
        found = client.estimate(21)
    assert (found.limit, found.remaining, found.seconds) == (20, 20, 60)


async def test_server_without_a_limit_permits_everything(
    serve: Callable[[Any], Awaitable[RecordingServer]], fleet: Fleet
) -> None:
    server = await serve(fleet)
    async with server.client() as client:
        await client.vehicles.get("vhcl00000")
        found = client.estimate(5050)
    assert (found.limit, found.remaining, found.is_assumed) == (None, None, False)
    assert str(found) == "5,050 requests, may be sent now (the API states no limit)"


async def test_allowance_that_is_used_up_without_a_budget(
    serve: Callable[[Any], Awaitable[RecordingServer]],
) -> None:
    headers = {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "0"}

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"id": "v"}, headers=headers)

    server = await serve(answer)
    async with server.client(budget=None, wall_clock=lambda: NOW) as client:
        await client.vehicles.get("v")
        found = client.estimate(5)
    assert not found.fits_now
    assert (found.starts_at, found.finishes_at) == (found.finishes_at, found.starts_at)
    assert found.seconds == pytest.approx(3600)
    assert not found.is_assumed


async def test_end_is_never_before_the_start(client: Client, time: FakeTime) -> None:
    for _ in range(400):
        await client.vehicles.get("vhcl00000")
    ticking = itertools.count(1)
    budget = cast("MemoryBudget", client._caller.state.budget)
    budget.clock = lambda: time.now + next(ticking) * 1e-6
    found = client.estimate(1)
    assert found.starts_at <= found.finishes_at
