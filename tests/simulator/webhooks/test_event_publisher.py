"""Webhooks as a receiver gets them, of the charging that the API shows."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from aiohttp import web

from ev_energy import webhooks as sdk
from ev_energy.simulator import Clock, Simulator
from tests.helpers.recording_server import RecordingServer
from tests.helpers.sessions import all_items, parse_time, query_string, running_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CREATED = "charging_sub_session.created"
ENDED = "charging_sub_session.ended"


@attrs.define
class Receiver:
    """A web server on this machine that records deliveries."""

    url: str = ""
    arrived: list[dict[str, Any]] = attrs.Factory(list)
    raw: list[tuple[dict[str, str], bytes]] = attrs.Factory(list)
    rung: asyncio.Event = attrs.Factory(asyncio.Event)

    async def receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.raw.append(({k.lower(): v for k, v in request.headers.items()}, body))
        self.arrived.append(json.loads(body))
        self.rung.set()
        return web.Response()

    async def wait_for(self, messages: int) -> None:
        while len(self.arrived) < messages:
            self.rung.clear()
            await self.rung.wait()

    @property
    def names(self) -> list[tuple[str, str, str]]:
        """What each message was: when what happened to which sub-session."""
        return [(m["timestamp"], m["type"], m["data"]["id"]) for m in self.arrived]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with RecordingServer(receiver.receive, shutdown_timeout=0.1) as server:
        receiver.url = f"{server.origin}/"
        yield receiver


@pytest.fixture
async def api(start: Any, clock: Clock) -> Any:
    """A simulator whose clock stands still."""
    return await start(rate_limit=None, clock=clock)


async def happened(api: Any, since: str) -> list[tuple[str, str, str]]:
    """What the API shows to have begun and ended after an instant, in order."""
    later = query_string(start__gt=(parse_time(since) - timedelta(days=2)).isoformat())
    found: list[tuple[str, str, str]] = []
    for sub in await all_items(api, f"/charging_sub_sessions?page_size=100&{later}"):
        if sub["start"] > since:
            found.append((sub["start"], CREATED, sub["id"]))
        if sub["end"] is not None and sub["end"] > since:
            found.append((sub["end"], ENDED, sub["id"]))
    return sorted(found, key=lambda one: (one[0], one[1] == CREATED))


def now(api: Any) -> str:
    return api.simulator.clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def test_events_of_a_jump_of_days_are_published_once_and_in_order(
    api: Any, receiver: Receiver
) -> None:
    began = now(api)
    api.simulator.webhooks.add(receiver.url)
    api.simulator.clock.advance(days=3)
    await api.simulator.webhooks.settled()
    await api.log_in()
    assert receiver.names == await happened(api, began)
    assert len(receiver.names) > 100
    assert len(set(receiver.names)) == len(receiver.names)


async def test_many_small_jumps_publish_the_events_of_one_large_jump(
    start: Any, receiver: Receiver
) -> None:
    async def published(steps: int) -> list[tuple[str, str, str]]:
        api = await start(rate_limit=None, clock=Clock(speed=0))
        receiver.arrived.clear()
        api.simulator.webhooks.add(receiver.url)
        for _ in range(steps):
            api.simulator.clock.advance(timedelta(hours=12) / steps)
            await api.simulator.webhooks.settled()
        return receiver.names

    assert await published(1) == await published(97)


async def test_message_has_the_sub_session_as_the_api_shows_it_at_that_instant(
    api: Any, receiver: Receiver
) -> None:
    simulator = api.simulator
    simulator.webhooks.add(receiver.url)
    seen: set[str] = set()
    for _ in range(12):
        event = simulator._world.charging.next_event_after(simulator.clock())
        simulator.clock.jump_to(event.at)
        await simulator.webhooks.settled()
        await api.log_in()
        message = receiver.arrived[-1]
        assert parse_time(message["timestamp"]) == simulator.clock()
        assert (await api.get(message["data"]["url"])).body == message["data"]
        over = message["data"]["end"] is not None
        assert message["type"] == (ENDED if over else CREATED)
        seen.add(message["type"])
    assert seen == {CREATED, ENDED}


async def test_messages_are_valid_for_the_client(api: Any, receiver: Receiver) -> None:
    api.simulator.webhooks.add(receiver.url)
    api.simulator.clock.advance(hours=6)
    await api.simulator.webhooks.settled()
    assert receiver.raw
    for headers, body in receiver.raw:
        event = sdk.read(body, strict=True)
        assert event.type == headers["svix-event-type"]
        assert not isinstance(event, sdk.UnknownEvent)
        assert event.data.id == json.loads(body)["data"]["id"]


async def test_boost_is_published_at_once(api: Any, receiver: Receiver) -> None:
    session = await running_session(api)
    api.simulator.clock.advance(minutes=1)
    api.simulator.webhooks.add(receiver.url)
    await api("POST", f"{session['url']}/boost_start")
    await api.simulator.webhooks.settled()
    boosting = (await api.get(session["url"])).body["sub_sessions"]
    assert [(m["type"], m["data"]["url"]) for m in receiver.arrived] == [
        (ENDED, boosting[1]),
        (CREATED, boosting[0]),
    ]
    assert receiver.arrived[1]["data"]["mode"] == "BOOST"
    began = now(api)
    api.simulator.clock.advance(hours=20)
    await api.simulator.webhooks.settled()
    await api.log_in()
    assert receiver.names[2:] == await happened(api, began)


async def test_events_before_the_first_endpoint_are_not_published(
    api: Any, receiver: Receiver
) -> None:
    api.simulator.clock.advance(days=1)
    began = now(api)
    endpoint = api.simulator.webhooks.add(receiver.url)
    api.simulator.clock.advance(hours=6)
    await api.simulator.webhooks.settled()
    api.simulator.webhooks.remove(endpoint.id)
    before = len(receiver.arrived)
    api.simulator.clock.advance(days=1)
    resumed = now(api)
    api.simulator.webhooks.add(receiver.url)
    api.simulator.clock.advance(hours=6)
    await api.simulator.webhooks.settled()
    await api.log_in()
    names = receiver.names
    assert before
    assert names[:before] == (await happened(api, began))[:before]
    assert names[before:] == await happened(api, resumed)


async def test_running_clock_publishes_events_as_it_goes(start: Any, receiver: Receiver) -> None:
    clock = Clock(speed=0)
    api = await start(rate_limit=None, clock=clock, vehicles=200)
    began = now(api)
    api.simulator.webhooks.add(receiver.url)
    clock.run(1800)
    async with asyncio.timeout(120):
        await receiver.wait_for(6)
    clock.stop()
    await api.simulator.webhooks.settled()
    names = receiver.names
    assert names == (await happened(api, began))[: len(names)]


@pytest.mark.shows_secrets("files", reason="the state of a simulator has its tokens in it")
async def test_resumed_state_file_publishes_the_remaining_events_once(
    tmp_path: Path, receiver: Receiver
) -> None:
    file, clock = tmp_path / "state.json", Clock(speed=0)
    async with Simulator(state=file, clock=clock) as first:
        first.webhooks.add(receiver.url)
        clock.advance(hours=8)
        await first.webhooks.settled()
    published = receiver.names
    assert published
    later = Clock(speed=0)
    async with Simulator(state=file, clock=later) as second:
        assert later() == clock()
        later.advance(hours=8)
        await second.webhooks.settled()
    rest = receiver.names[len(published) :]
    receiver.arrived.clear()
    whole = Clock(speed=0)
    async with Simulator(clock=whole) as third:
        third.webhooks.add(receiver.url)
        whole.advance(hours=16)
        await third.webhooks.settled()
    assert published + rest == receiver.names


async def test_jump_of_another_thread_publishes_before_it_returns(receiver: Receiver) -> None:
    with Simulator.in_thread(rate_limit=None, clock=Clock(speed=0)) as simulator:
        simulator.webhooks.add(receiver.url)
        simulator.clock.advance(hours=8)
        await simulator.webhooks.settled()
        assert receiver.arrived


async def test_publisher_ends_with_the_simulator(receiver: Receiver) -> None:
    clock = Clock(speed=0)
    simulator = Simulator(clock=clock)
    async with simulator:
        simulator.webhooks.add(receiver.url)
    clock.advance(hours=8)
    assert receiver.arrived == []
    async with simulator:
        await simulator.webhooks.settled()
        clock.advance(hours=1)
        await simulator.webhooks.settled()
    times = [message["timestamp"] for message in receiver.arrived]
    assert times == sorted(times)
    assert len(set(receiver.names)) == len(receiver.names) > 20
