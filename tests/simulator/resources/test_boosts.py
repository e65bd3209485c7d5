from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.sessions import all_items, parse_time, running_session

if TYPE_CHECKING:
    from ev_energy.simulator import Clock

UNKNOWN = "0" * 26


@pytest.fixture
async def api(start: Any, clock: Clock) -> Any:
    """A simulator whose clock stands still."""
    return await start(rate_limit=None, clock=clock)


async def test_boost_splits_the_smart_sub_session(api: Any) -> None:
    session = await running_session(api)
    clock = api.simulator.clock
    clock.advance(minutes=1)
    answer = await api("POST", f"{session['url']}/boost_start")
    assert answer.status == 200
    boosting = answer.body
    assert boosting["sub_sessions"][1:] == session["sub_sessions"]
    assert (boosting["start"], boosting["end"]) == (session["start"], None)
    boost, smart = [(await api.get(url)).body for url in boosting["sub_sessions"][:2]]
    assert (boost["mode"], boost["end"]) == ("BOOST", None)
    assert smart["end"] == boost["start"]
    assert parse_time(boost["start"]) == clock()
    assert (await api("POST", f"{session['url']}/boost_start")).status == 409

    clock.advance(minutes=10)
    grown = (await api.get(boost["url"])).body
    assert grown["energy_delivered_watt_hours"] > 0
    clock.advance(minutes=1)
    answer = await api("POST", f"{session['url']}/boost_end")
    assert answer.status == 200
    assert answer.body["sub_sessions"][1:] == boosting["sub_sessions"]
    after, ended = [(await api.get(url)).body for url in answer.body["sub_sessions"][:2]]
    assert (after["mode"], after["end"]) == ("SMART", None)
    assert ended["id"] == boost["id"]
    assert parse_time(ended["end"]) == clock()
    assert ended["duration_minutes"] == 11
    reasons = [
        (await api.get(f"{one['url']}/debug_metadata")).body for one in (smart, ended, after)
    ]
    assert reasons[0]["finish_reason"] == reasons[1]["start_reason"] == "BOOST_START"
    assert reasons[1]["finish_reason"] == reasons[2]["start_reason"] == "SMART_CHARGE_ENABLED"
    listed = (await api.get(f"/charging_sub_sessions?evse_id={ended['evse'][-30:]}")).body
    assert [one["url"] for one in listed[:2]] == answer.body["sub_sessions"][:2]


async def test_boost_that_is_not_running_cannot_be_ended(api: Any) -> None:
    session = await running_session(api)
    answer = await api("POST", f"{session['url']}/boost_end")
    assert answer.status == 409
    assert answer.body["status"] == 409


async def test_ended_session_cannot_be_boosted(api: Any) -> None:
    sessions = (await api.get("/charging_sessions?page_size=100")).body
    ended = next(one for one in sessions if one["end"] is not None)
    for action in ("boost_start", "boost_end"):
        assert (await api("POST", f"{ended['url']}/{action}")).status == 409
    assert (await api.get(ended["url"])).body == ended
    unknown = f"/charging_sessions/cses{UNKNOWN}/boost_start"
    assert (await api("POST", unknown)).status == 404


async def test_boost_requires_smart_charging(api: Any) -> None:
    session = await running_session(api)
    while session["vehicle"] is None:
        api.simulator.clock.advance(minutes=30)
        session = await running_session(api)
    api.simulator.clock.advance(minutes=1)
    updated = await api("PATCH", session["vehicle"], json={"smart_charging_enabled": False})
    assert updated.status == 200
    newest = (await api.get(session["url"])).body["sub_sessions"][0]
    assert (await api.get(newest)).body["mode"] == "UNMANAGED_HOME"
    assert (await api("POST", f"{session['url']}/boost_start")).status == 409
    api.simulator.clock.advance(minutes=1)
    await api("PATCH", session["vehicle"], json={"smart_charging_enabled": True})
    assert (await api("POST", f"{session['url']}/boost_start")).status == 200


async def test_boost_of_a_device_that_never_reported_is_a_503(start: Any, clock: Clock) -> None:
    api = await start(rate_limit=None, clock=clock, vehicles=400)
    evses = await all_items(api, "/evses?page_size=100")
    without_logs = [one["id"] for one in evses if one["latest_status_log"] is None]
    statuses: set[int] = set()
    for _ in range(48):
        for evse_id in without_logs:
            filters = f"evse_id={evse_id}&is_finished=false&mode=SMART"
            for sub in (await api.get(f"/charging_sub_sessions?{filters}")).body:
                user_id = (await api.get(sub["evse"])).body["user"].rpartition("/")[2]
                as_user = {"EvEnergy-User": user_id}
                sessions = (await api.get("/charging_sessions", headers=as_user)).body
                [session] = [one for one in sessions if sub["url"] in one["sub_sessions"]]
                answer = await api("POST", f"{session['url']}/boost_start")
                if sub["vehicle"] is None and answer.status != 409:
                    statuses.add(answer.status)
        if statuses:
            break
        clock.advance(hours=1)
        await api.log_in()
    assert statuses == {503}
