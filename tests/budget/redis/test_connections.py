"""Unusable connections: failovers, idle connections, full pools, a silent Redis."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis, Sentinel
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from ev_energy import Client, ClientCredentials
from ev_energy.auth import Token
from ev_energy.budget import Acquire, BudgetUnavailable
from ev_energy.errors import BudgetUnavailableError, TokenStoreError
from ev_energy.redis import RedisBudget, RedisTokenStore
from ev_energy.simulator import Simulator

KEY = "app@api"
OLD, NEW = Token(access_token="old", expires_at=100.0), Token(access_token="new", expires_at=200.0)
KINDS = ["url", "client", "client that retries", "client with one connection"]


@asynccontextmanager
async def redis_for(url: str, kind: str) -> AsyncIterator[Any]:
    """Return a client as a user passes it in ``redis=``."""
    if kind == "url":
        yield url
        return
    retry = {} if kind == "client that retries" else {"retry": Retry(NoBackoff(), 0)}
    made = Redis.from_url(
        url, single_connection_client=kind == "client with one connection", **retry
    )
    try:
        yield made
    finally:
        await made.aclose()


@pytest.fixture
async def store(relay: Any, prefix: str) -> AsyncIterator[RedisTokenStore]:
    async with RedisTokenStore(relay.url, prefix=prefix, timeout=1.0) as store:
        yield store


@pytest.fixture
async def budget(relay: Any, prefix: str) -> AsyncIterator[RedisBudget]:
    async with RedisBudget(relay.url, prefix=prefix, limit=9, timeout=1.0) as budget:
        yield budget


class Pair:
    """A primary and its replica, behind an address that leads to the primary."""

    def __init__(self, make_redis: Callable[..., Any]) -> None:
        soon = ("--repl-diskless-sync-delay", "0")
        self.primary = make_redis(options=soon)
        of = ("--replicaof", "127.0.0.1", str(self.primary.port))
        self.replica = make_redis(options=(*soon, *of))

    def fail_over(self) -> None:
        """Swap the roles when the replica has all data."""
        with BlockingRedis(port=self.primary.port) as primary:
            over = time.monotonic() + 30
            primary.set("last", "1")  # WAIT waits for the writes of its own connection
            while primary.execute_command("WAIT", 1, 100) < 1:
                assert time.monotonic() < over, "the replica does not follow"
            with BlockingRedis(port=self.replica.port) as replica:
                replica.execute_command("REPLICAOF", "NO", "ONE")
            primary.execute_command("REPLICAOF", "127.0.0.1", str(self.replica.port))
        self.primary, self.replica = self.replica, self.primary

    def stop(self) -> None:
        self.primary.kill()
        self.replica.kill()


@pytest.fixture
def pair(make_redis: Callable[..., Any]) -> Any:
    pair = Pair(make_redis)
    yield pair
    pair.stop()


# Failovers.


@pytest.mark.parametrize("kind", KINDS)
async def test_failover_costs_no_call(
    pair: Pair, prefix: str, kind: str, relay_class: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as stack:
        relay = await stack.enter_async_context(relay_class(pair.primary.port))
        redis = await stack.enter_async_context(redis_for(relay.url, kind))
        budget = await stack.enter_async_context(RedisBudget(redis, prefix=prefix, limit=9))
        store = await stack.enter_async_context(RedisTokenStore(redis, prefix=prefix))
        await store.save(KEY, OLD)
        for _ in "12":
            await budget.acquire(Acquire("app"))
        pair.fail_over()  # the old connections lead to a server that refuses every write
        relay.target = pair.primary.port

        async with store.lock(KEY):
            await store.save(KEY, NEW)
        await budget.acquire(Acquire("app", timeout=0.0))

        assert budget.state("app")[:2] == (9, 6)  # type: ignore[index]
        with BlockingRedis(port=pair.primary.port) as primary:
            assert b'"new"' in primary.get(f"{prefix}:token:{{{KEY}}}")
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


@pytest.mark.slow  # Sentinel looks for replicas every ten seconds
async def test_sentinel_is_asked_again_for_the_primary(
    pair: Pair, prefix: str, make_redis: Callable[..., Any], tmp_path: Path
) -> None:
    settings = tmp_path / "sentinel.conf"
    settings.write_text(f"sentinel monitor ours 127.0.0.1 {pair.primary.port} 1\n")
    own = make_redis(settings=settings)
    with (
        BlockingRedis(port=pair.primary.port) as primary,
        BlockingRedis(port=own.port) as redis_client,
    ):
        sentinel = Sentinel([("127.0.0.1", own.port)])
        redis = sentinel.master_for("ours", retry=Retry(NoBackoff(), 0))
        async with RedisBudget(redis, prefix=prefix, limit=9) as budget:
            await budget.acquire(Acquire("app"))
            await until(lambda: redis_client.sentinel_slaves("ours"))
            await until(lambda: primary.execute_command("WAIT", 1, 100))
            await until(lambda: begin_failover(redis_client))
            await until(lambda: primary.role()[0] == b"slave")
            await budget.acquire(Acquire("app", timeout=0.0))
            assert budget.state("app")[:2] == (9, 7)  # type: ignore[index]
        await redis.aclose()
        for each in sentinel.sentinels:
            await each.aclose()
    own.kill()


def begin_failover(sentinel: BlockingRedis) -> bool:
    """Return whether Sentinel starts a failover, for which it must know a healthy replica."""
    try:
        sentinel.execute_command("SENTINEL", "FAILOVER", "ours")
    except ResponseError:
        return False
    return True


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.05)


async def test_address_that_still_leads_to_the_replica_is_an_outage_that_ends(
    pair: Pair, prefix: str, relay_class: Any
) -> None:
    async with (
        relay_class(pair.primary.port) as relay,
        RedisBudget(relay.url, prefix=prefix, limit=9, heartbeat_ttl=0.5) as budget,
    ):
        await budget.acquire(Acquire("app"))
        pair.fail_over()
        with pytest.raises(BudgetUnavailable, match="read only"):
            await budget.acquire(Acquire("app", timeout=0.3))
        waiting = asyncio.ensure_future(budget.acquire(Acquire("app")))
        relay.target = pair.primary.port
        await asyncio.wait_for(waiting, 10)


REFUSALS = [
    "READONLY You can't write against a read only replica.",
    # The error of a script in Redis 5 and 6.
    "ERR Error running script (call to f_0): @user_script: 9: -READONLY You can't write against",
    "LOADING Redis is loading the dataset in memory",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "CLUSTERDOWN The cluster is down",
    "NOREPLICAS Not enough good replicas to write.",
    "UNBLOCKED force unblock from blocking operation, instance state changed",
    "TRYAGAIN Multiple keys request during rehashing of slot",
]


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_server_that_cannot_serve_is_left(refusal: str, scripted_redis: Any) -> None:
    async with scripted_redis([f"-{refusal}"], ["+OK"]) as server:
        store = RedisTokenStore(server.url)
        await store.save(KEY, NEW)
        await store.aclose()
    assert [len(each) for each in server.commands] == [1, 1]
    assert server.commands[0] == server.commands[1]


@pytest.mark.parametrize(
    "refusal",
    [
        "OOM command not allowed when used memory > 'maxmemory'.",
        "NOPERM this user has no permissions to run the 'set' command",
        "NOAUTH Authentication required.",
        "MISCONF Redis is configured to save RDB snapshots",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "ERR the word READONLY-ness occurs in a message",
    ],
)
async def test_refusal_that_another_connection_would_get_too_is_not_repeated(
    refusal: str, scripted_redis: Any
) -> None:
    async with scripted_redis([f"-{refusal}"], ["+OK"]) as server:
        store = RedisTokenStore(server.url)
        with pytest.raises(TokenStoreError, match="Redis: "):
            await store.save(KEY, NEW)
        await store.aclose()
    assert [len(each) for each in server.commands] == [1]


async def test_refusal_everywhere_is_an_error_after_two_attempts(scripted_redis: Any) -> None:
    async with scripted_redis(["-LOADING busy"], ["-LOADING busy"], ["+OK"]) as server:
        store = RedisTokenStore(server.url)
        with pytest.raises(TokenStoreError, match="BusyLoadingError"):
            await store.save(KEY, NEW)
        assert [len(each) for each in server.commands] == [1, 1]
        await store.save(KEY, NEW)  # over a third connection: the second failed as well
        await store.aclose()
    assert [len(each) for each in server.commands] == [1, 1, 1]


# Idle connections.


@pytest.mark.matrix("how")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["silence", "reset", "close"])
async def test_connection_that_was_cut_costs_no_call(
    relay: Any, prefix: str, how: Any, kind: str
) -> None:
    async with redis_for(relay.url, kind) as redis:
        store = RedisTokenStore(redis, prefix=prefix, timeout=1.0)
        budget = RedisBudget(redis, prefix=prefix, limit=9, timeout=1.0)
        await store.save(KEY, NEW)
        await budget.acquire(Acquire("app"))
        relay.treat(how)
        assert await store.load(KEY) == NEW
        relay.treat(how)
        async with store.lock(KEY):
            relay.treat(how)
            await store.save(KEY, OLD)
            relay.treat(how)
        relay.treat(how)
        await budget.acquire(Acquire("app", timeout=0.0))
        assert budget.state("app")[:2] == (9, 7)  # type: ignore[index]
        await budget.aclose()
        await store.aclose()


@pytest.mark.slow  # waits for timeouts
async def test_many_idle_connections_that_were_cut_cost_no_call(relay: Any, prefix: str) -> None:
    async with RedisTokenStore(relay.url, prefix=prefix, timeout=3) as store:
        await store.save(KEY, NEW)
        for _ in "12":
            assert await asyncio.gather(*(store.load(KEY) for _ in range(20))) == [NEW] * 20
            relay.treat("silence")


@pytest.mark.parametrize("kind", KINDS)
async def test_connection_that_redis_closed_costs_no_call(
    shared_redis: Any, redis_client: BlockingRedis, prefix: str, kind: str
) -> None:
    async with redis_for(shared_redis.url, kind) as redis:
        store = RedisTokenStore(redis, prefix=prefix)
        await store.save(KEY, NEW)
        redis_client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert await store.load(KEY) == NEW
        await store.aclose()


async def test_pause_of_redis_is_survived(
    shared_redis: Any, redis_client: BlockingRedis, prefix: str
) -> None:
    async with (
        RedisTokenStore(shared_redis.url, prefix=prefix) as store,
        RedisBudget(shared_redis.url, prefix=prefix, limit=9) as budget,
    ):
        redis_client.execute_command("CLIENT", "PAUSE", 300)
        await store.save(KEY, NEW)
        await budget.acquire(Acquire("app", timeout=0.0))
        assert await store.load(KEY) == NEW


# Repeated commands are carried out once.


async def test_request_whose_grant_was_lost_is_counted_once(
    relay: Any, budget: RedisBudget
) -> None:
    await budget.acquire(Acquire("app"))
    relay.treat("swallow replies")
    await budget.acquire(Acquire("app", timeout=0.0))
    assert budget.state("app")[:2] == (9, 7)  # type: ignore[index]


async def test_reservation_whose_grant_was_lost_is_made_once(
    relay: Any, budget: RedisBudget
) -> None:
    await budget.acquire(Acquire("app"))
    relay.treat("swallow replies")
    reservation = await budget.reserve(Acquire("app", timeout=0.0), 5)
    assert budget.state("app")[:3] == (9, 3, 5)  # type: ignore[index]
    relay.treat("swallow replies")
    await reservation.release()
    await budget.acquire(Acquire("app"))
    assert budget.state("app")[:3] == (9, 7, 0)  # type: ignore[index]


@pytest.mark.slow  # waits for timeouts
async def test_lock_whose_grant_was_lost_is_acquired_at_once_and_released(
    relay: Any, store: RedisTokenStore, shared_redis: Any, prefix: str
) -> None:
    await store.load(KEY)
    relay.treat("swallow replies")
    async with asyncio.timeout(5), store.lock(KEY):  # a lock lasts ten seconds
        relay.treat("swallow replies")
        await store.save(KEY, NEW)
        relay.treat("swallow replies")
    other = RedisTokenStore(shared_redis.url, prefix=prefix)
    async with other, asyncio.timeout(5), other.lock(KEY):
        assert await other.load(KEY) == NEW


async def test_token_that_was_saved_by_a_lost_command_is_known_as_saved(
    relay: Any,
    store: RedisTokenStore,
    redis_client: Any,
    prefix: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with store.lock(KEY):
        await store.save(KEY, NEW)
        assert (
            redis_client.delete(f"{prefix}:token:{{{KEY}}}:lock") == 1
        )  # the lock ended between the two attempts
        await store.save(KEY, NEW)
    assert "was lost" not in caplog.text


# A silent Redis.


@pytest.mark.slow  # waits for timeouts
async def test_redis_that_is_silent_on_new_connections_too_is_unavailable_soon(
    relay: Any, store: RedisTokenStore, budget: RedisBudget
) -> None:
    await store.load(KEY)
    await budget.acquire(Acquire("app"))
    relay.is_silent = True
    relay.treat("silence")
    started = time.monotonic()
    with pytest.raises(TokenStoreError, match=r"no reply within 1 s"):
        await store.load(KEY)
    with pytest.raises(BudgetUnavailable, match="no reply"):
        await budget.acquire(Acquire("app", timeout=0.0))
    assert time.monotonic() - started < 20
    relay.is_silent = False
    assert await store.load(KEY) is None
    await asyncio.wait_for(budget.acquire(Acquire("app")), 10)


async def test_new_connection_that_is_silent_is_not_tried_twice(relay: Any) -> None:
    relay.is_silent = True
    async with RedisTokenStore(relay.url, timeout=0.3) as store:
        for attempts in (1, 2):
            with pytest.raises(TokenStoreError, match="no reply"):
                await store.load(KEY)
            assert len(relay.opened) == attempts


@pytest.mark.parametrize("when_exhausted", ["wait", "raise"])
async def test_silent_redis_delays_no_call_beyond_its_deadline(
    relay: Any, prefix: str, when_exhausted: Any
) -> None:
    relay.is_silent = True
    async with (
        Simulator() as simulator,
        RedisBudget(relay.url, prefix=prefix, timeout=20) as budget,
        Client(
            ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret),
            base_url=simulator.base_url,
            budget=budget,
            deadline=0.5,
            when_exhausted=when_exhausted,
        ) as client,
    ):
        started = time.monotonic()
        with pytest.raises(BudgetUnavailableError):
            await client.regions.list().first()
        assert time.monotonic() - started < 10
        relay.is_silent = False
        relay.treat("close")
    assert simulator.requests == []


# Full pools.


@pytest.mark.parametrize("connections", [None, 3])
async def test_burst_waits_for_connections(
    shared_redis: Any, prefix: str, connections: int | None
) -> None:
    extra = "" if connections is None else f"?max_connections={connections}"
    async with (
        RedisTokenStore(shared_redis.url + extra, prefix=prefix) as store,
        RedisBudget(shared_redis.url + extra, prefix=prefix) as budget,
    ):
        await store.save(KEY, NEW)
        assert await asyncio.gather(*(store.load(KEY) for _ in range(400))) == [NEW] * 400
        await asyncio.gather(*(budget.acquire(Acquire(f"user {n}")) for n in range(400)))


async def test_burst_waits_for_connections_that_the_caller_uses(
    shared_redis: Any, prefix: str
) -> None:
    async with Redis.from_url(shared_redis.url, max_connections=2) as redis:
        store = RedisTokenStore(redis, prefix=prefix)
        blocked = [asyncio.ensure_future(redis.blpop(f"{prefix}:none", 0.5)) for _ in "12"]
        await asyncio.sleep(0.1)
        assert await store.load(KEY) is None
        assert await asyncio.gather(*blocked) == [None, None]


async def test_burst_at_a_silent_redis_fails_soon(relay: Any) -> None:
    relay.is_silent = True
    async with RedisTokenStore(f"{relay.url}?max_connections=2", timeout=0.3) as store:
        started = time.monotonic()
        found = await asyncio.gather(*(store.load(KEY) for _ in range(100)), return_exceptions=True)
        assert {type(each) for each in found} == {TokenStoreError}
        assert time.monotonic() - started < 10
