"""A Redis whose clock jumps, and keys with impossible content: both end within a window."""

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
#: How long anything can last at most.
LONGEST = WINDOW + IN_FLIGHT_TTL + 1
HOURS = 3600 * 10**6
KEY = "app@api"


@pytest.fixture
async def make(lasting: Any, prefix: str) -> AsyncIterator[Callable[..., RedisBudget]]:
    made: list[RedisBudget] = []

    def make(**more: Any) -> RedisBudget:
        made.append(RedisBudget(lasting.url, prefix=prefix, **more))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


def set_clock(wire: Redis, key: str, hours: float, *, marked: bool = True) -> None:
    """Make the key look as if the clock of Redis had just been set by *hours*.

    The clock itself cannot be set here. So what was written with it is moved the other way.
    """
    by = round(hours * HOURS)
    for member, score in wire.zrange(key, 0, -1, withscores=True):
        words = member.decode().split(" ")
        place = {"epoch": 2, "waiter": 3}.get(words[0])
        with suppress(ValueError, IndexError):
            if place is not None:
                words[place] = str(int(words[place]) - by)
                wire.zrem(key, member)
        wire.zadd(key, {" ".join(words): score - by if score > 0 else score + by})
    if not marked:
        assert wire.zrem(key, "clock") == 1


def ask(wire: Redis, key: str, me: str = "me", **more: Any) -> ScriptReply:
    request = ScriptRequest(
        process=me,
        new_epoch="new",
        window=WINDOW,
        in_flight_ttl=IN_FLIGHT_TTL,
        heartbeat_ttl=HEARTBEAT_TTL,
        check_interval=3.0,
        check_tolerance=2.0,
        **more,
    )
    return decode(wire.execute_command("EVAL", BUDGET_SCRIPT.text, 1, key, encode(request)))


def take(wire: Redis, key: str, *names: str, me: str = "me", **more: Any) -> ScriptReply:
    return ask(wire, key, me, acquire=list(names), rank=1, **more)


# A clock that is set.


@pytest.mark.parametrize("hours", [-0.001, -0.5, -5, -24 * 365])
def test_a_clock_that_is_set_back_changes_nothing(wire: Redis, prefix: str, hours: float) -> None:
    ages = [("n1", 3000.0), ("n2", 2000.0)]
    take(wire, prefix, "n1", "n2", local_limit=2)
    ask(wire, prefix, completed=ages, local_limit=2)
    set_clock(wire, prefix, hours)
    assert take(wire, prefix, "n3", local_limit=2).waits == [pytest.approx(600, abs=3)]
    assert take(wire, prefix, "n3", local_limit=2).waits == [pytest.approx(600, abs=3)]


def test_a_clock_that_is_set_back_prolongs_no_refusal(wire: Redis, prefix: str) -> None:
    ask(wire, prefix, blocked_for=100.0)
    set_clock(wire, prefix, -5)
    assert take(wire, prefix, "n1").waits == [pytest.approx(100, abs=3)]


def test_a_clock_that_is_set_back_prolongs_no_reservation_of_a_dead_process(
    wire: Redis, prefix: str
) -> None:
    request = ScriptRequest(
        process="dead",
        new_epoch="e",
        window=WINDOW,
        in_flight_ttl=IN_FLIGHT_TTL,
        heartbeat_ttl=0.2,
        check_interval=0.1,
        check_tolerance=0.1,
        local_limit=4,
    )
    request.reserve, request.rank = (1, 4), 1
    wire.execute_command("EVAL", BUDGET_SCRIPT.text, 1, prefix, encode(request))
    set_clock(wire, prefix, -5)
    assert take(wire, prefix, "n1", local_limit=4).granted == []
    time.sleep(0.3)
    assert take(wire, prefix, "n1", local_limit=4).granted == [0]


def test_a_clock_that_is_set_back_prolongs_no_waiter_of_a_dead_process(
    wire: Redis, prefix: str
) -> None:
    take(wire, prefix, "n1", local_limit=1)
    take(wire, prefix, "d", me="dead", local_limit=1, waited=50.0)
    set_clock(wire, prefix, -5)
    first = take(wire, prefix, "n2", local_limit=1, released=["n1"], waited=60.0)
    assert first.granted == [0], "who waited longer is still first"
    last = take(wire, prefix, "n3", me="other", local_limit=1, released=["n2"], waited=40.0)
    assert last.granted == [], "who waited for less time is still behind"


def test_a_clock_that_is_set_back_delays_no_reports_after_a_loss(wire: Redis, prefix: str) -> None:
    assert ask(wire, prefix, epoch="lost").lost
    set_clock(wire, prefix, -5)
    assert ask(wire, prefix, "other", epoch="lost as well").lost
    assert take(wire, prefix, "n1").waits == [pytest.approx(HEARTBEAT_TTL, abs=3)]


@pytest.mark.parametrize("hours", [-5, -24 * 365 * 30])
def test_without_the_clock_member_everything_ends_within_a_window(
    wire: Redis, prefix: str, hours: float
) -> None:
    take(wire, prefix, "n1", "n2", local_limit=2)
    ask(
        wire,
        prefix,
        blocked_for=100.0,
        local_limit=2,
        rate_limit=StatedLimit(2, 0, 0.1),
        completed=[("n1", 0.0)],
    )
    set_clock(wire, prefix, hours, marked=False)
    (wait,) = take(wire, prefix, "n3", local_limit=2).waits
    assert wait <= LONGEST
    set_clock(wire, prefix, (wait + 1) / 3600)  # that long after, it is so
    assert take(wire, prefix, "n3", local_limit=2).granted == [0]


def test_a_clock_that_is_set_forward_forgets_until_replies_correct_it(
    wire: Redis, prefix: str
) -> None:
    names = [f"n{n}" for n in range(9)]
    take(wire, prefix, *names)
    ask(wire, prefix, completed=[(name, 0.0) for name in names], rate_limit=StatedLimit(10, 1, 0.1))
    set_clock(wire, prefix, 2)
    assert take(wire, prefix, "x").remaining == 9
    after = ask(wire, prefix, completed=[("x", 0.0)], rate_limit=StatedLimit(10, 0, 0.0))
    assert after.remaining == 0


async def test_two_processes_keep_their_order_and_count_when_the_clock_is_set_back(
    make: Callable[..., RedisBudget], wire: Redis, prefix: str
) -> None:
    one, two = make(limit=3), make(limit=3)
    for budget in (one, two, one):
        (await budget.acquire(Acquire("app"))).complete(None, success=False, retry_after=None)
    await asyncio.sleep(0.3)
    set_clock(wire, f"{prefix}:{{app}}", -7)
    for budget in (one, two):
        with pytest.raises(WouldExceedDeadline) as caught:
            await budget.acquire(Acquire("app", timeout=0.0))
        assert caught.value.wait == pytest.approx(WINDOW, abs=30)


# Locks of the token store.


@pytest.mark.parametrize("spoil", ["pexpire", "persist"])
async def test_the_lock_of_a_dead_process_ends_although_the_clock_was_set_back(
    lasting: Any, prefix: str, wire: Redis, spoil: str
) -> None:
    name = f"{prefix}:token:{{{KEY}}}:lock"
    wire.set(name, "0123456789abcdef:300", px=300)
    if spoil == "pexpire":
        wire.pexpire(name, 5 * 3600 * 1000)
    else:
        wire.persist(name)
    store = RedisTokenStore(lasting.url, prefix=prefix)
    async with store, asyncio.timeout(20), store.lock(KEY):
        pass


async def test_the_longer_lock_of_another_process_is_not_cut_short(
    lasting: Any, prefix: str, wire: Redis
) -> None:
    longer = RedisTokenStore(lasting.url, prefix=prefix, lock_seconds=60)
    shorter = RedisTokenStore(lasting.url, prefix=prefix, lock_seconds=0.3)
    async with longer, shorter, longer.lock(KEY):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.6), shorter.lock(KEY):
                pass
        assert wire.pttl(f"{prefix}:token:{{{KEY}}}:lock") > 50_000
        await longer.save(KEY, Token(access_token="t"))


# What another version, or an operator, wrote into the key.


POISON: list[tuple[str, float]] = [
    ("blocked", -3e15),
    ("blocked", -1e18),
    ("recovering", -1e18),
    ("synced", -1e18),
    ("reservation dead 1 1000000000000", -1e18),
    ("reservation dead 1 nan", -1e18),
    ("reservation dead", -1e18),
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
def test_no_value_in_the_key_stops_its_users_for_longer_than_a_window(
    wire: Redis, prefix: str, member: str, score: float, *, first: bool
) -> None:
    if not first:
        take(wire, prefix, "n1")
    wire.zadd(prefix, {member: score})
    began = time.monotonic()
    answer = take(wire, prefix, "n2")
    assert all(wait <= LONGEST for wait in answer.waits)
    set_clock(wire, prefix, 1.5)  # an hour and a half later
    assert take(wire, prefix, "n3").granted == [0]
    assert time.monotonic() - began < 10


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
def test_nothing_in_the_key_makes_the_script_fail_or_stop_for_long(
    wire: Redis, prefix: str, members: dict[str, float], *, first: bool
) -> None:
    wire.delete(prefix)
    if not first:
        take(wire, prefix, "n1")
    wire.zadd(prefix, {member.encode("utf-8", "replace"): at for member, at in members.items()})
    answer = take(wire, prefix, "n2")
    assert all(wait <= LONGEST for wait in answer.waits)
    answer = take(wire, prefix, "n3", rate_limit=StatedLimit(5, 3, 0.1))
    assert answer.remaining <= 5
    assert all(wait <= LONGEST for wait in answer.waits)


@pytest.mark.parametrize("left", ["0.5", "1", "1000000", "1e300"])
@pytest.mark.parametrize("kind", ["reservation p{} 1 {}", "waiter p{} 0 1 {}", "foreign {} {}"])
def test_no_amount_in_the_key_occupies_the_server(
    wire: Redis, prefix: str, kind: str, left: str
) -> None:
    wire.zadd(
        prefix, {"foreign 1 0.5": -1e18, "foreign 2 1000000": -1e18, "limit 2": float("-inf")}
    )
    wire.zadd(prefix, {f"reservation dead{n} 1 1000000": -1e18 for n in range(1000)})
    wire.zadd(prefix, {kind.format(n, left): -1e18 for n in range(1000)})
    began = time.monotonic()
    for number in range(5):
        answer = take(wire, prefix, f"n{number}", rate_limit=StatedLimit(2, 0, 0.1))
        assert answer.granted == []
        assert answer.waits[0] <= LONGEST
    assert time.monotonic() - began < 5  # it was minutes


def test_fractions_of_requests_are_counted_as_whole_ones(wire: Redis, prefix: str) -> None:
    take(wire, prefix, "n1", rate_limit=StatedLimit(2, 1, 0.0))
    wire.zadd(prefix, {"reservation dead 1 1.9": -1e18})
    answer = take(wire, prefix, "n2")
    assert (answer.granted, answer.reserved, answer.remaining) == ([], 1, 0)
    assert 0 < answer.waits[0] <= LONGEST


def test_a_lowered_reservation_does_not_grow_back_when_the_reply_was_lost(
    wire: Redis, prefix: str
) -> None:
    take(wire, prefix, *(f"n{n}" for n in range(8)), me="other", local_limit=10)
    for _ in "12":  # its process was held for dead meanwhile
        answer = ask(wire, prefix, reservations=[(1, 6)], local_limit=10)
        assert (answer.reservations, answer.reserved, answer.remaining) == ([(1, 2)], 2, 0)
