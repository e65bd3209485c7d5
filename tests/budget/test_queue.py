"""The order in which waiters are served, and that each is served or refused."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest

from ev_energy._messages import RateLimit
from ev_energy.budget import Acquire, MemoryBudget, WouldExceedDeadline
from tests.helpers.fake_clock import FakeClock, Queue, answered, budget, settled, spend

HOUR = 3601.0
"""Seconds until a request answered now expires: a window and a second."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def test_calls_are_served_in_order_of_arrival_and_interactive_calls_first(
    clock: FakeClock,
) -> None:
    made = budget(clock)
    spend(made, 3)
    queue = Queue(made)
    for name in ("batch 1", "batch 2"):
        await queue.ask(name, priority="batch")
    for name in ("1", "2", "3", "4"):
        await queue.ask(name)
    await clock.advance(HOUR - 0.1)
    assert queue.served == []
    await clock.advance(0.1)
    assert sorted(queue.served) == ["1", "2", "3"]
    for name, then in ("1", "4"), ("2", "batch 1"), ("3", "batch 2"):
        queue.got[name].release()
        await settled()
        assert queue.served[-1] == then


async def test_on_wait_is_called_once_with_the_wait_including_the_queue(clock: FakeClock) -> None:
    made = budget(clock)
    spend(made, 1)
    await clock.advance(100)
    spend(made, 2)
    queue = Queue(made)
    for name in ("1", "2", "4"):
        await queue.ask(name)
    await queue.ask("5", 2)
    await clock.advance(HOUR)
    for name in ("1", "2", "4"):
        assert name in queue.served
        answered(queue.got[name])
    await clock.advance(HOUR)
    told = {name: [round(wait) for wait in waits] for name, waits in queue.told.items()}
    assert told == {"1": [3501], "2": [3601], "4": [3601], "5": [7202]}


async def test_on_wait_is_not_called_without_a_wait(clock: FakeClock) -> None:
    queue = Queue(budget(clock))
    await queue.ask("1")
    assert (queue.served, queue.told) == (["1"], {"1": []})


async def test_a_large_reservation_is_overtaken_by_higher_priority_only(
    clock: FakeClock,
) -> None:
    made = budget(clock)
    spend(made, 2)
    queue = Queue(made)
    await queue.ask("many", 2, priority="batch")
    await queue.ask("later", priority="batch")
    assert queue.served == [], "one is free, but it is not enough for who is first"
    await queue.ask("at a screen")
    assert queue.served == ["at a screen"]
    answered(queue.got["at a screen"])
    await clock.advance(HOUR)
    assert queue.served == ["at a screen", "many", "later"]


async def test_released_capacity_goes_to_the_head_of_the_queue_at_once(clock: FakeClock) -> None:
    made = budget(clock)
    tickets = [made.try_acquire("app", None) for _ in range(3)]
    queue = Queue(made)
    await queue.ask("1")
    await queue.ask("2")
    assert tickets[0] is not None
    tickets[0].release()
    await settled()
    assert queue.served == ["1"]


async def test_a_reply_that_states_more_serves_all_waiters(clock: FakeClock) -> None:
    made = budget(clock)
    tickets = [made.try_acquire("app", None) for _ in range(3)]
    queue = Queue(made)
    for name in "12345":
        await queue.ask(name)
    assert tickets[0] is not None
    answered(tickets[0], RateLimit(1000, 997))
    await settled()
    assert sorted(queue.served) == list("12345")


@pytest.mark.parametrize("timeout", [0.0, 3600.9])
async def test_a_caller_that_would_exceed_its_deadline_is_refused_at_once(
    clock: FakeClock, timeout: float
) -> None:
    made = budget(clock)
    spend(made, 3)
    with pytest.raises(WouldExceedDeadline) as caught:
        await made.acquire(Acquire("app", timeout))
    assert caught.value.wait == pytest.approx(HOUR)


async def test_a_caller_behind_too_many_waiters_is_refused_at_once(clock: FakeClock) -> None:
    made = budget(clock)
    spend(made, 3)
    queue = Queue(made)
    for name in "123":
        await queue.ask(name)
    with pytest.raises(WouldExceedDeadline) as caught:
        await made.acquire(Acquire("app", HOUR + 100))
    assert caught.value.wait == pytest.approx(2 * HOUR)


async def test_a_wait_that_becomes_longer_refuses_those_it_is_too_long_for(
    clock: FakeClock,
) -> None:
    made = budget(clock)
    spend(made, 2)
    last = made.try_acquire("app", None)
    assert last is not None
    queue = Queue(made)
    await clock.advance(3000)
    patient = await queue.ask("patient", timeout=1e9)
    hurried = await queue.ask("hurried", timeout=700)
    assert not hurried.done()
    last.complete(RateLimit(3, 0), success=False, retry_after=2000.0)
    await settled()
    with pytest.raises(WouldExceedDeadline) as caught:
        await hurried
    assert caught.value.wait == pytest.approx(2000)
    assert not patient.done()
    await clock.advance(2000)
    assert queue.served == ["patient"]


async def test_a_reservation_that_a_lowered_limit_cannot_hold_is_refused(
    clock: FakeClock,
) -> None:
    made = budget(clock)
    spend(made, 2)
    last = made.try_acquire("app", None)
    assert last is not None
    queue = Queue(made)
    many = await queue.ask("many", 3)
    one = await queue.ask("one")
    answered(last, RateLimit(2, 0))
    await settled()
    with pytest.raises(ValueError, match="count must be 2 or less, not 3"):
        await many
    await clock.advance(HOUR)
    await one


async def test_a_failing_hook_leaves_the_queue_unchanged(clock: FakeClock) -> None:
    made = budget(clock)
    spend(made, 3)

    def broken(_: float) -> None:
        raise LookupError("the hook's own")

    with pytest.raises(LookupError):
        await made.acquire(Acquire("app", on_wait=broken))
    state = made.state("app")
    assert state is not None
    assert state.waiting == 0


async def test_the_state_shows_the_allowance_and_the_queue(clock: FakeClock) -> None:
    made = budget(clock, 5)
    assert made.state("nobody") is None
    spend(made, 2)
    reservation = await made.reserve(Acquire("app"), 2)
    assert made.state("app") == RateLimit(5, 1, 2, 0, 0.0)
    queue = Queue(made)
    await queue.ask("1", 2)
    assert made.state("app") == RateLimit(5, 1, 2, 1, pytest.approx(HOUR))
    await reservation.release()
    assert made.state("app") == RateLimit(5, 1, 2, 0, 0.0)
    ticket = made.try_acquire("app", None)
    assert ticket is not None
    ticket.complete(RateLimit(5, 0), success=False, retry_after=50.0)
    state = made.state("app")
    assert state is not None
    assert (state.remaining, state.wait) == (0, pytest.approx(50.0, abs=20))


class TestShares:
    async def test_calls_use_a_reservation_first_and_the_rest_is_returned(
        self, clock: FakeClock
    ) -> None:
        made = budget(clock)
        reservation = await made.reserve(Acquire("app"), 2)
        spend(made, 1)
        assert made.try_acquire("app", None) is None
        spend(made, 1, reservation)
        assert reservation.remaining == 1
        queue = Queue(made)
        await queue.ask("1")
        await reservation.release()
        await settled()
        assert (queue.served, reservation.remaining) == (["1"], 0)
        await reservation.release()  # twice is once
        assert made.try_acquire("app", reservation) is None

    async def test_calls_of_a_used_up_reservation_use_the_common_allowance(
        self, clock: FakeClock
    ) -> None:
        made = budget(clock)
        reservation = await made.reserve(Acquire("app"), 1)
        spend(made, 3, reservation)
        assert made.try_acquire("app", reservation) is None

    async def test_a_reservation_that_exceeds_the_limit_is_refused(self, clock: FakeClock) -> None:
        made = budget(clock)
        for count, text in ((4, "3 or less, not 4"), (0, "1 or more, not 0")):
            with pytest.raises(ValueError, match=f"count must be {text}"):
                await made.reserve(Acquire("app"), count)

    async def test_a_refusal_blocks_a_reservation_too(self, clock: FakeClock) -> None:
        """Another client used the reserved requests, so more attempts are useless."""
        made = budget(clock)
        reservation = await made.reserve(Acquire("app"), 2)
        ticket = made.try_acquire("app", None)
        assert ticket is not None
        ticket.complete(RateLimit(3, 0), success=False, retry_after=60.0)
        assert made.try_acquire("app", reservation) is None
        queue = Queue(made)
        first = await queue.ask("1", reservation=reservation)
        await queue.ask("2", reservation=reservation)
        await queue.ask("common")
        assert reservation.remaining == 0, "promised to calls that wait"
        first.cancel()
        await settled()
        assert reservation.remaining == 1
        await clock.advance(60.0)
        assert queue.served == ["2"]

    async def test_a_reservation_may_be_released_while_a_call_waits_for_it(
        self, clock: FakeClock
    ) -> None:
        made = budget(clock)
        reservation = await made.reserve(Acquire("app"), 2)
        ticket = made.try_acquire("app", None)
        assert ticket is not None
        ticket.complete(None, success=False, retry_after=60.0)
        queue = Queue(made)
        task = await queue.ask("1", reservation=reservation)
        await reservation.release()
        task.cancel()
        await settled()
        assert made._buckets["app"].window.reserved == 0

    async def test_a_reservation_of_another_allowance_is_ignored(self, clock: FakeClock) -> None:
        made = budget(clock)
        reservation = await made.reserve(Acquire("other"), 10)
        spend(made, 3, reservation)
        assert reservation.remaining == 10
        assert made.try_acquire("app", reservation) is None


class TestCancellation:
    @pytest.mark.parametrize("victim", ["1", "2", "3"])
    async def test_a_cancelled_waiter_does_not_stop_the_others(
        self, clock: FakeClock, victim: str
    ) -> None:
        made = budget(clock)
        spend(made, 3)
        queue = Queue(made)
        for name in "123":
            await queue.ask(name)
        queue.tasks[victim].cancel()
        await clock.advance(HOUR)
        assert queue.served == [name for name in "123" if name != victim]

    async def test_a_waiter_cancelled_when_served_passes_capacity_to_the_next(
        self, clock: FakeClock
    ) -> None:
        made = budget(clock)
        held = [made.try_acquire("app", None) for _ in range(3)]
        queue = Queue(made)
        for name in "12":
            await queue.ask(name)
        assert held[0] is not None
        held[0].release()  # it is the first's now, who has not noticed
        queue.tasks["1"].cancel()
        await settled()
        assert queue.served == ["2"]
        assert made._buckets["app"].window.in_flight == 3

    @pytest.mark.parametrize("seed", range(40))
    async def test_no_order_of_events_loses_a_waiter_or_capacity(
        self, clock: FakeClock, seed: int
    ) -> None:
        """Calls, reservations, replies, cancellations, timeouts and time, at random."""
        chance = random.Random(seed)
        made = budget(clock, chance.randint(1, 6))
        window = made._buckets["app"].window
        queue = Queue(made)
        for number in range(150):
            await something(chance, queue, clock, str(number))
            if chance.random() < 0.5:
                await settled()
        for _ in range(500):  # all that wait are served in the end, or were told
            await clock.advance(1801.0)
            while queue.got:
                await done_with(queue.got.popitem()[1])
            if all(task.done() for task in queue.tasks.values()):
                break
        results = await asyncio.gather(*queue.tasks.values(), return_exceptions=True)
        # The last is for a reservation that the limit became too small for.
        allowed = (type(None), asyncio.CancelledError, WouldExceedDeadline, ValueError)
        assert [r for r in results if not isinstance(r, allowed)] == []
        await clock.advance(2 * HOUR)
        state = made.state("app")
        assert state is not None
        assert (state.waiting, state.reserved, state.remaining) == (0, 0, state.limit)
        assert (window.in_flight, made._buckets["app"].queue.requested_before(2)) == (0, 0)
        assert clock.sleeping == 0


async def something(chance: random.Random, queue: Queue, clock: FakeClock, name: str) -> None:
    """Start, cancel or answer a call, or let time pass."""
    event = chance.random()
    if event < 0.3:
        await queue.ask(
            name,
            priority=chance.choice(["interactive", "batch"]),
            timeout=chance.choice([1e9, 1e9, 0.0, 1800.0, 5000.0]),
            reservation=chance.choice(
                [None, *(g for g in queue.got.values() if hasattr(g, "remaining"))]
            ),
        )
    elif event < 0.4:
        await queue.ask(name, chance.randint(1, queue.made._buckets["app"].window.limit or 1))
    elif event < 0.6 and queue.got:
        await done_with(queue.got.pop(chance.choice(list(queue.got))), chance)
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
        answered(got)


async def test_ten_thousand_waiters_cost_little_more_each_than_a_hundred() -> None:
    async def cost(count: int) -> float:
        clock = FakeClock()
        made = budget(clock, 1000)
        spend(made, 1000)
        began = time.process_time()
        tasks = [asyncio.create_task(made.acquire(Acquire("app"))) for _ in range(count)]
        await settled()
        for task in tasks[1::2]:
            task.cancel()
        await settled()
        while not all(task.done() for task in tasks):
            await clock.advance(HOUR)
            for task in tasks:
                if task.done() and not task.cancelled():
                    answered(task.result())
                    task.cancel()
            tasks = [task for task in tasks if not task.done()]
        return (time.process_time() - began) / count

    await cost(100)  # warm
    few, many = await cost(500), await cost(10_000)
    assert many < 6 * few, f"{few * 1e6:.0f} and {many * 1e6:.0f} microseconds each"


def test_unused_allowances_are_purged() -> None:
    clock = FakeClock()
    made = MemoryBudget(clock=clock)
    for number in range(2000):
        ticket = made.try_acquire(f"user {number}", None)
        assert ticket is not None
        answered(ticket, RateLimit(1000, 999))
        clock.now += 60
    assert len(made._buckets) < 600
    assert made.state("user 1999") is not None


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
