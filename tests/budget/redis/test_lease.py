"""Requests that are acquired ahead of calls where Redis is far, over a proxy that is slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, cast

import msgspec
import pytest
from redis import Redis

from ev_energy import Client, RateLimit, StaticToken
from ev_energy.budget import Acquire, WouldExceedDeadline
from ev_energy.budget._redis.lease import Lease
from ev_energy.budget._redis.pending_updates import CountedRequests, PendingUpdates, Settings
from ev_energy.budget._redis.script_calls import ScriptCalls
from ev_energy.errors import BudgetUnavailableError
from ev_energy.redis import RedisBudget
from ev_energy.simulator import Simulator
from tests.helpers.redis_server import script_calls

MakeBudget = Callable[..., RedisBudget]
#: Seconds that the replies of Redis take longer. The tests count calls of the script, not seconds.
FAR = 0.05


@pytest.fixture
async def make(relay: Any, prefix: str) -> AsyncIterator[MakeBudget]:
    """Make budgets of one allowance, all far from Redis unless they pass a URL."""
    relay.delay = FAR
    async with AsyncExitStack() as stack:

        def make(url: str = relay.url, **settings: Any) -> RedisBudget:
            budget = RedisBudget(url, prefix=prefix, **settings)
            stack.push_async_exit(budget)
            return budget

        yield make


@pytest.fixture
def leased(redis_client: Redis, prefix: str) -> Callable[[], list[int]]:
    """Return how many requests each process has leased, as Redis knows it."""

    def leased() -> list[int]:
        members: Any = redis_client.zrange(f"{prefix}:{{app}}", 0, -1)
        words = [member.decode().split() for member in members]
        return [int(each[2]) for each in words if each[0] == "lease"]

    return leased


async def call(budget: RedisBudget, count: int = 1, **more: Any) -> None:
    """Make *count* calls, one after another, each of which is answered at once."""
    for _ in range(count):
        ticket = await budget.acquire(Acquire("app", **more))
        ticket.complete(None, success=False, retry_after=None)


async def warm_up(budget: RedisBudget) -> None:
    """Call until the budget has leased requests."""
    while (ticket := budget.try_acquire("app", None)) is None:
        await asyncio.gather(*(call(budget) for _ in range(5)))
    ticket.release()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def client_of(simulator: Simulator, budget: RedisBudget) -> AsyncIterator[Client]:
    token = StaticToken(simulator.sign_in().access_token)
    async with Client(token, base_url=simulator.base_url, budget=budget) as client:
        yield client


async def test_calls_of_a_client_do_not_wait_for_a_round_trip_each(
    make: MakeBudget, simulator: Simulator, redis_client: Redis
) -> None:
    async with client_of(simulator, make(limit=10_000)) as client:
        await client.users.get(simulator.user_id)
        before = script_calls(redis_client)

        async def user_gets() -> None:
            for _ in range(40):
                await client.users.get(simulator.user_id)

        await asyncio.gather(*(user_gets() for _ in range(4)))
        assert script_calls(redis_client) - before < 40
        assert client.rate_limit is not None
        assert client.rate_limit.reserved == 0


async def test_near_redis_is_asked_for_each_ticket(
    make: MakeBudget, shared_redis: Any, leased: Callable[[], list[int]]
) -> None:
    budget = make(shared_redis.url, limit=1000)
    await call(budget, 20)
    assert budget.try_acquire("app", None) is None
    assert leased() == []


async def test_unused_requests_are_given_back_soon(
    make: MakeBudget, shared_redis: Any, leased: Callable[[], list[int]]
) -> None:
    far = make(limit=320, heartbeat_ttl=600)  # without anything else to say for 200 s
    near = make(shared_redis.url, limit=320, heartbeat_ttl=600)
    await warm_up(far)
    assert 0 < sum(leased()) <= 20
    await until(lambda: leased() == [])
    state = far.state("app")
    assert state is not None
    tickets = [await near.acquire(Acquire("app", timeout=0.0)) for _ in range(state.remaining)]
    with pytest.raises(WouldExceedDeadline):
        await near.acquire(Acquire("app", timeout=0.0))
    for ticket in tickets:
        ticket.release()


@pytest.mark.parametrize("is_idle", [False, True], ids=["busy", "idle"])
async def test_closing_gives_leased_requests_back(
    make: MakeBudget, leased: Callable[[], list[int]], is_idle: bool
) -> None:
    budget = make(limit=1000)
    await warm_up(budget)
    bucket = budget._bucket("app")
    calls: list[asyncio.Future[None]] = []
    if is_idle:
        await until(lambda: bucket._task is None and not bucket._updates)
    else:
        calls = [asyncio.ensure_future(call(budget)) for _ in range(50)]
        await asyncio.sleep(0)
    assert leased() != []
    await budget.aclose()
    assert leased() == []
    await asyncio.gather(*calls, return_exceptions=True)


async def test_leased_requests_are_given_back_once_another_process_waits(
    make: MakeBudget, shared_redis: Any, leased: Callable[[], list[int]]
) -> None:
    settings = {"limit": 200, "window": 2.0, "heartbeat_ttl": 1.0}
    far, near = make(**settings), make(shared_redis.url, **settings)
    await warm_up(far)
    waiting = asyncio.ensure_future(near.reserve(Acquire("app"), 199))
    await until(lambda: near.queued("app") > 0)
    await until(lambda: leased() == [])
    reservation = await asyncio.wait_for(waiting, 20)
    await reservation.release()


@pytest.mark.parametrize("remaining", [None, 0])
async def test_leased_requests_are_not_used_after_a_refusal(
    make: MakeBudget, leased: Callable[[], list[int]], remaining: int | None
) -> None:
    budget = make()
    await warm_up(budget)
    ticket = budget.try_acquire("app", None) or await budget.acquire(Acquire("app"))
    if remaining is None:
        ticket.complete(None, success=False, retry_after=60.0)
    else:
        ticket.complete(RateLimit(1000, remaining), success=True, retry_after=None)
    async with asyncio.timeout(20):
        while leased():
            assert budget.try_acquire("app", None) is None
            await asyncio.sleep(0.001)
    with pytest.raises(WouldExceedDeadline):
        await budget.acquire(Acquire("app", timeout=5.0))


async def test_refusal_of_another_process_ends_a_lease(make: MakeBudget) -> None:
    one, two = make(), make()
    await warm_up(one)
    await warm_up(two)
    ticket = await one.acquire(Acquire("app"))
    ticket.complete(None, success=False, retry_after=60.0)
    with pytest.raises(WouldExceedDeadline):
        await call(two, 1000, timeout=5.0)


async def test_reservation_of_the_whole_allowance_gets_the_leased_requests(
    make: MakeBudget,
) -> None:
    budget = make(limit=100, window=0.4, heartbeat_ttl=1.0)
    await warm_up(budget)
    waiting = asyncio.ensure_future(budget.reserve(Acquire("app"), 100))
    await asyncio.sleep(0)
    assert budget.try_acquire("app", None) is None  # a later call does not overtake it
    reservation = await asyncio.wait_for(waiting, 20)
    assert reservation.remaining == 100
    await reservation.release()


async def test_callers_that_are_cancelled_as_they_are_served_hold_no_capacity(
    make: MakeBudget,
) -> None:
    budget = make(limit=400)
    await warm_up(budget)
    before = budget.state("app")
    assert before is not None

    async def caller() -> None:
        ticket = await budget.acquire(Acquire("app"))
        if later:  # some of which are served in the same moment
            for task in (*tasks, *later):
                task.cancel()
        ticket.release()

    later: list[asyncio.Future[None]] = []
    for _ in range(4):
        tasks = [asyncio.ensure_future(caller()) for _ in range(40)]
        await asyncio.sleep(FAR / 2)  # a call of the script is under way
        later = [asyncio.ensure_future(caller()) for _ in range(40)]
        await asyncio.gather(*tasks, *later, return_exceptions=True)
        later = []
    await budget.aclose()
    await call(budget)
    after = budget.state("app")
    assert after is not None
    assert after.remaining == before.remaining - 1


async def test_process_that_calls_on_while_its_lease_is_wanted_back_does_not_exceed_the_limit(
    make: MakeBudget, shared_redis: Any
) -> None:
    """If Redis granted the lease to others before it hears what was used, both would use it."""
    limit, taken = 1000, 0
    far, near = make(limit=limit), make(shared_redis.url, limit=limit)

    async def call_far() -> None:
        nonlocal taken
        while True:
            with suppress(WouldExceedDeadline):
                ticket = await far.acquire(Acquire("app", timeout=1.0))
                taken += 1
                await asyncio.sleep(0.02)
                ticket.complete(None, success=False, retry_after=None)
            await asyncio.sleep(0.001)

    async def take_near() -> None:
        nonlocal taken
        await near.acquire(Acquire("app"))
        taken += 1

    tasks = [asyncio.ensure_future(call_far()) for _ in range(8)]
    await until(lambda: taken > 150)
    tasks += [asyncio.ensure_future(take_near()) for _ in range(limit)]
    for _ in range(60):  # each of them makes Redis look again what it can grant
        tasks.append(asyncio.ensure_future(take_near()))
        await asyncio.sleep(0.01)
    await until(lambda: taken >= limit)
    await asyncio.sleep(0.2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert taken == limit


async def test_caller_that_waits_long_enough_gets_what_another_process_leased(
    make: MakeBudget, shared_redis: Any
) -> None:
    far, near = make(limit=320), make(shared_redis.url, limit=320)
    await warm_up(far)
    state = far.state("app")
    assert state is not None
    started = asyncio.get_running_loop().time()
    tickets = await asyncio.gather(
        *(near.acquire(Acquire("app", timeout=30.0)) for _ in range(state.remaining))
    )
    assert len(tickets) == state.remaining
    assert asyncio.get_running_loop().time() - started < 10


async def test_two_far_processes_never_exceed_the_limit(make: MakeBudget) -> None:
    one, two = make(limit=300), make(limit=300)
    await asyncio.gather(warm_up(one), warm_up(two))
    results = await asyncio.gather(
        *(budget.acquire(Acquire("app", timeout=0.0)) for _ in range(250) for budget in (one, two)),
        return_exceptions=True,
    )
    granted = [each for each in results if not isinstance(each, BaseException)]
    assert 250 < len(granted) < 300  # the first calls of both have used some
    for ticket in granted:
        ticket.complete(None, success=False, retry_after=None)


async def test_leased_requests_are_not_used_during_an_outage(
    make: MakeBudget, relay: Any, simulator: Simulator
) -> None:
    async with client_of(simulator, make(timeout=0.3, heartbeat_ttl=2.0)) as client:
        for _ in range(5):
            await client.users.get(simulator.user_id)
        relay.is_silent = True
        relay.treat("silence")
        hasty = client.with_options(deadline=1.0)
        sent = len(simulator.requests)
        with pytest.raises(BudgetUnavailableError):
            for _ in range(1000):
                await hasty.users.get(simulator.user_id)
        assert len(simulator.requests) < sent + 20  # those that were leased before
        relay.is_silent = False
        relay.treat("close")
        await client.users.get(simulator.user_id)


async def test_leased_requests_are_given_up_as_soon_as_redis_does_not_reply(
    make: MakeBudget, relay: Any, caplog: pytest.LogCaptureFixture
) -> None:
    budget = make(timeout=0.3, heartbeat_ttl=60)
    await warm_up(budget)
    relay.is_silent = True
    relay.treat("close")
    first = budget.try_acquire("app", None)
    assert first is not None
    await until(lambda: "Redis, which keeps the budget, is unavailable" in caplog.text)
    assert budget.try_acquire("app", None) is None


async def test_lease_is_given_back_although_a_call_failed_meanwhile(
    make: MakeBudget, relay: Any, leased: Callable[[], list[int]], caplog: pytest.LogCaptureFixture
) -> None:
    budget = make(timeout=0.3, heartbeat_ttl=600)
    await warm_up(budget)
    bucket = budget._bucket("app")
    await until(lambda: bucket._task is None and not bucket._updates)
    assert leased() != []
    relay.is_silent = True
    relay.treat("close")
    await until(lambda: "Redis, which keeps the budget, is unavailable" in caplog.text)
    relay.is_silent = False
    relay.treat("close")
    await until(lambda: leased() == [])


async def test_each_attempt_of_a_call_has_its_own_number() -> None:
    """The first attempt may be executed after the second, and then states an older lease."""
    requests: list[Any] = []

    class Repeating:
        async def run(self, _script: Any, _count: int, _key: str, request: Any) -> bytes:
            requests.extend(msgspec.json.decode(request()) for _ in range(2))
            return b'{"epoch": "e"}'

    settings = Settings(limit=None, window=60.0, heartbeat_ttl=1.0, local_fraction=None)
    calls = ScriptCalls("key", cast(Any, Repeating()), settings, "me", CountedRequests(60.0))
    await calls.call(PendingUpdates(), [], [], (1, 2))
    await calls.call(PendingUpdates(), [], [], (1, 2))
    assert [each["call"] for each in requests] == [1, 2, 3, 4]


async def test_requests_taken_before_redis_lost_its_data_are_reported(
    make: MakeBudget, shared_redis: Any, redis_client: Redis, prefix: str
) -> None:
    budget = make(limit=1000, heartbeat_ttl=0.5)
    await call(budget, 50)
    redis_client.delete(f"{prefix}:{{app}}")
    await asyncio.wait_for(call(budget, 5), 20)
    await budget.aclose()
    near = make(shared_redis.url, limit=1000, heartbeat_ttl=0.5)
    await call(near)
    state = near.state("app")
    assert state is not None
    assert state.remaining == 1000 - 56


# The rules, with moments of our own.


def ask(lease: Lease, callers: int, now: float) -> tuple[int, int]:
    for _ in range(callers):
        lease.note_caller()
    return lease.begin_call(now)


def test_demand_is_leased_twice_once_redis_is_known_to_be_far() -> None:
    lease = Lease(heartbeat_ttl=10.0)
    assert ask(lease, 10, now=0.0) == (0, 0)
    lease.end_call(0, 0.0, 0.2)
    assert ask(lease, 10, now=0.2) == (0, 40)
    lease.end_call(40, 0.2, 0.4)
    assert [lease.take(0.4) for _ in range(41)] == [True] * 40 + [False]
    assert ask(lease, 40, now=0.4) == (0, 100)


def test_demand_beyond_all_measure_is_leased_in_part() -> None:
    lease = Lease(heartbeat_ttl=10.0)
    lease.end_call(0, 0.0, 0.2)
    assert ask(lease, 5000, now=0.2) == (0, 1024)


def test_one_short_round_trip_of_eight_makes_redis_a_near_one() -> None:
    lease = Lease(heartbeat_ttl=10.0)
    for number, seconds in enumerate([0.0099, *[0.5] * 7]):
        lease.end_call(0, number, number + seconds)
    assert ask(lease, 10, now=8.0) == (0, 0)
    lease.end_call(0, 8.0, 8.5)
    assert ask(lease, 10, now=8.5) == (0, 40)


def test_single_call_now_and_then_leases_nothing() -> None:
    lease = Lease(heartbeat_ttl=10.0)
    for now in (0.0, 10.0, 20.0):
        assert ask(lease, 1, now=now) == (0, 0)
        lease.end_call(0, now, now + 0.2)


def test_unused_requests_are_kept_for_half_a_second_or_three_round_trips() -> None:
    for round_trip, kept in ((0.05, 0.5), (0.2, 0.6), (4.0, 5.0)):
        lease = Lease(heartbeat_ttl=10.0)
        lease.end_call(0, 90.0, 95.0)  # with connecting
        lease.end_call(3, 100.0, 100.0 + round_trip)
        assert lease.kept_for == pytest.approx(kept)
        assert lease.take(100.0 + kept - 0.001)
        assert not lease.take(100.0 + kept + 0.001)
        assert ask(lease, 0, now=100.0 + kept + 0.001) == (0, 0)


def test_requests_taken_during_a_call_are_not_left_after_it() -> None:
    lease = Lease(heartbeat_ttl=10.0)
    lease.end_call(10, 0.0, 0.2)
    assert ask(lease, 6, now=0.2) == (10, 12)
    assert all(lease.take(0.3) for _ in range(4))
    assert not lease.end_call(12, 0.2, 0.4)
    assert lease.must_report
    ask(lease, 4, now=0.4)
    assert not lease.must_report
    assert [lease.take(0.4) for _ in range(9)] == [True] * 8 + [False]


def test_lease_that_redis_wants_back_is_not_used_and_given_back_in_the_next_call() -> None:
    lease = Lease(heartbeat_ttl=10.0)
    lease.end_call(10, 0.0, 0.2)
    assert ask(lease, 6, now=0.2) == (10, 12)
    assert lease.end_call(0, 0.2, 0.4)
    assert lease.must_report
    assert not lease.take(0.4)
    assert ask(lease, 4, now=0.4) == (0, 20)
    assert not lease.end_call(0, 0.4, 0.6)
    assert not lease.must_report


@pytest.mark.parametrize("give_up", [Lease.give_up, Lease.clear])
def test_lease_that_is_given_up_during_a_call_is_not_used_after_it(give_up: Any) -> None:
    lease = Lease(heartbeat_ttl=10.0)
    lease.end_call(10, 0.0, 0.2)
    assert ask(lease, 6, now=0.2) == (10, 12)
    give_up(lease)
    assert not lease.take(0.3)
    lease.end_call(12, 0.2, 0.4)
    assert not lease.take(0.4)


def test_lower_demand_gives_requests_back() -> None:
    lease = Lease(heartbeat_ttl=10.0)
    lease.end_call(100, 0.0, 0.2)
    assert ask(lease, 3, now=0.2) == (6, 6)
