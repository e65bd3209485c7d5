"""Calls between the event loop of a simulator and other threads."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractAsyncContextManager


T = TypeVar("T")


def run_in_loop(loop: asyncio.AbstractEventLoop | None, function: Callable[[], T]) -> T:
    """Call a function in an event loop from any thread; return its result.

    Without a loop, or in the loop itself, the function is called directly.
    """
    try:
        running_loop = asyncio.get_running_loop()
    except RuntimeError:
        running_loop = None
    if loop is None or running_loop is loop:
        return function()
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(function())
        except BaseException as error:  # noqa: BLE001 - raised in the calling thread
            result.set_exception(error)

    loop.call_soon_threadsafe(run)
    return result.result()


@contextmanager
def run_in_thread(server: AbstractAsyncContextManager[Any], name: str) -> Generator[None]:
    """Run a server on an event loop in a new thread until the ``with`` block ends."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    ended: Future[None] = Future()

    async def serve() -> None:
        async with server:
            stop = asyncio.Event()
            if started.set_running_or_notify_cancel():
                started.set_result((asyncio.get_running_loop(), stop))
                await stop.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 - raised in the calling thread
            (ended if started.done() else started).set_exception(error)
        else:
            ended.set_result(None)

    thread = threading.Thread(target=run, name=name, daemon=True)
    try:
        thread.start()
        started.result()
        yield
    finally:
        # An interrupt may have come at any of these steps, even while the server was starting.
        serves = not started.cancel() and started.exception() is None
        if serves:
            loop, stop = started.result()
            with suppress(RuntimeError):  # the server has failed, and its loop is closed
                loop.call_soon_threadsafe(stop.set)
        if thread.is_alive():
            thread.join()
        if serves:
            ended.result()
