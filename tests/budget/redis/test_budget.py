"""The budget of many processes, over a real Redis that is stopped and started."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest
from redis.asyncio import Redis

import ev_energy_sync
from ev_energy import Client, ClientCredentials
from ev_energy.budget import Acquire, BudgetUnavailable, WouldExceedDeadline
from ev_energy.errors import BudgetExceeded, BudgetUnavailableError
from ev_energy.redis import RedisBudget
from ev_energy.simulator import Simulator
from tests.helpers.redis_server import script_calls

MakeBudget = Callable[..., RedisBudget]


@pytest.fixture
async def make(shared_redis: Any, prefix: str) -> AsyncIterator[MakeBudget]:
    async with AsyncExitStack() as stack:

        def make(url: str = shared_redis.url, **settings: Any) -> RedisBudget:
            made = RedisBudget(url, prefix=prefix, **settings)
            stack.push_async_exit(made)
            return made

        yield make


async def take(budget: RedisBudget, count: int = 1, **more: Any) -> list[Any]:
    return await asyncio.gather(*(budget.acquire(Acquire("app", **more)) for _ in range(count)))


def complete(*tickets: Any, **more: Any) -> None:
    for ticket in tickets:
        ticket.complete(None, success=False, retry_after=more.get("retry_after"))


async def test_two_budgets_on_one_redis_share_one_allowance(make: MakeBudget) -> None:
    one, two = make(limit=5), make(limit=5)
    tickets = await take(one, 3) + await take(two, 2)
    with pytest.raises(WouldExceedDeadline) as caught:
        await take(one, timeout=0.0)
    assert caught.value.wait == pytest.approx(3720, abs=5)  # no request is completed yet
    complete(*tickets)
    with pytest.raises(WouldExceedDeadline) as caught:
        await take(two, timeout=10.0)
    assert caught.value.wait == pytest.approx(3600, abs=130)


async def test_released_capacity_goes_to_a_waiter(make: MakeBudget) -> None:
    one, two = make(limit=2, heartbeat_ttl=1.0), make(limit=2, heartbeat_ttl=1.0)
    first, _ = await take(one, 2)
    waiting = asyncio.ensure_future(take(two))
    await asyncio.sleep(0.05)
    first.release()
    await asyncio.wait_for(waiting, 5)


async def test_outcomes_are_sent_soon_without_further_calls(
    make: MakeBudget,
) -> None:
    one, two = make(limit=2), make(limit=2)
    first, second = await take(one, 2)
    await asyncio.sleep(0.05)
    first.release()
    await asyncio.sleep(0.3)
    complete(second)
    await asyncio.sleep(0.3)
    await take(two, timeout=0.0)
    with pytest.raises(WouldExceedDeadline) as caught:
        await take(two, timeout=0.0)
    assert caught.value.wait == pytest.approx(3600, abs=5)  # completed: no longer 3,720


async def test_released_reservation_leaves_nothing_behind(make: MakeBudget) -> None:
    budget = make(limit=4)
    for _ in range(3):
        reservation = await budget.reserve(Acquire("app"), 4)
        await reservation.release()
    assert budget._bucket("app")._reservations == {}


async def test_buckets_are_independent(make: MakeBudget) -> None:
    budget = make(limit=1)
    await budget.acquire(Acquire("one"))
    await budget.acquire(Acquire("another {one}", timeout=0.0))
    with pytest.raises(WouldExceedDeadline):
        await budget.acquire(Acquire("one", timeout=0.0))


async def test_on_wait_is_called_once_and_the_waiter_is_served_then(make: MakeBudget) -> None:
    budget = make(limit=1, window=0.5)
    waits: list[float] = []
    complete(*await take(budget))
    started = time.monotonic()
    await take(budget, on_wait=waits.append)
    assert time.monotonic() - started >= 0.4
    assert len(waits) == 1
    assert 0.3 < waits[0] < 0.6


async def test_interactive_calls_overtake_earlier_batch_calls(make: MakeBudget) -> None:
    budget, other = (
        make(limit=1, window=0.3, heartbeat_ttl=0.5),
        make(limit=1, window=0.3, heartbeat_ttl=0.5),
    )
    complete(*await take(budget))
    order: list[str] = []

    async def one(where: RedisBudget, priority: Any) -> None:
        complete(*await take(where, priority=priority))
        order.append(priority)

    slow = [asyncio.ensure_future(one(each, "batch")) for each in (budget, other)]
    await asyncio.sleep(0.05)
    await one(other, "interactive")
    assert order == ["interactive"]
    await asyncio.gather(*slow)


async def test_reservation_serves_its_calls_only_and_the_rest_is_returned(
    make: MakeBudget,
) -> None:
    one, two = make(limit=4), make(limit=4)
    reservation = await one.reserve(Acquire("app"), 3)
    assert one.state("app") == (4, 1, 3, 0, 0.0)
    await take(two)
    with pytest.raises(WouldExceedDeadline):
        await take(two, timeout=0.0)
    (ticket,) = await take(one, reservation=reservation, timeout=0.0)
    assert reservation.remaining == 2
    ticket.release()
    await reservation.release()
    assert reservation.remaining == 0
    await take(two, 3, timeout=0.0)


async def test_waiting_reservation_counts_with_all_its_requests(make: MakeBudget) -> None:
    budget = make(limit=10)
    assert budget.state("app") == (10, 10, 0, 0, 0.0)
    await take(budget, 5)
    waiting = asyncio.ensure_future(budget.reserve(Acquire("app"), 8))
    while not budget.queued("app"):
        await asyncio.sleep(0)
    assert budget.queued("app") == 8
    waiting.cancel()
    await asyncio.wait([waiting])
    assert budget.queued("app") == 0


async def test_estimate_counts_the_requests_of_a_waiting_reservation(make: MakeBudget) -> None:
    budget = make(limit=10)
    async with Client("a-token", budget=budget, deadline=5000) as client, client.reserve(5):
        assert client.estimate(5).fits_now
        waiting = asyncio.ensure_future(client.reserve(8).__aenter__())
        while client.rate_limit is None or not client.rate_limit.waiting:
            await asyncio.sleep(0)
        found = client.estimate(1)
        assert (found.fits_now, found.remaining, found.limit) == (False, 0, 10)
        waiting.cancel()
        await asyncio.wait([waiting])


async def test_reservation_that_exceeds_the_limit_is_refused(make: MakeBudget) -> None:
    with pytest.raises(ValueError, match="4 or less"):
        await make(limit=4).reserve(Acquire("app"), 5)
    with pytest.raises(ValueError, match="1000 or less"):
        await make().reserve(Acquire("app"), 1001)


async def test_reservation_is_prolonged_while_its_process_lives(make: MakeBudget) -> None:
    one, two = make(limit=3, heartbeat_ttl=0.3), make(limit=3, heartbeat_ttl=0.3)
    reservation = await one.reserve(Acquire("app"), 3)
    await asyncio.sleep(1.0)
    with pytest.raises(WouldExceedDeadline):
        await take(two, timeout=0.0)
    assert reservation.remaining == 3


@pytest.mark.parametrize("ticks", range(8))
async def test_waiter_cancelled_at_any_moment_holds_no_capacity(
    make: MakeBudget, ticks: int
) -> None:
    budget = make(limit=2)
    await budget.acquire(Acquire("app"))
    for work in (budget.acquire(Acquire("app")), budget.reserve(Acquire("app"), 1)):
        task = asyncio.ensure_future(work)
        for _ in range(ticks):
            await asyncio.sleep(0.0005 * ticks)
        task.cancel()
        with suppress(asyncio.CancelledError):
            got = await task
            released = got.release()
            if released is not None:  # a reservation, not a ticket
                await released
        other = await budget.acquire(Acquire("app", timeout=0.0))
        other.release()
    with pytest.raises(WouldExceedDeadline):
        await take(budget, 2, timeout=0.0)


async def test_refusal_holds_back_every_process(make: MakeBudget) -> None:
    one, two = make(heartbeat_ttl=0.5), make(heartbeat_ttl=0.5)
    complete(*await take(one), retry_after=0.7)
    started = time.monotonic()
    await asyncio.sleep(0.2)
    await take(two)
    assert time.monotonic() - started >= 0.6


@pytest.mark.parametrize("extra", ["", "?decode_responses=true", "?protocol=3"])
async def test_every_kind_of_redis_client_works(
    make_redis: Callable[..., Any], extra: str, prefix: str
) -> None:
    server = make_redis(password="a pass/word")
    server.password = "a%20pass%2Fword"
    for redis in (server.url + extra, Redis.from_url(server.url + extra)):
        async with RedisBudget(redis, limit=2, prefix=prefix) as budget:
            complete(*await take(budget))
        if not isinstance(redis, str):
            assert await redis.execute_command("ZCARD", f"{prefix}:{{app}}") == 4
            await redis.aclose()


def test_given_client_serves_one_loop_and_a_url_serves_all(shared_redis: Any, prefix: str) -> None:
    async def once(budget: RedisBudget) -> int:
        (ticket,) = await take(budget)
        ticket.complete(None, success=False, retry_after=None)
        found = budget.state("app")
        await budget.aclose()
        assert found is not None
        return found.remaining

    budget = RedisBudget(shared_redis.url, prefix=prefix, limit=9)
    assert [asyncio.run(once(budget)) for _ in range(3)] == [8, 7, 6]
    threads: list[int] = []
    both = [
        threading.Thread(target=lambda: threads.append(asyncio.run(once(budget)))) for _ in "12"
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(20)
    assert len(threads) == 2

    client = Redis.from_url(shared_redis.url)
    budget = RedisBudget(client, prefix=prefix)

    async def with_client() -> None:
        await take(budget)
        await budget.aclose()
        await client.aclose()

    asyncio.run(with_client())
    with pytest.raises(RuntimeError, match="pass a URL"):
        asyncio.run(once(budget))


FORKED = """
import asyncio, os, sys
from ev_energy.budget import Acquire
from ev_energy.redis import RedisBudget

async def once(budget):
    ticket = await budget.acquire(Acquire("app"))
    ticket.complete(None, success=False, retry_after=None)
    await asyncio.sleep(0.15)
    print(budget.state("app").remaining, flush=True)

async def main():
    budget = RedisBudget(sys.argv[1], prefix=sys.argv[2], limit=9)
    await once(budget)
    child = os.fork()
    if not child:
        asyncio._set_running_loop(None)
        asyncio.set_event_loop(None)
        asyncio.run(once(budget))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    await once(budget)
    await budget.aclose()

asyncio.run(main())
"""


def test_forked_child_has_its_own_connections_and_name(shared_redis: Any, prefix: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED, shared_redis.url, prefix],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (["8", "7", "6"], "")


async def test_client_learns_the_limit_from_replies_and_shows_its_state(
    make: MakeBudget,
) -> None:
    async with Simulator(rate_limit=5) as simulator:
        settings = {"base_url": simulator.base_url}
        auth = simulator_auth(simulator)
        async with (
            Client(auth, **settings, budget=make()) as one,
            Client(auth, **settings, budget=make()) as two,
        ):
            for client in (one, two, one, two):
                await client.users.get(simulator.user_id)
            await asyncio.sleep(
                0.2
            )  # an outcome is sent with the next request, or shortly afterwards
            await one.users.get(simulator.user_id)
            assert one.rate_limit is not None
            assert one.rate_limit[:2] == (5, 0)
            with pytest.raises(BudgetExceeded) as caught:
                await two.with_options(when_exhausted="raise").users.get(simulator.user_id)
        assert 3500 < caught.value.wait < 3730
        assert {seen.status for seen in simulator.requests} == {200}


def simulator_auth(simulator: Simulator) -> Any:
    return ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret)


def test_blocking_client_shares_the_budget(shared_redis: Any, prefix: str) -> None:
    with Simulator.in_thread(rate_limit=9) as simulator:
        budget = RedisBudget(shared_redis.url, prefix=prefix)
        auth = simulator_auth(simulator)
        for left in (8, 7):
            client = ev_energy_sync.Client(auth, base_url=simulator.base_url, budget=budget)
            with client, client.reserve(3) as reserved:
                reserved.users.get(simulator.user_id)
                assert client.rate_limit is not None
                assert client.rate_limit[:3] == (9, left - 2, 2)
        gc.collect()


# Outages of Redis.


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name == "ev_energy" and record.levelno >= logging.INFO
    ]


async def test_outage_blocks_all_calls_and_is_logged_once(
    make: MakeBudget, redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ev_energy")
    budget = make(redis.url, limit=9, heartbeat_ttl=0.5, timeout=0.5)
    complete(*await take(budget))
    redis.kill()
    started = time.monotonic()
    for _ in range(3):
        with pytest.raises(BudgetUnavailable, match="Redis is unavailable"):
            await take(budget, timeout=0.3)
    assert time.monotonic() - started < 5
    waiting = asyncio.ensure_future(take(budget, 5, timeout=30.0))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    redis.start()
    await asyncio.wait_for(waiting, 10)
    levels = [(level, text.split(" (")[0]) for level, text in lines(caplog)]
    assert levels == [
        ("WARNING", "Redis, which keeps the budget, is unavailable"),
        ("WARNING", "Redis lost the record of requests; reporting those of this process"),
        ("INFO", "Redis, which keeps the budget, is available again"),
    ]
    assert budget.state("app") is not None
    assert budget.state("app").remaining == 3  # type: ignore[union-attr]


async def test_local_fraction_is_used_during_an_outage_and_reported_later(
    make: MakeBudget, redis: Any
) -> None:
    budget = make(
        redis.url, limit=100, heartbeat_ttl=0.3, on_outage="local_fraction", local_fraction=0.03
    )
    complete(*await take(budget))
    redis.kill()
    complete(*await take(budget, 2, timeout=5.0))
    with pytest.raises(WouldExceedDeadline) as caught:
        await take(budget, timeout=5.0)
    assert caught.value.wait == pytest.approx(3600, abs=60)
    redis.start()
    await asyncio.sleep(0.5)
    await take(budget, timeout=20.0)
    other = make(redis.url, limit=100)
    await take(other)
    assert other.state("app").remaining == 95  # type: ignore[union-attr]


async def test_requests_in_flight_when_a_suspended_redis_continues_are_counted(
    make: MakeBudget, redis: Any
) -> None:
    settings = {"limit": 100, "heartbeat_ttl": 0.3, "timeout": 0.3}
    budget = make(redis.url, on_outage="local_fraction", local_fraction=0.03, **settings)
    await take(budget)
    os.kill(redis.process.pid, signal.SIGSTOP)
    try:
        await take(budget, 2, timeout=20.0)
    finally:
        os.kill(redis.process.pid, signal.SIGCONT)
    await asyncio.sleep(0.5)
    await take(budget, timeout=20.0)
    other = make(redis.url, **settings)
    await take(other)
    assert other.state("app").remaining == 95  # type: ignore[union-attr]


async def test_redis_that_accepts_and_stays_silent_blocks_no_call(make: MakeBudget) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        budget = make(f"redis://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2)
        started = time.monotonic()
        with pytest.raises(BudgetUnavailable, match="Redis is unavailable"):
            await take(budget, timeout=0.0)
        assert time.monotonic() - started < 3


async def test_call_raises_budget_unavailable_and_sends_nothing(
    make: MakeBudget, simulator: Simulator
) -> None:
    with socket.socket() as closed_port:
        closed_port.bind(("127.0.0.1", 0))
        budget = make(f"redis://:s3cret-w0rd@127.0.0.1:{closed_port.getsockname()[1]}")
        auth = simulator_auth(simulator)
        async with Client(auth, base_url=simulator.base_url, budget=budget, deadline=0.5) as client:
            with pytest.raises(BudgetUnavailableError, match="Redis is unavailable") as caught:
                await client.users.get(simulator.user_id)
    assert "s3cret" not in str(caught.value)
    assert simulator.requests == []


async def test_suspended_redis_that_continues_is_used_again(make: MakeBudget, redis: Any) -> None:
    budget = make(redis.url, limit=9, heartbeat_ttl=0.5, timeout=0.3)
    complete(*await take(budget))
    os.kill(redis.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(BudgetUnavailable):
            await take(budget, timeout=0.1)
    finally:
        os.kill(redis.process.pid, signal.SIGCONT)
    tickets = await asyncio.wait_for(take(budget, 8), 10)
    assert len(tickets) == 8
    complete(*tickets)


async def test_closing_sends_pending_updates_and_ends_reservations(
    make: MakeBudget,
) -> None:
    one, two = make(limit=5, window=2.0), make(limit=5, window=2.0)
    complete(*await take(one))
    await one.reserve(Acquire("app"), 4)
    waiting = asyncio.ensure_future(take(one))
    await asyncio.sleep(0.05)
    await one.aclose()
    with pytest.raises(BudgetUnavailable, match="closed"):
        await waiting
    assert len(await take(two, 4, timeout=0.0)) == 4


async def test_closing_ends_reservations_without_waiters_too(make: MakeBudget) -> None:
    one, two = make(limit=4), make(limit=4)
    await one.reserve(Acquire("app"), 4)
    await one.aclose()
    assert len(await take(two, 4, timeout=0.0)) == 4


async def test_callers_of_one_moment_share_one_round_trip(
    make: MakeBudget, redis_client: Any
) -> None:
    budget = make(limit=1000)
    complete(*await take(budget))
    before = script_calls(redis_client)
    await take(budget, 256)
    assert script_calls(redis_client) == before + 1


@pytest.mark.slow
@pytest.mark.parametrize("is_reserved", [False, True], ids=["tickets", "a reservation"])
async def test_callers_that_return_soon_after_the_first_share_its_round_trip(
    make: MakeBudget, redis_client: Any, relay: Any, is_reserved: bool
) -> None:
    relay.delay = 0.2
    budget = make(relay.url, limit=1000)
    reservation = await budget.reserve(Acquire("app"), 20) if is_reserved else None
    tickets = await take(budget, 10, reservation=reservation)
    before = script_calls(redis_client)
    waiting: list[asyncio.Future[Any]] = []
    for ticket in tickets:
        complete(ticket)
        waiting.append(
            asyncio.ensure_future(budget.acquire(Acquire("app", reservation=reservation)))
        )
        for _ in range(3):
            await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert script_calls(redis_client) == before + 1


async def test_batches_of_two_processes_never_exceed_the_limit(make: MakeBudget) -> None:
    one, two = make(limit=300), make(limit=300)
    waiting = [
        asyncio.ensure_future(budget.acquire(Acquire("app", timeout=0.0)))
        for _ in range(250)
        for budget in (one, two)
    ]
    await asyncio.sleep(0)
    for task in waiting[::10]:
        task.cancel()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    granted = [each for each in results if not isinstance(each, BaseException)]
    assert len(granted) <= 300
    for ticket in granted:
        ticket.release()
    await asyncio.gather(one.aclose(), two.aclose())  # sends what cancelled callers were granted
    tickets = await take(one, 300, timeout=0.0)
    with pytest.raises(WouldExceedDeadline):
        await take(two, timeout=0.0)
    complete(*tickets)


async def test_ten_thousand_waiters_are_cheap(make: MakeBudget) -> None:
    budget = make(limit=1, heartbeat_ttl=0.3)
    complete(*await take(budget))
    started = time.monotonic()
    waiting = [
        asyncio.ensure_future(budget.acquire(Acquire("app", timeout=7200))) for _ in range(10_000)
    ]
    await asyncio.sleep(1.0)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert time.monotonic() - started < 15
