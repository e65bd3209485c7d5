"""Where tokens are kept: what a token store is, and the one that forgets."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, Protocol

from ev_energy._runtime.build_lock import hold_over_forks
from ev_energy.auth._oauth import Token

_FIRST_LOOK: Final = 0.002
_LONGEST_LOOK: Final = 0.1


#: Who takes a lock is alone with this for as long as that takes. Forking waits for it, so that no
#: child inherits half of what was done. Reentrant, for what the garbage collector does meanwhile.
GATE: Final = threading.RLock()
hold_over_forks(GATE)


class TokenStore(Protocol):
    """What keeps tokens, by a key. Write your own with these three methods."""

    async def load(self, key: str) -> Token | None:
        """The token kept under *key*; None if there is none."""
        ...

    async def save(self, key: str, token: Token | None) -> None:
        """Keep *token* under *key* in place of what was there; None to forget it.

        Either all of it or nothing is there afterwards, also if the process dies meanwhile.
        """
        ...

    def lock(self, key: str) -> AbstractAsyncContextManager[None]:
        """``async with store.lock(key)``: nobody else who shares the store is inside.

        Held while a token is renewed, so that only one of many processes does that, and none
        with a refresh token that was used. It must be let go when its holder dies.
        """
        ...


class MemoryStore:
    """Keeps tokens for as long as the process lives. The default."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        # Who holds which lock: no lock of asyncio, since clients of several loops may share it.
        self._held: dict[str, _Holder] = {}

    async def load(self, key: str) -> Token | None:
        """The token kept under *key*; None if there is none."""
        return self._tokens.get(key)

    async def save(self, key: str, token: Token | None) -> None:
        """Keep *token* under *key*; None to forget it."""
        if token is None:
            self._tokens.pop(key, None)
        else:
            self._tokens[key] = token

    @asynccontextmanager
    async def lock(self, key: str) -> AsyncGenerator[None]:
        """Nobody else in this process is inside."""
        me = _Holder()

        def take() -> bool:
            with GATE:
                holder = self._held.get(key)
                if holder is None or holder.is_gone():
                    self._held[key] = holder = me
            return holder is me

        await until(take)
        try:
            yield
        finally:
            with GATE:
                if self._held.get(key) is me:
                    del self._held[key]


class _Holder:
    """Who has a lock."""

    def __init__(self) -> None:
        self._process, self._loop = os.getpid(), asyncio.get_running_loop()

    def is_gone(self) -> bool:
        """It was of the process that this one was forked from, or waits in a loop that ended."""
        return self._process != os.getpid() or self._loop.is_closed()


async def until(taken: Callable[[], bool]) -> None:
    """Return once *taken* says so. It is asked now and then, ever more rarely.

    For locks that nothing announces. Cancelling it leaves nothing behind, as a thread that waits
    for a lock would be.
    """
    pause = _FIRST_LOOK
    while not taken():
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_LOOK)
