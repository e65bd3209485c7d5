"""For how long the event loop runs nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

#: The machine may be busy. Without limits, hostile replies take ten seconds and more.
LONGEST_STALL = 2.0


@asynccontextmanager
async def heartbeat() -> AsyncIterator[Callable[[], float]]:
    """Measure for how long the loop runs nothing else."""
    worst = 0.0

    async def beat() -> None:
        nonlocal worst
        while True:
            begin = time.monotonic()
            await asyncio.sleep(0.005)
            worst = max(worst, time.monotonic() - begin)

    beating = asyncio.create_task(beat())
    try:
        yield lambda: worst
        await asyncio.sleep(0.01)
    finally:
        beating.cancel()


@asynccontextmanager
async def busy() -> AsyncIterator[Callable[[], float]]:
    """Measure for how long the loop computes without running anything else."""
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        while True:
            begin = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - begin)

    beating = asyncio.create_task(beat())
    try:
        yield lambda: longest
        await asyncio.sleep(0)
    finally:
        beating.cancel()
