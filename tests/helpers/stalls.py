"""Measure how long a task keeps the event loop from running others."""

from __future__ import annotations

import asyncio
import functools
import gc
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

#: Seconds; generous for a busy machine. Without the limits on replies, a stall takes ten or more.
MAX_STALL = 2.0


@asynccontextmanager
async def measure_stalls(
    clock: Callable[[], float] = time.monotonic, pause: float = 0.005
) -> AsyncIterator[Callable[[], float]]:
    """Yield a function that returns the longest stall so far by *clock*, *pause* included.

    The objects of earlier tests are hidden from the garbage collector: a full collection of them
    takes most of a second, for which the client is not responsible.
    """
    longest = 0.0
    gc.collect()
    gc.freeze()

    async def beat() -> None:
        nonlocal longest
        while True:
            begin = clock()
            await asyncio.sleep(pause)
            longest = max(longest, clock() - begin)

    heartbeat = asyncio.create_task(beat())
    try:
        yield lambda: longest
        await asyncio.sleep(2 * pause)
    finally:
        heartbeat.cancel()
        gc.unfreeze()


#: The same in CPU time of the loop's thread, which other processes do not prolong.
measure_busy_stalls: Final = functools.partial(measure_stalls, time.thread_time, 0.0)
