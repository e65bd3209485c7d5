from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.sessions import EXPANSIONS, at, everything, neighbours, ongoing, query

if TYPE_CHECKING:
    from ev_energy.simulator import Clock

NOWHERE = "0" * 26
DAY = timedelta(days=1)


@pytest.fixture
async def api(start: Any, clock: Clock) -> Any:
    """A simulator whose clock stands still, so that what is listed twice is the same."""
    return await start(rate_limit=None, clock=clock)


async def first(api: Any, path: str) -> dict[str, Any]:
    return (await api.get(path)).body[0]


async def test_sessions_are_plug_in_episodes_newest_first(api: Any) -> None:
    sessions = (await api.get("/charging_sessions?page_size=100")).body
    starts = [at(one["start"]) for one in sessions]
    assert starts == sorted(starts, reverse=True)
    assert [one["id"] for one in sessions] == sorted((s["id"] for s in sessions), reverse=True)
    assert max(starts) <= api.simulator.clock()
    for one in sessions:
        assert one["end"] is None or one["start"] < one["end"]
        assert one["sub_sessions"]
        assert one["vehicle"] or one["evse"]
    assert {one["end"] is None for one in sessions} == {True, False}


async def test_a_session_is_found_alone_and_shows_its_things_in_full(api: Any) -> None:
    for listed in (await api.get("/charging_sessions?page_size=8")).body:
        assert (await api.get(listed["url"])).body == listed
        shown = (await api.get(f"{listed['url']}?{query(expand=('vehicle', 'evse'))}")).body
        for name in ("vehicle", "evse"):
            assert (shown[name] and shown[name]["url"]) == listed[name]
        shown = (await api.get(f"{listed['url']}?expand=sub_sessions")).body
        assert [one["url"] for one in shown["sub_sessions"]] == listed["sub_sessions"]
        starts = [one["start"] for one in shown["sub_sessions"]]
        assert starts == sorted(starts, reverse=True)
        assert starts[-1] == listed["start"]
        assert shown["sub_sessions"][0]["end"] == listed["end"]


async def test_sessions_were_not_recorded_before_july_2026_but_sub_sessions_were(
    start: Any, clock: Clock
) -> None:
    api = await start(rate_limit=None, clock=clock, vehicles=2)
    sessions = await everything(api, "/charging_sessions?page_size=100")
    july = datetime(2026, 7, 1, tzinfo=UTC)
    assert july <= at(sessions[-1]["start"]) < july + 5 * DAY
    subs = await everything(api, "/charging_sub_sessions?page_size=100")
    assert at(subs[-1]["start"]) < july - 80 * DAY
    recorded = [url for session in sessions for url in session["sub_sessions"]]
    assert recorded == [one["url"] for one in subs if at(one["start"]) >= july]
    old = next(one for one in subs if at(one["start"]) < july)
    assert (await api.get(old["url"])).status == 200


@pytest.mark.parametrize("path", ["/charging_sessions", "/charging_sub_sessions"])
async def test_pages_lead_forward_and_back_over_the_same_items(api: Any, path: str) -> None:
    whole = (await api.get(f"{path}?page_size=60")).body
    url, forward = f"{path}?page_size=12", []
    for _ in range(5):
        answer = await api.get(url)
        forward += answer.body
        back, url = neighbours(answer)
    assert forward == whole
    backward = answer.body
    while back is not None:
        answer = await api.get(back)
        backward = answer.body + backward
        back = neighbours(answer)[0]
    assert backward == whole
    assert neighbours(await api.get(f"{path}?page_size=12"))[0] is None


@pytest.mark.parametrize("path", ["/charging_sessions", "/charging_sub_sessions"])
async def test_what_is_no_cursor_of_this_list_is_refused(api: Any, path: str) -> None:
    other = "csub" if path == "/charging_sessions" else "cses"
    for cursor in (f"{other}{NOWHERE}", f"cses{NOWHERE}", f"csub{NOWHERE}", "vhcl" + NOWHERE):
        for name in ("page_after", "page_before"):
            answer = await api.get(f"{path}?{name}={cursor}")
            assert answer.status == 400
            assert answer.body["type"].endswith("/pagination-parameters/")


@pytest.mark.parametrize(
    "path", [f"/charging_sessions/cses{NOWHERE}", f"/charging_sub_sessions/csub{NOWHERE}"]
)
async def test_what_is_not_there_is_a_404(api: Any, path: str) -> None:
    assert (await api.get(path)).status == 404


async def test_sub_sessions_show_everything_in_full_from_the_list(api: Any) -> None:
    listed = (await api.get("/charging_sub_sessions?page_size=10")).body
    full = (await api.get(f"/charging_sub_sessions?page_size=10&{query(expand=EXPANSIONS)}")).body
    for short, long in zip(listed, full, strict=True):
        assert (await api.get(short["url"])).body == short
        alone = await api.get(f"{short['url']}?{query(expand=EXPANSIONS)}")
        assert alone.body == long
        for name in ("energy_usage", "schedules", "assessment", "flags", "debug_metadata"):
            assert long[name]["url"] == short[name]
            assert (await api.get(short[name])).body == long[name]
        for name in ("vehicle", "evse", "tariff", "carbon_feed"):
            assert (long[name] and long[name]["url"]) == short[name]
        assert [feed["url"] for feed in long["grid_feeds"]] == short["grid_feeds"]


async def test_expanding_takes_the_scopes_of_what_is_expanded(api: Any) -> None:
    client_id, secret = api.simulator.add_application(scopes=["charging_session:read"])
    await api.log_in(client_id, secret)
    sub = await first(api, "/charging_sub_sessions?page_size=1")
    for name in ("assessment", "debug_metadata", "tariff", "carbon_feed", "grid_feeds"):
        assert (await api.get(f"{sub['url']}?expand={name}")).status == 403
    assert (await api.get(f"{sub['url']}?expand=energy_usage")).status == 200
    for part in ("assessment", "debug_metadata", "schedules", "schedule_plans"):
        assert (await api.get(f"{sub['url']}/{part}")).status == 403
    assert (await api("POST", f"{sub['url']}/recalculate_energy_usages")).status == 403
    session = await first(api, "/charging_sessions")
    assert (await api("POST", f"{session['url']}/boost_start")).status == 403


async def test_sub_sessions_of_a_vehicle_and_of_an_evse_are_found(api: Any) -> None:
    user = api.simulator.user_id
    owned = await everything(api, f"/charging_sub_sessions?user_id={user}&page_size=100")
    for kind in ("vehicle", "evse"):
        for thing in (await api.get(f"/{kind}s", headers={"EvEnergy-User": user})).body:
            found = await everything(api, f"{thing['charging_sub_sessions']}&page_size=100")
            assert found == [one for one in owned if one[kind] == thing["url"]]
            assert found
    everybody = (await api.get("/charging_sub_sessions?page_size=100")).body
    mine = {one["url"] for one in owned}
    oldest = everybody[-1]["start"]
    assert [one for one in everybody if one["url"] in mine] == [
        one for one in owned if one["start"] >= oldest
    ]
    nobody = f"/charging_sub_sessions?vehicle_id=vhcl{NOWHERE}"
    assert (await api.get(nobody)).body == []


async def test_a_vehicle_and_an_evse_that_never_met_have_nothing_in_common(api: Any) -> None:
    vehicles = (await api.get("/vehicles?page_size=2")).body
    evses = (await api.get("/evses?page_size=2")).body
    met = await api.get(
        f"/charging_sub_sessions?vehicle_id={vehicles[0]['id']}&evse_id={evses[0]['id']}"
    )
    assert met.body
    for one in met.body:
        assert (one["vehicle"], one["evse"]) == (vehicles[0]["url"], evses[0]["url"])
    strange = f"vehicle_id={vehicles[0]['id']}&evse_id={evses[1]['id']}"
    assert (await api.get(f"/charging_sub_sessions?{strange}")).body == []


@pytest.mark.parametrize("bound", ["start__gt", "start__lt", "end__gt", "end__lt"])
async def test_times_bound_the_list(api: Any, bound: str) -> None:
    user = f"user_id={api.simulator.user_id}&page_size=100"
    owned = await everything(api, f"/charging_sub_sessions?{user}")
    member, _, how = bound.partition("__")
    for limit in [owned[7]["start"], owned[7]["end"], "2026-08-01T12:30:00+05:30"]:
        found = await everything(api, f"/charging_sub_sessions?{user}&{query(**{bound: limit})}")
        kept = [
            one
            for one in owned
            if one[member] is not None
            and (at(one[member]) > at(limit) if how == "gt" else at(one[member]) < at(limit))
        ]
        assert found == kept
        assert 0 < len(found) < len(owned)


async def test_other_filters_keep_what_they_should(api: Any) -> None:
    user = f"user_id={api.simulator.user_id}&page_size=100"
    owned = await everything(api, f"/charging_sub_sessions?{user}")
    tests: dict[str, Any] = {
        "mode=BOOST": lambda one: one["mode"] == "BOOST",
        "mode=UNMANAGED_OTG": lambda one: one["mode"] == "UNMANAGED_OTG",
        "mode=MANAGED_OTG": lambda one: one["mode"] == "MANAGED_OTG",
        "is_finished=true": lambda one: one["end"] is not None,
        "is_finished=false": lambda one: one["end"] is None,
        "energy_delivered_watt_hours__gte=6000": lambda one: (
            one["energy_delivered_watt_hours"] >= 6000
        ),
        "energy_delivered_watt_hours__lte=0": lambda one: one["energy_delivered_watt_hours"] == 0,
        "energy_delivered_watt_hours__lte=-1": lambda _one: False,
    }
    for asked, test in tests.items():
        found = await everything(api, f"/charging_sub_sessions?{user}&{asked}")
        assert found == [one for one in owned if test(one)], asked


async def test_what_cannot_match_is_not_looked_for(start: Any, clock: Clock) -> None:
    api = await start(rate_limit=None, clock=clock, vehicles=100_000)
    looked_at: list[int] = []
    model = api.simulator._world.charging
    episode = model._accounting.episode

    def counted(timeline: Any, day: int) -> Any:
        looked_at.append(day)
        return episode(timeline, day)

    model._accounting.episode = counted
    for asked in (
        "start__gt=2030-01-01T00:00:00Z",
        "start__lt=2020-01-01T00:00:00Z",
        "end__lt=2020-01-01T00:00:00Z",
        "end__gt=9999-12-31T00:00:00Z",
        "start__lt=2026-08-01T00:00:00Z&start__gt=2026-09-01T00:00:00Z",
        "energy_delivered_watt_hours__gte=1000000000",
        "mode=MANAGED_OTG",
        f"user_id=user{NOWHERE}",
        f"vehicle_id=vhcl{NOWHERE}",
        f"evse_id=evse{NOWHERE}",
    ):
        answer = await api.get(f"/charging_sub_sessions?{asked}")
        assert (answer.status, answer.body) == (200, []), asked
        assert neighbours(answer) == [None, None]
    assert not looked_at
    assert len((await api.get("/charging_sub_sessions?page_size=100")).body) == 100
    assert len(looked_at) < 400


async def test_a_long_search_goes_on_on_the_next_page(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = "/charging_sub_sessions?page_size=4&energy_delivered_watt_hours__gte=20000"
    asked += "&start__gt=2026-08-15T00:00:00Z"
    whole = await everything(api, asked)
    assert 4 < len(whole) < 100
    monkeypatch.setattr("ev_energy.simulator.resources.charging_sessions._sessions._SCAN_LIMIT", 40)
    assert len((await api.get(asked)).body) < 4
    assert await everything(api, asked) == whole
    last: Any = await api.get(f"{asked}&page_before={whole[-1]['id']}")
    backward = [*last.body, whole[-1]]
    while (back := neighbours(last)[0]) is not None:
        last = await api.get(back)
        backward = [*last.body, *backward]
    assert backward == whole


async def test_a_user_sees_only_what_is_theirs(api: Any) -> None:
    users = (await api.get("/users?page_size=3")).body
    mine, other = users[0]["id"], users[2]["id"]
    as_mine = {"EvEnergy-User": mine}
    owned = (await api.get("/charging_sub_sessions", headers=as_mine)).body
    assert owned == (await api.get(f"/charging_sub_sessions?user_id={mine}")).body
    assert owned == (await api.get("/charging_sub_sessions?user_id=me", headers=as_mine)).body
    theirs = await first(api, f"/charging_sub_sessions?user_id={other}")
    session = next(
        one
        for one in await everything(api, "/charging_sessions?page_size=100")
        if theirs["url"] in one["sub_sessions"]
    )
    strange = f"/charging_sub_sessions?user_id={other}"
    assert (await api.get(strange, headers=as_mine)).body == []
    assert (await api.get(session["url"], headers=as_mine)).status == 404
    assert (await api.get(session["url"], headers={"EvEnergy-User": other})).status == 200

    token = api.simulator.sign_in(mine)["access_token"]
    assert (await api.get("/charging_sub_sessions", token=token)).body == owned
    for path in (
        theirs["url"], f"{theirs['url']}/energy_usage", f"{theirs['url']}/flags", session["url"]
    ):  # fmt: skip
        assert (await api.get(path, token=token)).status == 404
        assert (await api.get(path)).status == 200
    assert (await api("POST", f"{session['url']}/boost_start", token=token)).status == 404
    sessions = (await api.get("/charging_sessions", token=token)).body
    things = set(users[0]["vehicles"]) | set(users[0]["evses"])
    assert all({one["vehicle"], one["evse"]} & things for one in sessions)
    assert sessions == (await api.get("/charging_sessions", headers=as_mine)).body


async def test_nobody_is_me_for_an_application(api: Any) -> None:
    answer = await api.get("/charging_sub_sessions?user_id=me")
    assert answer.status == 400
    assert "user_id" in answer.body["field_errors"]


async def test_a_running_sub_session_grows_and_ends_with_the_clock(api: Any) -> None:
    session = await ongoing(api)
    url, clock = session["sub_sessions"][0], api.simulator.clock
    energies = []
    for _ in range(30):
        shown = (await api.get(url)).body
        energies.append(shown["energy_delivered_watt_hours"])
        if shown["end"] is not None:
            break
        assert at((await api.get(f"{url}/energy_usage")).body["last_updated_at"]) == clock()
        clock.advance(hours=1)
    assert shown["end"] is not None
    assert at(shown["end"]) < clock()
    assert energies == sorted(energies)
    assert energies[-1] > energies[0]


async def test_what_is_removed_is_no_longer_linked_to(api: Any) -> None:
    session = await ongoing(api)
    while session["vehicle"] is None or session["evse"] is None:
        api.simulator.clock.advance(minutes=30)
        session = await ongoing(api)
    assert (await api("DELETE", session["vehicle"])).status in {200, 204}
    after = (await api.get(session["url"])).body
    assert after["vehicle"] is None
    assert at(after["end"]) == api.simulator.clock()
    listed = await api.get(f"/charging_sub_sessions?vehicle_id={session['vehicle'][-30:]}")
    assert listed.body == []
    assert (await api.get(f"{session['url']}?{query(expand=('vehicle', 'evse'))}")).status == 200


async def test_an_undo_of_all_that_was_done_brings_back_the_first_day(api: Any) -> None:
    before = (await api.get("/charging_sub_sessions?page_size=50")).body
    session = await ongoing(api)
    await api("POST", f"{session['url']}/boost_start")
    api.simulator.clock.advance(days=2)
    assert (await api.get("/charging_sub_sessions?page_size=50")).body != before
    api.simulator.reset()
    await api.log_in(api.simulator.client_id, api.simulator.client_secret)
    assert (await api.get("/charging_sub_sessions?page_size=50")).body == before
