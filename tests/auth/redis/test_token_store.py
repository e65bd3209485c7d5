"""Tokens in a real Redis, shared by real processes."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import attrs
import pytest
from aiohttp import web
from redis.asyncio import Redis

from ev_energy.auth import AuthorizationCode, Token
from ev_energy.errors import TokenStoreError
from ev_energy.redis import RedisTokenStore
from ev_energy.simulator import Simulator
from tests.helpers.recording_server import RecordingServer
from tests.helpers.token_store_contract import KEY, Shared, TokenStoreContract

WORKER = Path(__file__).parents[2] / "helpers" / "redis_store_worker.py"


@pytest.fixture
async def shared(shared_redis: Any, prefix: str) -> AsyncIterator[Any]:
    async with AsyncExitStack() as stack:

        def make(url: str = shared_redis.url, **settings: Any) -> RedisTokenStore:
            store = RedisTokenStore(url, prefix=prefix, **settings)
            stack.push_async_exit(store)
            return store

        yield make


class TestRedisTokenStore(TokenStoreContract):
    @pytest.fixture
    def shared(self, shared: Any) -> Shared:
        return shared  # type: ignore[no-any-return]


async def test_only_the_token_is_left_in_redis(shared: Any, prefix: str, redis_client: Any) -> None:
    store = shared()
    async with store.lock(KEY):
        await store.save(KEY, Token(access_token="t"))
    assert [name.decode() for name in redis_client.keys(f"{prefix}*")] == [
        f"{prefix}:token:{{{KEY}}}"
    ]


async def test_wait_for_a_lock_is_logged(
    shared: Any, serve: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ev_energy._api.authorize.LONG_WAIT", 0.05)
    is_logged = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        is_token = request.path.startswith("/o/")
        return web.json_response({"access_token": "t"} if is_token else {"id": "evse01"})

    server: RecordingServer = await serve(answer)
    app = server.credentials(store=shared())
    async with server.client(app, on_wait=lambda _: is_logged.set()) as client:
        async with shared().lock(app.key(server.origin)), asyncio.timeout(10):
            call = asyncio.ensure_future(client.evses.get("evse01"))
            await is_logged.wait()
        await call
    [line] = [r.getMessage() for r in caplog.records if getattr(r, "ev_event", "") == "wait"]
    assert line == (
        "GET /evses/{evse_id}: waiting for an access token for 5 s so far "
        "(the lock of the RedisTokenStore is taken)"
    )


async def test_wait_for_a_lock_can_be_cancelled_at_any_moment(shared: Any) -> None:
    # On Python 3.11, waits of the library lose a cancellation at some turns of the loop.
    async with shared().lock(KEY):
        for turns in range(80):
            store = shared()

            async def wait(store: RedisTokenStore = store) -> None:
                async with store.lock(KEY):
                    pytest.fail("two have the lock")

            waiting = asyncio.ensure_future(wait())
            for _ in range(turns):
                await asyncio.sleep(0)
            waiting.cancel()
            done, _ = await asyncio.wait([waiting], timeout=5)
            assert done, f"not cancelled after {turns} turns of the loop"
            assert waiting.cancelled()


async def test_lock_is_prolonged_while_its_holder_lives(shared: Any) -> None:
    one, two = shared(lock_seconds=0.3), shared(lock_seconds=0.3)
    async with one.lock(KEY):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0), two.lock(KEY):
                pass
    async with asyncio.timeout(5), two.lock(KEY):
        pass


async def steal(redis_client: Any, prefix: str) -> None:
    """End the lock, as if its holder had been suspended."""
    assert redis_client.delete(f"{prefix}:token:{{{KEY}}}:lock") == 1


OLD, NEW = Token(access_token="old", expires_at=100.0), Token(access_token="new", expires_at=200.0)


async def test_holder_of_a_lost_lock_cannot_replace_or_delete_a_newer_token(
    shared: Any, redis_client: Any, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = shared(), shared()
    async with one.lock(KEY):
        await steal(redis_client, prefix)
        async with two.lock(KEY):
            await two.save(KEY, NEW)
            await one.save(KEY, OLD)
            assert await two.load(KEY) == NEW
            endless = Token(access_token="endless")
            await two.save(KEY, endless)
            await one.save(KEY, None)
    assert await two.load(KEY) == endless
    assert caplog.text.count("the lock of a token was lost") == 2


@pytest.mark.parametrize("kept", [None, OLD])
async def test_holder_of_a_lost_lock_can_save_the_newer_token(
    shared: Any, redis_client: Any, prefix: str, kept: Token | None
) -> None:
    one, two = shared(), shared()
    async with one.lock(KEY):
        await steal(redis_client, prefix)
        async with two.lock(KEY):
            await two.save(KEY, kept)
            await one.save(KEY, NEW)
    assert await two.load(KEY) == NEW


async def test_invalid_token_is_an_error_that_does_not_show_it(
    shared: Any, redis_client: Any, prefix: str
) -> None:
    redis_client.set(f"{prefix}:token:{{{KEY}}}", b'{"refresh_token": "s3cret"}')
    with pytest.raises(TokenStoreError) as caught:
        await shared().load(KEY)
    assert "s3cret" not in str(caught.value)


async def test_methods_fail_soon_without_redis(shared: Any, redis: Any) -> None:
    store = shared(redis.url, timeout=0.5)
    redis.kill()
    started = time.monotonic()
    for what in ("load", "save", "lock"):
        with pytest.raises(TokenStoreError, match="Redis"):
            if what == "load":
                await store.load(KEY)
            elif what == "save":
                await store.save(KEY, OLD)
            else:
                async with store.lock(KEY):
                    pass
    assert time.monotonic() - started < 5
    redis.start()
    await store.save(KEY, OLD)
    assert await store.load(KEY) == OLD


async def test_lock_ends_without_an_error_if_redis_dies(
    shared: Any, redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    store = shared(redis.url, timeout=0.5)
    async with store.lock(KEY):
        redis.kill()
    assert "was not released" in caplog.text


async def test_redis_client_that_decodes_replies_is_accepted(
    shared_redis: Any, prefix: str
) -> None:
    async with Redis.from_url(shared_redis.url, decode_responses=True) as redis:
        store = RedisTokenStore(redis, prefix=prefix)
        async with store.lock(KEY):
            await store.save(KEY, NEW)
        assert await store.load(KEY) == NEW


class Race:
    """A server that rotates refresh tokens and detects reuse, a store, and processes."""

    def __init__(
        self, simulator: Simulator, auth: AuthorizationCode, settings: dict[str, Any]
    ) -> None:
        self.simulator, self.auth, self.settings = simulator, auth, settings
        self.key = auth.key(settings["url"].removesuffix("/v2"))
        self.workers: list[asyncio.subprocess.Process] = []

    async def keep_expired(self) -> None:
        token = self.simulator.sign_in()
        await self.auth.store.save(self.key, attrs.evolve(token, expires_at=1.0))

    async def start(self, count: int) -> None:
        pipe = asyncio.subprocess.PIPE
        command = [sys.executable, str(WORKER), json.dumps(self.settings)]
        started = [
            await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
            for _ in range(count)
        ]
        self.workers += started
        assert [await self.answer(worker) for worker in started] == ["ready"] * count

    def tell(self, line: str, *workers: asyncio.subprocess.Process) -> None:
        for worker in workers or self.workers:
            assert worker.stdin is not None
            worker.stdin.write(f"{line}\n".encode())

    async def answer(self, worker: asyncio.subprocess.Process) -> str:
        assert worker.stdout is not None
        return (await asyncio.wait_for(worker.stdout.readline(), 60)).decode().strip()

    @property
    def token_requests(self) -> int:
        return sum(seen.path == "/o/token/" for seen in self.simulator.requests)


@pytest.fixture
async def race(shared_redis: Any, prefix: str) -> AsyncIterator[Race]:
    async with (
        Simulator(rate_limit=None) as simulator,
        RedisTokenStore(shared_redis.url, prefix=prefix) as store,
    ):
        settings = {
            "client_id": simulator.client_id,
            "client_secret": simulator.client_secret,
            "url": simulator.base_url,
            "user": simulator.user_id,
            "redis": shared_redis.url,
            "prefix": prefix,
        }
        auth = AuthorizationCode(
            client_id=simulator.client_id,
            client_secret=simulator.client_secret,
            redirect_uri="https://app.example/back",
            store=store,
        )
        race = Race(simulator, auth.for_account("ada"), settings)
        await race.keep_expired()
        try:
            yield race
        finally:
            for worker in race.workers:
                if worker.returncode is None:
                    worker.kill()
                await worker.wait()


@pytest.mark.swarm
async def test_eight_processes_renew_once_for_all_and_lose_no_rotation(race: Race) -> None:
    await race.start(8)
    for renewals in (1, 2, 3, 4):
        race.tell("calls 10")
        answers = [await race.answer(worker) for worker in race.workers]
        assert answers == ['{"ok": 10}'] * 8
        assert race.token_requests == renewals
        race.simulator.expire_tokens()  # rejected by the API before its expiry


@pytest.mark.crash_injection
async def test_killed_holder_does_not_block_the_others(race: Race) -> None:
    await race.start(4)
    holder, *others = race.workers
    race.tell("hold", holder)
    assert await race.answer(holder) == "ready"
    race.tell("calls 5", *others)
    await asyncio.sleep(1.5)  # longer than the lock of a dead holder lasts
    assert race.token_requests == 0
    holder.send_signal(signal.SIGKILL)
    assert [await race.answer(worker) for worker in others] == ['{"ok": 5}'] * 3
    assert race.token_requests == 1
