"""The order in which waiters are served, and that each is served or refused."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest

from ev_energy._messages import RateLimit
from ev_energy.budget import Acquire, MemoryBudget, WouldExceedDeadline
from tests.helpers.fake_clock import (
    FakeClock,
    WaitingCalls,
    budget_with_limit,
    complete,
    run_ready_tasks,
    spend,
)

HOUR = 3601.0
"""Seconds until a request answered now expires: a window and a second."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def test_calls_are_served_in_order_of_arrival_and_interactive_calls_first(
    clock: FakeClock,
) -> None:
    budget = budget_with_limit(clock)
    spend(budget, 3)
    queue = WaitingCalls(budget)
    for name in ("batch 1", "batch 2"):
        await queue.start(name, priority="batch")
    for name in ("1", "2", "3", "4"):
        await queue.start(name)
    await clock.advance(HOUR - 0.1)
    assert queue.served == []
    await clock.advance(0.1)
    assert sorted(queue.served) == ["1", "2", "3"]
    for name, then in ("1", "4"), ("2", "batch 1"), ("3", "batch 2"):
        queue.results[name].release()
        await run_ready_tasks()
        assert queue.served[-1] == then


async def test_on_wait_is_called_once_with_the_wait_including_the_queue(clock: FakeClock) -> None:
    budget = budget_with_limit(clock)
    spend(budget, 1)
    await clock.advance(100)
    spend(budget, 2)
    queue = WaitingCalls(budget)
    for name in ("1", "2", "4"):
        await queue.start(name)
    await queue.start("5", 2)
    await clock.advance(HOUR)
    for name in ("1", "2", "4"):
        assert name in queue.served
        complete(queue.results[name])
    await clock.advance(HOUR)
    rounded = {name: [round(wait) for wait in waits] for name, waits in queue.waits.items()}
    assert rounded == {"1": [3501], "2": [3601], "4": [3601], "5": [7202]}


async def test_on_wait_is_not_called_without_a_wait(clock: FakeClock) -> None:
    queue = WaitingCalls(budget_with_limit(clock))
    await queue.start("1")
    assert (queue.served, queue.waits) == (["1"], {"1": []})


async def test_large_reservation_is_overtaken_by_higher_priority_only(
    clock: FakeClock,
) -> None:
    budget = budget_with_limit(clock)
    spend(budget, 2)
    queue = WaitingCalls(budget)
    await queue.start("many", 2, priority="batch")
    await queue.start("later", priority="batch")
    assert queue.served == [], "one is free, but it is not enough for who is first"
    await queue.start("at a screen")
    assert queue.served == ["at a screen"]
    complete(queue.results["at a screen"])
    await clock.advance(HOUR)
    assert queue.served == ["at a screen", "many", "later"]


async def test_released_capacity_goes_to_the_head_of_the_queue_at_once(clock: FakeClock) -> None:
    budget = budget_with_limit(clock)
    tickets = [budget.try_acquire("app", None) for _ in range(3)]
    queue = WaitingCalls(budget)
    await queue.start("1")
    await queue.start("2")
    assert tickets[0] is not None
    tickets[0].release()
    await run_ready_tasks()
    assert queue.served == ["1"]


async def test_reply_that_states_more_serves_all_waiters(clock: FakeClock) -> None:
    budget = budget_with_limit(clock)
    tickets = [budget.try_acquire("app", None) for _ in range(3)]
    queue = WaitingCalls(budget)
    for name in "12345":
        await queue.start(name)
    assert tickets[0] is not None
    complete(tickets[0], RateLimit(1000, 997))
    await run_ready_tasks()
    assert sorted(queue.served) == list("12345")


@pytest.mark.parametrize("timeout", [0.0, 3600.9])
async def test_caller_that_would_exceed_its_deadline_is_refused_at_once(
    clock: FakeClock, timeout: float
) -> None:
    budget = budget_with_limit(clock)
    spend(budget, 3)
    with pytest.raises(WouldExceedDeadline) as caught:
        await budget.acquire(Acquire("app", timeout))
    assert caught.value.wait == pytest.approx(HOUR)


async def test_caller_behind_too_many_waiters_is_refused_at_once(clock: FakeClock) -> None:
    budget = budget_with_limit(clock)
    spend(budget, 3)
    queue = WaitingCalls(budget)
    for name in "123":
        await queue.start(name)
    with pytest.raises(WouldExceedDeadline) as caught:
        await budget.acquire(Acquire("app", HOUR + 100))
    assert caught.value.wait == pytest.approx(2 * HOUR)


async def test_longer_wait_refuses_waiters_whose_deadline_it_exceeds(
    clock: FakeClock,
) -> None:
    budget = budget_with_limit(clock)
    spend(budget, 2)
    last = budget.try_acquire("app", None)
    assert last is not None
    queue = WaitingCalls(budget)
    await clock.advance(3000)
    long_deadline = await queue.start("patient", timeout=1e9)
    short_deadline = await queue.start("hurried", timeout=700)
    assert not short_deadline.done()
    last.complete(RateLimit(3, 0), success=False, retry_after=2000.0)
    await run_ready_tasks()
    with pytest.raises(WouldExceedDeadline) as caught:
        await short_deadline
    assert caught.value.wait == pytest.approx(2000)
    assert not long_deadline.done()
    await clock.advance(2000)
    assert queue.served == ["patient"]


async def test_reservation_that_a_lowered_limit_cannot_hold_is_refused(
    clock: FakeClock,
) -> None:
    budget = budget_with_limit(clock)
    spend(budget, 2)
    last = budget.try_acquire("app", None)
    assert last is not None
    queue = WaitingCalls(budget)
    many = await queue.start("many", 3)
    one = await queue.start("one")
    complete(last, RateLimit(2, 0))
    await run_ready_tasks()
    with pytest.raises(ValueError, match="count must be 2 or less, not 3"):
        await many
    await clock.advance(HOUR)
    await one


async def test_failing_hook_leaves_the_queue_unchanged(clock: FakeClock) -> None:
    budget = budget_with_limit(clock)
    spend(budget, 3)

    def broken(_: float) -> None:
        raise LookupError("the hook's own")

    with pytest.raises(LookupError):
        await budget.acquire(Acquire("app", on_wait=broken))
    state = budget.state("app")
    assert state is not None
    assert state.waiting == 0


def test_state_of_a_budget_with_a_limit_needs_no_reply() -> None:
    assert MemoryBudget(50).state("app") == RateLimit(50, 50)
    assert MemoryBudget().state("app") is None


async def test_forecast_before_the_first_reply(clock: FakeClock) -> None:
    for budget, limit in ((MemoryBudget(50, window=60, clock=clock), 50), (MemoryBudget(), 1000)):
        forecast = budget.forecast("app")
        assert (forecast.limit, forecast.available, forecast.is_stated) == (limit, limit, False)
        assert forecast.wait(limit) == 0
        assert forecast.wait(limit + 1) == pytest.approx(budget.window, rel=0.001)


async def test_forecast_is_that_of_the_last_request_after_those_that_wait(
    clock: FakeClock,
) -> None:
    budget = budget_with_limit(clock, 5)
    spend(budget, 3)
    await clock.advance(600)
    forecast = budget.forecast("app")
    assert (forecast.limit, forecast.available, forecast.is_stated) == (5, 2, True)
    assert forecast.wait(2) == 0
    assert forecast.wait(3) == 3001
    assert forecast.wait(6) == 3601
    reservation = asyncio.ensure_future(budget.reserve(Acquire("app"), 4))
    await run_ready_tasks()
    assert budget.forecast("app").available == 0  # the reservation waits for the two
    assert budget.forecast("app").wait(1) == 3001
    reservation.cancel()
    held = await budget.reserve(Acquire("app"), 2)
    forecast = budget.forecast("app", reserved=held.remaining)
    assert (forecast.available, forecast.wait(2), forecast.wait(3)) == (0, 0, 3001)
    await held.release()
    spend(budget, 2)
    waiting = await WaitingCalls(budget).start("1", 2)
    assert budget.forecast("app").wait(2) == 3601
    waiting.cancel()


async def test_state_shows_the_allowance_and_the_queue(clock: FakeClock) -> None:
    budget = budget_with_limit(clock, 5)
    assert budget.state("unknown") is None
    spend(budget, 2)
    reservation = await budget.reserve(Acquire("app"), 2)
    assert budget.state("app") == RateLimit(5, 1, 2, 0, 0.0)
    queue = WaitingCalls(budget)
    await queue.start("1", 2)
    assert budget.state("app") == RateLimit(5, 1, 2, 1, pytest.approx(HOUR))
    await reservation.release()
    assert budget.state("app") == RateLimit(5, 1, 2, 0, 0.0)
    ticket = budget.try_acquire("app", None)
    assert ticket is not None
    ticket.complete(RateLimit(5, 0), success=False, retry_after=50.0)
    state = budget.state("app")
    assert state is not None
    assert (state.remaining, state.wait) == (0, pytest.approx(50.0, abs=20))


class TestShares:
    async def test_calls_use_a_reservation_first_and_the_rest_is_returned(
        self, clock: FakeClock
    ) -> None:
        budget = budget_with_limit(clock)
        reservation = await budget.reserve(Acquire("app"), 2)
        spend(budget, 1)
        assert budget.try_acquire("app", None) is None
        spend(budget, 1, reservation)
        assert reservation.remaining == 1
        queue = WaitingCalls(budget)
        await queue.start("1")
        await reservation.release()
        await run_ready_tasks()
        assert (queue.served, reservation.remaining) == (["1"], 0)
        await reservation.release()  # a second release has no effect
        assert budget.try_acquire("app", reservation) is None

    async def test_calls_of_a_used_up_reservation_use_the_common_allowance(
        self, clock: FakeClock
    ) -> None:
        budget = budget_with_limit(clock)
        reservation = await budget.reserve(Acquire("app"), 1)
        spend(budget, 3, reservation)
        assert budget.try_acquire("app", reservation) is None

    async def test_reservation_that_exceeds_the_limit_is_refused(self, clock: FakeClock) -> None:
        budget = budget_with_limit(clock)
        for count, text in ((4, "3 or less, not 4"), (0, "1 or more, not 0")):
            with pytest.raises(ValueError, match=f"count must be {text}"):
                await budget.reserve(Acquire("app"), count)

    async def test_refusal_blocks_a_reservation(self, clock: FakeClock) -> None:
        """Another client used the reserved requests, so more attempts are useless."""
        budget = budget_with_limit(clock)
        reservation = await budget.reserve(Acquire("app"), 2)
        ticket = budget.try_acquire("app", None)
        assert ticket is not None
        ticket.complete(RateLimit(3, 0), success=False, retry_after=60.0)
        assert budget.try_acquire("app", reservation) is None
        queue = WaitingCalls(budget)
        first = await queue.start("1", reservation=reservation)
        await queue.start("2", reservation=reservation)
        await queue.start("common")
        assert reservation.remaining == 0, "promised to calls that wait"
        first.cancel()
        await run_ready_tasks()
        assert reservation.remaining == 1
        await clock.advance(60.0)
        assert queue.served == ["2"]

    async def test_reservation_may_be_released_while_a_call_waits_for_it(
        self, clock: FakeClock
    ) -> None:
        budget = budget_with_limit(clock)
        reservation = await budget.reserve(Acquire("app"), 2)
        ticket = budget.try_acquire("app", None)
        assert ticket is not None
        ticket.complete(None, success=False, retry_after=60.0)
        queue = WaitingCalls(budget)
        task = await queue.start("1", reservation=reservation)
        await reservation.release()
        task.cancel()
        await run_ready_tasks()
        assert budget._buckets["app"].window.reserved == 0

    async def test_reservation_of_another_allowance_is_ignored(self, clock: FakeClock) -> None:
        budget = budget_with_limit(clock)
        reservation = await budget.reserve(Acquire("other"), 10)
        spend(budget, 3, reservation)
        assert reservation.remaining == 10
        assert budget.try_acquire("app", reservation) is None


class TestCancellation:
    @pytest.mark.parametrize("victim", ["1", "2", "3"])
    async def test_cancelled_waiter_does_not_stop_the_others(
        self, clock: FakeClock, victim: str
    ) -> None:
        budget = budget_with_limit(clock)
        spend(budget, 3)
        queue = WaitingCalls(budget)
        for name in "123":
            await queue.start(name)
        queue.tasks[victim].cancel()
        await clock.advance(HOUR)
        assert queue.served == [name for name in "123" if name != victim]

    async def test_waiter_cancelled_when_served_passes_capacity_to_the_next(
        self, clock: FakeClock
    ) -> None:
        budget = budget_with_limit(clock)
        held = [budget.try_acquire("app", None) for _ in range(3)]
        queue = WaitingCalls(budget)
        for name in "12":
            await queue.start(name)
        assert held[0] is not None
        held[0].release()  # the ticket belongs to the first waiter, which has not resumed yet
        queue.tasks["1"].cancel()
        await run_ready_tasks()
        assert queue.served == ["2"]
        assert budget._buckets["app"].window.in_flight == 3

    @pytest.mark.parametrize("seed", range(40))
    async def test_arbitrary_events_lose_neither_waiters_nor_capacity(
        self, clock: FakeClock, seed: int
    ) -> None:
        """Calls, reservations, replies, cancellations, timeouts and time, at random."""
        chance = random.Random(seed)
        budget = budget_with_limit(clock, chance.randint(1, 6))
        window = budget._buckets["app"].window
        queue = WaitingCalls(budget)
        for number in range(150):
            await something(chance, queue, clock, str(number))
            if chance.random() < 0.5:
                await run_ready_tasks()
        for _ in range(500):  # waiters are served in the end or were refused
            await clock.advance(1801.0)
            while queue.results:
                await done_with(queue.results.popitem()[1])
            if all(task.done() for task in queue.tasks.values()):
                break
        results = await asyncio.gather(*queue.tasks.values(), return_exceptions=True)
        # The last error is that of a reservation which exceeds a lowered limit.
        allowed = (type(None), asyncio.CancelledError, WouldExceedDeadline, ValueError)
        assert [r for r in results if not isinstance(r, allowed)] == []
        await clock.advance(2 * HOUR)
        state = budget.state("app")
        assert state is not None
        assert (state.waiting, state.reserved, state.remaining) == (0, 0, state.limit)
        assert (window.in_flight, budget._buckets["app"].queue.requested_before(2)) == (0, 0)
        assert clock.sleeping == 0


async def something(
    chance: random.Random, queue: WaitingCalls, clock: FakeClock, name: str
) -> None:
    """Start, cancel or complete a call, or advance the clock."""
    event = chance.random()
    if event < 0.3:
        await queue.start(
            name,
            priority=chance.choice(["interactive", "batch"]),
            timeout=chance.choice([1e9, 1e9, 0.0, 1800.0, 5000.0]),
            reservation=chance.choice(
                [None, *(g for g in queue.results.values() if hasattr(g, "remaining"))]
            ),
        )
    elif event < 0.4:
        await queue.start(name, chance.randint(1, queue.budget._buckets["app"].window.limit or 1))
    elif event < 0.6 and queue.results:
        await done_with(queue.results.pop(chance.choice(list(queue.results))), chance)
    elif event < 0.75 and queue.tasks:
        chance.choice(list(queue.tasks.values())).cancel()
    elif event < 0.9:
        await clock.advance(chance.choice([0.5, 60.0, 1800.0]))


async def done_with(got: Any, chance: random.Random | None = None) -> None:
    """Release a reservation, or end a request in a random way."""
    lot = 1.0 if chance is None else chance.random()
    if hasattr(got, "remaining"):
        await got.release()
    elif lot < 0.2:
        got.release()
    elif lot < 0.3:
        got.complete(RateLimit(3, 0), success=False, retry_after=9.0)
    elif lot < 0.4:
        got.complete(None, success=False, retry_after=None)
    else:
        complete(got)


async def test_ten_thousand_waiters_cost_little_more_each_than_a_hundred() -> None:
    async def cost(count: int) -> float:
        clock = FakeClock()
        budget = budget_with_limit(clock, 1000)
        spend(budget, 1000)
        began = time.process_time()
        tasks = [asyncio.create_task(budget.acquire(Acquire("app"))) for _ in range(count)]
        await run_ready_tasks()
        for task in tasks[1::2]:
            task.cancel()
        await run_ready_tasks()
        while not all(task.done() for task in tasks):
            await clock.advance(HOUR)
            for task in tasks:
                if task.done() and not task.cancelled():
                    complete(task.result())
                    task.cancel()
            tasks = [task for task in tasks if not task.done()]
        return (time.process_time() - began) / count

    await cost(100)  # warm up
    few, many = await cost(500), await cost(10_000)
    assert many < 6 * few, f"{few * 1e6:.0f} and {many * 1e6:.0f} microseconds each"


def test_unused_allowances_are_purged() -> None:
    clock = FakeClock()
    budget = MemoryBudget(clock=clock)
    for number in range(2000):
        ticket = budget.try_acquire(f"user {number}", None)
        assert ticket is not None
        complete(ticket, RateLimit(1000, 999))
        clock.now += 60
    assert len(budget._buckets) < 600
    assert budget.state("user 1999") is not None


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"limit": 0}, "limit must be 1 or more"),
        ({"window": 0}, "window must be more than 0 seconds"),
        ({"window": float("nan")}, "window must be more than 0 seconds"),
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, float], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        MemoryBudget(**settings)
