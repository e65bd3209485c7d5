"""Where the connections of a client live: in one session for each event loop that calls it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

if TYPE_CHECKING:
    import aiohttp

# The public one raises where no loop runs, as in a destructor.
_running_loop = asyncio._get_running_loop  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


class AllClosed(Exception):  # noqa: N818  (the transport turns it into a fault of its own)
    """There are none any more, and no more are to be made."""


class Home:
    """The session of one loop. It is closed there: by its client, or by the end of the loop."""

    __slots__ = ("_guard", "loop", "session")

    def __init__(self, session: aiohttp.ClientSession, loop: asyncio.AbstractEventLoop) -> None:
        self.session, self.loop = session, loop
        self._guard = _until_the_loop_ends(session)

    async def open(self) -> None:
        """Have the loop close the session when it ends. Does not wait."""
        await anext(self._guard)

    async def close(self) -> None:
        """Close it, on its own loop."""
        try:
            await self.session.close()
        finally:
            await self._guard.aclose()

    def abandon(self) -> None:
        """Close it, whatever loop runs here, and without waiting for that."""
        if not self.loop.is_closed() and _running_loop() is not self.loop:
            try:
                self.loop.call_soon_threadsafe(self._close_now)
            except RuntimeError:  # closed since
                self._close_now()
        else:
            self._close_now()

    def _close_now(self) -> None:
        # The first step of it closes the connections; the others only wait for that.
        for closing in (self.session.close(), self._guard.aclose()):
            try:
                closing.send(None)
            except StopIteration:
                continue
            closing.close()


class Homes:
    """The sessions of all loops."""

    def __init__(self, make: Callable[[], aiohttp.ClientSession]) -> None:
        self._make = make
        self._of: dict[asyncio.AbstractEventLoop, Home] = {}
        self.closed = False
        _all.add(self)

    def __bool__(self) -> bool:
        return bool(self._of)

    async def here(self) -> Home:
        """The one of the running loop, made if need be. `AllClosed` once they are closed."""
        loop = asyncio.get_running_loop()
        home = self._of.get(loop)
        if home is None or home.session.closed:
            self._sweep()
            home = Home(self._make(), loop)
            await home.open()
            self._of[loop] = home
            if self.closed:  # meanwhile, by another thread
                await self.close()
        if self.closed:
            raise AllClosed
        return home

    async def close(self) -> None:
        """Close them all; wait for the one of the running loop."""
        self.closed = True
        here = self._of.pop(asyncio.get_running_loop(), None)
        self.abandon()
        if here is not None:
            await here.close()

    def abandon(self) -> None:
        """Close them all, without waiting for that."""
        while self._of:
            self._of.popitem()[1].abandon()

    def _sweep(self) -> None:
        """Let go of those whose loop has ended, of which there may come any number."""
        for loop in tuple(self._of):
            if loop.is_closed() and (home := self._of.pop(loop, None)) is not None:
                home.abandon()

    def leave_to_the_parent(self) -> None:
        """In a forked child: part with the sessions, and close nothing."""
        _inherited.append(self._of)
        self._of = {}


async def _until_the_loop_ends(session: aiohttp.ClientSession) -> AsyncGenerator[None]:
    """What `asyncio.run` ends before its loop, as it does with every generator."""
    try:
        yield
    finally:
        await session.close()


_all: Final[WeakSet[Homes]] = WeakSet()
# Parent and child of a fork share an epoll. Closing or collecting an inherited session in the child
# would unregister the sockets of the parent.
_inherited: Final[list[object]] = []


def _after_fork() -> None:
    for homes in tuple(_all):
        homes.leave_to_the_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
