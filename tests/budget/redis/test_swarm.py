"""Sixteen processes share a rate limit: no request is refused, and few remain unused."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ev_energy.simulator import Clock, Simulator

pytestmark = pytest.mark.swarm

WORKER = Path(__file__).parents[2] / "helpers" / "redis_budget_worker.py"


class Worker:
    """A worker process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, **task: Any) -> Worker:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-W", "error", str(WORKER), json.dumps(task)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return cls(process)

    async def line(self) -> str:
        assert self.process.stdout is not None
        return (await self.process.stdout.readline()).decode().strip()

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")

    async def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self.line())
        assert await self.process.wait() == 0
        return found


@asynccontextmanager
async def swarm(count: int, **task: Any) -> AsyncIterator[list[Worker]]:
    """Start *count* workers and wait until they are ready."""
    workers = await asyncio.gather(*(Worker.start(**task) for _ in range(count)))
    try:
        assert [await worker.line() for worker in workers] == ["ready"] * count
        yield workers
    finally:
        for worker in workers:
            if worker.process.returncode is None:
                worker.process.kill()
            await worker.process.wait()


def compressed(limit: int, window: float) -> Simulator:
    """Return a simulator whose hour of the rate limit lasts *window* real seconds."""
    return Simulator(rate_limit=limit, clock=Clock(speed=3600 / window), service_time="world")


def about(simulator: Simulator) -> dict[str, Any]:
    """Return the settings of the simulator for a worker."""
    return {
        "client_id": simulator.client_id,
        "client_secret": simulator.client_secret,
        "url": simulator.base_url,
        "user": simulator.user_id,
    }


def used_share(simulator: Simulator, limit: int) -> float:
    """Return the share of the rate limit that was used.

    The server counts a request for an hour; then the request that is *limit* places later can be
    sent. With full use, there is exactly one hour between the two, so the share is one hour over
    the mean of these intervals.
    """
    times = [seen.at for seen in simulator.requests if seen.path.startswith("/v2/")]
    gaps = [after - before for before, after in zip(times, times[limit:], strict=False)]
    return timedelta(hours=1) / (sum(gaps, timedelta()) / len(gaps))


@pytest.mark.timeout(170)
async def test_five_thousand_requests_of_sixteen_processes_use_exactly_the_allowance(
    shared_redis: Any, prefix: str
) -> None:
    window, limit, count = 18.0, 1000, 16
    async with compressed(limit, window) as simulator:
        task = about(simulator) | {
            "redis": shared_redis.url,
            "prefix": prefix,
            "requests": 5008 // count,
            "callers": 5,
            # The first thousand requests take some seconds, as in a real hour: all at once, on a
            # busy machine, they would be about how fast it is.
            "slow_at_first": limit // count,
            "settings": {"window": window},
        }
        async with swarm(count, **task) as workers:
            for worker in workers:
                worker.go()
            results = [await worker.result() for worker in workers]
        assert results == [{"done": 313, "failed": []}] * count
        assert v2(simulator) == [200] * 5008
        share = used_share(simulator, limit)
    print(f"used {share:.2%} of the allowance")
    assert share >= 0.98


@pytest.mark.timeout(120)
async def test_processes_that_are_far_from_redis_cause_no_refusal(relay: Any, prefix: str) -> None:
    relay.delay = 0.05  # so that they acquire requests ahead of their calls
    window, limit, count = 8.0, 400, 6
    async with compressed(limit, window) as simulator:
        task = about(simulator) | {
            "redis": relay.url,
            "prefix": prefix,
            "requests": 1200 // count,
            "callers": 5,
            "settings": {"window": window},
        }
        async with swarm(count, **task) as workers:
            for worker in workers:
                worker.go()
            results = [await worker.result() for worker in workers]
        assert results == [{"done": 200, "failed": []}] * count
        assert v2(simulator) == [200] * 1200
        share = used_share(simulator, limit)
    print(f"used {share:.2%} of the allowance")
    assert share >= 0.9


def v2(simulator: Simulator) -> list[int]:
    """The statuses of the replies, in order."""
    return [seen.status for seen in simulator.requests if seen.path.startswith("/v2/")]


async def test_redis_that_restarts_empty_causes_no_refusal(redis: Any, prefix: str) -> None:
    window, limit, count = 8.0, 320, 8
    async with compressed(limit, window) as simulator:
        task = about(simulator) | {
            "redis": redis.url,
            "prefix": prefix,
            "requests": 120,
            "callers": 5,
            "settings": {"window": window, "heartbeat_ttl": 2.0},
        }
        async with swarm(count, **task) as workers:
            for worker in workers:
                worker.go()
            for sent in (200, 400):  # during the first requests, and when all workers wait
                async with asyncio.timeout(60):
                    while len(v2(simulator)) < sent:
                        await asyncio.sleep(0.01)
                redis.kill()
                await asyncio.sleep(0.5)
                redis.start()
            results = [await worker.result() for worker in workers]
        assert results == [{"done": 120, "failed": []}] * count
        assert v2(simulator) == [200] * 120 * count


async def test_reservation_of_a_killed_process_ends(shared_redis: Any, prefix: str) -> None:
    window = 60.0
    async with compressed(50, window) as simulator:
        task = about(simulator) | {
            "redis": shared_redis.url,
            "prefix": prefix,
            "requests": 20,
            "callers": 5,
            "settings": {"heartbeat_ttl": 1.0, "window": window},
        }
        async with swarm(1, **task, reserve=40) as [killed], swarm(1, **task) as [other]:
            killed.go()
            assert await killed.line() == "reserved"
            other.go()
            async with asyncio.timeout(20):
                while len(v2(simulator)) < 10:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(1.5)
            assert (
                v2(simulator) == [200] * 10
            )  # the other ten requests wait until the reservation ends
            killed.process.kill()
            async with asyncio.timeout(20):
                assert await other.result() == {"done": 20, "failed": []}
