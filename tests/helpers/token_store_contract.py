"""The contract of a token store, as tests for subclasses to inherit.

A subclass named ``Test...`` has a fixture ``shared``: a function that makes a new store which
shares its tokens with those it made before, as another process would.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from ev_energy.auth import Token, TokenStore

FIRST = Token(
    access_token="access-1",
    refresh_token="refresh-1",
    expires_at=2e9,
    lifetime=36000,
    scope="evse:read user:read",
)
SECOND = Token(access_token="access-2")
KEY = "application:an-app:user:0123456789abcdef"

Shared = Callable[[], TokenStore]


async def eventually(is_so: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.001)


class TokenStoreContract:
    """Loading, saving and locking."""

    async def test_saved_token_is_loaded_unchanged(self, shared: Shared) -> None:
        store = shared()
        assert await store.load(KEY) is None
        await store.save(KEY, FIRST)
        assert await store.load(KEY) == FIRST
        assert await shared().load(KEY) == FIRST

    async def test_newest_token_replaces_the_previous_one_completely(self, shared: Shared) -> None:
        store = shared()
        await store.save(KEY, FIRST)
        await shared().save(KEY, SECOND)
        assert await store.load(KEY) == SECOND

    async def test_every_key_has_its_own_token(self, shared: Shared) -> None:
        store = shared()
        keys = [KEY, f"{KEY}:", KEY.upper(), "ключ", "a/../b\0 {}*"]
        for number, key in enumerate(keys):
            await store.save(key, Token(access_token=f"access-{number}"))
        kept = [await shared().load(key) for key in keys]
        assert [token and token.access_token for token in kept] == [
            f"access-{number}" for number in range(len(keys))
        ]

    async def test_deleting_one_token_leaves_the_others(self, shared: Shared) -> None:
        store = shared()
        await store.save(KEY, FIRST)
        await store.save("another", SECOND)
        await store.save(KEY, None)
        await store.save("never kept", None)
        assert await shared().load(KEY) is None
        assert await shared().load("another") == SECOND

    async def test_concurrent_saves_lose_no_token(self, shared: Shared) -> None:
        stores = [shared() for _ in range(8)]
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            for number, store in enumerate(stores):
                group.create_task(store.save(f"key {number}", Token(access_token=f"a{number}")))
        kept = [await shared().load(f"key {number}") for number in range(len(stores))]
        assert [token and token.access_token for token in kept] == [f"a{n}" for n in range(8)]

    async def test_lock_has_one_holder_at_a_time(self, shared: Shared) -> None:
        inside, most, entered = 0, 0, 0

        async def enter(store: TokenStore) -> None:
            nonlocal inside, most, entered
            async with store.lock(KEY):
                inside, entered = inside + 1, entered + 1
                most = max(most, inside)
                await asyncio.sleep(0.002)
                inside -= 1

        same = shared()
        stores = [same, same, same, *(shared() for _ in range(5))]
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for store in stores:
                group.create_task(enter(store))
        assert (most, entered) == (1, len(stores))

    async def test_each_key_has_its_own_lock(self, shared: Shared) -> None:
        async with asyncio.timeout(10), shared().lock(KEY), shared().lock("another"):
            pass

    async def test_holder_of_the_lock_can_load_and_save(self, shared: Shared) -> None:
        store = shared()
        async with asyncio.timeout(10), store.lock(KEY):
            await store.save(KEY, FIRST)
            assert await store.load(KEY) == FIRST
            assert await shared().load(KEY) == FIRST

    async def test_error_releases_the_lock(self, shared: Shared) -> None:
        store = shared()
        with pytest.raises(ZeroDivisionError):
            async with store.lock(KEY):
                raise ZeroDivisionError
        async with asyncio.timeout(10), shared().lock(KEY):
            pass

    async def test_cancelled_holder_releases_the_lock(self, shared: Shared) -> None:
        store, inside = shared(), asyncio.Event()

        async def hold() -> None:
            async with store.lock(KEY):
                inside.set()
                await asyncio.Event().wait()

        holder = asyncio.ensure_future(hold())
        await inside.wait()
        holder.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holder
        async with asyncio.timeout(10), shared().lock(KEY):
            pass

    async def test_cancelled_waiter_neither_holds_nor_blocks_the_lock(self, shared: Shared) -> None:
        entered: list[str] = []

        async def wait() -> None:
            async with shared().lock(KEY):
                entered.append("waiting")

        async with shared().lock(KEY):
            waiting = asyncio.ensure_future(wait())
            await asyncio.sleep(0.02)
            assert not waiting.done()
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiting
        async with asyncio.timeout(10), shared().lock(KEY):
            entered.append("after")
        assert entered == ["after"]

    async def test_lock_can_be_acquired_repeatedly(self, shared: Shared) -> None:
        lock = shared().lock
        async with asyncio.timeout(10):
            for _ in range(3):
                async with lock(KEY):
                    pass
