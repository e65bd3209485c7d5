from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import pytest

from ev_energy.simulator._evse_logs import _backwards

LOGS = {
    "status_logs": "sampled_at",
    "command_logs": "logged_at",
    "error_logs": "sampled_at",
    "ocpp_logs": "sampled_at",
}


async def entries(api: Any, url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while page := (await api.get(f"{url}?page_size=100{cursor}")).body:
        found += page
        cursor = "&page_after=" + quote(page[-1].get("sampled_at") or page[-1]["logged_at"])
    return found


@pytest.fixture
async def evse(api: Any) -> dict[str, Any]:
    return (await api.get("/evses?page_size=1")).body[0]


@pytest.mark.parametrize("log", LOGS)
async def test_an_entry_is_found_however_its_instant_is_spelt(
    api: Any, evse: dict[str, Any], log: str
) -> None:
    entry = (await api.get(f"{evse['url']}/{log}?page_size=2")).body[1]
    text = entry[LOGS[log]]
    assert entry["url"] == f"{evse['url']}/{log}/{text}/"
    east = datetime.fromisoformat(text).astimezone(timezone(timedelta(hours=5, minutes=30)))
    for spelt in (
        text,
        text.lower(),
        quote(text, safe=""),
        east.isoformat(),
        quote(east.isoformat()),
    ):
        for slash in ("", "/"):
            answer = await api.get(f"{evse['url']}/{log}/{spelt}{slash}")
            assert (answer.status, answer.body) == (200, entry)


@pytest.mark.parametrize("log", LOGS)
async def test_another_instant_or_no_instant_is_a_404(
    api: Any, evse: dict[str, Any], log: str
) -> None:
    text = (await api.get(f"{evse['url']}/{log}?page_size=1")).body[0][LOGS[log]]
    whole = text.partition(".")[0]
    for other in (whole + "Z", text[:-1], "latest", "2026-06-01"):
        assert (await api.get(f"{evse['url']}/{log}/{other}")).status == 404


@pytest.mark.parametrize("log", LOGS)
async def test_logs_of_an_unknown_evse_are_a_404(api: Any, log: str) -> None:
    nowhere = "/evses/evse00000000000000000000000000"
    assert (await api.get(f"{nowhere}/{log}")).status == 404
    assert (await api.get(f"{nowhere}/{log}/2026-06-01T00:00:00.000001Z")).status == 404


@pytest.mark.parametrize("log", LOGS)
async def test_entries_are_strictly_newest_first_and_never_on_a_full_second(
    api: Any, evse: dict[str, Any], log: str
) -> None:
    times = [entry[LOGS[log]] for entry in await entries(api, f"{evse['url']}/{log}")]
    assert times == sorted(set(times), reverse=True)
    assert not [text for text in times if text.endswith(".000000Z")]
    assert max(times) <= "2026-06-01T12:00:00.000000Z"


def test_an_instant_that_would_fall_on_a_full_second_is_moved() -> None:
    class EvenChance:
        def between(self, low: int, high: int, *about: object) -> int:
            return 6_000_000

    chance: Any = EvenChance()
    instant = _backwards(chance, timedelta(minutes=15), timedelta(minutes=9))
    assert [instant(number).microsecond for number in range(3)] == [999_999] * 3


async def test_every_evse_obeys_the_same_physics(api: Any) -> None:
    charged = 0
    for evse in (await api.get("/evses?page_size=12")).body:
        newest_first = await entries(api, f"{evse['url']}/status_logs")
        meters = [entry["meter_reading_watt_hours"] for entry in newest_first]
        assert meters == sorted(meters, reverse=True)
        for entry in newest_first:
            assert (entry["charge_rate_watts"] > 0) == entry["is_charging"]
            assert entry["is_plugged_in"] or not entry["is_charging"]
            assert entry["logged_at"] > entry["sampled_at"]
            charged += entry["is_charging"]
            expected = "C" if entry["is_charging"] else "B" if entry["is_plugged_in"] else "A"
            assert entry["control_pilot_status"] in {expected, None}
    assert charged


async def test_an_error_belongs_to_a_command_that_was_sent(api: Any, evse: dict[str, Any]) -> None:
    commands = await entries(api, f"{evse['url']}/command_logs")
    errors = await entries(api, f"{evse['url']}/error_logs")
    sent = {entry["internal_command_id"]: entry["logged_at"] for entry in commands}
    assert len(sent) == 120
    assert errors
    for entry in errors:
        assert sent[entry["internal_command_id"]] < entry["sampled_at"]


async def test_the_latest_status_log_is_the_first_of_the_list(api: Any) -> None:
    for evse in (await api.get("/evses?page_size=5&expand=latest_status_log")).body:
        listed = (await api.get(f"{evse['url']}/status_logs?page_size=1")).body
        assert evse["latest_status_log"] == (listed[0] if listed else None)


async def test_a_clamp_sees_both_import_and_export(api: Any) -> None:
    clamp = (await api.get("/ct_clamps?page_size=1")).body[0]
    found = await entries(api, f"{clamp['url']}/logs")
    currents = [entry["current_milliamps"] for entry in found]
    assert min(currents) < 0 < max(currents)
    assert {entry["ct_clamp"] for entry in found} == {clamp["url"]}
    assert (await api.get(found[7]["url"])).body == found[7]


async def test_some_evses_have_not_reported_yet(start: Any) -> None:
    api = await start(evses=100)
    silent = [e for e in (await api.get("/evses?page_size=100")).body if not e["latest_status_log"]]
    assert silent
    assert (await api.get(f"{silent[0]['url']}/status_logs")).body == []


async def test_the_same_seed_gives_the_same_world_and_another_seed_another(start: Any) -> None:
    async def world(seed: int) -> list[Any]:
        api = await start(seed=seed, rate_limit=None)
        root = api.simulator.base_url
        answers: list[Any] = [api.simulator.client_id, api.simulator.user_id]
        evse_id = (await api.get("/evses")).body[3]["id"]
        paths = ["/users", "/evses", "/ct_clamps", "/evse_firmware_versions"]
        # The second world is asked for its logs in another order.
        logs = sorted(LOGS, reverse=bool(len(seen) % 2))
        found = {log: (await api.get(f"/evses/{evse_id}/{log}")).body for log in logs}
        answers += [(await api.get(path)).body for path in paths]
        answers += [found[log] for log in sorted(found)]
        seen.append(seed)
        return [str(answer).replace(root, "") for answer in answers]

    seen: list[int] = []
    first, again, other = await world(7), await world(7), await world(8)
    assert first == again
    assert all(one != two for one, two in zip(first, other, strict=True))
