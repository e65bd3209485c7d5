"""For how long the event loop runs nothing else."""

from __future__ import annotations

import asyncio
import functools
import gc
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

#: The machine may be busy. Without limits, hostile replies take ten seconds and more.
LONGEST_STALL = 2.0


@asynccontextmanager
async def heartbeat(
    clock: Callable[[], float] = time.monotonic, pause: float = 0.005
) -> AsyncIterator[Callable[[], float]]:
    """Measure by *clock* for how long the loop runs nothing else, *pause* included.

    Objects that earlier tests left behind are frozen meanwhile: a full garbage collection of those
    takes most of a second, which is not the client's.
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

    beating = asyncio.create_task(beat())
    try:
        yield lambda: longest
        await asyncio.sleep(2 * pause)
    finally:
        beating.cancel()
        gc.unfreeze()


#: The same by the time that the loop's thread computes, which other processes do not prolong.
busy: Final = functools.partial(heartbeat, time.thread_time, 0.0)
