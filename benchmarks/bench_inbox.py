"""Measure what an inbox adds to the handling of a webhook, in memory and in Redis."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from harness import Row, Samples, Settings, Skip, async_rounds, ratio, redis_server
from redis.asyncio import Redis

from ev_energy.redis import RedisInboxStore
from ev_energy.webhooks import Inbox

_DELIVERIES: Final = 500
_Numbers = Iterator[int]


def rows(settings: Settings) -> Iterator[Row]:
    samples = asyncio.run(_in_memory(settings.rounds(9)))
    per_delivery = _microseconds(samples, "inbox")
    yield ratio(samples, "inbox", "task").row(
        "delivery in memory, over a task", note=f"{per_delivery:.0f} us of CPU"
    )
    if shutil.which("redis-server") is None:
        raise Skip("needs redis-server")
    samples = asyncio.run(_in_redis(settings.rounds(9)))
    elapsed = min(sample.wall for sample in samples["inbox"]) / _DELIVERIES * 1e6
    yield ratio(samples, "inbox", "commands").row(
        "delivery in Redis, over two commands of redis-py",
        note=f"{_microseconds(samples, 'inbox'):.0f} us of CPU, {elapsed:.0f} us elapsed",
    )


def _microseconds(samples: Samples, name: str) -> float:
    return min(sample.cpu for sample in samples[name]) / _DELIVERIES * 1e6


async def _nothing() -> None:
    pass


async def _repeat(one: Callable[[str], Awaitable[object]], numbers: _Numbers) -> None:
    for _ in range(_DELIVERIES):
        await one(f"msg_{next(numbers)}")


async def _in_memory(count: int) -> Samples:
    inbox, numbers = Inbox(), itertools.count()

    async def process(delivery_id: str) -> None:
        await inbox.process(delivery_id, _nothing)

    async def run(_: str) -> None:
        await asyncio.ensure_future(_nothing())

    cases = {
        "inbox": lambda: _repeat(process, numbers),
        "task": lambda: _repeat(run, numbers),
    }
    return await async_rounds(cases, count)


async def _in_redis(count: int) -> Samples:
    numbers = itertools.count()
    async with contextlib.AsyncExitStack() as stack:
        url = f"redis://127.0.0.1:{await stack.enter_async_context(redis_server())}/0"
        redis = await stack.enter_async_context(Redis.from_url(url))
        store = await stack.enter_async_context(RedisInboxStore(url))
        inbox = Inbox(store)

        async def process(delivery_id: str) -> None:
            await inbox.process(delivery_id, _nothing)

        async def commands(delivery_id: str) -> None:
            await redis.set(delivery_id, "owner", px=30_000, nx=True)
            await redis.set(delivery_id, "done", px=259_200_000)

        cases = {
            "inbox": lambda: _repeat(process, numbers),
            "commands": lambda: _repeat(commands, numbers),
        }
        return await async_rounds(cases, count)
