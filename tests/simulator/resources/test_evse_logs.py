from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import pytest

from ev_energy.simulator import Clock
from ev_energy.simulator.world._series import ORIGIN, avoid_full_second, shortly_after
from tests.helpers.sessions import all_items, parse_time, query_string

LOGS = {
    "status_logs": "sampled_at",
    "command_logs": "logged_at",
    "error_logs": "sampled_at",
    "ocpp_logs": "sampled_at",
}
EXPANSIONS = ("evse", "evse.model", "evse.model.make", "evse.user")


@pytest.fixture
async def api(start: Any, clock: Clock) -> Any:
    """A simulator whose clock stands still."""
    return await start(rate_limit=None, clock=clock)


async def entries(api: Any, url: str, pages: int = 6) -> list[dict[str, Any]]:
    """Return the newest entries of a log, 100 for each page."""
    return await all_items(api, f"{url}?page_size=100", pages=pages)


@pytest.fixture
async def evse(api: Any) -> dict[str, Any]:
    return (await api.get("/evses?page_size=1")).body[0]


@pytest.mark.parametrize("log", LOGS)
async def test_log_entry_is_found_by_equivalent_timestamps(
    api: Any, evse: dict[str, Any], log: str
) -> None:
    entry = (await api.get(f"{evse['url']}/{log}?page_size=2")).body[1]
    text = entry[LOGS[log]]
    assert entry["url"] == f"{evse['url']}/{log}/{text}/"
    east = datetime.fromisoformat(text).astimezone(timezone(timedelta(hours=5, minutes=30)))
    for timestamp in (
        text,
        text.lower(),
        quote(text, safe=""),
        east.isoformat(),
        quote(east.isoformat()),
    ):
        for slash in ("", "/"):
            answer = await api.get(f"{evse['url']}/{log}/{timestamp}{slash}")
            assert (answer.status, answer.body) == (200, entry)


@pytest.mark.parametrize("log", LOGS)
async def test_log_entry_at_another_time_is_a_404(api: Any, evse: dict[str, Any], log: str) -> None:
    text = (await api.get(f"{evse['url']}/{log}?page_size=1")).body[0][LOGS[log]]
    whole = text.partition(".")[0]
    for other in (whole + "Z", text[:-1], "latest", "2026-06-01", "9999-12-31T23:59:59-01:00"):
        assert (await api.get(f"{evse['url']}/{log}/{other}")).status == 404


@pytest.mark.parametrize("log", LOGS)
async def test_logs_of_unknown_evse_are_a_404(api: Any, log: str) -> None:
    unknown = "/evses/evse00000000000000000000000000"
    assert (await api.get(f"{unknown}/{log}")).status == 404
    assert (await api.get(f"{unknown}/{log}/2026-06-01T00:00:00.000001Z")).status == 404


@pytest.mark.parametrize("log", LOGS)
async def test_log_entries_are_newest_first_and_never_on_a_full_second(
    api: Any, evse: dict[str, Any], log: str
) -> None:
    times = [entry[LOGS[log]] for entry in await entries(api, f"{evse['url']}/{log}")]
    assert times == sorted(set(times), reverse=True)
    assert not [text for text in times if text.endswith(".000000Z")]
    assert parse_time(times[0]) <= api.simulator.clock()


@pytest.mark.parametrize("log", LOGS)
async def test_log_filters_by_time_and_expands_the_evse(
    api: Any, evse: dict[str, Any], log: str
) -> None:
    url, member = f"{evse['url']}/{log}", LOGS[log]
    whole = (await api.get(f"{url}?page_size=20")).body
    bounds = query_string(
        **{f"{member}__gte": whole[12][member], f"{member}__lte": whole[4][member]}
    )
    assert (await api.get(f"{url}?{bounds}")).body == whole[4:13]
    shown = (await api.get(f"{url}?page_size=2&{query_string(expand=EXPANSIONS)}")).body
    assert {entry["evse"]["id"] for entry in shown} == {evse["id"]}
    assert shown[0]["evse"]["model"]["make"]["name"]
    assert (await api.get(f"{whole[0]['url']}?{query_string(expand=EXPANSIONS)}")).body == shown[0]


@pytest.mark.parametrize("log", LOGS)
async def test_logs_start_months_ago_but_not_before_the_evse(api: Any, log: str) -> None:
    for evse in (await api.get("/evses?page_size=100")).body:
        early = (
            f"{evse['url']}/{log}?{query_string(**{LOGS[log] + '__lte': '2026-04-01T00:00:00Z'})}"
        )
        found = (await api.get(early)).body
        assert all(entry[LOGS[log]] > "2026-03" for entry in found)
    assert found or log == "error_logs"


def test_full_seconds_are_avoided() -> None:
    whole = datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert avoid_full_second(whole).microsecond == 1
    other = whole.replace(microsecond=5)
    assert avoid_full_second(other) == other


def test_time_shortly_after_is_on_the_same_day() -> None:
    class HighestNumbers:
        """A random generator that returns the greatest number of each range."""

        def between(self, low: int, high: int, *_key: object) -> int:
            return high

    random: Any = HighestNumbers()
    midnight = ORIGIN + timedelta(days=5)
    for before in (1, 1000, 2_000_000, 86_399_000_000):
        begin = midnight - timedelta(microseconds=before)
        assert shortly_after(random, begin, timedelta(seconds=2)) > begin
        if before >= 1000:
            assert shortly_after(random, begin, timedelta(seconds=2)) < midnight


async def test_evse_statuses_are_physically_possible(api: Any) -> None:
    seen: Counter[str] = Counter()
    for evse in (await api.get("/evses?page_size=12")).body:
        newest_first = await entries(api, f"{evse['url']}/status_logs", pages=3)
        meters = [entry["meter_reading_watt_hours"] for entry in newest_first]
        assert meters == sorted(meters, reverse=True)
        for entry in newest_first:
            assert (entry["charge_rate_watts"] > 0) == entry["is_charging"]
            assert entry["is_plugged_in"] or not entry["is_charging"]
            assert entry["is_enabled"] or not entry["is_charging"]
            assert entry["logged_at"] > entry["sampled_at"]
            seen[entry["mode"]] += 1
            expected = "C" if entry["is_charging"] else "B" if entry["is_plugged_in"] else "A"
            assert entry["control_pilot_status"] in {expected, None}
            mode = "Charge" if entry["is_charging"] else "Delay"
            assert entry["mode"] == (mode if entry["is_plugged_in"] else "Idle")
    assert set(seen) == {"Charge", "Delay", "Idle"}


async def test_evse_statuses_agree_with_sub_sessions(api: Any) -> None:
    checked: Counter[bool] = Counter()
    for evse in (await api.get("/evses?page_size=6")).body:
        logs = (await api.get(f"{evse['url']}/status_logs?page_size=100")).body
        subs = (await api.get(f"{evse['charging_sub_sessions']}&page_size=100")).body
        for log in logs:
            when = log["sampled_at"]
            during = [one for one in subs if one["start"] <= when and (one["end"] or "9") > when]
            assert len(during) == log["is_plugged_in"]
            checked[log["is_plugged_in"]] += 1
    assert min(checked[True], checked[False]) > 20


async def test_commands_enable_and_disable_the_evse(api: Any) -> None:
    reasons: Counter[str] = Counter()
    for evse in (await api.get("/evses?page_size=8")).body:
        commands = await entries(api, f"{evse['url']}/command_logs", pages=1)
        reasons.update(entry["reason"] for entry in commands)
        logs = (await api.get(f"{evse['url']}/status_logs?page_size=100")).body
        for log in logs:
            before = [c for c in commands if c["logged_at"] < log["sampled_at"]]
            recent = any(
                abs((parse_time(c["logged_at"]) - parse_time(log["sampled_at"])).total_seconds())
                < 5
                for c in commands
            )
            if before and log["is_plugged_in"] and not recent:
                assert before[0]["is_enabled_target"] == log["is_enabled"]
    assert {"REFRESH_SCHEDULES", "SCHEDULED_CHARGING", "STOP_CHARGE"} <= set(reasons)
    assert reasons["API_TRIGGERED_COMMAND"]


async def test_error_entries_follow_their_commands(api: Any, evse: dict[str, Any]) -> None:
    commands = await entries(api, f"{evse['url']}/command_logs")
    errors = await entries(api, f"{evse['url']}/error_logs", pages=1)
    sent = {entry["internal_command_id"]: entry["logged_at"] for entry in commands}
    assert len(sent) == len(commands) > 300
    known = [entry for entry in errors if entry["internal_command_id"] in sent]
    assert known
    for entry in known:
        assert sent[entry["internal_command_id"]] < entry["sampled_at"]
    # The other errors are older than the commands that were read.
    assert errors[: len(known)] == known


async def test_ocpp_messages_agree_with_the_status_log(api: Any) -> None:
    seen: Counter[str] = Counter()
    for evse in (await api.get("/evses?page_size=3")).body:
        logs = (await api.get(f"{evse['url']}/status_logs?page_size=100")).body
        meters = {log["sampled_at"]: log["meter_reading_watt_hours"] for log in logs}
        for call in await entries(api, f"{evse['url']}/ocpp_logs", pages=3):
            when, payload = call["sampled_at"], call["payload"]
            before = max((t for t in meters if t < when), default=None)
            after = min((t for t in meters if t > when), default=None)
            seen[call["action"]] += 1
            if call["action"] == "MeterValues" and before and after:
                [value] = payload["meterValue"][0]["sampledValue"]
                assert meters[before] <= int(value["value"]) <= meters[after]
            if call["action"] == "StatusNotification":
                seen[payload["status"]] += 1
    assert {"Charging", "SuspendedEVSE", "Available", "MeterValues"} <= set(seen)


async def test_ocpp_messages_filter_by_direction_and_action(api: Any, evse: dict[str, Any]) -> None:
    url = f"{evse['url']}/ocpp_logs"
    whole = await entries(api, url, pages=3)
    assert {entry["direction"] for entry in whole} == {"Sent", "Received"}
    sent = (await api.get(f"{url}?direction=SENT&page_size=20")).body
    assert sent == [entry for entry in whole if entry["direction"] == "Sent"][:20]
    some = (await api.get(f"{url}?action__in=Heartbeat,MeterValues&page_size=20")).body
    assert some == [e for e in whole if e["action"] in {"Heartbeat", "MeterValues"}][:20]
    wrong = await api.get(f"{url}?action__in=Heartbeat,Nonsense")
    assert wrong.status == 400


async def test_latest_status_log_is_the_first_entry(api: Any) -> None:
    for evse in (await api.get("/evses?page_size=5&expand=latest_status_log")).body:
        listed = (await api.get(f"{evse['url']}/status_logs?page_size=1")).body
        assert evse["latest_status_log"] == (listed[0] if listed else None)


async def test_logs_grow_with_the_clock_and_keep_past_entries(
    api: Any, evse: dict[str, Any]
) -> None:
    before = {log: (await api.get(f"{evse['url']}/{log}")).body for log in LOGS}
    api.simulator.clock.advance(hours=9)
    for log, past in before.items():
        after = await entries(api, f"{evse['url']}/{log}", pages=3)
        assert after[after.index(past[0]) :][: len(past)] == past
        assert after.index(past[0]) > 0 or log in {"error_logs", "command_logs"}


async def test_clamp_measures_import_and_export(api: Any) -> None:
    clamp = (await api.get("/ct_clamps?page_size=1")).body[0]
    found = await all_items(api, f"{clamp['url']}/logs?page_size=100", pages=20)
    currents = [entry["current_milliamps"] for entry in found]
    assert min(currents) < 0 < max(currents)
    assert {entry["ct_clamp"] for entry in found} == {clamp["url"]}
    assert (await api.get(found[7]["url"])).body == found[7]
    for expand in (("ct_clamp",), ("ct_clamp", "ct_clamp.evse")):
        shown = (await api.get(f"{found[7]['url']}?{query_string(expand=expand)}")).body
        assert shown["ct_clamp"]["id"] == clamp["id"]


async def test_clamp_agrees_with_the_meter_of_its_home(api: Any) -> None:
    as_user = {"EvEnergy-User": api.simulator.user_id}
    [meter] = (await api.get("/boundary_meters", headers=as_user)).body
    [evse] = [e for e in (await api.get("/evses", headers=as_user)).body if e["ct_clamp"]]
    metered = await all_items(api, f"{meter['url']}/status_logs?page_size=100", pages=4)
    clamped = await all_items(api, f"{evse['ct_clamp']}/logs?page_size=100", pages=4)
    quarter = timedelta(minutes=15)
    checked = 0
    for newer, older in pairwise(metered):
        quarter_start = parse_time(newer["sampled_at"])
        quarter_start -= timedelta(minutes=quarter_start.minute % 15, seconds=quarter_start.second)
        quarter_start = quarter_start.replace(microsecond=0)
        if not parse_time(older["sampled_at"]) < quarter_start:
            continue
        during = [
            entry["current_milliamps"]
            for entry in clamped
            if quarter_start <= parse_time(entry["sampled_at"]) < quarter_start + quarter
        ]
        for milliamps in during:
            watts = milliamps * 230 / 1000
            assert abs(watts - newer["power_watts"]) <= 1
            checked += 1
    assert checked > 100


async def test_evses_that_never_reported_have_no_logs(start: Any) -> None:
    api = await start(vehicles=100)
    without_logs = [
        e for e in (await api.get("/evses?page_size=100")).body if not e["latest_status_log"]
    ]
    assert without_logs
    assert (await api.get(f"{without_logs[0]['url']}/status_logs")).body == []


async def test_world_depends_on_the_seed_only(start: Any) -> None:
    async def world(seed: int) -> list[Any]:
        api = await start(seed=seed, rate_limit=None, clock=Clock(speed=0))
        root = api.simulator.base_url
        answers: list[Any] = [api.simulator.client_id, api.simulator.user_id]
        evse_id = (await api.get("/evses")).body[3]["id"]
        paths = ["/users", "/evses", "/ct_clamps", "/evse_firmware_versions"]
        # The logs of the second world are read in reverse order.
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
