"""Blocking work in a thread, so that it does not block the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

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


def in_daemon_thread(work: Callable[[], R], name: str) -> asyncio.Future[R]:
    """Run *work* in a daemon thread of its own, which is called *name*.

    For work that may take forever: in the pool of the event loop, it would take the threads of
    others, and delay the end of the loop and of the process.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[R] = loop.create_future()

    def resolve(result: Any, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
            future.exception()  # mark it as retrieved, in case the caller was cancelled

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001  (raised again where the future is awaited)
            error = raised
        with suppress(RuntimeError):  # the loop was closed
            loop.call_soon_threadsafe(resolve, result, error)

    try:
        threading.Thread(target=run, name=name, daemon=True).start()
    except RuntimeError:  # no thread can be started: at exit, or at the limit of the process
        run()
    return future
