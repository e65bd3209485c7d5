"""Connections to Redis: one client for each process and event loop, and whether it answers."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Generic, Protocol, TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from ev_energy._redis._script import Script
from ev_energy._texts import printable

_log: Final = logging.getLogger("ev_energy")
_FIRST_PAUSE: Final = 0.05


class Down(Exception):  # noqa: N818  (a state of affairs; callers make their own errors of it)
    """Redis does not answer, or refuses to."""


class RedisClient(Protocol):
    """What is used of a client of ``redis.asyncio``: ``Redis`` or ``RedisCluster``."""

    def execute_command(self, *words: Any) -> Any:
        """Send a command, and return what is to be awaited for its reply."""
        ...

    async def aclose(self) -> None:
        """Let go of every connection."""
        ...


class Link:
    """Redis as one event loop reaches it."""

    def __init__(self, client: RedisClient, timeout: float, longest_pause: float) -> None:
        self.client = client
        self.timeout = timeout
        self._longest_pause = longest_pause
        self._pause = 0.0
        self.trouble = ""
        """Why it does not answer; empty if it does."""
        self.retry_at = float("-inf")
        """When to try again, if it does not answer."""

    async def run(self, script: Script, *words: Any) -> Any:
        """What *script* returns; *words* are the number of keys, the keys, and the rest."""
        try:
            return await self.command("EVALSHA", script.sha, *words)
        except NoScriptError:
            return await self.command("EVAL", script.text, *words)

    async def command(self, *words: Any) -> Any:
        """The reply to a command; `Down` if there is none in time."""
        task = asyncio.current_task()
        before = 0 if task is None else task.cancelling()
        try:
            return await self._reply(words)
        finally:
            # The client writes by `asyncio.wait_for`, which in Python 3.11 loses a cancellation
            # that comes just as the write is done. Who asks in a loop would ask for ever.
            if task is not None and task.cancelling() > before:
                raise asyncio.CancelledError

    async def _reply(self, words: tuple[Any, ...]) -> Any:
        try:
            async with asyncio.timeout(self.timeout):
                return await self.client.execute_command(*words)
        except NoScriptError:
            raise
        except TimeoutError as error:
            raise Down(f"no reply within {self.timeout:g} s") from error
        except (RedisError, OSError) as error:
            raise Down(f"{type(error).__name__}: {printable(error)}") from error

    def failed(self, down: Down, policy: str) -> None:
        """It did not answer. The first time, somebody should read about it."""
        if not self.trouble:
            _log.warning("Redis, which keeps the budget, is down (%s): %s", down, policy)
            self._pause = _FIRST_PAUSE
        else:
            self._pause = min(2 * self._pause, self._longest_pause)
        self.trouble = str(down)
        # Not all processes at once.
        self.retry_at = time.monotonic() + self._pause * random.uniform(0.5, 1.0)  # noqa: S311

    def worked(self) -> None:
        """It answered."""
        if self.trouble:
            self.trouble, self.retry_at = "", float("-inf")
            _log.info("Redis, which keeps the budget, is back")


T = TypeVar("T")


class PerLoop(Generic[T]):
    """One thing for each event loop of each process: connections belong to their loop.

    It is closed with `aclose`, or when its loop ends as `asyncio.run` and the blocking client end
    theirs: with `shutdown_asyncgens`.
    """

    def __init__(
        self, make: Callable[[], T], close: Callable[[T], Awaitable[None]], *, with_loop: bool
    ) -> None:
        self._make, self._close, self._with_loop = make, close, with_loop
        self._things: dict[asyncio.AbstractEventLoop, tuple[T, AsyncGenerator[None]]] = {}
        self._of_process()

    def get(self) -> T:
        """That of the running loop."""
        loop = asyncio.get_running_loop()
        self._look()
        found = self._things.get(loop)
        if found is None:
            found = self._begin(loop)
        return found[0]

    async def aclose(self) -> None:
        """Close that of the running loop."""
        self._look()
        found = self._things.get(asyncio.get_running_loop())
        if found is not None:
            await self._end(found[0])
            await found[1].aclose()

    def all(self) -> list[T]:
        """Those of every loop of this process."""
        self._look()
        with self._lock:
            return [thing for thing, _ in self._things.values()]

    def _begin(self, loop: asyncio.AbstractEventLoop) -> tuple[T, AsyncGenerator[None]]:
        thing = self._make()
        guard = self._guard(thing)
        if self._with_loop:
            # Up to its `yield`, where the loop learns of it.
            with suppress(StopIteration):
                guard.__anext__().__await__().__next__()
        with self._lock:
            for other in [other for other in self._things if other.is_closed()]:
                del self._things[other]
            found = self._things[loop] = thing, guard
        return found

    async def _guard(self, thing: T) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await self._end(thing)

    async def _end(self, thing: T) -> None:
        loop = asyncio.get_running_loop()
        with self._lock:
            found = self._things.get(loop)
            if found is None or found[0] is not thing:
                return
            del self._things[loop]
        await self._close(thing)

    def _look(self) -> None:
        if self._pid != os.getpid():
            # What a fork brought along is kept: collecting it would close sockets that the parent
            # watches with the same selector.
            _inherited.append(self._things)
            self._things = {}
            self._of_process()

    def _of_process(self) -> None:
        self._pid, self._lock = os.getpid(), threading.Lock()


_inherited: Final[list[object]] = []


class Redises:
    """Makes a client for each loop from a URL, or hands out the one that was given."""

    def __init__(self, redis: RedisClient | str, timeout: float) -> None:
        if not timeout > 0:
            raise ValueError(f"timeout must be more than 0 seconds, not {timeout}")
        self._redis, self._timeout = redis, timeout
        self._home: tuple[int, asyncio.AbstractEventLoop] | None = None
        if isinstance(redis, str):
            self._make(redis)  # so that a URL that is none is found here

    @property
    def are_ours(self) -> bool:
        """Whether the clients were made here, and are to be closed here."""
        return isinstance(self._redis, str)

    def client(self) -> RedisClient:
        """That of the running loop."""
        if isinstance(self._redis, str):
            return self._make(self._redis)
        here = os.getpid(), asyncio.get_running_loop()
        if self._home is None:
            self._home = here
        if self._home != here:
            raise RuntimeError(
                "a client of Redis belongs to one event loop of one process: give a URL instead, "
                "and each gets its own"
            )
        return self._redis

    async def close(self, client: RedisClient) -> None:
        """Close it if it was made here."""
        if isinstance(self._redis, str):
            await client.aclose()

    def _make(self, url: str) -> RedisClient:
        return Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
            url,
            socket_timeout=self._timeout,
            socket_connect_timeout=self._timeout,
            retry=Retry(NoBackoff(), 0),  # whoever asks knows better when to ask again
        )
