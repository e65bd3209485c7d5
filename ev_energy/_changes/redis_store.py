"""A state store in Redis, for processes on several machines."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final, Self
from urllib.parse import quote

from ev_energy._arguments import require_text
from ev_energy._changes.stores import StoredState, revision_of
from ev_energy._runtime.per_loop import PerLoop
from ev_energy.budget._redis.connection import (
    ClientFactory,
    Connection,
    RedisClient,
    RedisUnavailable,
)
from ev_energy.budget._redis.script import Script
from ev_energy.errors import StateConflictError, StateStoreError

#: Seconds between two attempts to reach Redis during an outage, at most.
_MAX_BACKOFF: Final = 5.0

#: KEYS: the state. ARGV: the revision that it must have or empty, the new state, its revision.
#: `Connection` repeats a command whose reply was lost, so this may run twice, the second time late.
#: A repetition finds the new state and confirms it; a late one, after another save, is refused.
_SAVE: Final = Script("""
local stored = redis.call('GET', KEYS[1])
local revision = stored and redis.sha1hex(stored) or ''
if revision == ARGV[3] then return false end
if revision ~= ARGV[1] then return revision end
redis.call('SET', KEYS[1], ARGV[2])
return false
""")


class RedisStateStore:
    """A state store in Redis, for processes on several machines.

    Args:
        redis: A URL, for which each event loop of each process creates its own client; or a client
            of ``redis.asyncio``, which serves one event loop and is not closed by the store.
        name: The name of the stream, such as ``"sub-sessions"``. Each stream needs its own.
        timeout: Seconds to wait for a reply of Redis. If a connection that worked before does not
            reply in time, or its server is no longer the primary, the command is sent once more
            over a new connection.
        prefix: The prefix of its key in Redis.

    Both methods raise `StateStoreError` while Redis does not answer. Whether a save was carried out
    is unknown then; the next one finds out.
    """

    def __init__(
        self,
        redis: RedisClient | str,
        name: str,
        *,
        timeout: float = 2.0,
        prefix: str = "ev-energy",
    ) -> None:
        if not require_text("name", name):
            raise ValueError("name must not be empty")
        self._key = f"{prefix}:state:{{{quote(name, safe=':@')}}}"
        self._clients = ClientFactory(redis, timeout)
        self._connections = PerLoop(
            lambda: self._clients.connection(_MAX_BACKOFF),
            lambda connection: self._clients.close(connection.client),
            close_with_loop=self._clients.owns_clients,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections of this event loop. Using the store again opens new ones."""
        await self._connections.close_for_running_loop()

    async def load(self) -> StoredState | None:
        """Return the stored state, or None if there is none."""
        content = await _run("load", self._connection.command("GET", self._key))
        if content is None:
            return None
        try:
            text = content.decode() if isinstance(content, bytes) else str(content)
        except UnicodeDecodeError:
            raise StateStoreError(
                f"the Redis key {self._key!r} does not hold a state: it is not UTF-8. It was not "
                "changed: give another name, or delete the key"
            ) from None
        return StoredState(text, revision_of(text))

    async def save(self, text: str, revision: str | None) -> str:
        """Replace the stored state, which must have *revision*, and return the new revision.

        Raises:
            StateConflictError: The stored state has another revision. It stays unchanged.
        """
        new = revision_of(require_text("text", text))
        saving = self._connection.run(_SAVE, 1, self._key, revision or "", text, new)
        stored = await _run("save", saving)
        if stored is not None:
            found = stored.decode() if isinstance(stored, bytes) else str(stored)
            raise StateConflictError(f"the Redis key {self._key!r}", revision, found or None)
        return new

    @property
    def _connection(self) -> Connection:
        return self._connections.for_running_loop().value


async def _run(action: str, command: Awaitable[Any]) -> Any:
    try:
        return await command
    except RedisUnavailable as error:
        raise StateStoreError(f"cannot {action} the state: Redis: {error}") from error
