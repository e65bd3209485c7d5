"""What must hold of charging, whatever is done and however the clock moves: asked of the API."""

from __future__ import annotations

import asyncio
import base64
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ev_energy.simulator import Clock, Simulator
from tests.helpers.sessions import all_items, page_links, parse_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path


@attrs.frozen
class Answer:
    status: int
    body: Any
    headers: Any


@attrs.define
class Caller:
    """An application with all scopes. Its token never expires: it gets a new one each time."""

    simulator: Simulator
    session: aiohttp.ClientSession

    async def __call__(self, method: str, path: str, **options: Any) -> Answer:
        simulator = self.simulator
        pair = f"{simulator.client_id}:{simulator.client_secret}".encode()
        basic = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        form = {"grant_type": "client_credentials"}
        async with self.session.post(simulator.token_url, data=form, headers=basic) as response:
            token = (await response.json())["access_token"]
        url = path if path.startswith("http") else simulator.base_url + path
        bearer = {"Authorization": f"Bearer {token}"}
        async with self.session.request(method, url, headers=bearer, **options) as response:
            body = await response.json(content_type=None) if await response.read() else None
            return Answer(response.status, body, response.headers.copy())

    async def get(self, path: str) -> Answer:
        return await self("GET", path)


@asynccontextmanager
async def calling(**options: Any) -> AsyncIterator[Caller]:
    options = {"rate_limit": None, "clock": Clock(speed=0), "vehicles": 5, **options}
    async with Simulator(**options) as simulator, aiohttp.ClientSession() as session:
        yield Caller(simulator, session)


#: What may be done, and a number that says to which of several things, or how.
ACTIONS = ("wait", "wait", "wait", "boost_start", "boost_end", "limit", "smart", "remove", "evse")
actions = st.tuples(st.sampled_from(ACTIONS), st.integers(0, 1000))
stories = st.lists(actions, min_size=1, max_size=12)
seeds = st.integers(1, 4)
unhurried = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


async def act(api: Caller, action: tuple[str, int]) -> None:
    """Do something, as far as it can be done."""
    what, number = action
    clock = api.simulator.clock
    if what == "wait":
        clock.advance(minutes=1 + number * 7 % 900)
        return
    if what.startswith("boost"):
        running = [
            one
            for one in (await api.get("/charging_sessions?page_size=20")).body
            if one["end"] is None
        ]
        if running:
            url = running[number % len(running)]["url"]
            assert (await api("POST", f"{url}/{what}")).status in {200, 409, 503}
        clock.advance(seconds=1 + number)
        return
    vehicles = (await api.get("/vehicles")).body
    if what == "evse":
        evses = (await api.get("/evses")).body
        if len(evses) > 2:
            assert (await api("DELETE", evses[number % len(evses)]["url"])).status == 204
    elif what == "remove":
        if len(vehicles) > 2:
            assert (await api("DELETE", vehicles[number % len(vehicles)]["url"])).status == 200
    elif vehicles:
        body = {
            "limit": {"maximum_charge_limit_percentage": 50 + number % 51},
            "smart": {"smart_charging_enabled": number % 2 == 0},
        }[what]
        url = vehicles[number % len(vehicles)]["url"]
        assert (await api("PATCH", url, json=body)).status == 200
    clock.advance(seconds=1 + number)


async def told(api: Caller) -> list[dict[str, Any]]:
    """The newest sub-sessions, with all that is below them."""
    path = (
        "/charging_sub_sessions?page_size=40&expand=energy_usage&expand=schedules"
        "&expand=assessment&expand=flags&expand=debug_metadata"
    )
    return (await api.get(path)).body


def play(
    check: Callable[[Caller], Awaitable[None]], story: list[tuple[str, int]], **options: Any
) -> None:
    async def run() -> None:
        async with calling(**options) as api:
            for action in story:
                await act(api, action)
            await check(api)

    asyncio.run(run())


@unhurried
@given(stories, seeds)
def test_sessions_consist_of_sub_sessions_and_those_of_half_hours(
    story: list[tuple[str, int]], seed: int
) -> None:
    async def check(api: Caller) -> None:
        subs = {one["url"]: one for one in await told(api)}
        for session in (await api.get("/charging_sessions?page_size=20")).body:
            if not subs.keys() >= set(session["sub_sessions"]):
                continue
            parts = [subs[url] for url in reversed(session["sub_sessions"])]
            assert parts[0]["start"] == session["start"]
            assert parts[-1]["end"] == session["end"]
            for one, following in itertools.pairwise(parts):
                assert one["end"] == following["start"]
                assert one["mode"] != following["mode"]
            assert len({(one["vehicle"], one["evse"]) for one in parts}) == 1
        for one in subs.values():
            flowed = one["energy_usage"]["intervals"]
            energies = [interval["total_energy_delivered_watt_hours"] for interval in flowed]
            assert sum(energies) == one["energy_delivered_watt_hours"]
            assert min(energies) >= 0

    play(check, story, seed=seed)


@unhurried
@given(stories, seeds)
def test_nothing_charges_in_two_places_at_once(story: list[tuple[str, int]], seed: int) -> None:
    async def check(api: Caller) -> None:
        listed = (await api.get("/charging_sub_sessions?page_size=100")).body
        for kind in ("vehicle", "evse"):
            for thing in {one[kind] for one in listed} - {None}:
                mine = sorted((o for o in listed if o[kind] == thing), key=lambda o: o["start"])
                for one, following in itertools.pairwise(mine):
                    assert one["end"] is not None
                    assert one["end"] <= following["start"]

    play(check, story, seed=seed)


@pytest.mark.fuzz
@unhurried
@given(stories, seeds)
def test_meters_and_batteries_gain_what_sub_sessions_deliver(
    story: list[tuple[str, int]], seed: int
) -> None:
    async def check(api: Caller) -> None:
        for evse in (await api.get("/evses?page_size=3")).body:
            newest = await all_items(api, f"{evse['url']}/status_logs?page_size=100", pages=4)
            check_meter(newest[::-1], (await api.get(evse["charging_sub_sessions"])).body)
        for vehicle in (await api.get("/vehicles?page_size=3")).body:
            newest = (await api.get(f"{vehicle['url']}/status_logs?page_size=100")).body
            check_battery(newest[::-1])

    play(check, story, seed=seed)


def check_meter(logs: list[Any], subs: list[Any]) -> None:
    """Between two moments with no car there, what flowed is what the sub-sessions say."""
    meters = [log["meter_reading_watt_hours"] for log in logs]
    assert meters == sorted(meters)
    free = [log for log in logs if not log["is_plugged_in"]]
    if free:
        first, last = free[0]["sampled_at"], free[-1]["sampled_at"]
        delivered = [
            sub["energy_delivered_watt_hours"] for sub in subs if first < sub["start"] < last
        ]
        readings = [log["meter_reading_watt_hours"] for log in (free[0], free[-1])]
        assert readings[1] - readings[0] == sum(delivered)


def check_battery(logs: list[Any]) -> None:
    """While a car is plugged in, its battery gains what was added."""
    odometers = [log["odometer_meters"] for log in logs]
    assert odometers == sorted(odometers)
    for one, following in itertools.pairwise(logs):
        assert 0 <= following["state_of_charge_percentage"] <= 100
        stayed = one["odometer_meters"] == following["odometer_meters"]
        if one["is_plugged_in"] and following["is_plugged_in"] and stayed:
            level, added = (
                following[name] - one[name]
                for name in ("charge_level_watt_hours", "charge_energy_added_watt_hours")
            )
            assert abs(level - added) <= 1


@pytest.mark.fuzz
@unhurried
@given(stories, seeds)
@pytest.mark.parametrize("path", ["/charging_sessions", "/charging_sub_sessions"])
def test_pages_hold_everything_once_while_the_world_goes_on(
    path: str, story: list[tuple[str, int]], seed: int
) -> None:
    story = [action for action in story if action[0] not in {"remove", "evse"}]

    async def run() -> None:
        async with calling(seed=seed) as api:
            before = {one["id"] for one in (await api.get(f"{path}?page_size=60")).body}
            found: list[str] = []
            url: str | None = f"{path}?page_size=5"
            for step in range(12):
                answer = await api.get(url or "")
                found += [one["id"] for one in answer.body]
                back, url = page_links(answer)
                if step < len(story):
                    await act(api, story[step])
            assert found == sorted(set(found), reverse=True)
            assert {one for one in before if one >= found[-1]} <= set(found)
            # And back again, to where there is more by now.
            again = list(answer.body)
            while back is not None:
                answer = await api.get(back)
                again = answer.body + again
                back = page_links(answer)[0]
            ids = [one["id"] for one in again]
            assert ids == sorted(set(ids), reverse=True)
            assert set(ids) >= set(found)
            newest = await all_items(api, f"{path}?page_size=50", pages=4)
            assert ids == [one["id"] for one in newest[: len(ids)]]

    asyncio.run(run())


@pytest.mark.fuzz
@unhurried
@given(stories, seeds)
def test_the_same_seed_and_the_same_deeds_make_the_same_life(
    story: list[tuple[str, int]], seed: int
) -> None:
    replies: list[str] = []

    def play_once(*, curious: bool) -> None:
        async def run() -> None:
            async with calling(seed=seed) as api:
                for action in story:
                    if curious:  # what is asked in between changes nothing
                        await told(api)
                        await api.get("/vehicles?expand=latest_status_log")
                    await act(api, action)
                replies.append(str(await told(api)).replace(api.simulator.base_url, ""))

        asyncio.run(run())

    play_once(curious=False)
    play_once(curious=True)
    assert replies[0] == replies[1]


@pytest.mark.fuzz
@settings(parent=unhurried, max_examples=4)
@given(stories, seeds)
def test_a_life_goes_on_from_a_state_file_as_if_nothing_had_been(
    tmp_path_factory: pytest.TempPathFactory, story: list[tuple[str, int]], seed: int
) -> None:
    file: Path = tmp_path_factory.mktemp("state") / "state.json"

    async def run() -> None:
        async with calling(seed=seed, state=file) as api:
            for action in story:
                await act(api, action)
            root, now = api.simulator.base_url, api.simulator.clock()
            before = str(await told(api)).replace(root, "")
        async with calling(vehicles=None, state=file) as api:
            assert api.simulator.clock() == now
            root = api.simulator.base_url
            assert str(await told(api)).replace(root, "") == before
            assert parse_time((await told(api))[0]["start"]) <= now

    asyncio.run(run())
