"""How the benchmarks find what users wait for."""

from __future__ import annotations

import asyncio
import time
from typing import Any


async def test_the_longest_turn_of_the_loop_is_a_stall(benchmarks: Any) -> None:
    bench = benchmarks.bench_latency

    async def count_items(_: str) -> int:
        for seconds in (0.0, 0.02, 0.005, 0.0):
            await asyncio.sleep(0)
            end = time.thread_time() + seconds
            while time.thread_time() < end:
                pass
        return int(benchmarks.data.PAGE)

    longest, second = await bench._turns(count_items, "anything", 1)()
    assert longest >= 0.02
    assert 0.005 <= second <= longest


async def test_each_call_is_timed_and_the_slowest_is_first(benchmarks: Any) -> None:
    calls: list[str] = []

    async def get(id_: str) -> None:
        calls.append(id_)
        await asyncio.sleep(0.02 if len(calls) == 50 else 0)

    times = await benchmarks.bench_latency._latencies(get, 200)()
    assert len(times) == len(calls) == 200
    assert times[0] >= 0.02
    assert times == sorted(times, reverse=True)
