"""Connections to Redis: one client for each process and event loop, and whether it answers."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import re
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Final, Protocol

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MaxConnectionsError,
    NoScriptError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import TimeoutError as RedisTimeoutError

from ev_energy._redaction.scrub import printable
from ev_energy._runtime.clocks import REAL
from ev_energy.budget._redis.script import Script

_log: Final = logging.getLogger("ev_energy")
_FIRST_PAUSE: Final = 0.05
#: Connections of a pool, where a client does not say how many it may have (a cluster's).
_USUAL_CONNECTIONS: Final = 100
#: Seconds until a pool that had no connection left is looked at again: at first, and at most.
_FIRST_LOOK: Final = 0.002
_LONGEST_LOOK: Final = 0.05


class Down(Exception):  # noqa: N818  (a state of affairs; callers make their own errors of it)
    """Redis does not answer, or refuses to."""


class _ConnectionUseless(Down):
    """The connection is to blame, or the server that it leads to."""

    def __init__(self, message: str, *, answered: bool = False) -> None:
        super().__init__(message)
        self.answered = answered


#: Errors of a server that is not, or no longer, the one to ask: a replica, or one that is starting.
_REFUSALS_BY_ROLE: Final = (ReadOnlyError, BusyLoadingError, ClusterDownError, TryAgainError)
#: The same and more of them, where the library has no class. Before Redis 7, an error inside a
#: script is told as "ERR Error running script (...): -READONLY You can't write...".
_ROLE_IN_TEXT: Final = re.compile(
    r"(?:^|[\s-])(?:READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|NOREPLICAS|UNBLOCKED|TRYAGAIN) "
)


class RedisClient(Protocol):
    """What is used of a client of ``redis.asyncio``: ``Redis`` or ``RedisCluster``."""

    def execute_command(self, *words: Any) -> Any:
        """Send a command, and return what is to be awaited for its reply."""
        ...

    async def aclose(self) -> None:
        """Let go of every connection."""
        ...


class Link:
    """Redis as one event loop reaches it.

    A connection in the pool may be of no use any more: a firewall forgot it, the server closed it,
    or the server behind it was demoted to a replica and refuses every write. A command that fails
    for such a reason is sent once more, over a connection that resolves the address (or asks
    Sentinel for the primary) anew. **So every command that goes through here must be safe to
    repeat**, and safe to be carried out late, since a reply that was lost says nothing about what
    Redis did. Each caller says why its command is.
    """

    def __init__(
        self, client: RedisClient, timeout: float, longest_pause: float, *, is_new: bool
    ) -> None:
        self.client = client
        self.timeout = timeout
        self._longest_pause = longest_pause
        self._pause = 0.0
        self.trouble = ""
        """Why it does not answer; empty if it does."""
        self.retry_at = float("-inf")
        """When to try again, if it does not answer."""
        self._has_used_connections = not is_new
        # A pool raises where it has no connection left. Commands wait for one instead.
        pool: Any = getattr(client, "connection_pool", None)
        self._free = asyncio.Semaphore(getattr(pool, "max_connections", _USUAL_CONNECTIONS))
        self._replied_at = float("-inf")

    async def run(self, script: Script, *words: Any) -> Any:
        """Return the result of *script*; *words* are the number of keys, the keys, and the rest.

        A word that is callable is called for each attempt: what it says may age.
        """
        try:
            return await self.command("EVALSHA", script.sha, *words)
        except NoScriptError:
            return await self.command("EVAL", script.text, *words)

    async def command(self, *words: Any) -> Any:
        """Return the reply to a command, or raise `Down`. It may be sent twice: see the class."""
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
        await self._wait_for_connection()
        try:
            may_be_stale = self._has_used_connections
            try:
                return await self._attempt(words)
            except _ConnectionUseless as useless:
                await self._drop_connections()
                # A server that leaves a new connection without a reply is down, not cut off:
                # asking it again would only double the time until callers learn about it.
                if not (may_be_stale or useless.answered):
                    raise
                _log.debug("Redis: trying once more on a new connection: %s", useless)
            try:
                return await self._attempt(words)
            except _ConnectionUseless:
                await self._drop_connections()
                raise
        finally:
            self._free.release()

    async def _wait_for_connection(self) -> None:
        """Return once a connection is free; `Down` if Redis answers on none of them."""
        while True:
            try:
                async with asyncio.timeout(self.timeout):
                    await self._free.acquire()
                    return
            except TimeoutError as error:
                if REAL.monotonic() - self._replied_at >= self.timeout:
                    raise Down(f"no connection was free within {self.timeout:g} s") from error

    async def _attempt(self, words: tuple[Any, ...]) -> Any:
        now = [word() if callable(word) else word for word in words]
        try:
            async with asyncio.timeout(self.timeout):
                reply = await self._execute(now)
        except NoScriptError:
            self._replied()
            raise
        except (TimeoutError, RedisTimeoutError) as error:
            raise _ConnectionUseless(f"no reply within {self.timeout:g} s") from error
        except (RedisError, RedisClusterException, OSError) as error:
            told = f"{type(error).__name__}: {printable(error)}"
            if isinstance(error, _REFUSALS_BY_ROLE) or _ROLE_IN_TEXT.search(str(error)):
                raise _ConnectionUseless(told, answered=True) from error
            if isinstance(error, ConnectionLost | OSError) and not isinstance(
                error, AuthenticationError | MaxConnectionsError
            ):
                raise _ConnectionUseless(told) from error
            raise Down(told) from error
        self._replied()
        return reply

    async def _execute(self, words: list[Any]) -> Any:
        pause = _FIRST_LOOK
        while True:
            try:
                return await self.client.execute_command(*words)
            except MaxConnectionsError:  # the caller's pool, used for other work as well
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_LOOK)

    def _replied(self) -> None:
        self._has_used_connections, self._replied_at = True, REAL.monotonic()

    async def _drop_connections(self) -> None:
        """Close the connections that are not in use, so that the next command opens a new one.

        The one that failed is among them by now, unless it was closed already. A cluster's client
        has no pool to close: it looks for the primaries itself when a node fails.
        """
        closing: list[Awaitable[None]] = []
        pool: Any = getattr(self.client, "connection_pool", None)
        if pool is not None:
            closing.append(pool.disconnect(inuse_connections=False))
        own: Any = getattr(self.client, "connection", None)  # of a client with a single one
        if own is not None:
            closing.append(own.disconnect())
        # Saying goodbye to a server that is gone takes for ever; a cancelled goodbye closes, too.
        with suppress(TimeoutError, RedisError, OSError):
            async with asyncio.timeout(self.timeout / 4):
                await asyncio.gather(*closing)
        self._has_used_connections = False

    def failed(self, down: Down, policy: str) -> None:
        """It did not answer. The first time, somebody should read about it."""
        if not self.trouble:
            _log.warning("Redis, which keeps the budget, is down (%s): %s", down, policy)
            self._pause = _FIRST_PAUSE
        else:
            self._pause = min(2 * self._pause, self._longest_pause)
        self.trouble = str(down)
        # Not all processes at once.
        self.retry_at = REAL.monotonic() + self._pause * random.uniform(0.5, 1.0)  # noqa: S311

    def worked(self) -> None:
        """It answered."""
        if self.trouble:
            self.trouble, self.retry_at = "", float("-inf")
            _log.info("Redis, which keeps the budget, is back")


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

    def link(self, longest_pause: float) -> Link:
        """Return a link for the running loop."""
        return Link(self.client(), self._timeout, longest_pause, is_new=self.are_ours)

    async def close(self, client: RedisClient) -> None:
        """Close it if it was made here."""
        if isinstance(self._redis, str):
            await client.aclose()

    def _make(self, url: str) -> RedisClient:
        more: dict[str, Any] = {}
        if not url.startswith("unix:"):
            # Probes of the system keep a firewall from forgetting an idle connection, and find
            # out if it did. A Unix socket has none, and its connections do not take the option.
            more["socket_keepalive"] = True
        return Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
            url,
            socket_timeout=self._timeout,
            socket_connect_timeout=self._timeout,
            retry=Retry(NoBackoff(), 0),  # `Link` knows what is worth a second attempt
            **more,
        )
