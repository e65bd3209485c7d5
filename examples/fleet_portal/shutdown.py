"""Ending the streams of open pages when the server is told to stop."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def call_on_stop(close: Callable[[], None]) -> Generator[None]:
    """Call *close* as soon as the process gets SIGINT or SIGTERM, before the server's own handler.

    A server waits for open replies first and ends the lifespan of the application afterwards. The
    stream of an open page would keep it waiting, so it must end earlier than the lifespan.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals: the server is part of a test
        return
    loop = asyncio.get_running_loop()
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(close)
        handler: Any = previous[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number, handler in previous.items():
        if callable(handler):
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in previous.items():
            if signal.getsignal(number) is handle:
                signal.signal(number, handler)
