"""Webhooks of the simulator to four workers of uvicorn, which are killed meanwhile."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ev_energy.simulator import Clock, Simulator
from tests.helpers.redis_server import free_port

ROOT = Path(__file__).parents[2]
SECRET = "whsec_c2VjcmV0IG9mIHRoZSBlbmRwb2ludA=="
WORKERS = 4
#: Pairs of endpoints: each sends one delivery after the other, so this many are under way.
SHARDS = 4
#: The messages that are published before all of them are awaited.
BATCH = 250
#: Seconds after which no lease of a killed worker is left; see `webhook_app.LEASE`.
LEASE = 5.0


@asynccontextmanager
async def uvicorn_workers(redis_url: str, prefix: str) -> AsyncIterator[str]:
    """Run the application in `WORKERS` processes of uvicorn, and yield the URL of its webhooks."""
    port = free_port()
    command = ["-m", "uvicorn", "tests.helpers.webhook_app:app", "--port", str(port)]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        *("--workers", str(WORKERS), "--log-level", "warning"),
        # Only this test kills workers, however slow the machine is.
        *("--timeout-worker-healthcheck", "60"),
        cwd=ROOT,
        env={**os.environ, "REDIS_URL": redis_url, "PREFIX": prefix, "SECRET": SECRET},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}/webhooks"
    finally:
        process.terminate()
        await process.wait()


class Swarm:
    """What is sent, and what Redis knows of it."""

    def __init__(self, redis: Any, prefix: str, seed: int) -> None:
        self._redis, self._prefix = redis, prefix
        self._luck = random.Random(seed)
        self.ids: list[str] = []
        self.acknowledged: set[str] = set()
        self.deliveries = 0
        self.hit: set[str] = set()
        """The deliveries that a worker was receiving when it was killed."""
        self.kills = 0

    def members(self, name: str) -> set[str]:
        return {text.decode() for text in self._redis.smembers(f"{self._prefix}:{name}")}

    def counts(self, name: str) -> dict[str, int]:
        counted = self._redis.hgetall(f"{self._prefix}:{name}")
        return {name.decode(): int(count) for name, count in counted.items()}

    async def wait_for_workers(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.members("workers")) < count:
                await asyncio.sleep(0.02)

    async def kill_one(self) -> None:
        """Kill a worker while it handles a delivery."""
        async with asyncio.timeout(60):
            while not (busy := [pid for pid in self.members("workers") if self._running(pid)]):
                await asyncio.sleep(0.001)
        pid = self._luck.choice(sorted(busy))
        os.kill(int(pid), signal.SIGKILL)
        with suppress(ProcessLookupError):
            while True:  # until its parent has taken note
                os.kill(int(pid), 0)
                await asyncio.sleep(0.01)
        self.hit |= {one for one, count in self.counts(f"held:{pid}").items() if count}
        self.kills += 1
        self._redis.srem(f"{self._prefix}:workers", pid)

    def _running(self, pid: str) -> int:
        return int(self._redis.scard(f"{self._prefix}:running:{pid}"))

    async def send(self, simulator: Simulator, count: int, kills: int) -> None:
        """Send *count* new messages, and kill workers meanwhile."""
        webhooks = simulator.webhooks
        before = len(webhooks.deliveries)
        for _ in range(count):
            # Three in ten are sent twice: by two endpoints at once, or by one twice.
            kind = "twice" if self._luck.random() < 0.15 else "once"
            name = f"{kind}.{self._luck.randrange(SHARDS)}"
            self.ids.append(webhooks.publish(name, {"number": len(self.ids)}))
        for _ in range(kills):
            await self.kill_one()
            await self.wait_for_workers(WORKERS)
        await webhooks.settled()
        while (due := webhooks.next_due) is not None:  # what failed is sent again
            await asyncio.sleep(LEASE)
            simulator.clock.advance(max(due - simulator.clock.now(), timedelta()))
            await webhooks.settled()
        assert before == 0
        assert len(webhooks.deliveries) < 1000  # it keeps no more, so none is overlooked
        self.deliveries += len(webhooks.deliveries)
        self.acknowledged |= {one.message_id for one in webhooks.deliveries if one.status == 204}
        webhooks._deliveries.clear()


@pytest.mark.swarm
@pytest.mark.parametrize(
    ("events", "kills"),
    [
        (770, 2),
        pytest.param(7_700, 24, marks=[pytest.mark.measurement, pytest.mark.timeout(900)]),
    ],
)
async def test_each_event_is_handled_once_while_workers_are_killed(
    shared_redis: Any, redis_client: Any, prefix: str, events: int, kills: int
) -> None:
    swarm = Swarm(redis_client, prefix, seed=events)
    batches = -(-events // BATCH)
    async with (
        uvicorn_workers(shared_redis.url, prefix) as url,
        Simulator(clock=Clock(speed=0), webhook_timestamps="real") as simulator,
    ):
        for shard in range(SHARDS):
            both, twice = f"once.{shard}", f"twice.{shard}"
            simulator.webhooks.add(url, secret=SECRET, events=[both, twice])
            simulator.webhooks.add(url, secret=SECRET, events=[twice])
        simulator.webhooks.misdeliver(duplicate=0.15)
        await swarm.wait_for_workers(WORKERS)
        for batch in range(batches):
            count = min(BATCH, events - len(swarm.ids))
            share = kills * (batch + 1) // batches - kills * batch // batches
            await swarm.send(simulator, count, share)
        assert simulator.webhooks.next_due is None
    effects, calls = swarm.members("effects"), swarm.counts("calls")
    print(
        f"{events} events, {swarm.deliveries} deliveries, {swarm.kills} workers killed while they "
        f"received {len(swarm.hit)} deliveries, {sum(calls.values())} handlers"
    )
    assert swarm.kills == kills
    assert swarm.deliveries > 1.25 * events
    assert swarm.acknowledged <= effects  # none was answered with success and lost
    assert effects == {*swarm.ids} == swarm.acknowledged
    # A handler runs again only if its worker was killed before the inbox knew that it was done.
    assert {one for one, count in calls.items() if count > 1} <= swarm.hit
