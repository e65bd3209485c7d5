"""Waking a thread that waits for the event loop."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable
from typing import Final, Protocol

#: Notifiers of a loop that have a file descriptor. If more threads wait, the others get locks.
_MAX_EVENTS: Final = 16


class Notifier(Protocol):
    """Lets one thread wait until another one notifies it, once."""

    def wait(self, timeout: float) -> bool:
        """Wait for at most *timeout* seconds, and return whether there was a notification."""
        ...

    def notify(self) -> None:
        """Wake the thread, or let it go on at once if it does not wait yet."""
        ...


class NotifierPool:
    """The notifiers of a loop: one for each call that a thread waits for.

    A lock wakes its thread while the loop's thread has the GIL, and the woken thread runs only to
    wait for that. Writing to a file descriptor releases the GIL: a GET takes 3.7 switches between
    threads instead of 7.2, and a few percent less CPU time. The calls beyond the limit of
    descriptors get locks, with which the way to the loop and back takes a third less time than with
    a threading.Event or a concurrent.futures.Future.
    """

    def __init__(self, *, use_locks: bool) -> None:
        supported = sys.platform == "linux" and hasattr(os, "eventfd") and not use_locks
        # None stands for one that is made when it is needed.
        self._free: list[_EventNotifier | None] = [None] * _MAX_EVENTS if supported else []

    def take(self) -> Notifier:
        """Return a notifier for one call."""
        try:
            return self._free.pop() or _EventNotifier()
        except IndexError:
            return _LockNotifier()
        except OSError:  # the process has too many open files
            self._free.append(None)
            return _LockNotifier()

    def give_back(self, notifier: Notifier, *, reusable: bool) -> None:
        """Let another call have *notifier*, or a new one if it can still be notified."""
        if isinstance(notifier, _EventNotifier):
            self._free.append(notifier if reusable else None)


class _LockNotifier:
    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def wait(self, timeout: float) -> bool:
        return self._lock.acquire(timeout=timeout)

    def notify(self) -> None:
        self._lock.release()


class _EventNotifier:
    __slots__ = ("_event", "_poll")

    def __init__(self) -> None:
        self._event = os.eventfd(0)
        self._poll = select.poll()
        self._poll.register(self._event, select.POLLIN)

    def wait(self, timeout: float) -> bool:
        if not self._poll.poll(timeout * 1000):
            return False
        os.eventfd_read(self._event)
        return True

    def notify(self) -> None:
        os.eventfd_write(self._event, 1)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if hasattr(self, "_event"):
            close(self._event)
