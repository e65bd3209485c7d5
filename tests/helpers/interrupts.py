"""Interrupts (Ctrl-C) at moments that are otherwise rarely hit."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import pytest


def interrupt_start_of_thread(
    name: str, monkeypatch: pytest.MonkeyPatch, *, ready: Callable[[], object] = int
) -> None:
    """Send SIGINT while the main thread waits for the start of a thread called *name*.

    *ready* is called before that, and returns when the new thread has got far enough.
    """
    start = threading.Thread.start

    def interrupted_start(thread: threading.Thread) -> None:
        start(thread)
        if thread.name == name:
            ready()
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(threading.Thread, "start", interrupted_start)


def interrupt_before_thread_runs(
    name: str, monkeypatch: pytest.MonkeyPatch, wait: Callable[[], object]
) -> None:
    """Send SIGINT when a thread called *name* exists but has not run yet.

    It calls *wait* and runs after that, so that the main thread may have left its start.
    """
    bootstrap, main = threading.Thread._bootstrap, threading.get_ident()  # type: ignore[attr-defined]

    def late_bootstrap(thread: threading.Thread) -> None:
        if thread.name == name:
            signal.pthread_kill(main, signal.SIGINT)
            wait()
        bootstrap(thread)

    monkeypatch.setattr(threading.Thread, "_bootstrap", late_bootstrap)
