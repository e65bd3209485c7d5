"""The protocol of a token store, and the store in memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Final, Protocol

from ev_energy._runtime.locks import FORK_LOCK, poll_until
from ev_energy.auth._oauth import Token
from ev_energy.errors import TokenStoreError

#: Seconds after which the holder of a store's lock is considered stuck. A renewal takes no longer
#: than the deadline of a call.
_LOCK_TIMEOUT: Final = 300.0


class TokenStore(Protocol):
    """A store for tokens, by key. Any class with these three methods can be one."""

    async def load(self, key: str) -> Token | None:
        """Return the token of *key*, or None if there is none."""
        ...

    async def save(self, key: str, token: Token | None) -> None:
        """Replace the token of *key*; None deletes it.

        Must be atomic: if the process dies, the store has either the old token or the new one.
        """
        ...

    def lock(self, key: str) -> AbstractAsyncContextManager[None]:
        """Return the lock of *key*: ``async with store.lock(key)``.

        Exclusive among all that share the store. It is held while a token is renewed, so that only
        one process renews it and no refresh token is used twice. It must be released when its
        holder dies.
        """
        ...


@asynccontextmanager
async def hold_lock(store: TokenStore, key: str) -> AsyncGenerator[None]:
    """Hold the lock of *key*; `TokenStoreError` if it stays taken for too long."""
    async with AsyncExitStack() as stack:
        timeout = asyncio.timeout(_LOCK_TIMEOUT)
        try:
            async with timeout:
                await stack.enter_async_context(store.lock(key))
        except TimeoutError as error:
            if not timeout.expired():
                raise
            raise TokenStoreError(
                f"{store!r}: the lock was not released within {_LOCK_TIMEOUT:.0f} s; look "
                "for a process that holds it and is suspended or hangs"
            ) from error
        yield


class MemoryStore:
    """A token store in memory, lost when the process ends. The default."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        # Not asyncio locks: clients on several event loops may share the store.
        self._owners: dict[str, _LockOwner] = {}

    async def load(self, key: str) -> Token | None:
        """Return the token of *key*, or None if there is none."""
        return self._tokens.get(key)

    async def save(self, key: str, token: Token | None) -> None:
        """Replace the token of *key*; None deletes it."""
        if token is None:
            self._tokens.pop(key, None)
        else:
            self._tokens[key] = token

    @asynccontextmanager
    async def lock(self, key: str) -> AsyncGenerator[None]:
        """Hold the lock of *key*, exclusively in this process."""
        owner = _LockOwner()

        def try_acquire() -> bool:
            with FORK_LOCK:
                current = self._owners.get(key)
                if current is None or current.is_gone():
                    self._owners[key] = current = owner
            return current is owner

        await poll_until(try_acquire)
        try:
            yield
        finally:
            with FORK_LOCK:
                if self._owners.get(key) is owner:
                    del self._owners[key]


class _LockOwner:
    """The process and the event loop that hold a lock."""

    def __init__(self) -> None:
        self._process, self._loop = os.getpid(), asyncio.get_running_loop()

    def is_gone(self) -> bool:
        """Whether the lock was inherited from the parent process, or its event loop is closed."""
        return self._process != os.getpid() or self._loop.is_closed()
