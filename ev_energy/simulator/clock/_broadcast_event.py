"""A way to wake coroutines, in whatever event loops they wait, from any thread."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


class BroadcastEvent:
    """Rings for everybody who listens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listening: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    @contextmanager
    def listen(self) -> Generator[asyncio.Event]:
        """Give an event that is set at each ring; clear it before you look at what may change."""
        rung, loop = asyncio.Event(), asyncio.get_running_loop()
        with self._lock:
            self._listening[rung] = loop
        try:
            yield rung
        finally:
            with self._lock:
                self._listening.pop(rung, None)

    def notify(self) -> None:
        """Wake all who listen now."""
        with self._lock:
            listening = list(self._listening.items())
        for rung, loop in listening:
            try:
                loop.call_soon_threadsafe(rung.set)
            except RuntimeError:  # that loop is closed, so nobody listens there any more
                with self._lock:
                    self._listening.pop(rung, None)
