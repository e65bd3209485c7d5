"""The base of stores in Redis: their connections."""

from __future__ import annotations

from typing import Self

from ev_energy._redaction.tracebacks import hide_init_arguments
from ev_energy._runtime.per_loop import PerLoop
from ev_energy.budget._redis.connection import ClientFactory, Connection, RedisClient


class RedisStore:
    """Keeps a connection for each event loop, opened on first use."""

    def __init__(self, redis: RedisClient | str, timeout: float, max_backoff: float) -> None:
        clients = ClientFactory(redis, timeout)
        self._connections = PerLoop(
            lambda: clients.connection(max_backoff),
            lambda connection: clients.close(connection.client),
            close_with_loop=clients.owns_clients,
        )

    def __init_subclass__(cls) -> None:
        hide_init_arguments(cls)  # the URL has a password

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections of this event loop. Using it again opens new ones."""
        await self._connections.close_for_running_loop()

    @property
    def _connection(self) -> Connection:
        """The connection of the running event loop."""
        return self._connections.for_running_loop().value


hide_init_arguments(RedisStore)
