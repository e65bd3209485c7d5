"""One resource per running event loop: connections belong to the loop that opened them.

The transport keeps its aiohttp sessions here, and the Redis budget and token store keep their
connections. A resource is closed by its owner, or by the end of its loop; a forked child leaves
the resources of its parent alone.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar
from weakref import WeakSet

T = TypeVar("T")

# The public function raises where no loop runs, as in a destructor.
_running_loop = asyncio._get_running_loop  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


class AlreadyClosed(Exception):  # noqa: N818  (the transport turns it into a fault of its own)
    """The owner closed all resources, and no more are to be opened."""


class LoopResource(Generic[T]):
    """A resource and the only event loop that may use it."""

    __slots__ = ("_close", "_close_now", "_guard", "closed", "loop", "value")

    def __init__(
        self,
        value: T,
        loop: asyncio.AbstractEventLoop,
        close: Callable[[T], Awaitable[None]],
        close_now: Callable[[T], None] | None,
    ) -> None:
        self.value, self.loop = value, loop
        self.closed = False
        self._close, self._close_now = close, close_now
        self._guard = self._close_with_generator()

    def close_with_loop(self) -> None:
        """Have the loop close the resource when it ends. Call it on that loop."""
        # Runs the generator up to its `yield`, which never suspends. The loop registers the
        # generator thereby, and `asyncio.run` closes all generators before it closes the loop.
        with suppress(StopIteration):
            self._guard.__anext__().send(None)

    async def close(self) -> None:
        """Close the resource, on its own loop."""
        if self.closed:
            return
        self.closed = True
        try:
            await self._close(self.value)
        finally:
            await self._guard.aclose()

    def abandon(self) -> None:
        """Close the resource without waiting, whatever loop or thread this is called from."""
        if not self.loop.is_closed() and _running_loop() is not self.loop:
            try:
                self.loop.call_soon_threadsafe(self._abandon_now)
            except RuntimeError:  # the loop was closed in the meantime
                self._abandon_now()
        else:
            self._abandon_now()

    def _abandon_now(self) -> None:
        if self.closed or self._close_now is None:
            return
        self.closed = True
        self._close_now(self.value)
        closing = self._guard.aclose()
        with suppress(StopIteration):
            closing.send(None)

    async def _close_with_generator(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            if not self.closed:
                self.closed = True
                await self._close(self.value)


class PerLoop(Generic[T]):
    """The resources of all event loops of one owner, opened by `for_running_loop` on first use.

    Args:
        open_: Opens a resource, on the loop that will use it.
        close: Closes one, on its loop.
        close_now: Closes one without waiting, possibly on another loop or after its loop was
            closed. None if that is impossible: the garbage collector closes it then.
        close_with_loop: Whether the end of a loop closes its resource.
    """

    def __init__(
        self,
        open_: Callable[[], T],
        close: Callable[[T], Awaitable[None]],
        *,
        close_now: Callable[[T], None] | None = None,
        close_with_loop: bool = True,
    ) -> None:
        self._open, self._close, self._close_now = open_, close, close_now
        self._close_with_loop = close_with_loop
        self._resources: dict[asyncio.AbstractEventLoop, LoopResource[T]] = {}
        self._lock = threading.Lock()
        self.closed = False
        """Whether `close` was called."""
        _instances.add(self)

    def __bool__(self) -> bool:
        """Whether the owner has resources that it did not close."""
        return bool(self._resources)

    def for_running_loop(self) -> LoopResource[T]:
        """Return the resource of the running loop; open it on first use.

        Raises:
            AlreadyClosed: After `close`.
        """
        loop = asyncio.get_running_loop()
        resource = self._resources.get(loop)
        if resource is None or resource.closed:
            resource = self._open_for(loop)
        if self.closed:
            raise AlreadyClosed
        return resource

    def all(self) -> list[T]:
        """Return the open resources of all loops."""
        with self._lock:
            return [each.value for each in self._resources.values() if not each.closed]

    async def close(self) -> None:
        """Close all resources for good. Wait for the one of the running loop only."""
        self.closed = True
        with self._lock:
            resource = self._resources.pop(asyncio.get_running_loop(), None)
        self.abandon()
        if resource is not None:
            await resource.close()

    async def close_for_running_loop(self) -> None:
        """Close the resource of the running loop. A later use opens another one."""
        with self._lock:
            resource = self._resources.pop(asyncio.get_running_loop(), None)
        if resource is not None:
            await resource.close()

    def abandon(self) -> None:
        """Close all resources without waiting."""
        with self._lock:
            resources = [*self._resources.values()]
            self._resources.clear()
        for resource in resources:
            resource.abandon()

    def disown_after_fork(self) -> None:
        """Part with the resources of the parent process, in its child, and close nothing."""
        _inherited.append(self._resources)
        self._resources = {}
        self._lock = threading.Lock()  # another thread of the parent may have held the old one

    def _open_for(self, loop: asyncio.AbstractEventLoop) -> LoopResource[T]:
        self._purge_closed_loops()
        resource = LoopResource(self._open(), loop, self._close, self._close_now)
        if self._close_with_loop:
            resource.close_with_loop()
        with self._lock:
            self._resources[loop] = resource
        if self.closed:  # in the meantime, by another thread
            self.abandon()
        return resource

    def _purge_closed_loops(self) -> None:
        """Release the resources of loops that have ended: any number of loops may follow."""
        with self._lock:
            closed = [loop for loop in self._resources if loop.is_closed()]
            resources = [self._resources.pop(loop) for loop in closed]
        for resource in resources:
            resource.abandon()


_instances: Final[WeakSet[PerLoop[Any]]] = WeakSet()
#: Parent and child of a fork share an epoll. Closing or collecting an inherited resource in the
#: child would unregister the sockets of the parent.
_inherited: Final[list[object]] = []


def _after_fork() -> None:
    for instance in tuple(_instances):
        instance.disown_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
