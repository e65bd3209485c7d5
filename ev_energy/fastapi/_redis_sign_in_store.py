"""A store of pending sign-ins in Redis, for applications in several processes."""

from __future__ import annotations

from typing import Any, Final

from ev_energy._redaction.tracebacks import Secret, trim_traceback
from ev_energy.budget._redis.connection import RedisClient, RedisUnavailable
from ev_energy.budget._redis.script import Script
from ev_energy.budget._redis.store import RedisStore
from ev_energy.errors import TokenStoreError
from ev_energy.fastapi._sign_in_stores import MAX_BROWSERS, PER_BROWSER, check_limits

# `Connection` repeats a command whose reply was lost, so each of these scripts may run twice, the
# second time late. A sign-in that is put twice replaces itself. One that was removed but whose
# reply was lost is gone, and the user starts again. One that is put late, after it was removed, is
# of no use: the authorization server accepts its code once.
# Both keys have the same hash tag, so that a cluster keeps them on one server.

#: KEYS: a hash with one JSON list of [key, pending, expiry in ms] for each browser, a sorted set of
#: the browsers by the latest expiry. ARGV: the browser, the key, the pending sign-in, the
#: milliseconds it is kept, the limit for each browser, the limit of browsers.
_PUT: Final = Script("""
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local expiry = now + tonumber(ARGV[4])
local entries = {}
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known then
  for _, entry in ipairs(cjson.decode(known)) do
    if entry[3] > now and entry[1] ~= ARGV[2] then table.insert(entries, entry) end
  end
end
table.insert(entries, {ARGV[2], ARGV[3], expiry})
while #entries > tonumber(ARGV[5]) do table.remove(entries, 1) end
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(entries))
redis.call('ZADD', KEYS[2], expiry, ARGV[1])
local function remove(browsers)
  for _, browser in ipairs(browsers) do
    redis.call('HDEL', KEYS[1], browser)
    redis.call('ZREM', KEYS[2], browser)
  end
end
remove(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 1000))
local excess = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[6])
if excess > 0 then remove(redis.call('ZRANGE', KEYS[2], 0, math.min(excess, 1000) - 1)) end
for _, key in ipairs(KEYS) do
  if redis.call('PTTL', key) < tonumber(ARGV[4]) then redis.call('PEXPIRE', key, ARGV[4]) end
end
return 1
""")

#: KEYS: those of `_PUT`. ARGV: the browser, the key.
_POP: Final = Script("""
local known = redis.call('HGET', KEYS[1], ARGV[1])
if not known then return false end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local entries, found = {}, false
for _, entry in ipairs(cjson.decode(known)) do
  if entry[1] ~= ARGV[2] then
    table.insert(entries, entry)
  elseif entry[3] > now then
    found = entry[2]
  end
end
if #entries > 0 then
  redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(entries))
else
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return found
""")


class RedisSignInStore(RedisStore):
    """Keeps pending sign-ins in Redis, for applications in several processes.

    They are not encrypted. Both methods raise `TokenStoreError` while Redis does not answer.

    Args:
        redis: A URL, for which each event loop of each process creates its own client; or a client
            of ``redis.asyncio``, which serves one event loop and is not closed by the store.
        timeout: Seconds to wait for a reply of Redis. If a connection that worked before does not
            reply in time, the command is sent once more over a new connection.
        prefix: The prefix of its keys in Redis.
        per_browser: How many sign-ins of one browser may be pending.
        max_browsers: How many browsers may have pending sign-ins. The one that started its latest
            sign-in the longest time ago makes room.
    """

    def __init__(
        self,
        redis: RedisClient | str,
        *,
        timeout: float = 2.0,
        prefix: str = "ev-energy",
        per_browser: int = PER_BROWSER,
        max_browsers: int = MAX_BROWSERS,
    ) -> None:
        check_limits(per_browser, max_browsers)
        self._prefix, self._limits = prefix, (per_browser, max_browsers)
        super().__init__(redis, timeout, max_backoff=timeout)

    def __repr__(self) -> str:
        return f"RedisSignInStore(prefix={self._prefix!r})"

    async def put(self, browser: str, key: str, pending: str, *, ttl: float) -> None:
        """See `SignInStore.put`."""
        secret_pending = Secret(pending)
        del pending  # tools print the local variables of a frame that raises
        milliseconds = max(1, int(ttl * 1000))
        await self._run(_PUT, browser, key, secret_pending, milliseconds, *self._limits)

    async def pop(self, browser: str, key: str) -> str | None:
        """See `SignInStore.pop`."""
        found = await self._run(_POP, browser, key)
        return found.decode() if isinstance(found, bytes) else found

    async def _run(self, script: Script, *arguments: str | int | Secret[str]) -> Any:
        keys = [f"{self._prefix}:{{sign-in}}:{name}" for name in ("pending", "browsers")]
        try:
            with trim_traceback():
                return await self._connection.run(
                    script, len(keys), *keys,
                    *(a.value if isinstance(a, Secret) else a for a in arguments),
                )  # fmt: skip
        except RedisUnavailable as error:
            raise TokenStoreError(f"the pending sign-ins: Redis: {error}") from error
