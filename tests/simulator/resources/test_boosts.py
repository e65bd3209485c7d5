from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.sessions import at, everything, ongoing

if TYPE_CHECKING:
    from ev_energy.simulator import Clock

NOWHERE = "0" * 26


@pytest.fixture
async def api(start: Any, clock: Clock) -> Any:
    """A simulator whose clock stands still."""
    return await start(rate_limit=None, clock=clock)


async def test_a_boost_ends_the_smart_sub_session_and_begins_another(api: Any) -> None:
    session = await ongoing(api)
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
    assert at(boost["start"]) == clock()
    assert (await api("POST", f"{session['url']}/boost_start")).status == 409

    clock.advance(minutes=10)
    grown = (await api.get(boost["url"])).body
    assert grown["energy_delivered_watt_hours"] > 0
    clock.advance(minutes=1)
    answer = await api("POST", f"{session['url']}/boost_end")
    assert answer.status == 200
    assert answer.body["sub_sessions"][1:] == boosting["sub_sessions"]
    after, over = [(await api.get(url)).body for url in answer.body["sub_sessions"][:2]]
    assert (after["mode"], after["end"]) == ("SMART", None)
    assert over["id"] == boost["id"]
    assert at(over["end"]) == clock()
    assert over["duration_minutes"] == 11
    reasons = [(await api.get(f"{one['url']}/debug_metadata")).body for one in (smart, over, after)]
    assert reasons[0]["finish_reason"] == reasons[1]["start_reason"] == "BOOST_START"
    assert reasons[1]["finish_reason"] == reasons[2]["start_reason"] == "SMART_CHARGE_ENABLED"
    listed = (await api.get(f"/charging_sub_sessions?evse_id={over['evse'][-30:]}")).body
    assert [one["url"] for one in listed[:2]] == answer.body["sub_sessions"][:2]


async def test_only_what_is_boosting_can_stop_to(api: Any) -> None:
    session = await ongoing(api)
    answer = await api("POST", f"{session['url']}/boost_end")
    assert answer.status == 409
    assert answer.body["status"] == 409


async def test_what_is_over_cannot_be_boosted(api: Any) -> None:
    sessions = (await api.get("/charging_sessions?page_size=100")).body
    over = next(one for one in sessions if one["end"] is not None)
    for what in ("boost_start", "boost_end"):
        assert (await api("POST", f"{over['url']}/{what}")).status == 409
    assert (await api.get(over["url"])).body == over
    unknown = f"/charging_sessions/cses{NOWHERE}/boost_start"
    assert (await api("POST", unknown)).status == 404


async def test_there_is_no_boost_without_smart_charging(api: Any) -> None:
    session = await ongoing(api)
    while session["vehicle"] is None:
        api.simulator.clock.advance(minutes=30)
        session = await ongoing(api)
    api.simulator.clock.advance(minutes=1)
    off = await api("PATCH", session["vehicle"], json={"smart_charging_enabled": False})
    assert off.status == 200
    newest = (await api.get(session["url"])).body["sub_sessions"][0]
    assert (await api.get(newest)).body["mode"] == "UNMANAGED_HOME"
    assert (await api("POST", f"{session['url']}/boost_start")).status == 409
    api.simulator.clock.advance(minutes=1)
    await api("PATCH", session["vehicle"], json={"smart_charging_enabled": True})
    assert (await api("POST", f"{session['url']}/boost_start")).status == 200


async def test_a_device_that_never_reported_cannot_be_boosted(start: Any, clock: Clock) -> None:
    api = await start(rate_limit=None, clock=clock, vehicles=400)
    evses = await everything(api, "/evses?page_size=100")
    silent = [one["id"] for one in evses if one["latest_status_log"] is None]
    refused: set[int] = set()
    for _ in range(48):
        for evse_id in silent:
            asked = f"evse_id={evse_id}&is_finished=false&mode=SMART"
            for sub in (await api.get(f"/charging_sub_sessions?{asked}")).body:
                of_user = (await api.get(sub["evse"])).body["user"].rpartition("/")[2]
                as_user = {"EvEnergy-User": of_user}
                sessions = (await api.get("/charging_sessions", headers=as_user)).body
                [session] = [one for one in sessions if sub["url"] in one["sub_sessions"]]
                answer = await api("POST", f"{session['url']}/boost_start")
                if sub["vehicle"] is None and answer.status != 409:
                    refused.add(answer.status)
        if refused:
            break
        clock.advance(hours=1)
        await api.log_in()
    assert refused == {503}
