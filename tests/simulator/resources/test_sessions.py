from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.sessions import (
    EXPANSIONS,
    all_items,
    page_links,
    parse_time,
    query_string,
    running_session,
)

if TYPE_CHECKING:
    from ev_energy.simulator import Clock

UNKNOWN = "0" * 26
DAY = timedelta(days=1)


@pytest.fixture
async def api(start: Any, clock: Clock) -> Any:
    """A simulator whose clock stands still, so that repeated lists are equal."""
    return await start(rate_limit=None, clock=clock)


async def first(api: Any, path: str) -> dict[str, Any]:
    """Return the first item of a list."""
    return (await api.get(path)).body[0]


async def test_sessions_are_listed_newest_first(api: Any) -> None:
    sessions = (await api.get("/charging_sessions?page_size=100")).body
    starts = [parse_time(one["start"]) for one in sessions]
    assert starts == sorted(starts, reverse=True)
    assert [one["id"] for one in sessions] == sorted((s["id"] for s in sessions), reverse=True)
    assert max(starts) <= api.simulator.clock()
    for one in sessions:
        assert one["end"] is None or one["start"] < one["end"]
        assert one["sub_sessions"]
        assert one["vehicle"] or one["evse"]
    assert {one["end"] is None for one in sessions} == {True, False}


async def test_session_is_returned_by_id_and_expands(api: Any) -> None:
    for listed in (await api.get("/charging_sessions?page_size=8")).body:
        assert (await api.get(listed["url"])).body == listed
        shown = (await api.get(f"{listed['url']}?{query_string(expand=('vehicle', 'evse'))}")).body
        for name in ("vehicle", "evse"):
            assert (shown[name] and shown[name]["url"]) == listed[name]
        shown = (await api.get(f"{listed['url']}?expand=sub_sessions")).body
        assert [one["url"] for one in shown["sub_sessions"]] == listed["sub_sessions"]
        starts = [one["start"] for one in shown["sub_sessions"]]
        assert starts == sorted(starts, reverse=True)
        assert starts[-1] == listed["start"]
        assert shown["sub_sessions"][0]["end"] == listed["end"]


async def test_sessions_start_in_july_2026_and_sub_sessions_earlier(
    start: Any, clock: Clock
) -> None:
    api = await start(rate_limit=None, clock=clock, vehicles=2)
    sessions = await all_items(api, "/charging_sessions?page_size=100")
    july = datetime(2026, 7, 1, tzinfo=UTC)
    assert july <= parse_time(sessions[-1]["start"]) < july + 5 * DAY
    subs = await all_items(api, "/charging_sub_sessions?page_size=100")
    assert parse_time(subs[-1]["start"]) < july - 80 * DAY
    recorded = [url for session in sessions for url in session["sub_sessions"]]
    assert recorded == [one["url"] for one in subs if parse_time(one["start"]) >= july]
    old = next(one for one in subs if parse_time(one["start"]) < july)
    assert (await api.get(old["url"])).status == 200


@pytest.mark.parametrize("path", ["/charging_sessions", "/charging_sub_sessions"])
async def test_session_pages_are_the_same_in_both_directions(api: Any, path: str) -> None:
    whole = (await api.get(f"{path}?page_size=60")).body
    url, forward = f"{path}?page_size=12", []
    for _ in range(5):
        answer = await api.get(url)
        forward += answer.body
        previous, url = page_links(answer)
    assert forward == whole
    backward = answer.body
    while previous is not None:
        answer = await api.get(previous)
        backward = answer.body + backward
        previous = page_links(answer)[0]
    assert backward == whole
    assert page_links(await api.get(f"{path}?page_size=12"))[0] is None


@pytest.mark.parametrize("path", ["/charging_sessions", "/charging_sub_sessions"])
async def test_cursor_of_another_list_is_a_400(api: Any, path: str) -> None:
    other = "csub" if path == "/charging_sessions" else "cses"
    for cursor in (f"{other}{UNKNOWN}", f"cses{UNKNOWN}", f"csub{UNKNOWN}", "vhcl" + UNKNOWN):
        for name in ("page_after", "page_before"):
            answer = await api.get(f"{path}?{name}={cursor}")
            assert answer.status == 400
            assert answer.body["type"].endswith("/pagination-parameters/")


@pytest.mark.parametrize(
    "path", [f"/charging_sessions/cses{UNKNOWN}", f"/charging_sub_sessions/csub{UNKNOWN}"]
)
async def test_unknown_session_is_a_404(api: Any, path: str) -> None:
    assert (await api.get(path)).status == 404


async def test_sub_sessions_expand_all_members(api: Any) -> None:
    listed = (await api.get("/charging_sub_sessions?page_size=10")).body
    full = (
        await api.get(f"/charging_sub_sessions?page_size=10&{query_string(expand=EXPANSIONS)}")
    ).body
    for short, long in zip(listed, full, strict=True):
        assert (await api.get(short["url"])).body == short
        single = await api.get(f"{short['url']}?{query_string(expand=EXPANSIONS)}")
        assert single.body == long
        for name in ("energy_usage", "schedules", "assessment", "flags", "debug_metadata"):
            assert long[name]["url"] == short[name]
            assert (await api.get(short[name])).body == long[name]
        for name in ("vehicle", "evse", "tariff", "carbon_feed"):
            assert (long[name] and long[name]["url"]) == short[name]
        assert [feed["url"] for feed in long["grid_feeds"]] == short["grid_feeds"]


async def test_expansion_requires_the_scopes_of_the_expanded_members(api: Any) -> None:
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


@pytest.mark.slow
async def test_sub_sessions_filter_by_vehicle_and_evse(api: Any) -> None:
    user = api.simulator.user_id
    owned = await all_items(api, f"/charging_sub_sessions?user_id={user}&page_size=100")
    for kind in ("vehicle", "evse"):
        for device in (await api.get(f"/{kind}s", headers={"EvEnergy-User": user})).body:
            found = await all_items(api, f"{device['charging_sub_sessions']}&page_size=100")
            assert found == [one for one in owned if one[kind] == device["url"]]
            assert found
    everything = (await api.get("/charging_sub_sessions?page_size=100")).body
    owned_urls = {one["url"] for one in owned}
    oldest = everything[-1]["start"]
    assert [one for one in everything if one["url"] in owned_urls] == [
        one for one in owned if one["start"] >= oldest
    ]
    unknown = f"/charging_sub_sessions?vehicle_id=vhcl{UNKNOWN}"
    assert (await api.get(unknown)).body == []


async def test_sub_sessions_filter_by_vehicle_and_evse_together(api: Any) -> None:
    vehicles = (await api.get("/vehicles?page_size=2")).body
    evses = (await api.get("/evses?page_size=2")).body
    together = await api.get(
        f"/charging_sub_sessions?vehicle_id={vehicles[0]['id']}&evse_id={evses[0]['id']}"
    )
    assert together.body
    for one in together.body:
        assert (one["vehicle"], one["evse"]) == (vehicles[0]["url"], evses[0]["url"])
    apart = f"vehicle_id={vehicles[0]['id']}&evse_id={evses[1]['id']}"
    assert (await api.get(f"/charging_sub_sessions?{apart}")).body == []


@pytest.mark.matrix
@pytest.mark.parametrize("bound", ["start__gt", "start__lt", "end__gt", "end__lt"])
async def test_sub_sessions_filter_by_time(api: Any, bound: str) -> None:
    user = f"user_id={api.simulator.user_id}&page_size=100"
    owned = await all_items(api, f"/charging_sub_sessions?{user}")
    member, _, comparison = bound.partition("__")
    for limit in [owned[7]["start"], owned[7]["end"], "2026-08-01T12:30:00+05:30"]:
        found = await all_items(
            api, f"/charging_sub_sessions?{user}&{query_string(**{bound: limit})}"
        )
        expected = [
            one
            for one in owned
            if one[member] is not None
            and (
                parse_time(one[member]) > parse_time(limit)
                if comparison == "gt"
                else parse_time(one[member]) < parse_time(limit)
            )
        ]
        assert found == expected
        assert 0 < len(found) < len(owned)


async def test_sub_sessions_filter_by_mode_end_and_energy(api: Any) -> None:
    user = f"user_id={api.simulator.user_id}&page_size=100"
    owned = await all_items(api, f"/charging_sub_sessions?{user}")
    filters: dict[str, Any] = {
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
    for filter_query, matches in filters.items():
        found = await all_items(api, f"/charging_sub_sessions?{user}&{filter_query}")
        assert found == [one for one in owned if matches(one)], filter_query


async def test_filters_that_cannot_match_read_no_sessions(start: Any, clock: Clock) -> None:
    api = await start(rate_limit=None, clock=clock, vehicles=100_000)
    days_read: list[int] = []
    model = api.simulator._world.charging
    episode = model._accounting.episode

    def counted(timeline: Any, day: int) -> Any:
        days_read.append(day)
        return episode(timeline, day)

    model._accounting.episode = counted
    for filters in (
        "start__gt=2030-01-01T00:00:00Z",
        "start__lt=2020-01-01T00:00:00Z",
        "end__lt=2020-01-01T00:00:00Z",
        "end__gt=9999-12-31T00:00:00Z",
        "start__lt=2026-08-01T00:00:00Z&start__gt=2026-09-01T00:00:00Z",
        "energy_delivered_watt_hours__gte=1000000000",
        "mode=MANAGED_OTG",
        f"user_id=user{UNKNOWN}",
        f"vehicle_id=vhcl{UNKNOWN}",
        f"evse_id=evse{UNKNOWN}",
    ):
        answer = await api.get(f"/charging_sub_sessions?{filters}")
        assert (answer.status, answer.body) == (200, []), filters
        assert page_links(answer) == [None, None]
    assert not days_read
    assert len((await api.get("/charging_sub_sessions?page_size=100")).body) == 100
    assert len(days_read) < 400


@pytest.mark.slow
async def test_long_search_continues_on_the_next_page(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = "/charging_sub_sessions?page_size=4&energy_delivered_watt_hours__gte=20000"
    search += "&start__gt=2026-08-15T00:00:00Z"
    whole = await all_items(api, search)
    assert 4 < len(whole) < 100
    monkeypatch.setattr("ev_energy.simulator.resources.charging_sessions._sessions._SCAN_LIMIT", 40)
    assert len((await api.get(search)).body) < 4
    assert await all_items(api, search) == whole
    last: Any = await api.get(f"{search}&page_before={whole[-1]['id']}")
    backward = [*last.body, whole[-1]]
    while (previous := page_links(last)[0]) is not None:
        last = await api.get(previous)
        backward = [*last.body, *backward]
    assert backward == whole


async def test_user_sees_only_own_sessions(api: Any) -> None:
    users = (await api.get("/users?page_size=3")).body
    own_id, other_id = users[0]["id"], users[2]["id"]
    as_user = {"EvEnergy-User": own_id}
    owned = (await api.get("/charging_sub_sessions", headers=as_user)).body
    assert owned == (await api.get(f"/charging_sub_sessions?user_id={own_id}")).body
    assert owned == (await api.get("/charging_sub_sessions?user_id=me", headers=as_user)).body
    of_other = await first(api, f"/charging_sub_sessions?user_id={other_id}")
    session = next(
        one
        for one in await all_items(api, "/charging_sessions?page_size=100")
        if of_other["url"] in one["sub_sessions"]
    )
    list_of_other = f"/charging_sub_sessions?user_id={other_id}"
    assert (await api.get(list_of_other, headers=as_user)).body == []
    assert (await api.get(session["url"], headers=as_user)).status == 404
    assert (await api.get(session["url"], headers={"EvEnergy-User": other_id})).status == 200

    token = api.simulator.sign_in(own_id).access_token
    assert (await api.get("/charging_sub_sessions", token=token)).body == owned
    for path in (
        of_other["url"],
        f"{of_other['url']}/energy_usage",
        f"{of_other['url']}/flags",
        session["url"],
    ):
        assert (await api.get(path, token=token)).status == 404
        assert (await api.get(path)).status == 200
    assert (await api("POST", f"{session['url']}/boost_start", token=token)).status == 404
    sessions = (await api.get("/charging_sessions", token=token)).body
    devices = set(users[0]["vehicles"]) | set(users[0]["evses"])
    assert all({one["vehicle"], one["evse"]} & devices for one in sessions)
    assert sessions == (await api.get("/charging_sessions", headers=as_user)).body


async def test_application_without_user_cannot_filter_by_me(api: Any) -> None:
    answer = await api.get("/charging_sub_sessions?user_id=me")
    assert answer.status == 400
    assert "user_id" in answer.body["field_errors"]


async def test_running_sub_session_grows_and_ends_with_the_clock(api: Any) -> None:
    session = await running_session(api)
    url, clock = session["sub_sessions"][0], api.simulator.clock
    energies = []
    for _ in range(30):
        shown = (await api.get(url)).body
        energies.append(shown["energy_delivered_watt_hours"])
        if shown["end"] is not None:
            break
        assert parse_time((await api.get(f"{url}/energy_usage")).body["last_updated_at"]) == clock()
        clock.advance(hours=1)
    assert shown["end"] is not None
    assert parse_time(shown["end"]) < clock()
    assert energies == sorted(energies)
    assert energies[-1] > energies[0]


async def test_session_of_a_deleted_vehicle_links_to_no_vehicle(api: Any) -> None:
    session = await running_session(api)
    while session["vehicle"] is None or session["evse"] is None:
        api.simulator.clock.advance(minutes=30)
        session = await running_session(api)
    assert (await api("DELETE", session["vehicle"])).status in {200, 204}
    after = (await api.get(session["url"])).body
    assert after["vehicle"] is None
    assert parse_time(after["end"]) == api.simulator.clock()
    listed = await api.get(f"/charging_sub_sessions?vehicle_id={session['vehicle'][-30:]}")
    assert listed.body == []
    assert (
        await api.get(f"{session['url']}?{query_string(expand=('vehicle', 'evse'))}")
    ).status == 200


async def test_sessions_after_a_reset_are_those_of_the_first_day(api: Any) -> None:
    before = (await api.get("/charging_sub_sessions?page_size=50")).body
    session = await running_session(api)
    await api("POST", f"{session['url']}/boost_start")
    api.simulator.clock.advance(days=2)
    assert (await api.get("/charging_sub_sessions?page_size=50")).body != before
    api.simulator.reset()
    await api.log_in(api.simulator.client_id, api.simulator.client_secret)
    assert (await api.get("/charging_sub_sessions?page_size=50")).body == before
