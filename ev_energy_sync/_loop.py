"""The event loop of a portal: uvloop's where it is installed and fits, else asyncio's."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from concurrent.futures import Executor
from functools import lru_cache, partial
from typing import Any

from ev_energy._runtime.clocks import REAL


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop that does not run yet."""
    found = None if threads_are_greenlets() else kind()
    loop = asyncio.new_event_loop() if found is None else found()
    if found is None:
        # Its timeouts end also where time is frozen. libuv has a clock of its own.
        vars(loop)["time"] = REAL.monotonic
    # On the object, since the policy of the process decides on the class of asyncio's.
    vars(loop)["run_in_executor"] = partial(_run_in_executor, loop, loop.run_in_executor)
    return loop


def threads_are_greenlets() -> bool:
    """Return whether gevent has replaced the threads of this process by greenlets.

    The portal's thread is a greenlet then, and its loop must wait by gevent's `select`, as that of
    asyncio does. libuv would hold the only real thread, the caller's greenlet included, for ever.
    """
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and monkey.is_module_patched("threading")


def _run_in_executor(
    loop: asyncio.AbstractEventLoop,
    submit: Callable[..., asyncio.Future[Any]],
    executor: Executor | None,
    func: Callable[..., Any],
    *args: Any,
) -> asyncio.Future[Any]:
    """Run *func* in a thread; without one where the process is exiting and starts no more.

    Python stops its pools of threads before it calls what is registered with `atexit`.
    """
    try:
        return submit(executor, func, *args)
    except RuntimeError:
        if loop.is_closed():
            raise
    done: asyncio.Future[Any] = loop.create_future()
    try:
        done.set_result(func(*args))
    except Exception as error:  # noqa: BLE001  (it is raised where the result is awaited)
        done.set_exception(error)
    return done


@lru_cache(maxsize=1)
def kind() -> type[asyncio.AbstractEventLoop] | None:
    """Return the class of uvloop's loop, for use here; None without uvloop."""
    try:
        import uvloop
    except (ImportError, RuntimeError):  # or it cannot be imported while the process exits
        return None

    class Loop(uvloop.Loop):
        """Looks names up in Python's threads instead of libuv's.

        At the end of a forked child libuv waits for its threads, which that child does not have,
        and crashes (libuv #4443). uvloop asks it for addresses, too, that need no looking up.
        """

        async def getaddrinfo(  # pyright: ignore[reportIncompatibleMethodOverride]  # uvloop has narrower types
            self,
            host: Any,
            port: Any,
            *,
            family: int = 0,
            type: int = 0,  # noqa: A002  (named by asyncio)
            proto: int = 0,
            flags: int = 0,
        ) -> list[Any]:
            look_up = partial(socket.getaddrinfo, host, port, family, type, proto)
            try:
                return look_up(flags | socket.AI_NUMERICHOST)
            except socket.gaierror:
                return await self.run_in_executor(None, look_up, flags)

    return Loop
