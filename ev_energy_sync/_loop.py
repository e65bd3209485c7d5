"""The event loop of a portal: uvloop's where it is installed, else asyncio's."""

from __future__ import annotations

import asyncio
import socket
from functools import lru_cache, partial
from typing import Any


def new_loop() -> asyncio.AbstractEventLoop:
    """A loop that does not run yet."""
    found = kind()
    return asyncio.new_event_loop() if found is None else found()


@lru_cache(maxsize=1)
def kind() -> type[asyncio.AbstractEventLoop] | None:
    """The class of uvloop's loop, for use here; None without uvloop."""
    try:
        import uvloop
    except ImportError:
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
