"""One budget for several event loops, threads and forks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time

import pytest

from ev_energy._messages import RateLimit
from ev_energy.budget import Acquire, MemoryBudget
from tests.helpers.fake_clock import FakeClock, budget_with_limit, complete, run_ready_tasks, spend


async def test_threads_together_never_exceed_the_limit() -> None:
    budget = budget_with_limit(FakeClock(), 500)
    start, taken = threading.Barrier(4), list[int]()

    def take() -> None:
        start.wait()
        count = 0
        for _ in range(400):
            ticket = budget.try_acquire("app", None)
            if ticket is not None:
                complete(ticket)
                count += 1
        taken.append(count)

    threads = [threading.Thread(target=take) for _ in range(4)]
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # switch threads as often as possible
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
    finally:
        sys.setswitchinterval(usual)
    assert sum(taken) == 500
    assert budget._buckets["app"].window.in_flight == 0


def in_thread(budget: MemoryBudget, calls: int) -> threading.Thread:
    """Make the calls concurrently, on an event loop in another thread."""

    async def call() -> None:
        complete(await budget.acquire(Acquire("app")))

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(calls):
                group.create_task(call())

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    return thread


async def test_loops_in_several_threads_wait_for_each_other() -> None:
    """In real time: three windows of a third of a second."""
    budget = MemoryBudget(limit=50, window=1 / 3)
    began = time.monotonic()
    threads = [in_thread(budget, 50) for _ in range(4)]
    for thread in threads:
        await asyncio.to_thread(thread.join, 20)
        assert not thread.is_alive()
    assert time.monotonic() - began > 1.0
    assert budget._buckets["app"].window.in_flight == 0


async def test_capacity_released_on_one_loop_wakes_another_loop() -> None:
    clock = FakeClock()
    budget = budget_with_limit(clock, 1)
    ticket = budget.try_acquire("app", None)
    assert ticket is not None
    thread = in_thread(budget, 1)
    while not budget._buckets["app"].queue.size:
        await asyncio.sleep(0.001)
    ticket.release()
    await asyncio.to_thread(thread.join, 20)
    assert not thread.is_alive()


async def test_blocked_loop_delays_no_other_loop() -> None:
    clock = FakeClock()
    budget = budget_with_limit(clock, 1)
    spend(budget)
    asleep = asyncio.new_event_loop()
    first = asleep.create_task(budget.acquire(Acquire("app")))
    second = asleep.create_task(budget.acquire(Acquire("app")))
    await asyncio.to_thread(asleep.run_until_complete, run_ready_tasks())
    here = asyncio.create_task(budget.acquire(Acquire("app")))
    await run_ready_tasks()
    await clock.advance(3601)  # the ticket belongs to the first waiter, which has not resumed yet
    assert not here.done()
    first.cancel()
    second.cancel()
    await asyncio.to_thread(asleep.run_until_complete, run_ready_tasks())
    await run_ready_tasks()
    assert here.done(), "it was given back when the loop went on"
    asleep.close()


async def test_each_loop_runs_its_own_timer() -> None:
    clock = FakeClock()
    budget = budget_with_limit(clock, 2)
    spend(budget, 2)
    asleep = asyncio.new_event_loop()
    first = asleep.create_task(budget.acquire(Acquire("app")))
    await asyncio.to_thread(asleep.run_until_complete, run_ready_tasks())
    here = asyncio.create_task(budget.acquire(Acquire("app")))
    await run_ready_tasks()
    await clock.advance(3601)
    assert here.done(), "though the first, who would have looked, stands still"
    first.cancel()
    await asyncio.to_thread(asleep.run_until_complete, run_ready_tasks())
    asleep.close()


async def test_tasks_of_a_closed_loop_delay_no_other_loop() -> None:
    clock = FakeClock()
    budget = budget_with_limit(clock, 1)
    spend(budget)
    gone = asyncio.new_event_loop()
    task = gone.create_task(budget.acquire(Acquire("app")))
    await asyncio.to_thread(gone.run_until_complete, run_ready_tasks())
    for abandoned in asyncio.all_tasks(gone):
        abandoned._log_destroy_pending = False  # the test itself polls
    gone.close()
    here = asyncio.create_task(budget.acquire(Acquire("app")))
    await run_ready_tasks()
    await clock.advance(3601)
    assert here.done()
    complete(await here)
    assert not task.done()


def test_second_run_of_asyncio_continues_the_count() -> None:
    budget = MemoryBudget(limit=2, window=60.0)

    async def use() -> int:
        waiting = asyncio.create_task(budget.acquire(Acquire("app")))
        await run_ready_tasks()
        if waiting.done():
            complete(await waiting)
        state = budget.state("app")
        assert state is not None
        return state.remaining

    assert [asyncio.run(use()) for _ in range(4)] == [1, 0, 0, 0]
    state = budget.state("app")
    assert state is not None
    assert state.waiting == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which Windows lacks")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
async def test_forked_child_does_not_wait_for_its_parent() -> None:
    clock = FakeClock()
    budget = budget_with_limit(clock, 4)
    spend(budget)
    reservation = await budget.reserve(Acquire("app"), 2)
    under_way = budget.try_acquire("app", None)
    waiting = asyncio.create_task(budget.acquire(Acquire("app")))
    await run_ready_tasks()
    assert under_way is not None
    bucket = budget._buckets["app"]
    with bucket.lock:  # as if another thread held it
        child = os.fork()
        if child == 0:
            os._exit(in_the_child(budget, reservation, under_way))
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    state = budget.state("app")
    assert state is not None
    assert (state.remaining, state.reserved, state.waiting) == (0, 2, 1)
    await reservation.release()
    await waiting


def in_the_child(budget, reservation, under_way) -> int:
    """Return 0 if all checks pass."""
    signal.alarm(20)  # a wait for the lock of the parent would never end
    state = budget.state("app")
    # One request completed, one in flight, no reservation, no waiter.
    if state != RateLimit(4, 2, 0, 0, 0.0):
        return 1
    end = reservation.release()
    with contextlib.suppress(StopIteration):
        end.send(None)
    under_way.release()
    if budget.state("app") != state:
        return 2
    spend(budget, 2)
    return 0 if budget.try_acquire("app", None) is None else 3
