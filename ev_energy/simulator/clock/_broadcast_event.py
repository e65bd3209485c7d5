"""An event that wakes coroutines in any number of event loops, from any thread."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


class BroadcastEvent:
    """Sets an `asyncio.Event` of each listener."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    @contextmanager
    def listen(self) -> Generator[asyncio.Event]:
        """Provide an event that each `notify` sets. Clear it before reading what may change."""
        event, loop = asyncio.Event(), asyncio.get_running_loop()
        with self._lock:
            self._listeners[event] = loop
        try:
            yield event
        finally:
            with self._lock:
                self._listeners.pop(event, None)

    def notify(self) -> None:
        """Wake all current listeners."""
        with self._lock:
            listeners = list(self._listeners.items())
        for event, loop in listeners:
            try:
                loop.call_soon_threadsafe(event.set)
            except RuntimeError:  # the loop was closed, so its listener will not return
                with self._lock:
                    self._listeners.pop(event, None)
