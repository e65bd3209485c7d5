"""What several processes of the portal share, in Redis."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, TypeAlias

from redis import asyncio as redis
from redis.exceptions import RedisError

_log: Final = logging.getLogger(__name__)

#: Seconds after which another process does the work if the one that does it dies.
_LEASE: Final = 30.0

#: A client of ``redis.asyncio``, whose own annotations are incomplete.
RedisClient: TypeAlias = Any


def open_redis(url: str) -> RedisClient:
    """Return a client that the caller must close."""
    cls: Any = redis.Redis
    return cls.from_url(url, decode_responses=True)


async def run_in_one_process(client: RedisClient, work: Callable[[], Awaitable[None]]) -> None:
    """Call *work* in one of the processes that call this, and in another if that one dies."""
    while True:
        lock = client.lock("fleet-portal:feed", timeout=_LEASE, sleep=1)
        try:
            await lock.acquire()
            task = asyncio.ensure_future(work())
            try:
                while not task.done():
                    await asyncio.wait({task}, timeout=_LEASE / 3)
                    await lock.reacquire()
                await task
            finally:
                await cancel(task)
                with suppress(RedisError):  # the lease ends by itself
                    await lock.release()
        except RedisError as error:
            _log.warning("this process does not read changes any more: %s", error)
            await asyncio.sleep(1)


async def cancel(task: asyncio.Future[None]) -> None:
    """Cancel *task*, and wait until it has ended."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
