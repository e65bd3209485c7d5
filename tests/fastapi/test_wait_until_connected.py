"""Waiting for devices: bounded in time and requests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ev_energy import Client, ClientCredentials, MemoryBudget, errors
from ev_energy.fastapi import wait_until_connected
from ev_energy.simulator import Simulator
from tests.helpers.sign_in_app import FakeWait


@pytest.fixture
def time() -> FakeWait:
    return FakeWait()


def waiting(time: FakeWait) -> dict[str, Any]:
    return {"clock": lambda: time.now, "sleep": time.sleep}


async def test_connected_devices_are_returned_at_once(client: Client, time: FakeWait) -> None:
    evses = [evse async for evse in client.evses.list()][:2]
    found = await wait_until_connected(
        client, "charger", [evses[0], evses[1].id, evses[1].url], **waiting(time)
    )
    assert [device.id for device in found.connected] == [evse.id for evse in evses]
    assert (found.is_complete, found.requests, found.missing, time.pauses) == (True, 2, (), [])


async def test_vehicle_must_be_integrated(
    client: Client, simulator: Simulator, time: FakeWait
) -> None:
    [inactive, *_] = [v.id async for v in client.vehicles.list() if v.integrated != "ACTIVE"]
    found = await wait_until_connected(
        client, "vehicle", [inactive], timeout=timedelta(seconds=2), **waiting(time)
    )
    assert (found.missing, found.connected, time.pauses) == ((inactive,), (), [0.5, 1.0])


async def test_time_is_bounded(client: Client, time: FakeWait) -> None:
    found = await wait_until_connected(
        client,
        "charger",
        ["unknown"],
        timeout=timedelta(seconds=30),
        max_requests=99,
        **waiting(time),
    )
    assert time.pauses == [0.5, 1, 2, 4, 5, 5, 5, 5]
    assert (found.missing, found.requests) == (("unknown",), 9)


async def test_requests_are_bounded(client: Client, simulator: Simulator, time: FakeWait) -> None:
    simulator.requests.clear()
    found = await wait_until_connected(
        client, "charger", ["a", "b", "c"], max_requests=4, **waiting(time)
    )
    assert found.requests == 4
    assert sum("/evses/" in seen.path for seen in simulator.requests) == 4


async def test_slow_replies_use_up_the_time(client: Client, time: FakeWait) -> None:
    def clock() -> float:
        time.now += 3  # each look at the clock takes three seconds
        return time.now

    found = await wait_until_connected(
        client,
        "charger",
        ["a", "b", "c"],
        timeout=timedelta(seconds=10),
        clock=clock,
        sleep=time.sleep,
    )
    assert (found.requests, found.missing) == (3, ("a", "b", "c"))


async def test_device_of_another_user_is_missing(client: Client, time: FakeWait) -> None:
    evse = await anext(aiter(client.evses.list()))
    assert evse.user is not None
    ids = [evse.id]
    found = await wait_until_connected(client, "charger", ids, user_id="other", **waiting(time))
    assert (found.missing, found.requests) == ((evse.id,), 1)
    found = await wait_until_connected(
        client, "charger", ids, user_id=evse.user.id, **waiting(time)
    )
    assert found.is_complete


async def test_exhausted_budget_is_an_error_at_once(simulator: Simulator, time: FakeWait) -> None:
    auth = ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret)
    async with Client(auth, base_url=simulator.base_url, budget=MemoryBudget()) as client:
        simulator.faults.add("rate_limited", operation="GET /evses/{evse_id}", count=1)
        with pytest.raises(errors.RateLimitError):
            await wait_until_connected(client, "charger", ["a"], **waiting(time))
        with pytest.raises(errors.BudgetExceeded):
            await wait_until_connected(client, "charger", ["a"], **waiting(time))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"kind": "battery"}, ValueError, "kind must be 'charger' or 'vehicle', not 'battery'"),
        ({"timeout": timedelta()}, ValueError, "timeout must be positive"),
        ({"max_requests": 0}, ValueError, "max_requests must be 1 or more"),
        ({"device_ids": "evse01"}, TypeError, "device_ids"),
        ({"device_ids": ["a/b"]}, ValueError, "an item of device_ids"),
    ],
)
async def test_arguments_are_checked(
    client: Client,
    simulator: Simulator,
    change: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    arguments: dict[str, Any] = {"kind": "charger", "device_ids": ["a"], **change}
    with pytest.raises(error, match=message):
        await wait_until_connected(client, **arguments)
    assert simulator.requests == []


async def test_nothing_to_wait_for_is_complete(client: Client, simulator: Simulator) -> None:
    found = await wait_until_connected(client, "vehicle", [])
    assert (found.is_complete, found.requests, simulator.requests) == (True, 0, [])
