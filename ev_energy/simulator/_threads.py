"""Ways between the event loop of a simulator and the threads around it."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractAsyncContextManager


T = TypeVar("T")


def done_in(loop: asyncio.AbstractEventLoop | None, work: Callable[[], T]) -> T:
    """Do something in a loop, between two of its tasks, whichever thread asks for it.

    Without a loop there is nobody to come between.
    """
    try:
        here = asyncio.get_running_loop()
    except RuntimeError:
        here = None
    if loop is None or here is loop:
        return work()
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again where it was asked for
            done.set_exception(error)

    loop.call_soon_threadsafe(run)
    return done.result()


@contextmanager
def entered_in_thread(server: AbstractAsyncContextManager[Any], name: str) -> Generator[None]:
    """Enter on an event loop in a thread of its own, and leave when the ``with`` block ends."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    ended: Future[None] = Future()

    async def serve() -> None:
        async with server:
            done = asyncio.Event()
            started.set_result((asyncio.get_running_loop(), done))
            await done.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 - raised again where somebody hears it
            (ended if started.done() else started).set_exception(error)
        else:
            ended.set_result(None)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        loop, done = started.result()
        try:
            yield
        finally:
            if not ended.done():
                loop.call_soon_threadsafe(done.set)
            ended.result()
    finally:
        thread.join()
