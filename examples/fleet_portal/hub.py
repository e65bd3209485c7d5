"""Telling the open pages of this process, or of all processes, that something has changed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Final, Protocol

from redis.exceptions import RedisError

from .shared import RedisClient

_log: Final = logging.getLogger(__name__)

#: Ids whose latest change is remembered.
_REMEMBERED: Final = 10_000
_CHANNEL: Final = "fleet-portal:changes"


class Hub(Protocol):
    """Tells pages which vehicles and chargers have changed."""

    @property
    def is_closed(self) -> bool:
        """Whether the server is about to stop, so that pages must not wait any more."""
        ...

    async def publish(self, ids: Collection[str]) -> None:
        """Say that these have changed."""
        ...

    async def wait_for_change(
        self, ids: Collection[str], *, since: float, seconds: float
    ) -> float | None:
        """Wait until one of *ids* has changed after *since*, a time of ``time.monotonic()``.

        Return when it changed; None after so many *seconds*, or if the hub is closed. A change
        before the call counts too, so that none is missed between reading and waiting.
        """
        ...

    def close(self) -> None:
        """End all waiting, now and later."""
        ...

    def running(self) -> AbstractAsyncContextManager[None]:
        """Keep what the hub needs open."""
        ...


class MemoryHub:
    """A `Hub` for one process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.is_closed = False
        self._clock = clock
        self._changed_at: OrderedDict[str, float] = OrderedDict()
        self._waiting: set[asyncio.Event] = set()

    async def publish(self, ids: Collection[str]) -> None:
        """Say that these have changed."""
        self._deliver(ids)

    async def wait_for_change(
        self, ids: Collection[str], *, since: float, seconds: float
    ) -> float | None:
        """Wait until one of *ids* has changed after *since*."""
        wake = asyncio.Event()
        self._waiting.add(wake)
        try:
            async with asyncio.timeout(seconds):
                while not self.is_closed:
                    latest = max((self._changed_at.get(one, 0.0) for one in ids), default=0.0)
                    if latest > since:
                        return latest
                    wake.clear()
                    await wake.wait()
        except TimeoutError:
            pass
        finally:
            self._waiting.discard(wake)
        return None

    def close(self) -> None:
        """End all waiting, now and later."""
        self.is_closed = True
        self._wake_all()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Close the hub at the end."""
        try:
            yield
        finally:
            self.close()

    def _deliver(self, ids: Collection[str]) -> None:
        now = self._clock()
        for one in ids:
            self._changed_at[one] = now
            self._changed_at.move_to_end(one)
        while len(self._changed_at) > _REMEMBERED:
            self._changed_at.popitem(last=False)
        self._wake_all()

    def _wake_all(self) -> None:
        for wake in self._waiting:
            wake.set()


class RedisHub(MemoryHub):
    """A `Hub` for several processes, which tell each other by Redis pub/sub.

    What is published while Redis is away is lost. Pages read again every minute anyway.
    """

    def __init__(self, client: RedisClient) -> None:
        super().__init__()
        self._redis = client

    async def publish(self, ids: Collection[str]) -> None:
        """Say in all processes that these have changed."""
        try:
            await self._redis.publish(_CHANNEL, " ".join(ids))
        except RedisError as error:
            _log.warning("pages were not told about a change: %s", error)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Listen to the other processes."""
        async with super().running():
            task = asyncio.create_task(self._listen())
            try:
                yield
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(_CHANNEL)
                    async for message in pubsub.listen():
                        if message["type"] == "message":
                            self._deliver(message["data"].split())
            except RedisError as error:
                _log.warning("pages are not told about changes: %s", error)
                await asyncio.sleep(1)
