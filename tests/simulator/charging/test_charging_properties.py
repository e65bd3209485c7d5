"""Properties of charging that hold after any requests and moves of the clock, seen by the API."""

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
    """A reply, read to the end."""

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
async def running(**options: Any) -> AsyncIterator[Caller]:
    """Run a small simulator whose clock stands still, and yield a caller of its API."""
    options = {"rate_limit": None, "clock": Clock(speed=0), "vehicles": 5, **options}
    async with Simulator(**options) as simulator, aiohttp.ClientSession() as session:
        yield Caller(simulator, session)


#: The kinds of actions. A number selects the device, or the value to set.
ACTIONS = ("wait", "wait", "wait", "boost_start", "boost_end", "limit", "smart", "remove", "evse")
actions = st.tuples(st.sampled_from(ACTIONS), st.integers(0, 1000))
action_lists = st.lists(actions, min_size=1, max_size=12)
seeds = st.integers(1, 4)
unhurried = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


async def act(api: Caller, action: tuple[str, int]) -> None:
    """Perform an action if it is possible now."""
    kind, number = action
    clock = api.simulator.clock
    if kind == "wait":
        clock.advance(minutes=1 + number * 7 % 900)
        return
    if kind.startswith("boost"):
        running = [
            one
            for one in (await api.get("/charging_sessions?page_size=20")).body
            if one["end"] is None
        ]
        if running:
            url = running[number % len(running)]["url"]
            assert (await api("POST", f"{url}/{kind}")).status in {200, 409, 503}
        clock.advance(seconds=1 + number)
        return
    vehicles = (await api.get("/vehicles")).body
    if kind == "evse":
        evses = (await api.get("/evses")).body
        if len(evses) > 2:
            assert (await api("DELETE", evses[number % len(evses)]["url"])).status == 204
    elif kind == "remove":
        if len(vehicles) > 2:
            assert (await api("DELETE", vehicles[number % len(vehicles)]["url"])).status == 200
    elif vehicles:
        body = {
            "limit": {"maximum_charge_limit_percentage": 50 + number % 51},
            "smart": {"smart_charging_enabled": number % 2 == 0},
        }[kind]
        url = vehicles[number % len(vehicles)]["url"]
        assert (await api("PATCH", url, json=body)).status == 200
    clock.advance(seconds=1 + number)


async def newest_sub_sessions(api: Caller) -> list[dict[str, Any]]:
    """Return the newest sub-sessions, with their parts expanded."""
    path = (
        "/charging_sub_sessions?page_size=40&expand=energy_usage&expand=schedules"
        "&expand=assessment&expand=flags&expand=debug_metadata"
    )
    return (await api.get(path)).body


def check_after(
    check: Callable[[Caller], Awaitable[None]], history: list[tuple[str, int]], **options: Any
) -> None:
    """Perform the actions of a history on a new simulator, and then run a check."""

    async def run() -> None:
        async with running(**options) as api:
            for action in history:
                await act(api, action)
            await check(api)

    asyncio.run(run())


@pytest.mark.slow
@unhurried
@given(action_lists, seeds)
def test_sessions_consist_of_sub_sessions_and_those_of_intervals(
    history: list[tuple[str, int]], seed: int
) -> None:
    async def check(api: Caller) -> None:
        subs = {one["url"]: one for one in await newest_sub_sessions(api)}
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
            intervals = one["energy_usage"]["intervals"]
            energies = [interval["total_energy_delivered_watt_hours"] for interval in intervals]
            assert sum(energies) == one["energy_delivered_watt_hours"]
            assert min(energies) >= 0

    check_after(check, history, seed=seed)


@pytest.mark.slow
@unhurried
@given(action_lists, seeds)
def test_devices_have_one_sub_session_at_a_time(history: list[tuple[str, int]], seed: int) -> None:
    async def check(api: Caller) -> None:
        listed = (await api.get("/charging_sub_sessions?page_size=100")).body
        for kind in ("vehicle", "evse"):
            for device in {one[kind] for one in listed} - {None}:
                own = sorted((o for o in listed if o[kind] == device), key=lambda o: o["start"])
                for one, following in itertools.pairwise(own):
                    assert one["end"] is not None
                    assert one["end"] <= following["start"]

    check_after(check, history, seed=seed)


@pytest.mark.fuzz
@unhurried
@given(action_lists, seeds)
def test_meters_and_batteries_gain_the_delivered_energy(
    history: list[tuple[str, int]], seed: int
) -> None:
    async def check(api: Caller) -> None:
        for evse in (await api.get("/evses?page_size=3")).body:
            newest = await all_items(api, f"{evse['url']}/status_logs?page_size=100", pages=4)
            check_meter(newest[::-1], (await api.get(evse["charging_sub_sessions"])).body)
        for vehicle in (await api.get("/vehicles?page_size=3")).body:
            newest = (await api.get(f"{vehicle['url']}/status_logs?page_size=100")).body
            check_battery(newest[::-1])

    check_after(check, history, seed=seed)


def check_meter(logs: list[Any], subs: list[Any]) -> None:
    """Check that the meter counts the delivered energy between two times without a car."""
    meters = [log["meter_reading_watt_hours"] for log in logs]
    assert meters == sorted(meters)
    unplugged = [log for log in logs if not log["is_plugged_in"]]
    if unplugged:
        first, last = unplugged[0]["sampled_at"], unplugged[-1]["sampled_at"]
        delivered = [
            sub["energy_delivered_watt_hours"] for sub in subs if first < sub["start"] < last
        ]
        readings = [log["meter_reading_watt_hours"] for log in (unplugged[0], unplugged[-1])]
        assert readings[1] - readings[0] == sum(delivered)


def check_battery(logs: list[Any]) -> None:
    """Check that the battery of a plugged-in car gains the energy that was added."""
    odometers = [log["odometer_meters"] for log in logs]
    assert odometers == sorted(odometers)
    for one, following in itertools.pairwise(logs):
        assert 0 <= following["state_of_charge_percentage"] <= 100
        parked = one["odometer_meters"] == following["odometer_meters"]
        if one["is_plugged_in"] and following["is_plugged_in"] and parked:
            level, added = (
                following[name] - one[name]
                for name in ("charge_level_watt_hours", "charge_energy_added_watt_hours")
            )
            assert abs(level - added) <= 1


@pytest.mark.fuzz
@unhurried
@given(action_lists, seeds)
@pytest.mark.parametrize("path", ["/charging_sessions", "/charging_sub_sessions"])
def test_pages_hold_each_item_once_while_time_advances(
    path: str, history: list[tuple[str, int]], seed: int
) -> None:
    history = [action for action in history if action[0] not in {"remove", "evse"}]

    async def run() -> None:
        async with running(seed=seed) as api:
            before = {one["id"] for one in (await api.get(f"{path}?page_size=60")).body}
            found: list[str] = []
            url: str | None = f"{path}?page_size=5"
            for step in range(12):
                answer = await api.get(url or "")
                found += [one["id"] for one in answer.body]
                previous, url = page_links(answer)
                if step < len(history):
                    await act(api, history[step])
            assert found == sorted(set(found), reverse=True)
            assert {one for one in before if one >= found[-1]} <= set(found)
            # Backward, the pages end with items that are newer than the first page.
            backward = list(answer.body)
            while previous is not None:
                answer = await api.get(previous)
                backward = answer.body + backward
                previous = page_links(answer)[0]
            ids = [one["id"] for one in backward]
            assert ids == sorted(set(ids), reverse=True)
            assert set(ids) >= set(found)
            newest = await all_items(api, f"{path}?page_size=50", pages=4)
            assert ids == [one["id"] for one in newest[: len(ids)]]

    asyncio.run(run())


@pytest.mark.fuzz
@settings(parent=unhurried, max_examples=4)
@given(action_lists, seeds)
def test_charging_depends_on_the_seed_and_changes_only(
    history: list[tuple[str, int]], seed: int
) -> None:
    replies: list[str] = []

    def replay(*, with_reads: bool) -> None:
        async def run() -> None:
            async with running(seed=seed) as api:
                for action in history:
                    if with_reads:  # reads change nothing
                        await newest_sub_sessions(api)
                        await api.get("/vehicles?expand=latest_status_log")
                    await act(api, action)
                replies.append(
                    str(await newest_sub_sessions(api)).replace(api.simulator.base_url, "")
                )

        asyncio.run(run())

    replay(with_reads=False)
    replay(with_reads=True)
    assert replies[0] == replies[1]


@pytest.mark.fuzz
@settings(parent=unhurried, max_examples=4)
@given(action_lists, seeds)
def test_charging_continues_from_a_state_file(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, int]], seed: int
) -> None:
    file: Path = tmp_path_factory.mktemp("state") / "state.json"

    async def run() -> None:
        async with running(seed=seed, state=file) as api:
            for action in history:
                await act(api, action)
            root, now = api.simulator.base_url, api.simulator.clock()
            before = str(await newest_sub_sessions(api)).replace(root, "")
        async with running(vehicles=None, state=file) as api:
            assert api.simulator.clock() == now
            root = api.simulator.base_url
            assert str(await newest_sub_sessions(api)).replace(root, "") == before
            assert parse_time((await newest_sub_sessions(api))[0]["start"]) <= now

    asyncio.run(run())
