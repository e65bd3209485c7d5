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


class _ServerThread:
    """A thread that runs a server on an event loop of its own until it is told to stop."""

    def __init__(self, server: AbstractAsyncContextManager[Any], name: str) -> None:
        self._server = server
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._ended: Future[None] = Future()

    def start(self) -> None:
        """Start the thread, and return when the server serves; raise its error otherwise."""
        self._thread.start()
        self._started.result()

    def stop(self) -> None:
        """Stop the server wherever it is, and wait for its end; raise its error if it failed."""
        try:
            # In a forked child the thread does not exist, and nothing would ever end the wait.
            if self._request_stop() and (self._thread.is_alive() or self._ended.done()):
                self._ended.result()
        finally:
            self._request_stop()  # again, as an interrupt may have come during the first time
            if self._thread.is_alive():
                self._thread.join()

    def _request_stop(self) -> bool:
        """Tell the server to stop, and return whether it has ever served."""
        if self._started.cancel() or self._started.exception() is not None:
            return False
        loop, stop = self._started.result()
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(stop.set)
        return True

    def _run(self) -> None:
        if self._started.cancelled():  # interrupted before this thread ran
            return
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - raised in the calling thread
            (self._ended if self._started.done() else self._started).set_exception(error)
        else:
            self._ended.set_result(None)

    async def _serve(self) -> None:
        async with self._server:
            stop = asyncio.Event()
            if self._started.set_running_or_notify_cancel():
                self._started.set_result((asyncio.get_running_loop(), stop))
                await stop.wait()


@contextmanager
def run_in_thread(server: AbstractAsyncContextManager[Any], name: str) -> Generator[None]:
    """Run a server on an event loop in a new thread until the ``with`` block ends."""
    thread = _ServerThread(server, name)
    try:
        thread.start()
        yield
    finally:
        thread.stop()  # an interrupt may have come at any moment, even while it was starting
