"""Connections to Redis: one client per process and event loop, and the outages of Redis."""

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
from ev_energy._runtime.log_fields import log_fields
from ev_energy.budget._redis.script import Script

_log: Final = logging.getLogger("ev_energy")
_INITIAL_BACKOFF: Final = 0.05
#: Connections of a pool, for clients that do not say how many they may have (those of a cluster).
_DEFAULT_CONNECTIONS: Final = 100
#: Seconds between checks whether an exhausted pool has a free connection: initially, and at most.
_INITIAL_POLL: Final = 0.002
_MAX_POLL: Final = 0.05


class RedisUnavailable(Exception):  # noqa: N818  (callers translate it into their own errors)
    """Redis does not reply, or refuses to serve."""


class _BadConnection(RedisUnavailable):
    """The connection failed, or leads to a server that cannot serve; another one may work."""

    def __init__(self, message: str, *, has_replied: bool = False) -> None:
        super().__init__(message)
        self.has_replied = has_replied


#: Errors of a server that cannot serve because of its role: a replica, or one that is starting.
_ROLE_ERRORS: Final = (ReadOnlyError, BusyLoadingError, ClusterDownError, TryAgainError)
#: The same and more of them, for which the library has no class. Before Redis 7, an error inside a
#: script reads "ERR Error running script (...): -READONLY You can't write...".
_ROLE_ERROR_TEXT: Final = re.compile(
    r"(?:^|[\s-])(?:READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|NOREPLICAS|UNBLOCKED|TRYAGAIN) "
)


def _is_pool_exhausted(error: Exception) -> bool:
    """Return whether all connections of a pool are in use; old releases tell it by text only."""
    return isinstance(error, MaxConnectionsError) or str(error) == "Too many connections"


class RedisClient(Protocol):
    """The part of a ``redis.asyncio`` client that is used: ``Redis`` or ``RedisCluster``."""

    def execute_command(self, *args: Any) -> Any:
        """Send a command; return an awaitable of its reply."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class Connection:
    """The way to Redis from one event loop.

    A connection in the pool may have become useless: a firewall forgot it, the server closed it, or
    its server was demoted to a replica and refuses every write. A command that fails for such a
    reason is sent once more, over a new connection that resolves the address (or asks Sentinel for
    the primary) anew. **So every command that is sent here must be safe to repeat**, and safe to be
    executed late, since a lost reply says nothing about what Redis did. Each caller says why its
    command is.
    """

    def __init__(
        self, client: RedisClient, timeout: float, max_backoff: float, *, is_new: bool
    ) -> None:
        self.client = client
        self.timeout = timeout
        self._max_backoff = max_backoff
        self._backoff = 0.0
        self.outage = ""
        """Why Redis is unavailable; empty if it is available."""
        self.retry_at = float("-inf")
        """When to try again during an outage."""
        self._has_used_connections = not is_new
        # A pool raises an error if it has no free connection. Commands wait for one instead.
        pool: Any = getattr(client, "connection_pool", None)
        max_connections = getattr(pool, "max_connections", _DEFAULT_CONNECTIONS)
        self._free_connections = asyncio.Semaphore(max_connections)
        self._last_reply_at = float("-inf")

    async def run(self, script: Script, *args: Any) -> Any:
        """Return the result of *script*; *args* are the number of keys, the keys, and the rest.

        An argument that is callable is called for each attempt, since its value may age.
        """
        try:
            return await self.command("EVALSHA", script.sha, *args)
        except NoScriptError:
            return await self.command("EVAL", script.text, *args)

    async def command(self, *args: Any) -> Any:
        """Return the reply to a command, which may be sent twice (see the class).

        Raises:
            RedisUnavailable: If Redis does not reply, or refuses to serve.
        """
        task = asyncio.current_task()
        cancellations = 0 if task is None else task.cancelling()
        try:
            return await self._reply(args)
        finally:
            # The client writes with `asyncio.wait_for`, which in Python 3.11 loses a cancellation
            # that arrives just as the write completes. A caller in a loop would never end.
            if task is not None and task.cancelling() > cancellations:
                raise asyncio.CancelledError

    async def _reply(self, args: tuple[Any, ...]) -> Any:
        await self._wait_for_connection()
        try:
            may_be_stale = self._has_used_connections
            try:
                return await self._attempt(args)
            except _BadConnection as error:
                await self._drop_connections()
                # A server that does not reply over a new connection is down, not cut off. Another
                # attempt would only double the time until callers learn about it.
                if not (may_be_stale or error.has_replied):
                    raise
                _log.debug(
                    "Redis: trying again over a new connection: %s",
                    error,
                    extra=log_fields("redis_retry"),
                )
            try:
                return await self._attempt(args)
            except _BadConnection:
                await self._drop_connections()
                raise
        finally:
            self._free_connections.release()

    async def _wait_for_connection(self) -> None:
        """Wait for a free connection, unless Redis replies over none of them."""
        while True:
            try:
                async with asyncio.timeout(self.timeout):
                    await self._free_connections.acquire()
                    return
            except TimeoutError as error:
                if REAL.monotonic() - self._last_reply_at >= self.timeout:
                    raise RedisUnavailable(
                        f"no connection was free within {self.timeout:g} s"
                    ) from error

    async def _attempt(self, args: tuple[Any, ...]) -> Any:
        values = [arg() if callable(arg) else arg for arg in args]
        try:
            async with asyncio.timeout(self.timeout):
                reply = await self._execute(values)
        except NoScriptError:
            self._note_reply()
            raise
        except (TimeoutError, RedisTimeoutError) as error:
            raise _BadConnection(f"no reply within {self.timeout:g} s") from error
        except (RedisError, RedisClusterException, OSError) as error:
            message = f"{type(error).__name__}: {printable(error)}"
            if isinstance(error, _ROLE_ERRORS) or _ROLE_ERROR_TEXT.search(str(error)):
                raise _BadConnection(message, has_replied=True) from error
            if isinstance(error, ConnectionLost | OSError) and not (
                isinstance(error, AuthenticationError) or _is_pool_exhausted(error)
            ):
                raise _BadConnection(message) from error
            raise RedisUnavailable(message) from error
        self._note_reply()
        return reply

    async def _execute(self, args: list[Any]) -> Any:
        pause = _INITIAL_POLL
        while True:
            try:
                return await self.client.execute_command(*args)
            except ConnectionLost as error:
                if not _is_pool_exhausted(error):
                    raise
                # It is the caller's pool, which is used for other work as well.
                await asyncio.sleep(pause)
                pause = min(2 * pause, _MAX_POLL)

    def _note_reply(self) -> None:
        self._has_used_connections, self._last_reply_at = True, REAL.monotonic()

    async def _drop_connections(self) -> None:
        """Close the idle connections, so that the next command opens a new one.

        The connection that failed is among them, unless it was closed already. The client of a
        cluster has no pool to close: it looks for the primaries itself when a node fails.
        """
        closing: list[Awaitable[None]] = []
        pool: Any = getattr(self.client, "connection_pool", None)
        if pool is not None:
            closing.append(pool.disconnect(inuse_connections=False))
        own: Any = getattr(self.client, "connection", None)  # of a client with a single connection
        if own is not None:
            closing.append(own.disconnect())
        # An orderly close takes for ever if the server is gone. Cancelling it closes as well.
        with suppress(TimeoutError, RedisError, OSError):
            async with asyncio.timeout(self.timeout / 4):
                await asyncio.gather(*closing)
        self._has_used_connections = False

    def failed(self, error: RedisUnavailable, policy: str) -> None:
        """Note that Redis did not reply. Log the beginning of an outage, with the *policy*."""
        if not self.outage:
            _log.warning(
                "Redis, which keeps the budget, is unavailable (%s): %s",
                error,
                policy,
                extra=log_fields("redis_down"),
            )
            self._backoff = _INITIAL_BACKOFF
        else:
            self._backoff = min(2 * self._backoff, self._max_backoff)
        self.outage = str(error)
        # With jitter, so that not all processes try at once.
        jitter = random.uniform(0.5, 1.0)  # noqa: S311  (not a secret)
        self.retry_at = REAL.monotonic() + self._backoff * jitter

    def succeeded(self) -> None:
        """Note that Redis replied. Log the end of an outage."""
        if self.outage:
            self.outage, self.retry_at = "", float("-inf")
            _log.info(
                "Redis, which keeps the budget, is available again", extra=log_fields("redis_up")
            )

    def lost_data(self) -> None:
        """Log that Redis lost its data."""
        _log.warning(
            "Redis lost the record of requests; reporting those of this process",
            extra=log_fields("redis_lost_data"),
        )


class ClientFactory:
    """Creates a client per event loop from a URL, or returns the client that the caller passed."""

    def __init__(self, redis: RedisClient | str, timeout: float) -> None:
        if not timeout > 0:
            raise ValueError(f"timeout must be more than 0 seconds, not {timeout}")
        self._redis, self._timeout = redis, timeout
        self._used_on: tuple[int, asyncio.AbstractEventLoop] | None = None
        if isinstance(redis, str):
            self._create(redis)  # so that an invalid URL is an error here

    @property
    def owns_clients(self) -> bool:
        """Whether the clients are created here, and must be closed here."""
        return isinstance(self._redis, str)

    def client(self) -> RedisClient:
        """Return the client of the running loop."""
        if isinstance(self._redis, str):
            return self._create(self._redis)
        current = os.getpid(), asyncio.get_running_loop()
        if self._used_on is None:
            self._used_on = current
        if self._used_on != current:
            raise RuntimeError(
                "a Redis client belongs to one event loop of one process: pass a URL instead, from "
                "which each loop creates its own client"
            )
        return self._redis

    def connection(self, max_backoff: float) -> Connection:
        """Return a connection for the running loop."""
        return Connection(self.client(), self._timeout, max_backoff, is_new=self.owns_clients)

    async def close(self, client: RedisClient) -> None:
        """Close *client* if it was created here."""
        if isinstance(self._redis, str):
            await client.aclose()

    def _create(self, url: str) -> RedisClient:
        options: dict[str, Any] = {}
        if not url.startswith("unix:"):
            # The system's probes keep a firewall from forgetting an idle connection, or detect that
            # it did. Unix sockets have no such probes, and their connections reject the option.
            options["socket_keepalive"] = True
        return Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
            url,
            socket_timeout=self._timeout,
            socket_connect_timeout=self._timeout,
            retry=Retry(NoBackoff(), 0),  # `Connection` knows which commands to repeat
            **options,
        )
