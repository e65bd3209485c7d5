"""`Client.estimate`: requests and times, without sending anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from ev_energy import Client, MemoryBudget
from ev_energy._api.estimate import estimate
from ev_energy._messages import RateLimit
from ev_energy.models import Region, RegionDetail, Vehicle
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
    assert found.seconds == 5 * 3600
    assert str(found) == (
        "5,050 requests, sent by 2026-01-01 05:00 UTC at the latest, in 5 h 0 min (1,000 of 1,000 "
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


async def test_call_counts_once_and_can_still_be_awaited(client: Client, fleet: Fleet) -> None:
    call = client.vehicles.get("vhcl00000")
    assert client.estimate(call).requests == 1
    assert fleet.count == 0
    assert (await call).id == "vhcl00000"


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
    assert client.estimate(5).seconds == 3601
    assert client.estimate(404).seconds == 3601 + 601


@pytest.mark.parametrize(
    ("work", "arguments", "error", "message"),
    [
        (-1, {}, ValueError, "the number of requests must not be negative, got -1"),
        (iter(["v"]), {}, TypeError, "an estimate would use up an iterator: pass a list"),
        (3.5, {}, TypeError, "pass a number of requests, a listing, a call or a list of ids or"),
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
    with pytest.raises(ValueError, match="^items must not be negative, got -1"):
        client.estimate(client.vehicles.list(), items=-1)


@pytest.mark.parametrize(
    ("requests", "rate_limit", "reserved", "starts", "seconds"),
    [
        (10, RateLimit(1000, 10), 0, 0, 0),
        (11, RateLimit(1000, 10), 0, 0, 3600),
        (10, RateLimit(1000, 10, waiting=4), 0, 0, 3600),
        (10, RateLimit(1000, 5), 5, 0, 0),
        (1, RateLimit(1000, 0, wait=90.0), 0, 90, 90),
        (2, RateLimit(1000, 0, wait=90.0), 0, 90, 3600),
        (1000, RateLimit(1000, 0, wait=90.0), 0, 90, 3600),
        (1001, RateLimit(1000, 0, wait=90.0), 0, 90, 7200),
        (0, RateLimit(1000, 0, wait=90.0), 0, 0, 0),
        (5, RateLimit(0, 0, wait=7000.0), 0, 7000, 5 * 3600),
        (1, RateLimit(1000, 0, waiting=3, wait=5000.0), 0, 5000, 5000),
    ],
)
def test_times_are_those_of_the_allowance(
    requests: int, rate_limit: RateLimit, reserved: int, starts: float, seconds: float
) -> None:
    found = estimate(requests, requests, rate_limit, reserved, NOW, lambda _: None)
    assert found.starts_at.timestamp() == NOW + starts
    assert found.seconds == found.finishes_at.timestamp() - NOW == seconds
    assert found.fits_now == (seconds == 0)


def test_text_rounds_up_to_minutes() -> None:
    text = str(estimate(1, 1, RateLimit(1000, 0, wait=90.0), 0, NOW, lambda _: 90.0))
    assert text == (
        "1 request, sent by 2026-01-01 00:02 UTC at the latest, in 2 min (0 of 1,000 an hour "
        "remaining)"
    )
