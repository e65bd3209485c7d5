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
from tests.helpers.fake_clock import FakeClock, answered, budget, settled, spend


async def test_threads_together_never_exceed_the_limit() -> None:
    made = budget(FakeClock(), 500)
    start, taken = threading.Barrier(4), list[int]()

    def take() -> None:
        start.wait()
        count = 0
        for _ in range(400):
            ticket = made.try_acquire("app", None)
            if ticket is not None:
                answered(ticket)
                count += 1
        taken.append(count)

    threads = [threading.Thread(target=take) for _ in range(4)]
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads change places wherever they can
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
    finally:
        sys.setswitchinterval(usual)
    assert sum(taken) == 500
    assert made._buckets["app"].window.in_flight == 0


def in_thread(made: MemoryBudget, calls: int) -> threading.Thread:
    """Make the calls concurrently, on an event loop in another thread."""

    async def call() -> None:
        answered(await made.acquire(Acquire("app")))

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(calls):
                group.create_task(call())

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    return thread


async def test_loops_in_several_threads_wait_for_each_other() -> None:
    """Real time: a window of a third of a second, three of them long."""
    made = MemoryBudget(limit=50, window=1 / 3)
    began = time.monotonic()
    threads = [in_thread(made, 50) for _ in range(4)]
    for thread in threads:
        await asyncio.to_thread(thread.join, 20)
        assert not thread.is_alive()
    assert time.monotonic() - began > 1.0
    assert made._buckets["app"].window.in_flight == 0


async def test_capacity_released_on_one_loop_wakes_another_loop() -> None:
    clock = FakeClock()
    made = budget(clock, 1)
    ticket = made.try_acquire("app", None)
    assert ticket is not None
    thread = in_thread(made, 1)
    while not made._buckets["app"].queue.size:
        await asyncio.sleep(0.001)
    ticket.release()
    await asyncio.to_thread(thread.join, 20)
    assert not thread.is_alive()


async def test_a_blocked_loop_delays_no_other_loop() -> None:
    clock = FakeClock()
    made = budget(clock, 1)
    spend(made)
    asleep = asyncio.new_event_loop()
    first = asleep.create_task(made.acquire(Acquire("app")))
    second = asleep.create_task(made.acquire(Acquire("app")))
    await asyncio.to_thread(asleep.run_until_complete, settled())
    here = asyncio.create_task(made.acquire(Acquire("app")))
    await settled()
    await clock.advance(3601)  # it is the first's, who does not know
    assert not here.done()
    first.cancel()
    second.cancel()
    await asyncio.to_thread(asleep.run_until_complete, settled())
    await settled()
    assert here.done(), "it was given back when the loop went on"
    asleep.close()


async def test_each_loop_runs_its_own_timer() -> None:
    clock = FakeClock()
    made = budget(clock, 2)
    spend(made, 2)
    asleep = asyncio.new_event_loop()
    first = asleep.create_task(made.acquire(Acquire("app")))
    await asyncio.to_thread(asleep.run_until_complete, settled())
    here = asyncio.create_task(made.acquire(Acquire("app")))
    await settled()
    await clock.advance(3601)
    assert here.done(), "though the first, who would have looked, stands still"
    first.cancel()
    await asyncio.to_thread(asleep.run_until_complete, settled())
    asleep.close()


async def test_tasks_of_a_closed_loop_delay_no_other_loop() -> None:
    clock = FakeClock()
    made = budget(clock, 1)
    spend(made)
    gone = asyncio.new_event_loop()
    task = gone.create_task(made.acquire(Acquire("app")))
    await asyncio.to_thread(gone.run_until_complete, settled())
    for abandoned in asyncio.all_tasks(gone):
        abandoned._log_destroy_pending = False  # it is this test that does so
    gone.close()
    here = asyncio.create_task(made.acquire(Acquire("app")))
    await settled()
    await clock.advance(3601)
    assert here.done()
    answered(await here)
    assert not task.done()


def test_a_second_run_of_asyncio_continues_the_count() -> None:
    made = MemoryBudget(limit=2, window=60.0)

    async def use() -> int:
        waiting = asyncio.create_task(made.acquire(Acquire("app")))
        await settled()
        if waiting.done():
            answered(await waiting)
        state = made.state("app")
        assert state is not None
        return state.remaining

    assert [asyncio.run(use()) for _ in range(4)] == [1, 0, 0, 0]
    state = made.state("app")
    assert state is not None
    assert state.waiting == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
async def test_a_forked_child_does_not_wait_for_its_parent() -> None:
    clock = FakeClock()
    made = budget(clock, 4)
    spend(made)
    reservation = await made.reserve(Acquire("app"), 2)
    under_way = made.try_acquire("app", None)
    waiting = asyncio.create_task(made.acquire(Acquire("app")))
    await settled()
    assert under_way is not None
    bucket = made._buckets["app"]
    with bucket.lock:  # as if another thread was at it
        child = os.fork()
        if child == 0:
            os._exit(in_the_child(made, reservation, under_way))
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    state = made.state("app")
    assert state is not None
    assert (state.remaining, state.reserved, state.waiting) == (0, 2, 1)
    await reservation.release()
    await waiting


def in_the_child(made, reservation, under_way) -> int:
    """Return 0 if all checks pass."""
    signal.alarm(20)  # whoever waits for the parent's lock waits for ever
    state = made.state("app")
    # One that was sent, one that is under way; nothing set aside, nobody waiting.
    if state != RateLimit(4, 2, 0, 0, 0.0):
        return 1
    end = reservation.release()
    with contextlib.suppress(StopIteration):
        end.send(None)
    under_way.release()
    if made.state("app") != state:
        return 2
    spend(made, 2)
    return 0 if made.try_acquire("app", None) is None else 3
