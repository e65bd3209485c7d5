"""Measure how long a task keeps the event loop from running others."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

#: Seconds; generous, as machines differ. Without the limits on replies, a stall takes ten or more.
MAX_STALL = 2.0


@asynccontextmanager
async def measure_stalls() -> AsyncIterator[Callable[[], float]]:
    """Yield a function that returns the longest stall so far, in seconds.

    They are CPU time of the loop's thread, which other processes do not prolong. The objects of
    earlier tests are hidden from the garbage collector: a full collection of them takes most of a
    second, for which the client is not responsible.
    """
    longest = 0.0
    gc.collect()
    gc.freeze()

    async def beat() -> None:
        nonlocal longest
        while True:
            begin = time.thread_time()
            await asyncio.sleep(0.001)
            longest = max(longest, time.thread_time() - begin)

    heartbeat = asyncio.create_task(beat())
    try:
        yield lambda: longest
        await asyncio.sleep(0.002)
    finally:
        heartbeat.cancel()
