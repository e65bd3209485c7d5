"""Faults of deliveries that are drawn by the seed."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from ev_energy.simulator import Clock
from ev_energy.simulator._seeded_random import SeededRandom
from ev_energy.simulator.webhooks import Outcome, Webhooks
from tests.helpers.recording_server import RecordingServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
DAY = timedelta(days=1)


async def accept(_request: web.Request) -> web.Response:
    return web.Response()


@pytest.fixture
async def server() -> AsyncIterator[RecordingServer]:
    async with RecordingServer(accept, shutdown_timeout=0.1) as running:
        yield running


def numbers(server: RecordingServer) -> list[int]:
    """Return what was delivered, in order."""
    return [json.loads(request.body)["data"]["number"] for request in server.requests]


async def settle(webhooks: Webhooks) -> None:
    async with asyncio.timeout(20):
        await webhooks.settled()


async def delivered(
    server: RecordingServer, *, seed: int = 1, messages: int = 100, **probabilities: Any
) -> list[int]:
    """Return what is delivered of messages 0, 1, ..., in order: at once, and then 2 days later."""
    server.requests.clear()
    clock = Clock(NOON, speed=0)
    async with Webhooks(clock, SeededRandom(seed)) as webhooks:
        webhooks.add(f"{server.origin}/")
        webhooks.misdeliver(**probabilities)
        for number in range(messages):
            webhooks.publish("a.b", {"number": number})
        await settle(webhooks)
        webhooks.misdeliver()
        await settle(webhooks)
        clock.advance(days=2)
        await settle(webhooks)
    return numbers(server)


async def test_messages_are_dropped_with_a_probability_and_logged(server: RecordingServer) -> None:
    arrived = await delivered(server, drop=0.3)
    assert 50 < len(arrived) < 90
    assert arrived == sorted(set(arrived))


async def test_messages_are_duplicated_with_a_probability(server: RecordingServer) -> None:
    counts = Counter(await delivered(server, duplicate=0.3))
    assert counts.keys() == set(range(100))
    assert set(counts.values()) == {1, 2}
    assert 15 < sum(count == 2 for count in counts.values()) < 45
    assert len({request.headers["svix-id"] for request in server.requests}) == 100


async def test_messages_are_overtaken_with_a_probability(server: RecordingServer) -> None:
    arrived = await delivered(server, reorder=0.2)
    assert sorted(arrived) == list(range(100))
    overtaken = [one for one, following in itertools.pairwise(arrived) if one > following]
    assert 5 < len(overtaken) < 40
    assert all(abs(place - number) <= 5 for place, number in enumerate(arrived))


async def test_messages_are_late_with_a_probability_and_up_to_the_longest_delay(
    server: RecordingServer,
) -> None:
    clock = Clock(NOON, speed=0)
    async with Webhooks(clock, SeededRandom(1)) as webhooks:
        webhooks.add(f"{server.origin}/")
        webhooks.misdeliver(delay=0.4, max_delay=DAY)
        for number in range(100):
            webhooks.publish("a.b", {"number": number})
        await settle(webhooks)
        punctual = len(server.requests)
        assert 40 < punctual < 80
        clock.advance(DAY / 2)
        await settle(webhooks)
        assert punctual + 10 < len(server.requests) < 95
        clock.advance(DAY / 2)
        await settle(webhooks)
        assert sorted(numbers(server)) == list(range(100))
        assert webhooks.next_due is None


async def test_copy_of_a_message_may_arrive_a_day_later(server: RecordingServer) -> None:
    arrived = await delivered(server, duplicate=1, delay=0.5, max_delay=DAY)
    assert Counter(arrived) == dict.fromkeys(range(100), 2)
    apart = [arrived[::-1].index(n) + arrived.index(n) < 198 for n in range(100)]
    assert 30 < sum(apart) < 100


async def test_faults_follow_from_the_seed(server: RecordingServer) -> None:
    wild: dict[str, Any] = {"drop": 0.2, "duplicate": 0.2, "reorder": 0.2, "delay": 0.2}
    one = await delivered(server, **wild)
    assert await delivered(server, **wild) == one
    assert await delivered(server, seed=2, **wild) != one


async def test_messages_of_one_call_do_not_change_with_the_probabilities_of_other_faults(
    server: RecordingServer,
) -> None:
    dropped = set(range(100)) - set(await delivered(server, drop=0.3))
    assert set(range(100)) - set(await delivered(server, drop=0.3, duplicate=0.5)) == dropped
    assert set(range(100)) - set(await delivered(server, drop=0.1)) < dropped


async def test_counted_faults_apply_besides_those_drawn(server: RecordingServer) -> None:
    clock = Clock(NOON, speed=0)
    async with Webhooks(clock, SeededRandom(1)) as webhooks:
        webhooks.add(f"{server.origin}/")
        webhooks.misdeliver(duplicate=1)
        webhooks.drop(1)
        webhooks.reorder(2)
        for number in range(4):
            webhooks.publish("a.b", {"number": number})
        await settle(webhooks)
        assert numbers(server) == [2, 2, 1, 1, 3, 3]
        outcomes = Counter(delivery.outcome for delivery in webhooks.deliveries)
        assert outcomes == {Outcome.DROPPED: 1, Outcome.DELIVERED: 6}


async def test_held_message_is_sent_when_reordering_ends(server: RecordingServer) -> None:
    clock = Clock(NOON, speed=0)
    async with Webhooks(clock, SeededRandom(1)) as webhooks:
        webhooks.add(f"{server.origin}/")
        webhooks.misdeliver(reorder=1)
        for number in range(3):
            webhooks.publish("a.b", {"number": number})
        await settle(webhooks)
        assert numbers(server) == []
        webhooks.misdeliver()
        await settle(webhooks)
        assert numbers(server) == [2, 1, 0]


async def test_late_messages_do_not_delay_those_that_are_held(server: RecordingServer) -> None:
    async def punctual(**probabilities: Any) -> set[int]:
        server.requests.clear()
        async with Webhooks(Clock(NOON, speed=0), SeededRandom(1)) as webhooks:
            webhooks.add(f"{server.origin}/")
            webhooks.misdeliver(**probabilities)
            for number in range(40):
                webhooks.publish("a.b", {"number": number})
            webhooks.misdeliver()
            await settle(webhooks)
        return set(numbers(server))

    expected = await punctual(delay=0.5)
    assert 10 < len(expected) < 30
    assert await punctual(delay=0.5, reorder=0.5) == expected


async def test_dump_and_load_continue_the_draws(server: RecordingServer) -> None:
    wild: dict[str, Any] = {"drop": 0.2, "duplicate": 0.2, "reorder": 0.3, "delay": 0.2}
    whole = await delivered(server, **wild)
    server.requests.clear()
    clock = Clock(NOON, speed=0)
    webhooks = Webhooks(clock, SeededRandom(1))
    webhooks.add(f"{server.origin}/")
    webhooks.misdeliver(**wild)
    for number in range(100):
        dumped = json.loads(json.dumps(webhooks.dump()))
        webhooks = Webhooks(clock, SeededRandom(1))
        webhooks.load(dumped)
        assert webhooks.dump() == dumped
        webhooks.publish("a.b", {"number": number})
    async with webhooks:
        await settle(webhooks)
        webhooks.misdeliver()
        await settle(webhooks)
        clock.advance(days=2)
        await settle(webhooks)
    assert sorted(numbers(server)) == sorted(whole)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"drop": 1.1}, "drop"),
        ({"duplicate": -0.1}, "duplicate"),
        ({"reorder": float("nan")}, "reorder"),
        ({"delay": float("inf")}, "delay"),
        ({"max_delay": timedelta(seconds=-1)}, "max_delay"),
    ],
)
def test_invalid_probabilities_are_refused_by_name(options: Any, name: str) -> None:
    webhooks = Webhooks(Clock(NOON, speed=0), SeededRandom(1))
    before = webhooks.misdelivery
    with pytest.raises(ValueError, match=f"^{name}: must be"):
        webhooks.misdeliver(**options)
    assert webhooks.misdelivery == before


async def test_admin_endpoint_sets_and_shows_the_probabilities(api: Any) -> None:
    url = f"{api.simulator.admin_url}/webhooks/misdelivery"
    off = {"drop": 0, "duplicate": 0, "reorder": 0, "delay": 0, "max_delay_seconds": 86_400}
    assert (await api.get(url)).body == off
    wild = {"drop": 0.25, "reorder": 1, "max_delay_seconds": 60}
    assert (await api("POST", url, json=wild)).status == 204
    assert (await api.get(url)).body == {**off, **wild}
    assert api.simulator.webhooks.misdelivery.max_delay == timedelta(minutes=1)
    for name, value in (("drop", 2), ("delay", "often"), ("max_delay_seconds", -1), ("lose", 1)):
        refused = await api("POST", url, json={name: value})
        assert (refused.status, list(refused.body["field_errors"])) == (400, [name])
    refused = await api("POST", url, json={"max_delay_seconds": 1e300})
    assert list(refused.body["field_errors"]) == ["max_delay_seconds"]
    assert (await api("POST", url, json={})).status == 204
    assert (await api.get(url)).body == off


@pytest.mark.shows_secrets("files", reason="a state file keeps the secrets of endpoints")
async def test_state_file_keeps_the_probabilities_and_a_reset_ends_them(
    start: Any, tmp_path: Path
) -> None:
    options: Any = {"state": tmp_path / "state.json", "vehicles": 3}
    api = await start(**options)
    api.simulator.webhooks.misdeliver(drop=0.5, max_delay=timedelta(hours=2))
    api.simulator.save()
    again = (await start(**options)).simulator
    assert again.webhooks.misdelivery == api.simulator.webhooks.misdelivery
    again.reset()
    assert not again.webhooks.misdelivery.is_active
