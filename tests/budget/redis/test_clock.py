"""The effects of a clock of Redis that jumps, and of corrupt keys, end within a window."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from ev_energy.auth import Token
from ev_energy.budget import Acquire, WouldExceedDeadline
from ev_energy.budget._redis.script import (
    BUDGET_SCRIPT,
    ScriptReply,
    ScriptRequest,
    StatedLimit,
    decode,
    encode,
)
from ev_energy.redis import RedisBudget, RedisTokenStore

WINDOW, IN_FLIGHT_TTL, HEARTBEAT_TTL = 3600.0, 120.0, 10.0
#: The longest duration of an effect.
LONGEST = WINDOW + IN_FLIGHT_TTL + 1
HOURS = 3600 * 10**6
KEY = "app@api"


@pytest.fixture
async def make(shared_redis: Any, prefix: str) -> AsyncIterator[Callable[..., RedisBudget]]:
    made: list[RedisBudget] = []

    def make(**more: Any) -> RedisBudget:
        made.append(RedisBudget(shared_redis.url, prefix=prefix, **more))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


def set_clock(redis_client: Redis, key: str, hours: float, *, marked: bool = True) -> None:
    """Change the key as if the clock of Redis had been moved by *hours*.

    A test cannot set the clock, so it moves the timestamps in the key the other way.
    """
    by = round(hours * HOURS)
    for member, score in redis_client.zrange(key, 0, -1, withscores=True):
        words = member.decode().split(" ")
        place = {"epoch": 2, "waiter": 3}.get(words[0])
        with suppress(ValueError, IndexError):
            if place is not None:
                words[place] = str(int(words[place]) - by)
                redis_client.zrem(key, member)
        redis_client.zadd(key, {" ".join(words): score - by if score > 0 else score + by})
    if not marked:
        assert redis_client.zrem(key, "clock") == 1


def ask(redis_client: Redis, key: str, me: str = "me", **more: Any) -> ScriptReply:
    request = ScriptRequest(
        process=me,
        call=1,
        new_epoch="new",
        window=WINDOW,
        in_flight_ttl=IN_FLIGHT_TTL,
        heartbeat_ttl=HEARTBEAT_TTL,
        check_interval=3.0,
        check_tolerance=2.0,
        **more,
    )
    return decode(redis_client.execute_command("EVAL", BUDGET_SCRIPT.text, 1, key, encode(request)))


def take(redis_client: Redis, key: str, *names: str, me: str = "me", **more: Any) -> ScriptReply:
    return ask(redis_client, key, me, acquire=list(names), rank=1, **more)


# Changes of the clock.


@pytest.mark.parametrize("hours", [-0.001, -0.5, -5, -24 * 365])
def test_clock_that_is_set_back_changes_nothing(
    redis_client: Redis, prefix: str, hours: float
) -> None:
    ages = [("n1", 3000.0), ("n2", 2000.0)]
    take(redis_client, prefix, "n1", "n2", local_limit=2)
    ask(redis_client, prefix, completed=ages, local_limit=2)
    set_clock(redis_client, prefix, hours)
    assert take(redis_client, prefix, "n3", local_limit=2).waits == [pytest.approx(600, abs=3)]
    assert take(redis_client, prefix, "n3", local_limit=2).waits == [pytest.approx(600, abs=3)]


def test_clock_that_is_set_back_prolongs_no_refusal(redis_client: Redis, prefix: str) -> None:
    ask(redis_client, prefix, blocked_for=100.0)
    set_clock(redis_client, prefix, -5)
    assert take(redis_client, prefix, "n1").waits == [pytest.approx(100, abs=3)]


def test_clock_that_is_set_back_prolongs_no_reservation_of_a_dead_process(
    redis_client: Redis, prefix: str
) -> None:
    request = ScriptRequest(
        process="dead",
        call=1,
        new_epoch="e",
        window=WINDOW,
        in_flight_ttl=IN_FLIGHT_TTL,
        heartbeat_ttl=0.2,
        check_interval=0.1,
        check_tolerance=0.1,
        local_limit=4,
    )
    request.reserve, request.rank = (1, 4), 1
    redis_client.execute_command("EVAL", BUDGET_SCRIPT.text, 1, prefix, encode(request))
    set_clock(redis_client, prefix, -5)
    assert take(redis_client, prefix, "n1", local_limit=4).granted == []
    time.sleep(0.3)
    assert take(redis_client, prefix, "n1", local_limit=4).granted == [0]


def test_clock_that_is_set_back_prolongs_no_waiter_of_a_dead_process(
    redis_client: Redis, prefix: str
) -> None:
    take(redis_client, prefix, "n1", local_limit=1)
    take(redis_client, prefix, "d", me="dead", local_limit=1, waited=50.0)
    set_clock(redis_client, prefix, -5)
    first = take(redis_client, prefix, "n2", local_limit=1, released=["n1"], waited=60.0)
    assert first.granted == [0], "who waited longer is still first"
    last = take(redis_client, prefix, "n3", me="other", local_limit=1, released=["n2"], waited=40.0)
    assert last.granted == [], "who waited for less time is still behind"


def test_clock_that_is_set_back_delays_no_reports_after_a_loss(
    redis_client: Redis, prefix: str
) -> None:
    assert ask(redis_client, prefix, epoch="lost").lost
    set_clock(redis_client, prefix, -5)
    assert ask(redis_client, prefix, "other", epoch="lost as well").lost
    assert take(redis_client, prefix, "n1").waits == [pytest.approx(HEARTBEAT_TTL, abs=3)]


@pytest.mark.parametrize("hours", [-5, -24 * 365 * 30])
def test_key_without_a_clock_ends_within_a_window(
    redis_client: Redis, prefix: str, hours: float
) -> None:
    take(redis_client, prefix, "n1", "n2", local_limit=2)
    ask(
        redis_client,
        prefix,
        blocked_for=100.0,
        local_limit=2,
        rate_limit=StatedLimit(2, 0, 0.1),
        completed=[("n1", 0.0)],
    )
    set_clock(redis_client, prefix, hours, marked=False)
    (wait,) = take(redis_client, prefix, "n3", local_limit=2).waits
    assert wait <= LONGEST
    set_clock(redis_client, prefix, (wait + 1) / 3600)  # the effect ended after that time
    assert take(redis_client, prefix, "n3", local_limit=2).granted == [0]


def test_clock_that_is_set_forward_forgets_until_replies_correct_it(
    redis_client: Redis, prefix: str
) -> None:
    names = [f"n{n}" for n in range(9)]
    take(redis_client, prefix, *names)
    ask(
        redis_client,
        prefix,
        completed=[(name, 0.0) for name in names],
        rate_limit=StatedLimit(10, 1, 0.1),
    )
    set_clock(redis_client, prefix, 2)
    assert take(redis_client, prefix, "x").remaining == 9
    after = ask(redis_client, prefix, completed=[("x", 0.0)], rate_limit=StatedLimit(10, 0, 0.0))
    assert after.remaining == 0


async def test_two_processes_keep_their_order_and_count_when_the_clock_is_set_back(
    make: Callable[..., RedisBudget], redis_client: Redis, prefix: str
) -> None:
    one, two = make(limit=3), make(limit=3)
    for budget in (one, two, one):
        (await budget.acquire(Acquire("app"))).complete(None, success=False, retry_after=None)
    await asyncio.sleep(0.3)
    set_clock(redis_client, f"{prefix}:{{app}}", -7)
    for budget in (one, two):
        with pytest.raises(WouldExceedDeadline) as caught:
            await budget.acquire(Acquire("app", timeout=0.0))
        assert caught.value.wait == pytest.approx(WINDOW, abs=30)


# Locks of the token store.


@pytest.mark.parametrize("spoil", ["pexpire", "persist"])
async def test_lock_of_a_dead_process_ends_although_the_clock_was_set_back(
    shared_redis: Any, prefix: str, redis_client: Redis, spoil: str
) -> None:
    name = f"{prefix}:token:{{{KEY}}}:lock"
    redis_client.set(name, "0123456789abcdef:300", px=300)
    if spoil == "pexpire":
        redis_client.pexpire(name, 5 * 3600 * 1000)
    else:
        redis_client.persist(name)
    store = RedisTokenStore(shared_redis.url, prefix=prefix)
    async with store, asyncio.timeout(20), store.lock(KEY):
        pass


async def test_longer_lock_of_another_process_is_not_cut_short(
    shared_redis: Any, prefix: str, redis_client: Redis
) -> None:
    longer = RedisTokenStore(shared_redis.url, prefix=prefix, lock_seconds=60)
    shorter = RedisTokenStore(shared_redis.url, prefix=prefix, lock_seconds=0.3)
    async with longer, shorter, longer.lock(KEY):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.6), shorter.lock(KEY):
                pass
        assert redis_client.pttl(f"{prefix}:token:{{{KEY}}}:lock") > 50_000
        await longer.save(KEY, Token(access_token="t"))


# Values that another version or an operator wrote into the key.


POISON: list[tuple[str, float]] = [
    ("blocked", -3e15),
    ("blocked", -1e18),
    ("recovering", -1e18),
    ("synced", -1e18),
    ("reservation dead 1 1000000000000", -1e18),
    ("reservation dead 1 nan", -1e18),
    ("reservation dead", -1e18),
    ("lease dead 1000000000000 1", -1e18),
    ("lease dead nan nan", float("-inf")),
    ("lease dead", -1e18),
    ("lease me 1000000000000 1e300", -1e18),
    ("waiter dead 1 -5 1000000000000", -1e18),
    ("waiter dead x y z", -1e18),
    ("waiter dead nan nan nan", -1e18),
    ("foreign 5 1000000000000", -1e18),
    ("foreign 5 -7", -1e18),
    ("foreign", -1e18),
    ("limit -1", float("-inf")),
    ("limit nan", float("-inf")),
    ("limit 1e300", float("-inf")),
    ("limit 1.5", float("-inf")),
    ("limit 0x1", float("-inf")),
    ("reservation dead 1 0.5", -1e18),
    ("waiter dead 0 1 0.5", -1e18),
    ("foreign 5 0.5", -1e18),
    ("limit", float("-inf")),
    ("epoch", float("-inf")),
    ("epoch second 99999999999999999", float("-inf")),
    ("epoch second x", float("-inf")),
    ("clock", -1e300),
    ("clock", 5.0),
    ("", -1e18),
    ("unheard of", -1e18),
    ("n0", 1e18),
    ("n0", float("inf")),
]


@pytest.mark.parametrize("first", [False, True], ids=["later", "first"])
@pytest.mark.parametrize(("member", "score"), POISON)
def test_values_of_the_key_stop_calls_for_a_window_at_most(
    redis_client: Redis, prefix: str, member: str, score: float, *, first: bool
) -> None:
    if not first:
        take(redis_client, prefix, "n1")
    redis_client.zadd(prefix, {member: score})
    started = time.monotonic()
    answer = take(redis_client, prefix, "n2")
    assert all(wait <= LONGEST for wait in answer.waits)
    set_clock(redis_client, prefix, 1.5)  # an hour and a half later
    assert take(redis_client, prefix, "n3").granted == [0]
    assert time.monotonic() - started < 10


MEMBERS = st.one_of(
    st.sampled_from([member for member, _ in POISON]),
    st.lists(
        st.sampled_from(
            [
                "epoch",
                "limit",
                "synced",
                "blocked",
                "reservation",
                "lease",
                "waiter",
                "foreign",
                "clock",
                "me",
                "1",
            ]
        )
        | st.integers(-5, 10**18).map(str)
        | st.floats().map(str)
        | st.text(max_size=5),
        max_size=6,
    ).map(" ".join),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    members=st.dictionaries(MEMBERS, st.floats(allow_nan=False), min_size=1, max_size=6),
    first=st.booleans(),
)
def test_corrupt_key_neither_breaks_the_script_nor_stops_calls_for_long(
    redis_client: Redis, prefix: str, members: dict[str, float], *, first: bool
) -> None:
    redis_client.delete(prefix)
    if not first:
        take(redis_client, prefix, "n1")
    redis_client.zadd(
        prefix, {member.encode("utf-8", "replace"): at for member, at in members.items()}
    )
    answer = take(redis_client, prefix, "n2")
    assert all(wait <= LONGEST for wait in answer.waits)
    answer = take(redis_client, prefix, "n3", rate_limit=StatedLimit(5, 3, 0.1))
    assert answer.remaining <= 5
    assert all(wait <= LONGEST for wait in answer.waits)


@pytest.mark.parametrize("left", ["0.5", "1", "1000000", "1e300"])
@pytest.mark.parametrize(
    "kind", ["reservation p{} 1 {}", "lease p{} {} 1", "waiter p{} 0 1 {}", "foreign {} {}"]
)
def test_large_amounts_in_the_key_do_not_block_redis(
    redis_client: Redis, prefix: str, kind: str, left: str
) -> None:
    redis_client.zadd(
        prefix, {"foreign 1 0.5": -1e18, "foreign 2 1000000": -1e18, "limit 2": float("-inf")}
    )
    redis_client.zadd(prefix, {f"reservation dead{n} 1 1000000": -1e18 for n in range(1000)})
    redis_client.zadd(prefix, {kind.format(n, left): -1e18 for n in range(1000)})
    started = time.monotonic()
    for number in range(5):
        answer = take(redis_client, prefix, f"n{number}", rate_limit=StatedLimit(2, 0, 0.1))
        assert answer.granted == []
        assert answer.waits[0] <= LONGEST
    assert time.monotonic() - started < 5  # an earlier version took minutes


def test_fractions_of_requests_are_counted_as_whole_ones(redis_client: Redis, prefix: str) -> None:
    take(redis_client, prefix, "n1", rate_limit=StatedLimit(2, 1, 0.0))
    redis_client.zadd(prefix, {"reservation dead 1 1.9": -1e18})
    answer = take(redis_client, prefix, "n2")
    assert (answer.granted, answer.reserved, answer.remaining) == ([], 1, 0)
    assert 0 < answer.waits[0] <= LONGEST


def test_lowered_reservation_does_not_grow_back_when_the_reply_was_lost(
    redis_client: Redis, prefix: str
) -> None:
    take(redis_client, prefix, *(f"n{n}" for n in range(8)), me="other", local_limit=10)
    for _ in "12":  # its process was assumed dead in the meantime
        answer = ask(redis_client, prefix, reservations=[(1, 6)], local_limit=10)
        assert (answer.reservations, answer.reserved, answer.remaining) == ([(1, 2)], 2, 0)
