"""What a world keeps between requests changes no reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ev_energy.simulator import Clock, Simulator
from ev_energy.simulator.resources._device_linking import WorldConnector
from ev_energy.simulator.world._fleet import WorldFleet

if TYPE_CHECKING:
    from pathlib import Path

    from ev_energy.simulator.world._world import World

LISTS = (
    "/charging_sub_sessions?page_size=100",
    "/vehicles?expand=latest_status_log&expand=trim",
    "/evses?expand=latest_status_log",
    "/solar_arrays",
)


def _sites(world: World, fleet: WorldFleet) -> list[tuple[str, int | None]]:
    """Return the number of the site of each generated vehicle and EVSE."""
    rows = [
        world.tables[folder].seeded(number)
        for folder in ("vehicles", "evses")
        for number in range(world.tables[folder].generated.count)
    ]
    sites = [(row["id"], fleet.site_of_row(row)) for row in rows]
    return [(key, None if site is None else site.number) for key, site in sites]


def _connect_evse(world: World) -> None:
    make = next(row for row in world.tables["evse_makes"] if row["name"] == "Wallbox")
    WorldConnector(world).connect("evses", world.user_id(0), {"make_id": make["id"]}, ["CAB-1"])


def test_site_of_a_generated_row_never_changes() -> None:
    world = Simulator(vehicles=12, clock=Clock(speed=0))._world
    before = _sites(world, world.fleet)
    assert all(number is not None for _, number in before)
    vehicle, evse = world.tables["vehicles"].seeded(1), world.tables["evses"].seeded(2)
    world.record_change(vehicle, "car_gone")
    world.update(vehicle, integrated="INACTIVE")
    world.record_change(evse, "point_gone")
    world.tables["evses"].remove(evse["id"])
    _connect_evse(world)
    assert _sites(world, world.fleet) == before == _sites(world, WorldFleet(world))


@pytest.mark.shows_secrets("files", reason="the state of a simulator has its tokens in it")
async def test_replies_do_not_depend_on_earlier_requests(start: Any, tmp_path: Path) -> None:
    clock = Clock(speed=0)
    api = await start(vehicles=12, rate_limit=None, clock=clock)
    for path in LISTS:
        assert (await api.get(path)).status == 200
    vehicles = (await api.get("/vehicles")).body
    await api("PATCH", vehicles[0]["url"], json={"maximum_charge_limit_percentage": 60})
    await api("POST", f"{vehicles[1]['url']}/disconnect")
    arrays = (await api.get("/solar_arrays")).body
    await api("PATCH", arrays[0]["url"], json={"capacity_watts": 9000})
    _connect_evse(api.simulator._world)  # the home has one more site to share its panels
    shown = [(await api.get(path)).body for path in LISTS]
    clock.advance(hours=30)
    await api.log_in()
    shown += [(await api.get(path)).body for path in LISTS]

    path = tmp_path / "state.json"
    path.write_text(api.simulator.state())
    other = await start(state=path, clock=Clock(speed=0), rate_limit=None)
    fresh = [(await other.get(path)).body for path in LISTS]
    origin, other_origin = api.simulator.base_url, other.simulator.base_url
    assert repr(fresh).replace(other_origin, origin) == repr(shown[len(LISTS) :])
    assert shown[: len(LISTS)] != shown[len(LISTS) :]
