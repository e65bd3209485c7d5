"""Interrupts (Ctrl-C) at moments that are otherwise rarely hit."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import pytest


def interrupt_start_of_thread(
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    number: int = 1,
    ready: Callable[[], object] = int,
) -> None:
    """Send SIGINT while the main thread waits for the start of the *number*-th thread *name*.

    Where *ready* is given, it is called in between, and returns when that thread has got so far.
    """
    start, count = threading.Thread.start, 0

    def interrupted_start(thread: threading.Thread) -> None:
        nonlocal count
        start(thread)
        if thread.name == name:
            count += 1
            if count == number:
                ready()
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(threading.Thread, "start", interrupted_start)
