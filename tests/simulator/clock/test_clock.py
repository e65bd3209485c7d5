from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ev_energy.simulator.clock._clock import Clock
from ev_energy.simulator.clock._instants import ANCHOR

NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
END = datetime(9999, 1, 1, tzinfo=UTC)


class RealSeconds:
    """A monotonic clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def real() -> RealSeconds:
    return RealSeconds()


def stopped_clock(start: datetime = NOON) -> Clock:
    """Return a clock that stands still at *start*."""
    return Clock(start, speed=0)


async def until_waiting(clock: Clock, tasks: int = 1) -> None:
    """Wait until tasks wait for the clock."""
    while len(clock._changed._listeners) < tasks:
        await asyncio.sleep(0)


def test_clock_starts_at_the_anchor_and_runs_in_real_time(real: RealSeconds) -> None:
    clock = Clock(monotonic=real)
    real.seconds += 90
    assert clock() == clock.now() == ANCHOR + timedelta(seconds=90)
    assert clock.now().tzinfo is UTC


def test_clock_runs_faster_stops_and_continues(real: RealSeconds) -> None:
    clock = Clock(NOON, monotonic=real)
    clock.run(3600)
    real.seconds += 2
    assert clock() == NOON + timedelta(hours=2)
    clock.stop()
    real.seconds += 1000
    assert clock() == NOON + timedelta(hours=2)
    assert clock.speed == 0
    clock.run()
    real.seconds += 1
    assert clock() == NOON + timedelta(hours=2, seconds=1)


def test_clock_jumps_and_returns_the_new_time() -> None:
    clock = stopped_clock()
    assert clock.advance(timedelta(hours=1), days=1, minutes=2, seconds=3) == clock()
    assert clock() == NOON + timedelta(days=1, hours=1, minutes=2, seconds=3)
    assert clock.jump_to(NOON + timedelta(days=2)) == clock() == NOON + timedelta(days=2)


def test_clock_converts_times_of_other_zones() -> None:
    clock = Clock(datetime(2026, 10, 5, 14, tzinfo=timezone(timedelta(hours=2))), speed=0)
    assert clock().isoformat() == "2026-10-05T12:00:00+00:00"


@pytest.mark.parametrize(
    "action",
    [
        lambda c: c.advance(seconds=-1),
        lambda c: c.advance(timedelta(hours=1), hours=-2),
        lambda c: c.jump_to(NOON - timedelta(microseconds=1)),
        lambda c: c.jump_to(datetime(2026, 12, 1)),
        lambda c: c.jump_to(datetime(9999, 12, 31, tzinfo=UTC)),
        lambda c: c.jump_to(datetime.max.replace(tzinfo=timezone(timedelta(hours=-9)))),
        lambda c: c.advance(days=365 * 9000),
        lambda c: c.advance(days=1e300),
        lambda c: c.advance(seconds=float("inf")),
        lambda c: c.advance(seconds=float("nan")),
        lambda c: c.run(-1),
        lambda c: c.run(float("nan")),
        lambda c: c.run(float("inf")),
        lambda c: c.run(1e308),
        lambda c: c.run(3_600_001),
        lambda c: Clock(speed=1e308),
        lambda c: Clock(speed=float("nan")),
        lambda c: Clock(datetime(1969, 12, 31, tzinfo=UTC)),
        lambda c: Clock(datetime.min.replace(tzinfo=UTC)),
        lambda c: c.advance(days=366, seconds=1),
        lambda c: c.jump_to(NOON + timedelta(days=366, microseconds=1)),
        lambda c: c.load({"now": "2026-11-01T00:00:00Z", "speed": 1e308}),
        lambda c: c.load({"now": "2026-11-01T00:00:00Z", "speed": 1, "service_now": "soon"}),
        lambda c: Clock(speed=-0.5),
        lambda c: Clock(datetime(2026, 1, 1)),
        lambda c: c.load({"now": "2026-13-01T00:00:00Z", "speed": 1}),
        lambda c: c.load({"now": "2026-11-01T00:00:00Z", "speed": -1}),
    ],
)
def test_invalid_values_are_refused_and_change_nothing(action: Any) -> None:
    clock = stopped_clock()
    with pytest.raises(ValueError, match=r"\w"):
        action(clock)
    assert (clock(), clock.speed) == (NOON, 0)


def test_clock_stops_at_the_end_of_the_calendar(real: RealSeconds) -> None:
    clock = Clock(NOON, speed=3_600_000, monotonic=real)
    real.seconds += 1e100
    assert clock() == END
    clock.run(5)
    real.seconds += 5
    assert clock() == END
    with pytest.raises(ValueError, match="calendar|ends"):
        clock.advance(seconds=1)


def test_loaded_clock_continues_at_the_dumped_time(real: RealSeconds) -> None:
    clock = Clock(NOON, speed=60, monotonic=real)
    real.seconds += 60
    dumped = json.loads(json.dumps(clock.dump()))
    real.seconds += 10_000
    other = Clock(monotonic=real)
    other.load(dumped)
    assert other() == NOON + timedelta(hours=1)
    real.seconds += 1
    assert other() == NOON + timedelta(hours=1, minutes=1)


MOVES = st.one_of(
    st.tuples(st.just("pass"), st.floats(0, 1e4)),
    st.tuples(st.just("run"), st.floats(0, 1e6)),
    st.tuples(st.just("advance"), st.floats(0, 1e7)),
)


@given(st.lists(MOVES, max_size=30))
def test_clock_never_goes_back_and_adds_up_its_moves(moves: list[tuple[str, float]]) -> None:
    real = RealSeconds()
    clock = Clock(NOON, speed=1, monotonic=real)
    expected, speed = NOON, 1.0
    for kind, amount in moves:
        before = clock()
        match kind:
            case "pass":
                real.seconds += amount
                expected += timedelta(seconds=amount * speed)
            case "run":
                clock.run(amount)
                speed = amount
            case _:
                assert clock.advance(seconds=amount) == clock()
                expected += timedelta(seconds=amount)
        assert clock() >= before
        # Real seconds are floats, exact to microseconds; the speed multiplies the error.
        assert abs(clock() - expected) <= timedelta(seconds=1e-3 * len(moves))


async def test_waiting_for_the_past_or_present_returns_at_once() -> None:
    clock = stopped_clock()
    await clock.wait_until(NOON)
    await clock.wait_until(NOON - timedelta(days=1))


async def test_jump_wakes_waiters_whose_time_has_come() -> None:
    clock = stopped_clock()
    soon = asyncio.create_task(clock.wait_until(NOON + timedelta(hours=1)))
    late = asyncio.create_task(clock.wait_until(NOON + timedelta(hours=3)))
    never = asyncio.create_task(clock.wait_until(datetime.max.replace(tzinfo=UTC)))
    await until_waiting(clock, 3)
    clock.advance(hours=1)
    async with asyncio.timeout(5):
        await soon
    assert not late.done()
    clock.jump_to(NOON + timedelta(days=1))
    async with asyncio.timeout(5):
        await late
    assert not never.done()
    never.cancel()


async def test_running_clock_wakes_its_waiters() -> None:
    clock = Clock(NOON, speed=360_000)  # an hour is ten milliseconds
    async with asyncio.timeout(5):
        await clock.wait_until(NOON + timedelta(hours=1))
    assert clock() >= NOON + timedelta(hours=1)


async def test_new_speed_applies_to_waiters() -> None:
    clock = stopped_clock()
    waiting = asyncio.create_task(clock.wait_until(NOON + timedelta(hours=1)))
    await until_waiting(clock)
    clock.run(1)
    await asyncio.sleep(0)
    assert not waiting.done()
    clock.run(3_600_000)
    async with asyncio.timeout(5):
        await waiting


async def test_jump_in_another_thread_wakes_waiters() -> None:
    clock = stopped_clock()
    waiting = asyncio.create_task(clock.wait_until(NOON + timedelta(hours=1)))
    await until_waiting(clock)
    mover = threading.Thread(target=lambda: clock.advance(hours=2))
    mover.start()
    async with asyncio.timeout(5):
        await waiting
    mover.join()


async def test_cancelled_wait_leaves_no_timer_or_listener() -> None:
    loop: Any = asyncio.get_running_loop()
    clock = Clock(NOON, speed=1)
    waiting = asyncio.create_task(clock.wait_until(NOON + timedelta(hours=1)))
    await until_waiting(clock)
    await asyncio.sleep(0)
    timers = [handle for handle in loop._scheduled if not handle.cancelled()]
    assert timers
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert all(handle.cancelled() for handle in timers)
    assert not clock._changed._listeners


async def test_waiting_does_not_poll_a_stopped_clock(real: RealSeconds) -> None:
    reads = 0

    def counting() -> float:
        nonlocal reads
        reads += 1
        return real()

    clock = Clock(NOON, speed=0, monotonic=counting)
    waiting = asyncio.create_task(clock.wait_until(NOON + timedelta(hours=1)))
    await until_waiting(clock)
    await asyncio.sleep(0)
    before = reads
    for _ in range(100):
        await asyncio.sleep(0)
    assert reads == before
    waiting.cancel()


def test_closed_loop_of_a_waiter_does_not_block_the_clock() -> None:
    clock = stopped_clock()
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(clock.wait_until(NOON + timedelta(hours=1)))
    loop.run_until_complete(asyncio.sleep(0))
    waiting.cancel()
    loop.close()
    assert clock.advance(hours=2) == clock()
    assert not clock._changed._listeners


def test_jump_callback_runs_in_the_jumping_thread_until_removed() -> None:
    clock, jumps = stopped_clock(), []
    remove = clock.on_jump(lambda: jumps.append((clock(), threading.current_thread())))
    clock.advance(hours=1)
    clock.advance()
    clock.run(0)
    mover = threading.Thread(target=lambda: clock.jump_to(NOON + timedelta(hours=5)))
    mover.start()
    mover.join()
    remove()
    remove()
    clock.advance(hours=1)
    assert jumps == [
        (NOON + timedelta(hours=1), threading.current_thread()),
        (NOON + timedelta(hours=5), mover),
    ]


def test_concurrent_moves_are_all_counted() -> None:
    clock = stopped_clock()
    seen: list[list[datetime]] = []

    def work() -> None:
        times = [clock()]
        for _ in range(500):
            clock.advance(seconds=1)
            times.append(clock())
        seen.append(times)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock() == NOON + timedelta(seconds=2000)
    assert all(times == sorted(times) for times in seen)
