"""How processes of the fleet portal tell each other, and which of them reads the stream."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("redis", reason="needs redis: pip install -e '.[test]'")

from examples.fleet_portal.hub import MemoryHub, RedisHub
from examples.fleet_portal.shared import cancel, open_redis, run_in_one_process
from examples.fleet_portal.shutdown import call_on_stop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.helpers.redis_server import PrivateRedis


@pytest.mark.parametrize("since", [0.0, 4.5])
async def test_change_before_the_wait_counts(since: float) -> None:
    hub = MemoryHub(clock=lambda: 5.0)
    await hub.publish(["vhcl01", "evse01"])
    assert await hub.wait_for_change(["vhcl01"], since=since, seconds=10) == 5.0


async def test_change_that_was_seen_does_not_count() -> None:
    hub = MemoryHub(clock=lambda: 5.0)
    await hub.publish(["vhcl01"])
    assert await hub.wait_for_change(["vhcl01"], since=5.0, seconds=0.01) is None


async def test_waiting_ends_with_a_change_of_ones_own() -> None:
    hub = MemoryHub()
    waiting = asyncio.create_task(hub.wait_for_change(["vhcl01"], since=0, seconds=10))
    await asyncio.sleep(0)
    await hub.publish(["vhcl02"])
    done, _ = await asyncio.wait({waiting}, timeout=0.01)
    assert not done
    await hub.publish(["vhcl01"])
    assert await waiting is not None


async def test_hub_that_is_closed_ends_all_waiting() -> None:
    hub = MemoryHub()
    waiting = asyncio.create_task(hub.wait_for_change(["vhcl01"], since=0, seconds=10))
    await asyncio.sleep(0)
    hub.close()
    assert await waiting is None
    assert await hub.wait_for_change(["vhcl01"], since=0, seconds=10) is None


async def test_hub_remembers_a_bounded_number_of_changes() -> None:
    hub = MemoryHub(clock=lambda: 5.0)
    await hub.publish([f"vhcl{number}" for number in range(10_001)])
    assert await hub.wait_for_change(["vhcl0"], since=0, seconds=0.01) is None
    assert await hub.wait_for_change(["vhcl10000"], since=0, seconds=0.01) == 5.0


async def test_signal_closes_before_the_handler_of_the_server() -> None:
    events: list[str] = []
    closed = asyncio.Event()

    def close() -> None:
        events.append("closed")
        closed.set()

    previous = signal.signal(signal.SIGTERM, lambda *_: events.append("server"))
    try:
        with call_on_stop(close):
            signal.raise_signal(signal.SIGTERM)
            await closed.wait()
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert events == ["server", "closed", "server"]


@asynccontextmanager
async def two_hubs(url: str) -> AsyncIterator[tuple[RedisHub, RedisHub]]:
    async with AsyncExitStack() as stack:
        clients = [open_redis(url) for _ in range(2)]
        for client in clients:
            stack.push_async_callback(client.aclose)
        one, two = map(RedisHub, clients)
        await stack.enter_async_context(one.running())
        await stack.enter_async_context(two.running())
        while await subscribers(clients[0]) < 2:
            await asyncio.sleep(0.005)
        yield one, two


async def subscribers(client: Any) -> int:
    [(_, number)] = await client.pubsub_numsub("fleet-portal:changes")
    return int(number)


async def test_processes_tell_each_other_by_redis(redis: PrivateRedis) -> None:
    async with two_hubs(redis.url) as (one, two):
        waiting = asyncio.create_task(two.wait_for_change(["evse01"], since=0, seconds=10))
        await one.publish({"vhcl01", "evse01"})
        assert await waiting is not None
        assert await one.wait_for_change(["vhcl01"], since=0, seconds=10) is not None


async def test_one_process_works_and_another_takes_its_place(redis: PrivateRedis) -> None:
    working: list[str] = []

    async def work(name: str) -> None:
        working.append(name)
        try:
            await asyncio.Event().wait()
        finally:
            working.remove(name)

    async with AsyncExitStack() as stack:
        client = open_redis(redis.url)
        stack.push_async_callback(client.aclose)
        tasks = {
            name: asyncio.create_task(run_in_one_process(client, lambda name=name: work(name)))
            for name in ("one", "two")
        }
        for task in tasks.values():
            stack.push_async_callback(cancel, task)
        while not working:
            await asyncio.sleep(0.005)
        [first] = working
        await cancel(tasks[first])
        while not working:
            await asyncio.sleep(0.005)
        assert working == [name for name in tasks if name != first]
