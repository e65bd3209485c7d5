from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ev_energy.simulator.clock._instants import read_instant
from ev_energy.simulator.home_energy._home_energy import energy_totals, home_energy
from ev_energy.simulator.resources._seed_world import build_world
from ev_energy.simulator.resources.dispatch import add_event, events_of
from ev_energy.simulator.resources.solar import (
    add_array,
    add_inverter,
    change_array,
    connect_inverter,
)
from ev_energy.simulator.world._rows import Viewer

if TYPE_CHECKING:
    from ev_energy.simulator import Clock


def user_header(user_id: str) -> dict[str, str]:
    return {"EvEnergy-User": user_id}


def sign_in(api: Any, user_id: str | None = None) -> None:
    """Let the api act with a user's own token from now on."""
    api.token = api.simulator.sign_in(user_id or api.simulator.user_id).access_token


async def first(api: Any, folder: str) -> dict[str, Any]:
    return (await api.get(f"/{folder}", headers=user_header(api.simulator.user_id))).body[0]


async def test_arrays_show_their_inverter_and_their_user(api: Any) -> None:
    rows = (await api.get("/solar_arrays?expand=inverter&expand=user&page_size=100")).body
    mine = [row for row in rows if row["user"]["id"] == api.simulator.user_id]
    assert len(mine) == 1
    assert mine[0]["inverter"]["user"] == mine[0]["user"]["url"]
    assert {row["inverter"] is None for row in rows} == {True, False}
    for row in rows[:3]:
        answer = await api.get(f"{row['url']}?expand=inverter&expand=user")
        assert answer.body == row


async def test_array_forecast_is_for_today_and_for_applications_only(
    start: Any, clock: Clock
) -> None:
    api = await start(rate_limit=None, clock=clock)
    noon = (await first(api, "solar_arrays"))["forecast"]
    assert noon["solar_watt_hours_until_midnight"] > 0
    assert noon["percent_vehicle_battery_charge_until_midnight"] is None
    assert datetime.fromisoformat(noon["last_updated_at"]) <= clock.now()
    clock.advance(hours=8)
    evening = (await first(api, "solar_arrays"))["forecast"]
    assert evening["solar_watt_hours_until_midnight"] == 0
    sign_in(api)
    array = (await api.get("/solar_arrays")).body[0]
    assert array["forecast"] is None
    assert (await api.get(array["url"])).body["forecast"] is None


async def test_array_forecast_includes_the_percentage_of_a_vehicle(api: Any) -> None:
    car, array = await first(api, "vehicles"), await first(api, "solar_arrays")
    answer = await api.get(f"/solar_arrays?vehicle_id={car['id']}")
    forecast = answer.body[0]["forecast"]
    gain = forecast["percent_vehicle_battery_charge_until_midnight"]
    wh = forecast["solar_watt_hours_until_midnight"]
    assert gain == 100 * wh // car["effective_battery_size_watt_hours"]
    one = await api.get(f"{array['url']}?vehicle_id={car['id']}")
    assert one.body["forecast"] == forecast


async def test_array_forecast_for_another_users_vehicle_is_refused(api: Any) -> None:
    cars = (await api.get("/vehicles?expand=user&page_size=100")).body
    other = next(car for car in cars if car["user"]["id"] != api.simulator.user_id)
    sign_in(api)
    for path in (
        "/solar_arrays",
        urlsplit((await api.get("/solar_arrays")).body[0]["url"]).path[3:],
    ):
        for vehicle_id in (other["id"], "vhcl0"):
            answer = await api.get(f"{path}?vehicle_id={vehicle_id}")
            assert answer.status == 400
            assert list(answer.body["field_errors"]) == ["vehicle_id"]


async def test_array_is_created_listed_and_changed(api: Any) -> None:
    sign_in(api)
    before = (await api.get("/solar_arrays")).body
    answer = await api("POST", "/solar_arrays", json={"capacity_watts": 3000})
    assert answer.status == 201
    row = answer.body
    assert (row["capacity_watts"], row["inverter"]) == (3000, None)
    assert row["user"].endswith(api.simulator.user_id)
    assert (await api.get("/solar_arrays")).body == [*before, row]
    changed = await api("PATCH", f"{row['url']}?expand=user", json={"capacity_watts": 3600})
    assert (changed.status, changed.body["capacity_watts"]) == (200, 3600)
    assert changed.body["user"]["id"] == api.simulator.user_id
    assert (await api("PATCH", row["url"], json={})).body["capacity_watts"] == 3600
    assert (await api.get(row["url"])).body["capacity_watts"] == 3600
    assert (await api("POST", "/solar_arrays")).body["capacity_watts"] == 0


@pytest.mark.parametrize("watts", [-1, "9", 1.5, None])
async def test_invalid_capacity_is_a_400(api: Any, watts: object) -> None:
    array = await first(api, "solar_arrays")
    for method, path in (("POST", "/solar_arrays"), ("PATCH", array["url"])):
        answer = await api(method, path, json={"capacity_watts": watts})
        assert answer.status == 400
        assert list(answer.body["field_errors"]) == ["capacity_watts"]
    assert (await api.get(array["url"])).body["capacity_watts"] == array["capacity_watts"]


async def test_devices_of_other_users_are_a_404(api: Any) -> None:
    others = {
        folder: (await api.get(f"/{folder}")).body[1]["url"]
        for folder in ("solar_arrays", "inverters", "home_batteries", "boundary_meters")
    }
    sign_in(api)
    for url in others.values():
        assert (await api.get(url)).status == 404
    answer = await api("PATCH", others["solar_arrays"], json={"capacity_watts": 1})
    assert answer.status == 404
    for folder in ("home_batteries", "boundary_meters"):
        assert (await api.get(f"{others[folder]}/status_logs")).status == 404


async def test_inverter_logs_report_the_generation(start: Any, clock: Clock) -> None:
    api = await start(rate_limit=None, clock=clock)
    clock.advance(hours=1)
    every = "expand=model.make&expand=latest_status_log"
    rows = (await api.get(f"/inverters?page_size=100&{every}")).body
    log = [row["latest_status_log"] for row in rows]
    assert {entry["status"] for entry in log} == {"PRODUCING", "IDLE"}  # it is night in California
    for row in rows:
        entry = row["latest_status_log"]
        assert (entry["solar_power_watts"] > 0) is (entry["status"] == "PRODUCING")
        assert entry["logged_at"] > entry["sampled_at"]
        assert entry["inverter"] == row["url"]
        assert row["model"]["make"]["name"]
        assert row["onboarding_url"] is None
    assert (await api.get(f"{rows[0]['url']}?{every}")).body == rows[0]
    clock.advance(hours=9)
    await api.log_in()
    night = (await api.get(f"{rows[0]['url']}?expand=latest_status_log")).body
    assert night["latest_status_log"]["solar_power_watts"] == 0


async def test_new_inverter_waits_for_onboarding(api: Any) -> None:
    sign_in(api)
    array = (await api("POST", "/solar_arrays", json={"capacity_watts": 2000})).body
    model = (await api.get("/inverter_models")).body[-1]
    answer = await api("POST", "/inverters", json={"model": model["url"]})
    assert answer.status == 201
    row = answer.body
    assert (row["model"], row["latest_status_log"]) == (model["url"], None)
    assert (await api.get(row["url"])).body == row
    assert row in (await api.get("/inverters")).body
    assert (await api.get(array["url"])).body["inverter"] == row["url"]
    link = await api.get(row["onboarding_url"])
    assert link.status == 302
    page = parse_qs(urlsplit(link.headers["Location"]).query)
    assert page["make_id"] == [model["make"].rpartition("/")[2]]
    assert page["user_id"] == [api.simulator.user_id]


async def test_application_names_the_user_of_an_inverter(api: Any) -> None:
    user = f"{api.simulator.base_url}/users/{api.simulator.user_id}"
    model = (await api.get("/inverter_models")).body[0]["url"]
    assert (await api("POST", "/inverters", json={"model": model, "user": user})).status == 201
    answer = await api(
        "POST", "/inverters", json={"model": model}, headers=user_header(api.simulator.user_id)
    )
    assert (answer.status, answer.body["user"]) == (201, user)


@pytest.mark.parametrize(
    ("body", "members"),
    [
        ({}, {"model", "user"}),
        ({"model": "imod0"}, {"model", "user"}),
        (
            {"model": "https://h/v2/inverter_models/imod0", "user": "https://h/v2/users/u"},
            {"model", "user"},
        ),
    ],
)
async def test_inverter_without_model_or_user_is_refused(
    api: Any, body: dict[str, str], members: set[str]
) -> None:
    before = (await api.get("/inverters?page_size=100")).body
    answer = await api("POST", "/inverters", json=body)
    assert answer.status == 400
    assert set(answer.body["field_errors"]) <= members
    assert "model" in answer.body["field_errors"]
    assert (await api.get("/inverters?page_size=100")).body == before


async def test_makes_link_to_their_models(api: Any) -> None:
    makes = (await api.get("/inverter_makes")).body
    assert {make["icon"] is None for make in makes} == {True, False}
    assert {make["onboarding_url"] is None for make in makes} == {True, False}
    counted = 0
    for make in makes:
        assert (await api.get(make["url"])).body == make
        models = (await api.get(make["inverter_models"])).body
        counted += len(models)
        for model in models:
            assert model["make"] == make["url"]
            answer = await api.get(f"{model['url']}?expand=make")
            assert answer.body == model | {"make": make}
    assert counted == len((await api.get("/inverter_models?expand=make")).body)


async def test_makes_filter_by_the_country_of_a_user(api: Any) -> None:
    user_id = api.simulator.user_id
    answer = await api.get(f"/inverter_makes?available_for_user_id={user_id}")
    names = {make["name"] for make in answer.body}
    assert "GivEnergy" in names
    assert "Tesla" not in names
    unknown = await api.get(f"/inverter_makes?available_for_user_id=user{'0' * 26}")
    assert unknown.status == 400


async def test_inverter_onboarding_redirects_to_a_browser_page(api: Any) -> None:
    make = (await api.get("/inverter_makes")).body[0]
    about = {
        "user_id": api.simulator.user_id,
        "client_id": api.simulator.client_id,
        "make_id": make["id"],
    }
    answer = await api.get("/inverter_onboarding", params=about)
    assert answer.status == 302
    page = await api.session.get(answer.headers["Location"])
    assert page.status == 200
    assert make["name"] in await page.text()
    for name, text, status in (
        ("client_id", "nobody", 400),
        ("user_id", "user" + "0" * 26, 404),
        ("make_id", "imak0", 404),
        ("inverter_id", "invt0", 404),
    ):
        assert (
            await api.get("/inverter_onboarding", params={**about, name: text})
        ).status == status


async def test_forecasts_have_locations(api: Any) -> None:
    answer = await api.get("/solar_forecasts")
    assert len(answer.body) == 25
    assert "page_after" in answer.headers["Link"]
    row = answer.body[0]
    assert (await api.get(row["url"])).body == row
    assert abs(row["location"]["latitude"] - 51.5) < 0.2


async def test_forecasts_reach_two_days_ahead_and_are_renewed(start: Any, clock: Clock) -> None:
    api = await start(rate_limit=None, clock=clock)
    url = (await api.get("/solar_forecasts")).body[0]["url"]
    log = f"{url}/forecast_logs?page_size=100"
    rows = (await api.get(log)).body
    ahead = datetime.fromisoformat(rows[0]["started_at"]) - clock.now()
    assert timedelta(hours=42) <= ahead <= timedelta(hours=48)
    now = "2026-10-05T12:00:00Z"
    past = (await api.get(log, params={"started_at__lte": now})).body
    assert past[0]["started_at"] == "2026-10-05T12:00:00.000000Z"
    assert {row["interval_seconds"] for row in rows} == {1800}
    for row in past:
        assert row["sampled_at"] <= row["started_at"]
    powers = {row["started_at"][11:13]: row["forecast_watts_per_kilowatt"] for row in past}
    assert powers["00"] == powers["22"] == 0
    assert powers["11"] > 30
    noon = "2026-10-06T12:00:00.000000Z"
    one = await api.get(f"{url}/forecast_logs/{noon}?expand=solar_forecast")
    assert one.body["solar_forecast"]["url"] == url
    clock.advance(hours=9)
    later = await api.get(f"{url}/forecast_logs/{noon}")
    assert later.body["sampled_at"] > one.body["sampled_at"]
    between = {"started_at__gte": "2026-10-05T10:00:00Z", "started_at__lte": now}
    found = (await api.get(f"{log}&expand=solar_forecast", params=between)).body
    assert [row["started_at"][11:16] for row in found] == [
        "12:00",
        "11:30",
        "11:00",
        "10:30",
        "10:00",
    ]
    assert (await api.get(f"{url}/forecast_logs/2026-10-05T12:10:00Z")).status == 404


async def test_inverter_reports_once_it_is_connected(clock: Clock) -> None:
    world = build_world(1, 20, clock)
    user_id = world.user_id(2)  # without any panels so far
    add_array(world, user_id, 4000)
    model = next(world.tables["inverter_models"].after(None))["url"]
    waiting = add_inverter(world, user_id, model, reports=False)
    seen = world.tables["inverters"].view_for(waiting, Viewer("app"))
    assert seen["latest_status_log"] is None
    row = connect_inverter(world, user_id, model)
    assert row["id"] == waiting["id"]
    clock.advance(hours=1)
    seen = world.tables["inverters"].view_for(row, Viewer("app"))
    entry = world.follow(seen["latest_status_log"])
    assert entry is not None
    assert entry["solar_power_watts"] > 0
    assert seen["onboarding_url"] is None
    assert connect_inverter(world, user_id, model)["id"] != row["id"]


async def test_devices_survive_in_a_state_file(clock: Clock) -> None:
    worlds = [build_world(1, 50, clock) for _ in range(2)]
    world, resumed = worlds
    user_id = world.user_id(0)
    change_array(world, next(world.rows_of_user(user_id, "solar_arrays")), 9000)
    add_array(world, user_id, 1000)
    coordinator = next(world.tables["dispatch_coordinators"].after(None))
    times = {"start_time": "2026-10-05T13:00:00Z", "end_time": "2026-10-05T15:00:00Z"}
    limits = {"import_limit_watts": None, "export_limit_watts": None, "target_power_watts": 9}
    add_event(world, coordinator, times | limits)
    resumed.load(json.loads(json.dumps(world.dump())))
    clock.advance(hours=20)
    homes = [home_energy(one, user_id) for one in worlds]
    totalled = [
        energy_totals(home, home.current_quarter - 80, home.current_quarter) for home in homes
    ]
    assert totalled[0] == totalled[1]
    usual = build_world(1, 50, clock)
    assert (
        energy_totals(
            home_energy(usual, user_id), homes[0].current_quarter - 80, homes[0].current_quarter
        )
        != totalled[0]
    )
    for one in worlds:
        (event,) = events_of(one, coordinator)
        log = one.series(coordinator, "dispatch_logs").between(
            None, read_instant(times["end_time"])
        )
        assert next(log.after(None))["total_charge_rate_watts"] <= 9
        assert event["target_power_watts"] == 9


async def test_very_large_array_is_accepted(start: Any, clock: Clock) -> None:
    api = await start(rate_limit=None, clock=clock)
    array = await first(api, "solar_arrays")
    sign_in(api)
    most = {"capacity_watts": 2**63 - 1}
    assert (await api("PATCH", array["url"], json=most)).body["capacity_watts"] == 2**63 - 1
    for _ in range(12):
        assert (await api("POST", "/solar_arrays", json=most)).status == 201
    clock.advance(hours=1)
    system = (await api.get("/hem_systems")).body[0]["url"]
    live = (await api.get(f"{system}/live_power")).body
    assert live["export_watts"] > 10**12
    await api.log_in()
    assert (await api.get("/solar_arrays")).status == 200
