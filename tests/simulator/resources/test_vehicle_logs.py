from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.sessions import all_items, parse_time, query_string

if TYPE_CHECKING:
    from ev_energy.simulator import Clock

LOGS = {
    "status_logs": "sampled_at",
    "location_logs": "sampled_at",
    "command_logs": "logged_at",
    "error_logs": "logged_at",
}
EXPANSIONS = (
    *("vehicle", "vehicle.trim", "vehicle.trim.model", "vehicle.trim.model.make", "vehicle.user"),
)


@pytest.fixture
async def api(start: Any, clock: Clock) -> Any:
    """A simulator whose clock stands still."""
    return await start(rate_limit=None, clock=clock)


async def vehicles(api: Any, count: int = 1) -> list[dict[str, Any]]:
    """Return the first vehicles that are connected."""
    listed = (await api.get("/vehicles?page_size=50")).body
    return [one for one in listed if one["integrated"] == "ACTIVE"][:count]


async def entries(api: Any, url: str, pages: int = 6) -> list[dict[str, Any]]:
    """Return the newest entries of a log, 100 for each page."""
    return await all_items(api, f"{url}?page_size=100", pages=pages)


@pytest.mark.parametrize("log", LOGS)
async def test_log_entries_are_found_filtered_and_expanded(api: Any, log: str) -> None:
    [vehicle] = await vehicles(api)
    url, member = f"{vehicle['url']}/{log}", LOGS[log]
    whole = (await api.get(f"{url}?page_size=9")).body
    times = [entry[member] for entry in whole]
    assert times == sorted(set(times), reverse=True)
    assert not [text for text in times if text.endswith(".000000Z")]
    for entry in whole[:3]:
        assert entry["vehicle"] == vehicle["url"]
        assert entry["url"] == f"{url}/{entry[member]}/"
        assert (await api.get(entry["url"])).body == entry
        shown = (await api.get(f"{entry['url']}?{query_string(expand=EXPANSIONS)}")).body
        assert shown["vehicle"]["trim"]["model"]["make"]["name"]
        assert shown["vehicle"]["user"]["id"] == vehicle["user"][-30:]
    bounds = query_string(**{f"{member}__gte": times[6], f"{member}__lte": times[2]})
    assert (await api.get(f"{url}?{bounds}")).body == whole[2:7]
    listed = (await api.get(f"{url}?page_size=3&{query_string(expand=EXPANSIONS)}")).body
    assert {entry["vehicle"]["id"] for entry in listed} == {vehicle["id"]}
    assert (await api.get(f"{url}/2026-10-01T00:00:00Z")).status == 404
    assert (await api.get(f"/vehicles/vhcl{'0' * 26}/{log}")).status == 404


async def test_vehicle_statuses_are_physically_possible(api: Any) -> None:
    seen: Counter[str] = Counter()
    for vehicle in await vehicles(api, 10):
        logs = (await entries(api, f"{vehicle['url']}/status_logs", pages=3))[::-1]
        odometers = [log["odometer_meters"] for log in logs]
        assert odometers == sorted(odometers)
        for log in logs:
            seen[log["state"]] += 1
            assert log["logged_at"] > log["sampled_at"]
            assert (log["charge_rate_watts"] > 0) == log["is_charging"]
            assert log["is_plugged_in"] or not log["is_charging"]
            level = log["charge_level_watt_hours"]
            assert 0 < level <= vehicle["battery_size_watt_hours"]
            percent = 100 * level / vehicle["battery_size_watt_hours"]
            assert abs(log["state_of_charge_percentage"] - percent) <= 0.5
            assert (log["minutes_to_full_charge"] is not None) == log["is_charging"]
            assert log["state"].startswith("PLUGGED_IN") == log["is_plugged_in"]
        for before, after in pairwise(logs):
            if before["state"] == after["state"] == "STATIONARY":
                moved = after["odometer_meters"] > before["odometer_meters"]
                level = after["charge_level_watt_hours"] - before["charge_level_watt_hours"]
                assert level == 0 or moved
    assert set(seen) >= {
        *("DRIVING", "STATIONARY", "PLUGGED_IN_CHARGING", "PLUGGED_IN_NOT_CHARGING"),
        *("PLUGGED_IN_COMPLETE", "PLUGGED_IN_ALMOST_COMPLETE"),
    }


async def test_vehicle_statuses_agree_with_sub_sessions(api: Any) -> None:
    user = {"EvEnergy-User": api.simulator.user_id}
    [vehicle, _] = (await api.get("/vehicles", headers=user)).body
    subs = (await api.get(f"{vehicle['charging_sub_sessions']}&page_size=100")).body
    logs = await entries(api, f"{vehicle['url']}/status_logs", pages=2)
    plugged = 0
    for log in logs:
        when = log["sampled_at"]
        during = [one for one in subs if one["start"] <= when and (one["end"] or "9") > when]
        assert len(during) == log["is_plugged_in"]
        plugged += len(during)
        for one in during:
            public = one["mode"] == "UNMANAGED_OTG"
            assert log["current_type"].startswith("DC" if public else "AC")
    assert plugged > 20


async def test_vehicles_are_at_home_during_home_charging(api: Any) -> None:
    seen: Counter[bool | None] = Counter()
    for vehicle in await vehicles(api, 4):
        subs = (await api.get(f"{vehicle['charging_sub_sessions']}&page_size=100")).body
        for log in await entries(api, f"{vehicle['url']}/location_logs", pages=1):
            seen[log["at_home"]] += 1
            when = log["sampled_at"]
            for one in subs:
                if one["start"] <= when and (one["end"] or "9") > when:
                    assert log["at_home"] in {None, one["mode"] != "UNMANAGED_OTG"}
    assert set(seen) == {True, False, None}


async def test_vehicle_errors_follow_their_commands(api: Any) -> None:
    kinds: Counter[str] = Counter()
    errors = 0
    for vehicle in await vehicles(api, 5):
        commands = await entries(api, f"{vehicle['url']}/command_logs", pages=3)
        sent = {one["internal_command_id"]: one for one in commands}
        assert len(sent) == len(commands)
        kinds.update(one["command"] for one in commands)
        for one in commands:
            assert (one["current_milliamps"] is not None) == (one["command"] == "START_CHARGE")
        for error in (await api.get(f"{vehicle['url']}/error_logs")).body:
            command = sent.get(error["internal_command_id"])
            if command is not None:
                assert command["command"] == error["command"]
                assert command["logged_at"] < error["logged_at"]
                errors += 1
    assert {"START_CHARGE", "STOP_CHARGE", "SEND_SCHEDULE"} <= set(kinds)
    assert errors


async def test_latest_status_log_is_the_first_entry(api: Any) -> None:
    for vehicle in (await api.get("/vehicles?page_size=10&expand=latest_status_log")).body:
        listed = (await api.get(f"{vehicle['url']}/status_logs?page_size=1")).body
        assert vehicle["latest_status_log"] == (listed[0] if listed else None)


async def test_inactive_vehicle_has_no_recent_logs(start: Any, clock: Clock) -> None:
    api = await start(rate_limit=None, clock=clock, vehicles=100)
    listed = (await api.get("/vehicles?page_size=100&expand=latest_status_log")).body
    inactive = [one for one in listed if one["integrated"] == "INACTIVE"]
    assert inactive
    for vehicle in inactive:
        latest = vehicle["latest_status_log"]
        assert (clock() - parse_time(latest["sampled_at"])).total_seconds() > 86_400


async def test_disconnected_vehicle_logs_nothing_more(api: Any) -> None:
    clock = api.simulator.clock
    [vehicle] = await vehicles(api)
    before = {log: (await api.get(f"{vehicle['url']}/{log}")).body for log in LOGS}
    answer = await api("POST", f"{vehicle['url']}/disconnect")
    assert answer.body["integrated"] == "INACTIVE"
    clock.advance(hours=9)
    for log, past in before.items():
        assert (await api.get(f"{vehicle['url']}/{log}")).body == past


async def test_vehicle_that_was_never_connected_has_empty_logs(api: Any) -> None:
    model = (await api.get("/vehicle_models?page_size=1")).body[0]
    created = await api(
        "POST", "/vehicles", json={"model": model["url"]},
        headers={"EvEnergy-User": api.simulator.user_id},
    )  # fmt: skip
    assert created.body["latest_status_log"] is None
    for log in LOGS:
        answer = await api.get(f"{created.body['url']}/{log}")
        assert (answer.status, answer.body) == (200, [])
