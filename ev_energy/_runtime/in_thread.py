"""Work that would hold the event loop up, in a thread."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


async def in_thread(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run *work* in a thread, as `asyncio.to_thread` does; without one if none can be had.

    Python stops its pools of threads before it calls what is registered with `atexit`, and a
    process may be at its limit of threads. The work is then done here, which takes its time.
    """
    context = contextvars.copy_context()
    call: Callable[[], R] = functools.partial(context.run, functools.partial(work, *args, **kwargs))
    try:
        running = asyncio.get_running_loop().run_in_executor(None, call)
    except RuntimeError:  # before anything was run
        return work(*args, **kwargs)
    return await running
