"""Tokens that many processes share by Redis."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Self
from urllib.parse import quote

from ev_energy._redaction.tracebacks import with_trimmed_traceback
from ev_energy._runtime.clocks import REAL
from ev_energy.auth._oauth import Token
from ev_energy.budget._redis.connection import Down, Link, PerLoop, RedisClient, Redises
from ev_energy.budget._redis.script import Script
from ev_energy.errors import TokenStoreError
from ev_energy.models._json import json_object

_log: Final = logging.getLogger("ev_energy")
_FIRST_LOOK: Final = 0.005
_LONGEST_LOOK: Final = 0.1

# All of these, and GET, SET and DEL with the same words, may be carried out twice, and the second
# time late: `Link` repeats a command whose reply was lost. A holder's name is used once, so a lock
# that was taken, prolonged or released before is told from another holder's; and a token that
# is written late does not replace one that another holder has written since.

#: KEYS: the lock. ARGV: whose it should be, and for how many milliseconds.
#: A lock ends by Redis's clock. If that is set back, the lock of a dead process would last longer
#: by as much; so no lock has more time left than it was given, which is in its holder's name.
_TAKE: Final = Script("""
local holder = redis.call('GET', KEYS[1])
if not holder or holder == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
local given = tonumber(string.match(holder, '^%x+:(%d+)$')) or math.max(60000, tonumber(ARGV[2]))
local left = redis.call('PTTL', KEYS[1])
if left < 0 or left > given then redis.call('PEXPIRE', KEYS[1], string.format('%.0f', given)) end
return 0
""")

#: KEYS: the lock. ARGV: whose it should be, and for how many milliseconds more.
_PROLONG: Final = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
""")

#: KEYS: the lock. ARGV: whose it should be.
_LET_GO: Final = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
""")

#: KEYS: the token, the lock. ARGV: who saves, the token as JSON or nothing, when it expires.
#: Who lost the lock (its process stood still for too long) may have the newer token all the same,
#: and nobody else has its refresh token. So it takes the place of an older one or of none, and
#: nothing that somebody else stored is forgotten on its word.
_SAVE: Final = Script("""
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  if ARGV[2] == '' then return 0 end
  local kept = redis.call('GET', KEYS[1])
  if kept and kept ~= ARGV[2] then
    local ok, token = pcall(cjson.decode, kept)
    local ends = ok and type(token) == 'table' and tonumber(token.expires_at)
    if ends and ends >= (tonumber(ARGV[3]) or 0) then return 0 end
  end
end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2])
end
return 1
""")


class RedisTokenStore:
    """Keeps tokens in Redis, for processes on several machines. They are not encrypted there.

    All three methods raise `TokenStoreError` while Redis does not answer.

    Args:
        redis: A URL, from which each event loop of each process makes a client of its own; or a
            client of ``redis.asyncio``, which stays yours to close and serves one event loop.
        lock_seconds: Seconds after which the lock of a process that died is free.
        timeout: Seconds that Redis may take to answer. If a connection that worked before is
            silent for that long, or leads to a server that is no primary any more, the command is
            sent once more over a new one.
        prefix: What its keys begin with.
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
        self._redises = Redises(redis, timeout)
        self._links = PerLoop(
            lambda: self._redises.link(lock_seconds / 4),
            lambda link: self._redises.close(link.client),
            with_loop=self._redises.are_ours,
        )
        # Whose lock it is that somebody here holds, or held until it was over.
        self._held: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of this event loop's connections. Used again afterwards, it opens them again."""
        await self._links.aclose()

    @with_trimmed_traceback
    async def load(self, key: str) -> Token | None:
        """The token kept under *key*; None if there is none."""
        text = await self._do("load", self._links.get().command("GET", self._key(key)))
        if text is None:
            return None
        try:
            return Token.from_dict(
                json_object(text if isinstance(text, bytes) else text.encode()) or {}
            )
        except ValueError as error:
            raise TokenStoreError("what Redis keeps there is no token") from error

    @with_trimmed_traceback
    async def save(self, key: str, token: Token | None) -> None:
        """Keep *token* under *key*; None to forget it.

        Who held the lock and lost it does not overwrite a newer token.
        """
        name, link = self._key(key), self._links.get()
        holder = self._held.get(key)
        text = "" if token is None else json.dumps(token.to_dict())
        if holder is not None:
            ends = "" if token is None or token.expires_at is None else repr(token.expires_at)
            saving = link.run(_SAVE, 2, name, f"{name}:lock", holder, text, ends)
            if not await self._do("save", saving):
                _log.warning("the lock of a token was lost; what others stored since is kept")
        elif token is None:
            await self._do("save", link.command("DEL", name))
        else:
            await self._do("save", link.command("SET", name, text))

    @asynccontextmanager
    async def lock(self, key: str) -> AsyncGenerator[None]:
        """Nobody else who shares this Redis is inside."""
        name, link = f"{self._key(key)}:lock", self._links.get()
        milliseconds = max(1, int(self._lock_seconds * 1000))
        me = f"{secrets.token_hex(12)}:{milliseconds}"
        taken = doubt = False
        prolonging: asyncio.Task[None] | None = None
        try:
            pause = _FIRST_LOOK
            while True:
                doubt = True  # should this be cancelled, or the reply be lost
                answer = link.run(_TAKE, 1, name, me, milliseconds)
                taken = doubt = bool(await self._do("lock", answer))
                if taken:
                    break
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_LOOK)
            self._held[key] = me
            prolonging = asyncio.ensure_future(self._prolong(link, name, me, milliseconds))
            yield
        finally:
            if prolonging is not None:
                prolonging.cancel()
            if self._held.get(key) == me:
                del self._held[key]
            if taken or doubt:
                await self._let_go(link, name, me, told=taken)

    async def _let_go(self, link: Link, name: str, me: str, *, told: bool) -> None:
        try:
            await link.run(_LET_GO, 1, name, me)
        except Down as down:
            _log.log(
                logging.WARNING if told else logging.DEBUG,
                "the lock of a token was not let go (%s); it is over in %g s",
                down,
                self._lock_seconds,
            )

    async def _prolong(self, link: Link, name: str, me: str, milliseconds: int) -> None:
        """Hold it for as long as this process lives."""
        over = REAL.monotonic() + self._lock_seconds
        while REAL.monotonic() < over:
            await asyncio.sleep(self._lock_seconds / 3)
            with suppress(Down):  # there is time for another try; `save` looks who holds it
                if not await link.run(_PROLONG, 1, name, me, milliseconds):
                    return
                over = REAL.monotonic() + self._lock_seconds

    async def _do(self, what: str, work: Any) -> Any:
        try:
            return await work
        except Down as down:
            raise TokenStoreError(f"cannot {what}: Redis: {down}") from down

    def _key(self, key: str) -> str:
        return f"{self._prefix}:token:{{{quote(key, safe=':@')}}}"
