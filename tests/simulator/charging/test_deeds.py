"""What requests change of the charging that comes after them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ev_energy.simulator.clock._instants import write_instant
from ev_energy.simulator.resources._device_linking import WorldConnector


@pytest.fixture
async def api(start: Any, clock: Any) -> Any:
    return await start(rate_limit=None, clock=clock)


async def since(api: Any, vehicle: dict[str, Any], instant: str) -> list[dict[str, Any]]:
    await api.log_in()  # in days, tokens expire
    query = f"vehicle_id={vehicle['id']}&start__gt={instant}"
    return (await api.get(f"/charging_sub_sessions?{query}")).body


async def a_vehicle(api: Any) -> dict[str, Any]:
    vehicles = (await api.get("/vehicles?page_size=20&expand=user")).body
    return next(one for one in vehicles if one["integrated"] == "ACTIVE" and one["trim"])


async def test_who_moves_to_another_tariff_pays_by_it_from_the_next_time_on(
    api: Any, clock: Any
) -> None:
    vehicle = await a_vehicle(api)
    user = vehicle["user"]["url"]
    before = (await api.get(user)).body["default_location"]["tariff"]
    others = [one["url"] for one in (await api.get("/tariffs")).body if one["url"] != before]
    september = "2026-09-20T00:00:00Z"
    paid = {one["id"]: one["tariff"] for one in await since(api, vehicle, september)}
    assert set(paid.values()) <= {before, None}
    asked = {"default_location": {"tariff": others[0]}}
    assert (await api("PATCH", user, json=asked)).status == 200
    changed_at = write_instant(clock.now())
    clock.advance(days=4)
    new = {one["id"]: one["tariff"] for one in await since(api, vehicle, changed_at)}
    assert others[0] in set(new.values()) <= {others[0], None}
    assert {one["id"]: one["tariff"] for one in await since(api, vehicle, september)} == paid | new


async def test_a_disconnected_vehicle_charges_no_more_until_it_is_connected_again(
    api: Any, clock: Any
) -> None:
    vehicle = await a_vehicle(api)
    answer = await api("POST", vehicle["url"] + "/disconnect")
    assert answer.body["integrated"] == "INACTIVE"
    gone = write_instant(clock.now())
    clock.advance(days=5)
    assert await since(api, vehicle, gone) == []
    silent = (await api.get(f"{vehicle['url']}/status_logs?sampled_at__gte={gone}")).body
    assert silent == []

    world = api.simulator._world
    WorldConnector(world).reconnect("vehicles", vehicle["id"])
    back = write_instant(clock.now())
    assert (await api.get(vehicle["url"])).body["integrated"] == "ACTIVE"
    clock.advance(timedelta(days=5))
    assert await since(api, vehicle, back)
    assert (await api.get(f"{vehicle['url']}/status_logs?sampled_at__gte={back}")).body
