"""An inbox in Redis, for receivers in several processes."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final, cast
from urllib.parse import quote

from ev_energy._redaction.tracebacks import trim_traceback
from ev_energy.budget._redis.connection import RedisClient, RedisUnavailable
from ev_energy.budget._redis.script import Script
from ev_energy.budget._redis.store import RedisStore
from ev_energy.errors import InboxUnavailableError
from ev_energy.webhooks._inbox import ClaimState

# `Connection` repeats a command whose reply was lost, so each of these scripts may run twice, the
# second time late. That is safe: owners are never used twice, and a script finds its own effect; at
# worst, a late claim or renewal leaves a lease that no process holds, which expires.
# A key holds the owner of the lease; or, once the delivery is done, "done:" and its last owner.

#: KEYS: the delivery. ARGV: its new owner, the milliseconds of the lease.
_CLAIM: Final = Script("""
local holder = redis.call('GET', KEYS[1])
if holder and string.sub(holder, 1, 5) == 'done:' then return 'done' end
if holder and holder ~= ARGV[1] then return 'busy' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 'new'
""")

#: KEYS: the delivery. ARGV: its owner, the milliseconds of the lease. A key that has expired, or
#: was lost when the server restarted, is set again: no other owner has asked for it.
_RENEW: Final = Script("""
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
""")

#: KEYS: the delivery. ARGV: its owner, the milliseconds for which it is remembered.
_COMPLETE: Final = Script("""
local holder = redis.call('GET', KEYS[1])
if holder and string.sub(holder, 1, 5) == 'done:' then return 1 end
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], 'done:' .. ARGV[1], 'PX', ARGV[2])
return 1
""")

#: KEYS: the delivery. ARGV: its owner.
_RELEASE: Final = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
""")


class RedisInboxStore(RedisStore):
    """Remembers deliveries in Redis, for receivers in several processes.

    Each delivery is one key, which expires. All methods raise `InboxUnavailableError` while Redis
    does not answer.

    Args:
        redis: A URL, for which each event loop of each process creates its own client; or a client
            of ``redis.asyncio``, which serves one event loop and is not closed by the store.
        timeout: Seconds to wait for a reply of Redis. If a connection that worked before does not
            reply in time, the command is sent once more over a new connection.
        prefix: The prefix of its keys in Redis.
    """

    def __init__(
        self, redis: RedisClient | str, *, timeout: float = 2.0, prefix: str = "ev-energy"
    ) -> None:
        self._prefix = prefix
        super().__init__(redis, timeout, max_backoff=timeout)

    def __repr__(self) -> str:
        return f"RedisInboxStore(prefix={self._prefix!r})"

    async def claim(self, delivery_id: str, owner: str, lease: float) -> ClaimState:
        """See `InboxStore.claim`."""
        state = await self._run(_CLAIM, delivery_id, owner, _milliseconds(lease))
        text = state.decode() if isinstance(state, bytes) else str(state)
        return cast("ClaimState", text)

    async def renew(self, delivery_id: str, owner: str, lease: float) -> bool:
        """See `InboxStore.renew`."""
        return bool(await self._run(_RENEW, delivery_id, owner, _milliseconds(lease)))

    async def complete(self, delivery_id: str, owner: str, keep: float) -> bool:
        """See `InboxStore.complete`."""
        return bool(await self._run(_COMPLETE, delivery_id, owner, _milliseconds(keep)))

    async def release(self, delivery_id: str, owner: str) -> None:
        """See `InboxStore.release`."""
        await self._run(_RELEASE, delivery_id, owner)

    async def _run(self, script: Script, delivery_id: str, *arguments: str | int) -> Any:
        key = f"{self._prefix}:inbox:{{{quote(delivery_id, safe='', errors='surrogatepass')}}}"
        connection = self._connection
        reply: Awaitable[Any] = connection.run(script, 1, key, *arguments)
        try:
            with trim_traceback():
                return await reply
        except RedisUnavailable as error:
            raise InboxUnavailableError(f"the inbox in Redis: {error}") from error


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))
