"""Blocking work in a thread, so that it does not block the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


async def in_thread(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run *work* in a thread, like `asyncio.to_thread`, or here if no thread is available.

    Python stops its thread pools before it calls the functions registered with `atexit`, and a
    process may have reached its limit of threads. The work then blocks the event loop.
    """
    context = contextvars.copy_context()
    call: Callable[[], R] = functools.partial(context.run, functools.partial(work, *args, **kwargs))
    try:
        running = asyncio.get_running_loop().run_in_executor(None, call)
    except RuntimeError:  # raised before the work has started
        return work(*args, **kwargs)
    return await running
