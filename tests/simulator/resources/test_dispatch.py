from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ev_energy.simulator import Clock

NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
PILOT = "/dispatch_coordinators/dc000000"


def event(hours: float, length: float = 1, **asked: Any) -> dict[str, Any]:
    start = NOON + timedelta(hours=hours)
    times = {
        "start_time": start.isoformat(),
        "end_time": (start + timedelta(hours=length)).isoformat(),
    }
    return {**times, **(asked or {"import_limit_watts": 5000})}


async def power(api: Any, coordinator: str = PILOT) -> list[dict[str, Any]]:
    return (await api.get(f"{coordinator}/dispatch_logs?page_size=100")).body


async def test_coordinators_are_listed_and_returned_by_id(api: Any) -> None:
    rows = (await api.get("/dispatch_coordinators")).body
    assert [row["id"] for row in rows[:2]] == ["dc000000", "dc000001"]
    assert {row["contract_end"] is None for row in rows} == {True, False}
    assert {row["contract_start"] is None for row in rows} == {True, False}
    for row in rows:
        assert (await api.get(row["url"])).body == row
        assert (await api.get(row["dispatch_logs"])).status == 200
    assert (await api.get("/dispatch_coordinators/dc999999")).status == 404


async def test_coordinators_are_paged_by_their_short_ids(api: Any) -> None:
    first = await api.get("/dispatch_coordinators?page_size=2")
    second = await api.get(first.headers["Link"].split(", ")[1].partition(">")[0][1:])
    assert [row["id"] for row in second.body] == ["dc000002", "dc000003"]
    back = await api.get(second.headers["Link"].partition(">")[0][1:])
    assert back.body == first.body
    assert (await api.get("/dispatch_coordinators?page_after=dc1")).status == 400


async def test_user_sees_coordinators_of_own_country(api: Any) -> None:
    as_user = {"EvEnergy-User": api.simulator.user_id}
    rows = (await api.get("/dispatch_coordinators", headers=as_user)).body
    assert [row["id"] for row in rows] == ["dc000000", "dc000001"]
    api.token = api.simulator.sign_in(api.simulator.user_id).access_token
    assert (await api.get("/dispatch_coordinators")).body == rows
    for path in ("", "/dispatch_logs"):
        assert (await api.get(f"/dispatch_coordinators/dc000004{path}")).status == 404
    answer = await api("POST", "/dispatch_coordinators/dc000004/dispatch_events", json=event(1))
    assert answer.status == 404


async def test_logs_report_the_power_of_the_charging_sites(start: Any, clock: Clock) -> None:
    api = await start(rate_limit=None, clock=clock)
    clock.advance(days=1)
    await api.log_in()
    day = await power(api)
    drawn = [row["total_charge_rate_watts"] for row in day]
    assert 0 in drawn
    assert max(drawn) > 7000
    assert (await api.get(day[3]["url"])).body == day[3]
    bounds = {"logged_at__gte": day[4]["logged_at"], "logged_at__lte": day[2]["logged_at"]}
    assert (await api.get(f"{PILOT}/dispatch_logs", params=bounds)).body == day[2:5]
    assert (await api.get(f"{PILOT}/dispatch_logs/2026-10-05T11:59:00Z")).status == 404


async def test_logs_end_with_the_contract(api: Any) -> None:
    entries = await power(api, "/dispatch_coordinators/dc000005")
    assert entries[0]["logged_at"] < "2026-07-01T00:00:00Z"
    assert len(entries) == 100


async def test_event_is_created_with_its_limits(api: Any) -> None:
    answer = await api("POST", f"{PILOT}/dispatch_events", json=event(6))
    assert answer.status == 201
    row = answer.body
    assert row["url"].endswith(f"{PILOT}/dispatch_events/{row['id']}")
    assert row["dispatch_coordinator"].endswith(PILOT)
    assert row["start_time"] == "2026-10-05T18:00:00.000000Z"
    limits = [row[f"{name}_watts"] for name in ("import_limit", "export_limit", "target_power")]
    assert limits == [5000, None, None]


async def test_power_is_limited_during_an_event(start: Any, clock: Clock) -> None:
    other = await start(rate_limit=None, clock=Clock(speed=0))
    other.simulator.clock.advance(hours=20)
    await other.log_in()
    without_event = {row["logged_at"]: row["total_charge_rate_watts"] for row in await power(other)}
    peak = (
        datetime.fromisoformat(max(without_event, key=without_event.__getitem__)) - NOON
    ) / timedelta(hours=1)

    api = await start(rate_limit=None, clock=clock)
    low = event(peak - 0.5, import_limit_watts=1000)
    exact = event(peak + 0.5, 0.75, target_power_watts=2500)
    for body in (low, exact):
        assert (await api("POST", f"{PILOT}/dispatch_events", json=body)).status == 201
    clock.advance(hours=20)
    await api.log_in()
    with_event = {row["logged_at"]: row["total_charge_rate_watts"] for row in await power(api)}

    assert with_event.keys() == without_event.keys()
    for at, watts in with_event.items():
        if low["start_time"] <= at < low["end_time"]:
            assert watts == min(without_event[at], 1000)
        elif exact["start_time"] <= at < exact["end_time"]:
            assert watts == 2500
        else:
            assert watts == without_event[at]
    assert max(without_event.values()) > 1000


async def test_cancelled_event_has_no_effect(start: Any, clock: Clock) -> None:
    api = await start(rate_limit=None, clock=clock)
    answer = await api("POST", f"{PILOT}/dispatch_events", json=event(13, 4, target_power_watts=77))
    clock.advance(hours=15)
    await api.log_in()
    cancel = f"{answer.body['url']}/cancel"
    assert (await api("POST", cancel)).body == {"status": "CANCELLED"}
    clock.advance(hours=2)
    log = await power(api)
    asked = [row["logged_at"] for row in log if row["total_charge_rate_watts"] == 77]
    assert len(asked) == 12
    assert max(asked) < "2026-10-06T03:00:00Z"
    again = await api("POST", cancel)
    assert (again.status, again.body["title"]) == (400, "Too late")
    assert (await api("POST", f"{PILOT}/dispatch_events", json=event(18))).status == 201


async def test_ended_event_cannot_be_cancelled(start: Any, clock: Clock) -> None:
    api = await start(rate_limit=None, clock=clock)
    url = (await api("POST", f"{PILOT}/dispatch_events", json=event(1))).body["url"]
    clock.advance(hours=2)
    assert (await api("POST", f"{url}/cancel")).status == 400
    other_url = url.replace("dc000000", "dc000001")
    assert (await api("POST", f"{other_url}/cancel")).status == 404
    assert (await api("POST", f"{PILOT}/dispatch_events/devt0/cancel")).status == 404


@pytest.mark.parametrize(
    ("body", "member"),
    [
        (event(-1), "start_time"),
        (event(1, 0), "end_time"),
        (event(2, -1), "end_time"),
        (event(1, import_limit_watts=None), "import_limit_watts"),
        (event(1, import_limit_watts=-1), "import_limit_watts"),
        (event(1, export_limit_watts=-1), "export_limit_watts"),
        (event(1, import_limit_watts="1"), "import_limit_watts"),
        (event(1, import_limit_watts=1, target_power_watts=2), "target_power_watts"),
        ({"end_time": "2026-10-05T20:00:00Z", "import_limit_watts": 1}, "start_time"),
        (event(1) | {"start_time": "soon"}, "start_time"),
    ],
)
async def test_invalid_event_is_refused(
    api: Any, clock: Clock, body: dict[str, Any], member: str
) -> None:
    answer = await api("POST", f"{PILOT}/dispatch_events", json=body)
    assert answer.status == 400
    assert member in answer.body["field_errors"]
    assert (await api("POST", f"{PILOT}/dispatch_events", json=event(1))).status == 201


async def test_overlapping_events_are_refused(api: Any) -> None:
    path = f"{PILOT}/dispatch_events"
    first = await api("POST", path, json=event(2, 2))
    for hours, length in ((1, 1.5), (3, 5), (2, 2), (2.5, 1)):
        answer = await api("POST", path, json=event(hours, length))
        assert answer.status == 400
        assert list(answer.body["field_errors"]) == ["start_time"]
    for hours in (1, 4):
        assert (await api("POST", path, json=event(hours))).status == 201
    other = "/dispatch_coordinators/dc000001/dispatch_events"
    assert (await api("POST", other, json=event(2))).status == 201
    await api("POST", f"{first.body['url']}/cancel")
    assert (await api("POST", path, json=event(2.5))).status == 201


async def test_event_outside_the_contract_is_refused(api: Any) -> None:
    ended = "/dispatch_coordinators/dc000005/dispatch_events"
    answer = await api("POST", ended, json=event(1))
    assert answer.body["field_errors"] == {
        "start_time": ["The event must be within the term of the contract."]
    }
    later = "/dispatch_coordinators/dc000002/dispatch_events"
    assert (await api("POST", later, json=event(1, 24 * 300))).status == 400
