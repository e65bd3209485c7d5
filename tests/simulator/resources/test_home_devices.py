from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ev_energy.simulator import Clock

FOLDERS = ("home_batteries", "boundary_meters")
LOGS = {"home_batteries": "home_battery", "boundary_meters": "boundary_meter"}


def user_header(api: Any) -> dict[str, str]:
    return {"EvEnergy-User": api.simulator.user_id}


@pytest.mark.parametrize("folder", FOLDERS)
async def test_devices_show_their_model_and_latest_sample(api: Any, folder: str) -> None:
    api.simulator.clock.run(0)  # else a new sample may fall between two requests
    every = "expand=model.make&expand=latest_status_log"
    rows = (await api.get(f"/{folder}?page_size=100&{every}")).body
    assert len(rows) > 5
    for row in rows[:4]:
        assert row["model"]["make"]["name"]
        assert row["latest_status_log"][LOGS[folder]] == row["url"]
        assert (await api.get(f"{row['url']}?{every}")).body == row
        plain = (await api.get(row["url"])).body
        log = (await api.get(f"{row['url']}/status_logs?page_size=1")).body
        assert plain["latest_status_log"] == log[0]["url"] == row["latest_status_log"]["url"]
    own = (await api.get(f"/{folder}", headers=user_header(api))).body
    assert [row["id"] for row in own] == [rows[0]["id"]]


@pytest.mark.parametrize("folder", FOLDERS)
async def test_log_entry_is_returned_at_its_url(api: Any, folder: str) -> None:
    url = (await api.get(f"/{folder}")).body[0]["url"]
    one = LOGS[folder]
    expand = f"expand={one}&expand={one}.model.make"
    rows = (await api.get(f"{url}/status_logs?page_size=3&{expand}")).body
    assert [row["sampled_at"] for row in rows] == sorted(
        (row["sampled_at"] for row in rows), reverse=True
    )
    for row in rows:
        assert row[one]["model"]["make"]["name"]
        assert (await api.get(f"{row['url']}?{expand}")).body == row
    bounds = {"sampled_at__gte": rows[2]["sampled_at"], "sampled_at__lte": rows[1]["sampled_at"]}
    found = (await api.get(f"{url}/status_logs?{expand}", params=bounds)).body
    assert found == rows[1:]
    assert (await api.get(f"{url}/status_logs/2026-10-05T00:00:00Z")).status == 404


@pytest.mark.parametrize("folder", FOLDERS)
async def test_log_pages_stay_stable_while_time_advances(
    start: Any, clock: Clock, folder: str
) -> None:
    api = await start(rate_limit=None, clock=clock)
    url = (await api.get(f"/{folder}")).body[0]["url"] + "/status_logs?page_size=7"
    first = await api.get(url)
    clock.advance(hours=2)
    following = first.headers["Link"].split(", ")[1].partition(">")[0][1:]
    second = await api.get(following)
    back = second.headers["Link"].partition(">")[0][1:]
    assert (await api.get(back)).body == first.body
    whole = (await api.get(f"{url}4")).body  # page_size=74
    newer = len(whole) - len([row for row in whole if row["url"] <= first.body[0]["url"]])
    assert newer == 8
    assert whole[newer : newer + 14] == first.body + second.body


async def test_samples_are_incomplete_sometimes_except_for_the_first_user(api: Any) -> None:
    for folder, member, kinds in (
        ("home_batteries", "charge_rate_watts", {"CHARGING", "DISCHARGING", "IDLE"}),
        ("boundary_meters", "power_watts", {"IMPORTING", "EXPORTING"}),
    ):
        rows = (await api.get(f"/{folder}")).body
        for number, row in enumerate(rows[:2]):
            log = []
            answer = await api.get(f"{row['url']}/status_logs?page_size=100")
            for _ in range(6):
                log += answer.body
                answer = await api.get(answer.headers["Link"].split(", ")[1].partition(">")[0][1:])
            lost = [entry for entry in log if entry["status"] == "UNKNOWN"]
            assert bool(lost) is bool(number)
            assert all(entry[member] is None for entry in lost)
            assert {entry["status"] for entry in log} >= kinds


@pytest.mark.slow
async def test_batteries_have_temporary_faults(start: Any) -> None:
    api = await start(rate_limit=None, vehicles=400)
    rows = (await api.get("/home_batteries?page_size=100&expand=latest_status_log")).body
    modes = {row["latest_status_log"]["operation_mode"] for row in rows}
    assert modes >= {"SELF_RELIANCE", "TIME_OF_USE", "IMPORT_FOCUS", "EXPORT_FOCUS"}
    broken = None
    for day in range(1, 60):
        span = f"sampled_at__lte=2026-{9 - day // 30:02}-{30 - day % 30:02}T12:00:00Z"
        for row in rows[:8]:
            (entry,) = (await api.get(f"{row['url']}/status_logs?page_size=1&{span}")).body
            if entry["status"] == "FAULT":
                broken = entry
    assert broken is not None
    assert (broken["charge_rate_watts"], broken["operation_mode"]) == (0, "IDLE")


@pytest.mark.parametrize("kind", ["home_battery", "boundary_meter"])
async def test_makes_link_to_their_models(api: Any, kind: str) -> None:
    makes = (await api.get(f"/{kind}_makes")).body
    counted = 0
    for make in makes:
        assert (await api.get(make["url"])).body == make
        models = (await api.get(f"/{kind}_models?make_id={make['id']}")).body
        counted += len(models)
        if kind == "home_battery":
            assert (await api.get(make["models"])).body == models
        for model in models:
            answer = await api.get(f"{model['url']}?expand=make")
            assert answer.body == model | {"make": make}
    assert counted == len((await api.get(f"/{kind}_models?expand=make")).body) > len(makes)
    assert (await api.get(f"/{kind}_models?make_id=none")).body == []


@pytest.mark.parametrize(
    "path",
    [
        "/home_batteries/x",
        "/boundary_meters/x",
        "/hem_systems/x",
        "/home_battery_makes/x",
        "/home_batteries/x/status_logs",
        "/hem_systems/x/live_power",
    ],
)
async def test_unknown_device_is_a_404(api: Any, path: str) -> None:
    assert (await api.get(path)).status == 404


async def test_hem_systems_are_listed_and_returned_by_id(api: Any) -> None:
    rows = (await api.get("/hem_systems?page_size=3")).body
    for row in rows:
        assert (await api.get(row["url"])).body == row
        assert set(row) == {"id", "url", "created_at"}
