"""The parts of locks that several stores share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Final

from ev_energy._runtime.build_lock import hold_over_forks

#: Seconds between two attempts to take a lock; the interval doubles from the first to the second.
_MIN_POLL_INTERVAL: Final = 0.002
_MAX_POLL_INTERVAL: Final = 0.1

#: Guards the bookkeeping of locks in this process. A fork waits for it, so that no child inherits
#: half of a change. Reentrant: the garbage collector may release a lock during a change.
FORK_LOCK: Final = threading.RLock()
hold_over_forks(FORK_LOCK)


async def poll_until(condition: Callable[[], bool]) -> None:
    """Return once *condition* returns true; check it at growing intervals.

    For locks whose release notifies nothing. Unlike a thread that blocks on a lock, this leaves
    nothing behind when it is cancelled.
    """
    interval = _MIN_POLL_INTERVAL
    while not condition():
        await asyncio.sleep(interval)
        interval = min(2 * interval, _MAX_POLL_INTERVAL)
