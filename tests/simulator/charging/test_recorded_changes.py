"""Effects of requests on later charging."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ev_energy.simulator.clock._instants import write_instant
from ev_energy.simulator.resources._device_linking import WorldConnector


@pytest.fixture
async def api(start: Any, clock: Any) -> Any:
    return await start(rate_limit=None, clock=clock)


async def sub_sessions_since(
    api: Any, vehicle: dict[str, Any], timestamp: str
) -> list[dict[str, Any]]:
    """Return the sub-sessions of a vehicle that started after *timestamp*."""
    await api.log_in()  # tests move the clock by days, which ends tokens
    query = f"vehicle_id={vehicle['id']}&start__gt={timestamp}"
    return (await api.get(f"/charging_sub_sessions?{query}")).body


async def active_vehicle(api: Any) -> dict[str, Any]:
    """Return a vehicle that is connected."""
    vehicles = (await api.get("/vehicles?page_size=20&expand=user")).body
    return next(one for one in vehicles if one["integrated"] == "ACTIVE" and one["trim"])


async def test_tariff_change_applies_to_later_sessions(api: Any, clock: Any) -> None:
    vehicle = await active_vehicle(api)
    user = vehicle["user"]["url"]
    before = (await api.get(user)).body["default_location"]["tariff"]
    others = [one["url"] for one in (await api.get("/tariffs")).body if one["url"] != before]
    september = "2026-09-20T00:00:00Z"
    tariffs = {
        one["id"]: one["tariff"] for one in await sub_sessions_since(api, vehicle, september)
    }
    assert set(tariffs.values()) <= {before, None}
    body = {"default_location": {"tariff": others[0]}}
    assert (await api("PATCH", user, json=body)).status == 200
    changed_at = write_instant(clock.now())
    clock.advance(days=4)
    new = {one["id"]: one["tariff"] for one in await sub_sessions_since(api, vehicle, changed_at)}
    assert others[0] in set(new.values()) <= {others[0], None}
    assert {
        one["id"]: one["tariff"] for one in await sub_sessions_since(api, vehicle, september)
    } == tariffs | new


async def test_disconnected_vehicle_does_not_charge_until_it_is_reconnected(
    api: Any, clock: Any
) -> None:
    vehicle = await active_vehicle(api)
    answer = await api("POST", vehicle["url"] + "/disconnect")
    assert answer.body["integrated"] == "INACTIVE"
    disconnected_at = write_instant(clock.now())
    clock.advance(days=5)
    assert await sub_sessions_since(api, vehicle, disconnected_at) == []
    logs = (await api.get(f"{vehicle['url']}/status_logs?sampled_at__gte={disconnected_at}")).body
    assert logs == []

    world = api.simulator._world
    WorldConnector(world).reconnect("vehicles", vehicle["id"])
    reconnected_at = write_instant(clock.now())
    assert (await api.get(vehicle["url"])).body["integrated"] == "ACTIVE"
    clock.advance(timedelta(days=5))
    assert await sub_sessions_since(api, vehicle, reconnected_at)
    assert (await api.get(f"{vehicle['url']}/status_logs?sampled_at__gte={reconnected_at}")).body
