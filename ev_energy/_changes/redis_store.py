"""State stores in Redis, for processes on several machines."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final
from urllib.parse import quote

from ev_energy._arguments import require_text
from ev_energy._changes.rows import StateUpdate, StoredRows
from ev_energy._changes.stores import StoredState, checked_name, revision_of
from ev_energy.budget._redis.connection import RedisClient, RedisUnavailable
from ev_energy.budget._redis.script import Script
from ev_energy.budget._redis.store import RedisStore
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

#: KEYS: the hash. ARGV: the revision that it must have or empty, the new one, the new head, the
#: number of rows to write, each of these with its text, and the rows to delete. As with `_SAVE`, a
#: repetition finds the new revision. The fields of rows have a slash, so these two are none.
_SAVE_ROWS: Final = Script("""
local revision = redis.call('HGET', KEYS[1], 'revision') or ''
if revision == ARGV[2] then return false end
if revision ~= ARGV[1] then return revision end
local rows_end = 4 + 2 * tonumber(ARGV[4])
for index = 5, rows_end, 2 do redis.call('HSET', KEYS[1], ARGV[index], ARGV[index + 1]) end
for index = rows_end + 1, #ARGV do redis.call('HDEL', KEYS[1], ARGV[index]) end
redis.call('HSET', KEYS[1], 'revision', ARGV[2])
redis.call('HSET', KEYS[1], 'head', ARGV[3])
return false
""")


class _StateStore(RedisStore):
    """What both stores have in common: one key."""

    _key: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}(of the key {self._key!r})"

    async def _run(self, action: str, command: Awaitable[Any]) -> Any:
        try:
            return await command
        except RedisUnavailable as error:
            raise StateStoreError(
                f"cannot {action} the state in the Redis key {self._key!r}: {error}"
            ) from error


class RedisStateStore(_StateStore):
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
        self._key = f"{prefix}:state:{_tag(name)}"
        super().__init__(redis, timeout, max_backoff=_MAX_BACKOFF)

    async def load(self) -> StoredState | None:
        """Return the stored state, or None if there is none."""
        content = await self._run("load", self._connection.command("GET", self._key))
        if content is None:
            return None
        try:
            text = _decode(content)
        except UnicodeDecodeError:
            raise StateStoreError(f"the Redis key {self._key!r} {_NO_STATE}") from None
        return StoredState(text, revision_of(text))

    async def save(self, text: str, revision: str | None) -> str:
        """Replace the stored state, which must have *revision*, and return the new revision.

        Raises:
            StateConflictError: The stored state has another revision. It stays unchanged.
        """
        new = revision_of(require_text("text", text))
        saving = self._connection.run(_SAVE, 1, self._key, revision or "", text, new)
        stored = await self._run("save", saving)
        if stored is not None:
            found = _decode(stored) or None
            raise StateConflictError(f"the Redis key {self._key!r}", revision, found)
        return new


class RedisRowStateStore(_StateStore):
    """A state store in Redis, for processes on several machines, which saves rows.

    A commit sends only what its batch has changed, so it takes the same time for a fleet of any
    size. The state is one hash.

    Args:
        redis: A URL, for which each event loop of each process creates its own client; or a client
            of ``redis.asyncio``, which serves one event loop and is not closed by the store.
        name: The name of the stream, such as ``"sub-sessions"``. Each stream needs its own.
        timeout: Seconds to wait for a reply of Redis, which has the whole state when a stream is
            opened: about 10 MB for 100,000 sub-sessions. Otherwise as of `RedisStateStore`.
        prefix: The prefix of its key in Redis.

    Both methods raise `StateStoreError` while Redis does not answer. Whether a save was carried out
    is unknown then; the next one finds out.
    """

    def __init__(
        self,
        redis: RedisClient | str,
        name: str,
        *,
        timeout: float = 5.0,
        prefix: str = "ev-energy",
    ) -> None:
        self._key = f"{prefix}:state-rows:{_tag(name)}"
        super().__init__(redis, timeout, max_backoff=_MAX_BACKOFF)

    async def load_rows(self) -> StoredRows | None:
        """Return the stored state, or None if there is none."""
        reply = await self._run("load", self._connection.command("HGETALL", self._key))
        # RESP2 gives a list of names and texts in turn, RESP3 a mapping.
        items = getattr(reply, "items", None)
        pairs = zip(reply[::2], reply[1::2], strict=True) if items is None else items()
        try:
            rows = {_decode(name): _decode(text) for name, text in pairs}
        except UnicodeDecodeError:
            raise StateStoreError(f"the Redis key {self._key!r} {_NO_STATE}") from None
        if not rows:
            return None
        head, revision = rows.pop("head", None), rows.pop("revision", None)
        if head is None or revision is None:
            raise StateStoreError(f"the Redis key {self._key!r} {_NO_STATE}")
        return StoredRows(head, rows, revision)

    async def save_rows(self, update: StateUpdate) -> None:
        """Carry out *update* if the stored state has its previous revision.

        Raises:
            StateConflictError: The stored state has another revision. It stays unchanged.
        """
        written = [(key, text) for key, text in update.rows.items() if text is not None]
        deleted = [key for key, text in update.rows.items() if text is None]
        expected = update.previous_revision
        arguments = [expected or "", update.revision, update.head, len(written)]
        arguments += [part for row in written for part in row] + deleted
        saving = self._connection.run(_SAVE_ROWS, 1, self._key, *arguments)
        stored = await self._run("save", saving)
        if stored is not None:
            found = _decode(stored) or None
            raise StateConflictError(f"the Redis key {self._key!r}", expected, found)


_NO_STATE: Final = "does not hold a state. It was not changed: give another name, or delete the key"


def _tag(name: str) -> str:
    """Return the part of a key that a Redis Cluster places it by."""
    return f"{{{quote(checked_name(name), safe=':@')}}}"


def _decode(reply: object) -> str:
    return reply.decode() if isinstance(reply, bytes) else str(reply)
