"""A token store in Redis, for processes on several machines."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from urllib.parse import quote

from ev_energy._redaction.tracebacks import with_trimmed_traceback
from ev_energy._runtime.clocks import REAL
from ev_energy._runtime.log_fields import log_fields
from ev_energy.auth._oauth import Token
from ev_energy.budget._redis.connection import Connection, RedisClient, RedisUnavailable
from ev_energy.budget._redis.script import Script
from ev_energy.budget._redis.store import RedisStore
from ev_energy.errors import TokenStoreError
from ev_energy.models._json import json_object

_log: Final = logging.getLogger("ev_energy")
#: Seconds between two attempts to take a lock; the interval doubles from the first to the second.
_MIN_POLL_INTERVAL: Final = 0.005
_MAX_POLL_INTERVAL: Final = 0.1

# `Connection` repeats a command whose reply was lost, so each of these scripts, and GET, SET and
# DEL with the same arguments, may run twice, the second time late. That is safe: the name of a
# lock's holder is never reused, so a late command finds another holder and does nothing; and a
# token that is written late does not replace one that another holder has written since.

#: KEYS: the lock. ARGV: its new holder, the milliseconds until it expires.
#: Redis expires locks by its wall clock. If that is set back, the lock of a dead process would
#: outlive its time. So no lock keeps more time than it was given, which its holder's name states.
_ACQUIRE: Final = Script("""
local holder = redis.call('GET', KEYS[1])
if not holder or holder == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
local given = tonumber(string.match(holder, '^%x+:(%d+)$')) or math.max(60000, tonumber(ARGV[2]))
local remaining = redis.call('PTTL', KEYS[1])
if remaining < 0 or remaining > given then
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', given))
end
return 0
""")

#: KEYS: the lock. ARGV: its holder, the milliseconds until it expires.
_EXTEND: Final = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
""")

#: KEYS: the lock. ARGV: its holder.
_RELEASE: Final = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
""")

#: KEYS: the token, the lock. ARGV: the holder of the lock, the token as JSON or empty, its expiry.
#: A holder that lost the lock (its process was suspended for too long) may still have the newest
#: token, with a refresh token that exists nowhere else. So its token replaces an older one or none,
#: but it cannot delete what another holder stored.
_SAVE: Final = Script("""
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  if ARGV[2] == '' then return 0 end
  local stored = redis.call('GET', KEYS[1])
  if stored and stored ~= ARGV[2] then
    local ok, token = pcall(cjson.decode, stored)
    local expiry = ok and type(token) == 'table' and tonumber(token.expires_at)
    if expiry and expiry >= (tonumber(ARGV[3]) or 0) then return 0 end
  end
end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2])
end
return 1
""")


class RedisTokenStore(RedisStore):
    """A token store in Redis, for processes on several machines. Tokens are not encrypted.

    All three methods raise `TokenStoreError` while Redis does not answer.

    Args:
        redis: A URL, for which each event loop of each process creates its own client; or a client
            of ``redis.asyncio``, which serves one event loop and is not closed by the store.
        lock_seconds: Seconds after which the lock of a process that died expires.
        timeout: Seconds to wait for a reply of Redis. If a connection that worked before does not
            reply in time, or its server is no longer the primary, the command is sent once more
            over a new connection.
        prefix: The prefix of its keys in Redis.
    """

    def __init__(
        self,
        redis: RedisClient | str,
        *,
        lock_seconds: float = 10.0,
        timeout: float = 2.0,
        prefix: str = "ev-energy",
    ) -> None:
        if not lock_seconds > 0:
            raise ValueError(f"lock_seconds must be more than 0, not {lock_seconds}")
        self._lock_seconds, self._prefix = lock_seconds, prefix
        super().__init__(redis, timeout, max_backoff=lock_seconds / 4)
        self._holders: dict[str, str] = {}
        """By key, the name under which this process holds its lock, or held it until it expired."""

    @with_trimmed_traceback
    async def load(self, key: str) -> Token | None:
        """Return the token of *key*, or None if there is none."""
        name = self._token_key(key)
        connection = self._connection
        text = await self._run("load", connection.command("GET", name))
        if text is None:
            return None
        try:
            return Token.from_dict(
                json_object(text if isinstance(text, bytes) else text.encode()) or {}
            )
        except ValueError as error:
            raise TokenStoreError(
                f"the Redis key {name!r} does not hold a token: delete it, and have its user sign "
                "in again"
            ) from error

    @with_trimmed_traceback
    async def save(self, key: str, token: Token | None) -> None:
        """Replace the token of *key*; None deletes it.

        A holder that lost the lock does not overwrite a newer token.
        """
        name, connection = self._token_key(key), self._connection
        holder = self._holders.get(key)
        text = "" if token is None else json.dumps(token.to_dict())
        if holder is not None:
            expiry = "" if token is None or token.expires_at is None else repr(token.expires_at)
            saving = connection.run(_SAVE, 2, name, f"{name}:lock", holder, text, expiry)
            if not await self._run("save", saving):
                _log.warning(
                    "the lock of a token was lost; a newer token of another process is kept",
                    extra=log_fields("token_lock_lost"),
                )
        elif token is None:
            await self._run("save", connection.command("DEL", name))
        else:
            await self._run("save", connection.command("SET", name, text))

    @asynccontextmanager
    async def lock(self, key: str) -> AsyncGenerator[None]:
        """Hold the lock of *key*, exclusively among all that share this Redis."""
        name = f"{self._token_key(key)}:lock"
        connection = self._connection
        milliseconds = max(1, int(self._lock_seconds * 1000))
        holder = f"{secrets.token_hex(12)}:{milliseconds}"
        acquired = uncertain = False
        extending: asyncio.Task[None] | None = None
        try:
            interval = _MIN_POLL_INTERVAL
            while True:
                uncertain = True  # in case this is cancelled, or the reply is lost
                reply = connection.run(_ACQUIRE, 1, name, holder, milliseconds)
                acquired = uncertain = bool(await self._run("lock", reply))
                if acquired:
                    break
                await asyncio.sleep(interval)
                interval = min(2 * interval, _MAX_POLL_INTERVAL)
            self._holders[key] = holder
            extending = asyncio.ensure_future(self._extend(connection, name, holder, milliseconds))
            yield
        finally:
            if extending is not None:
                extending.cancel()
            if self._holders.get(key) == holder:
                del self._holders[key]
            if acquired or uncertain:
                await self._release(connection, name, holder, acquired=acquired)

    async def _release(
        self, connection: Connection, name: str, holder: str, *, acquired: bool
    ) -> None:
        try:
            await connection.run(_RELEASE, 1, name, holder)
        except RedisUnavailable as error:
            _log.log(
                logging.WARNING if acquired else logging.DEBUG,
                "the lock of a token was not released (%s); it expires in %g s",
                error,
                self._lock_seconds,
                extra=log_fields("token_lock_not_released", error=type(error).__name__),
            )

    async def _extend(
        self, connection: Connection, name: str, holder: str, milliseconds: int
    ) -> None:
        """Extend the lock until it is released or lost."""
        expiry = REAL.monotonic() + self._lock_seconds
        while REAL.monotonic() < expiry:
            await asyncio.sleep(self._lock_seconds / 3)
            # There is time for another attempt, and `save` checks the holder.
            with suppress(RedisUnavailable):
                if not await connection.run(_EXTEND, 1, name, holder, milliseconds):
                    return
                expiry = REAL.monotonic() + self._lock_seconds

    async def _run(self, action: str, command: Awaitable[Any]) -> Any:
        try:
            return await command
        except RedisUnavailable as error:
            raise TokenStoreError(f"cannot {action} the token: Redis: {error}") from error

    def _token_key(self, key: str) -> str:
        return f"{self._prefix}:token:{{{quote(key, safe=':@')}}}"
