"""The one lock under which shared state is built on first use.

Decoders, the types they decode into and the blocking client's event loops are built by the first
call that needs them, in any thread. msgspec itself is not safe here: it publishes what it knows
about a class before that is complete, and a second thread that decodes in the meantime can crash
the interpreter. Therefore each of these is built completely under `build_lock` and only then
published; reading what is published takes no lock.

Modules are imported while the lock is held, which keeps a fork from happening in the middle of an
import. So no module of the package may take the lock while it is itself being imported (by using a
name that the package exports, for example): another thread could hold the lock and wait for that
module.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")


#: The locks that each fork holds, in the order in which they were made.
_locks: Final[list[threading.RLock]] = []


class _Held(threading.local):
    """The locks that a thread has acquired for its fork."""

    def __init__(self) -> None:
        self.locks: list[threading.RLock] = []


_held: Final = _Held()


def hold_over_forks(lock: threading.RLock) -> None:
    """Make each fork acquire *lock* first, so that no child inherits it in a locked state."""
    _locks.append(lock)


def _acquire_all() -> None:
    """Acquire the locks; the last one first, since its holder may build something."""
    while True:
        locks = _locks[::-1]
        for lock in locks:
            lock.acquire()
            _held.locks.append(lock)  # one by one: a signal may end this in between
        if len(locks) == len(_locks):
            return
        # An import that this waited for has made another one, which a thread may hold by now.
        _release_all()


def _release_all() -> None:
    while _held.locks:
        _held.locks.pop().release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_acquire_all, after_in_parent=_release_all, after_in_child=_release_all
    )

#: Reentrant, since building one thing builds others, and a signal handler may do so in between.
#: Held over forks, since the child would have a half-done import without the thread that runs it.
build_lock: Final = threading.RLock()
hold_over_forks(build_lock)


def built_once(build: Callable[P, R]) -> Callable[P, R]:
    """Decorate *build* to run once for each set of arguments, under `build_lock`."""
    built = functools.cache(cast("Callable[..., Any]", build))

    @functools.wraps(build)
    @functools.cache
    def published(*args: Any, **kwargs: Any) -> Any:
        with build_lock:
            # A thread that waited for the lock finds the result of the thread that held it.
            return built(*args, **kwargs)

    return cast("Callable[P, R]", published)
