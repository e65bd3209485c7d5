"""Stores of pending sign-ins: single use, bound to a browser, bounded."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable

import pytest
from redis import Redis

from ev_energy import errors
from ev_energy.fastapi import MemorySignInStore, RedisSignInStore, SignInStore
from tests.helpers.fake_clock import FakeClock
from tests.helpers.redis_server import PrivateRedis

MakeStore = Callable[..., SignInStore]


class StoreContract:
    """What both stores promise. The fixture ``make_store`` makes an empty one."""

    async def test_sign_in_is_returned_once(self, make_store: MakeStore) -> None:
        store = make_store()
        await store.put("browser", "key", 'text "é" \\', ttl=60)
        assert await store.pop("browser", "key") == 'text "é" \\'
        assert await store.pop("browser", "key") is None

    async def test_sign_in_is_returned_once_at_the_same_time(self, make_store: MakeStore) -> None:
        store = make_store()
        await store.put("browser", "key", "text", ttl=60)
        found = await asyncio.gather(*(store.pop("browser", "key") for _ in range(8)))
        assert sorted(map(str, found)) == ["None"] * 7 + ["text"]

    async def test_another_browser_neither_finds_nor_removes_it(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        await store.put("browser", "key", "text", ttl=60)
        assert await store.pop("other", "key") is None
        assert await store.pop("browser", "other") is None
        assert await store.pop("browser", "key") == "text"

    async def test_sign_in_is_replaced(self, make_store: MakeStore) -> None:
        store = make_store()
        for text in ("first", "second"):
            await store.put("browser", "key", text, ttl=60)
        assert await store.pop("browser", "key") == "second"
        assert await store.pop("browser", "key") is None

    async def test_browser_has_a_few_of_which_the_oldest_makes_room(
        self, make_store: MakeStore
    ) -> None:
        store = make_store(per_browser=3)
        for number in range(5):
            await store.put("browser", str(number), f"text {number}", ttl=60)
        await store.put("other", "0", "of another browser", ttl=60)
        found = [await store.pop("browser", str(number)) for number in range(5)]
        assert found == [None, None, "text 2", "text 3", "text 4"]
        assert await store.pop("other", "0") == "of another browser"

    async def test_browsers_are_bounded_and_the_oldest_makes_room(
        self, make_store: MakeStore
    ) -> None:
        store = make_store(max_browsers=3)
        for number in range(4):
            # Redis orders them by expiry, in milliseconds.
            await store.put(f"browser {number}", "key", "text", ttl=60 + number)
        await store.put("browser 1", "later", "text", ttl=70)
        await store.put("browser 4", "key", "text", ttl=80)
        found = [await store.pop(f"browser {number}", "key") for number in range(5)]
        assert found == [None, "text", None, "text", "text"]

    @pytest.mark.parametrize("limit", ["per_browser", "max_browsers"])
    def test_limits_are_checked(self, make_store: MakeStore, limit: str) -> None:
        with pytest.raises(ValueError, match=f"{limit} must be 1 or more, not 0"):
            make_store(**{limit: 0})


class TestMemory(StoreContract):
    @pytest.fixture
    def make_store(self) -> MakeStore:
        return MemorySignInStore

    async def test_sign_in_expires(self) -> None:
        time = FakeClock()
        store = MemorySignInStore(clock=time, per_browser=2)
        await store.put("browser", "first", "text", ttl=61)
        await store.put("browser", "expired", "text", ttl=60)
        time.now += 60
        await store.put("browser", "last", "text", ttl=60)  # the first need not make room for it
        assert await store.pop("browser", "first") == "text"
        await store.put("browser", "expired", "text", ttl=0)
        assert await store.pop("browser", "expired") is None
        assert await store.pop("browser", "last") == "text"

    async def test_expired_sign_ins_are_forgotten(self) -> None:
        time = FakeClock()
        store = MemorySignInStore(clock=time)
        for number in range(100):
            await store.put(f"browser {number}", "key", "text", ttl=60)
        time.now += 60
        await store.put("browser", "key", "text", ttl=60)
        assert repr(store) == "MemorySignInStore(1 browsers)"

    async def test_effort_does_not_grow_with_the_number_of_browsers(self) -> None:
        """The event loop is blocked meanwhile, and anyone can start a sign-in."""
        store = MemorySignInStore()
        for number in range(2000):
            await store.put(f"browser {number}", "key", "text", ttl=60)

        tracemalloc.start()
        try:
            await store.put("browser", "key", "text", ttl=60)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 4000  # bytes; a list of all browsers has 16,000


def wait_in_redis(client: Redis, seconds: float) -> None:
    """Return when the clock of Redis has advanced."""

    def now() -> float:
        whole, microseconds = client.time()
        return float(whole + microseconds / 1e6)

    end = now() + seconds
    while now() < end:
        pass


class TestRedis(StoreContract):
    @pytest.fixture
    async def make_store(self, shared_redis: PrivateRedis, prefix: str) -> AsyncIterator[MakeStore]:
        made: list[RedisSignInStore] = []

        def make(**limits: int) -> SignInStore:
            made.append(RedisSignInStore(shared_redis.url, prefix=prefix, **limits))
            return made[-1]

        yield make
        for store in made:
            await store.aclose()

    async def test_stores_share_their_sign_ins(self, make_store: MakeStore) -> None:
        await make_store().put("browser", "key", "text", ttl=60)
        assert await make_store().pop("browser", "key") == "text"

    async def test_sign_in_expires(self, make_store: MakeStore, redis_client: Redis) -> None:
        store = make_store(per_browser=2)
        await store.put("browser", "first", "text", ttl=60)
        await store.put("browser", "expired", "text", ttl=0.001)
        wait_in_redis(redis_client, 0.002)
        await store.put("browser", "last", "text", ttl=60)  # the first need not make room for it
        assert await store.pop("browser", "first") == "text"
        await store.put("browser", "expired", "text", ttl=0.001)
        wait_in_redis(redis_client, 0.002)
        assert await store.pop("browser", "expired") is None
        assert await store.pop("browser", "last") == "text"

    async def test_expired_sign_ins_are_removed(
        self,
        make_store: MakeStore,
        redis_client: Redis,
        prefix: str,
    ) -> None:
        store, keys = make_store(), [f"{prefix}:{{sign-in}}:{n}" for n in ("pending", "browsers")]
        for number in range(20):
            await store.put(f"browser {number}", "key", "text", ttl=60)
        redis_client.zadd(keys[1], {f"browser {number}": 1 for number in range(20)})
        await store.put("browser", "key", "text", ttl=60)
        assert (redis_client.hlen(keys[0]), redis_client.zcard(keys[1])) == (1, 1)
        assert all(0 < redis_client.ttl(key) <= 60 for key in keys)  # none is left for ever

    async def test_outage_is_a_token_store_error(self, redis: PrivateRedis) -> None:
        async with RedisSignInStore(redis.url) as store:
            await store.put("browser", "key", "text", ttl=60)
            redis.kill()
            with pytest.raises(errors.TokenStoreError, match="the pending sign-ins: Redis"):
                await store.pop("browser", "key")
            with pytest.raises(errors.TokenStoreError, match="the pending sign-ins: Redis"):
                await store.put("browser", "key", "text", ttl=60)

    def test_repr_shows_no_password(self) -> None:
        store = RedisSignInStore("redis://:hidden@127.0.0.1:1/0")
        assert repr(store) == "RedisSignInStore(prefix='ev-energy')"


def test_package_does_not_import_redis() -> None:
    code = "import sys, ev_energy.fastapi; assert 'redis' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
