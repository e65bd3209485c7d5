"""The window against a model of the server."""

from __future__ import annotations

import random
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ev_energy._messages import RateLimit
from ev_energy.budget._window import MAX_FOREIGN, RollingWindow, _nth_of_merged
from tests.budget.model import SPARE, TEST, WINDOW, Model, Run

RUN = {
    "limit": st.integers(1, 12),
    "wanted": st.integers(1, 60),
    "width": st.integers(1, 8),
    "slowest": st.sampled_from([0.0, 0.01, 1.0, 30.0]),
    "offset": st.sampled_from([-1e6, 0.0, 1e9]),
    "seed": st.integers(0, 10**6),
}


@given(**RUN)
@settings(max_examples=300)
def test_sole_client_is_neither_refused_nor_delayed_needlessly(
    limit: int, wanted: int, width: int, slowest: float, offset: float, seed: int
) -> None:
    server = Model(limit)

    def check(run: Run, now: float) -> None:
        # The client may wait only while the window of the server, widened by the latency, is full.
        recent = sum(at > now - WINDOW - SPARE - 2 * slowest - 1e-6 for at in server.arrived)
        not_there_yet = len(run.under_way)
        assert recent + not_there_yet >= limit
        assert run.window.wait(now + offset) <= WINDOW + SPARE + 1e-6

    run = Run(
        server=server,
        wanted=wanted,
        width=width,
        chance=random.Random(seed),
        slowest=slowest,
        offset=offset,
        knows=True,
        check=check,
    )
    run.to_the_end()
    assert server.refused == []
    assert len(server.arrived) == wanted


def never_much_longer_than_the_server(run: Run, now: float) -> None:
    if not run.under_way:  # otherwise, a reply follows
        would_be = max(now, run.server.free_at(now))
        slack = TEST + SPARE + 2 * run.slowest + 1 + 1e-6  # Retry-After is in whole seconds
        assert now + run.window.wait(now + run.offset) <= would_be + slack


@pytest.mark.slow
@given(
    **RUN,
    others=st.lists(st.floats(0, 4 * WINDOW), max_size=60),
    earlier=st.lists(st.floats(-WINDOW, 0), max_size=12),
    counts_refused=st.booleans(),
    says_when=st.booleans(),
    states=st.booleans(),
    lost=st.sampled_from([0.0, 0.0, 0.3]),
)
@settings(max_examples=400)
def test_requests_succeed_soon_beside_foreign_requests_and_losses(
    limit: int,
    wanted: int,
    width: int,
    slowest: float,
    offset: float,
    seed: int,
    others: list[float],
    earlier: list[float],
    counts_refused: bool,
    says_when: bool,
    states: bool,
    lost: float,
) -> None:
    if not states:
        says_when = True  # the client cannot know the state of a server without any headers

    def check(run: Run, now: float) -> None:
        if states and says_when:
            never_much_longer_than_the_server(run, now)

    server = Model(limit, counts_refused, says_when, states, sorted(earlier)[:limit])
    Run(
        server=server,
        wanted=wanted,
        width=width,
        chance=random.Random(seed),
        slowest=slowest,
        offset=offset,
        others=others,
        lost=lost,
        check=check,
    ).to_the_end()


def test_outage_does_not_exhaust_the_allowance() -> None:
    window, now = RollingWindow(length=WINDOW), 0.0
    spend(window, now, RateLimit(100, 99))
    while window.try_acquire(now):  # attempts without a reply
        now += 0.1
        window.complete(now, now, window.confirmed, None, success=False, retry_after=None)
    assert len(window._unconfirmed) == 99
    assert window.wait(now) == pytest.approx(TEST, abs=0.2)
    now += TEST
    assert window.try_acquire(now)
    assert not window.try_acquire(now), "one is enough to find out"
    window.complete(now, now, window.confirmed, RateLimit(100, 98), success=True, retry_after=None)
    assert window.available(now) == 98


def test_probes_become_rare_if_refused_requests_may_count() -> None:
    window, now = RollingWindow(length=WINDOW), 0.0
    spend(window, now, RateLimit(100, 99))
    tests = 0
    while now < 4 * WINDOW:
        if window.try_acquire(now):
            refused = RateLimit(100, 0)
            window.complete(now, now, window.confirmed, refused, success=False, retry_after=0.0)
            tests += 1
        now += max(0.5, window.wait(now))
    assert tests < 4 * 100 - 90


@given(st.lists(st.integers(0, 20)), st.lists(st.integers(0, 20)))
def test_nth_of_two_merged_lists_is_that_of_both_sorted(
    first: list[int], second: list[int]
) -> None:
    both = sorted(first + second)
    found = [_nth_of_merged(deque(sorted(first)), sorted(second), n) for n in range(len(both))]
    assert found == both


def spend(window: RollingWindow, now: float, stated: RateLimit | None = None) -> None:
    assert window.try_acquire(now)
    window.complete(now, now, window.confirmed, stated, success=True, retry_after=None)


def test_first_reply_states_what_others_used_before() -> None:
    window = RollingWindow(length=WINDOW)
    assert not window.synced
    spend(window, 0.0, RateLimit(100, 30))
    assert (window.synced, window.limit, window.available(0.0)) == (True, 100, 30)


def test_window_follows_the_server_up_and_down() -> None:
    window = RollingWindow(length=WINDOW)
    spend(window, 0.0, RateLimit(100, 30))
    spend(window, 1.0, RateLimit(100, 80))
    assert window.available(1.0) == 80
    spend(window, 2.0, RateLimit(100, 5))
    assert window.available(2.0) == 5
    spend(window, 3.0, RateLimit(50, 5))
    assert (window.limit, window.available(3.0)) == (50, 5)
    spend(window, 4.0, RateLimit(500, 400))
    assert (window.limit, window.available(4.0)) == (500, 400)


def test_server_without_stated_limits_is_unlimited() -> None:
    window = RollingWindow(length=WINDOW)
    spend(window, 0.0)
    assert window.capacity() is window.available(0.0) is None
    assert window.wait(0.0, 10**6) == 0


def test_stated_limit_holds_when_a_later_reply_states_none() -> None:
    window = RollingWindow(length=WINDOW)
    spend(window, 0.0, RateLimit(10, 9))
    spend(window, 0.0)
    assert (window.capacity(), window.available(0.0)) == (10, 8)


@pytest.mark.parametrize(
    ("stated", "free"),
    [
        (RateLimit(0, 0), 0),
        (RateLimit(10, 99999), 9),
        (RateLimit(10**11, 10**11 - 7), 10**11 - 7),
        (RateLimit(10**11, 0), 0),
    ],
)
def test_excessive_statements_are_tolerated(stated: RateLimit, free: int) -> None:
    window = RollingWindow(length=WINDOW)
    spend(window, 0.0, stated)
    assert window.available(0.0) == free
    assert len(window._unconfirmed) <= MAX_FOREIGN
    assert 0 <= window.wait(0.0) <= WINDOW + SPARE
    assert window.try_acquire(WINDOW + SPARE + 1), "an hour later at the latest one may try again"


def test_refusal_blocks_for_a_window_at_most() -> None:
    window = RollingWindow(length=WINDOW)
    assert window.try_acquire(0.0)
    window.complete(0.0, 0.0, 0, None, success=False, retry_after=float("inf"))
    assert window.wait(0.0) == pytest.approx(WINDOW + SPARE)
    assert window.available(0.0) == 0


def test_one_request_is_available_at_the_end_of_retry_after() -> None:
    window = RollingWindow(length=WINDOW)
    spend(window, 0.0, RateLimit(100, 99))
    assert window.try_acquire(1.0)
    window.complete(1.0, 1.0, 1, RateLimit(100, 0), success=False, retry_after=77.0)
    assert window.wait(1.0) == 77.0
    assert not window.try_acquire(77.9)
    assert window.try_acquire(78.0)
    assert not window.try_acquire(78.0), "one is free then; of more nothing is known"


def test_local_limit_holds_independent_of_the_server() -> None:
    window = RollingWindow(3, length=WINDOW)
    for now in range(3):
        spend(window, now, RateLimit(1000, 500))
    assert window.available(2.0) == 0
    assert window.wait(2.0) == pytest.approx(WINDOW + SPARE - 2)
    assert window.wait(2.0, 5) == pytest.approx(
        2 * (WINDOW + SPARE) - 1
    )  # two requests of the next round
    assert window.capacity() == 3


def test_local_limit_yields_to_a_lower_limit_of_the_server() -> None:
    window = RollingWindow(300, length=WINDOW)
    spend(window, 0.0, RateLimit(1000, 2))
    assert window.available(0.0) == 2
    unstated = RollingWindow(2, length=WINDOW)
    spend(unstated, 0.0)
    assert unstated.available(0.0) == 1


@given(st.integers(1, 9), st.lists(st.floats(0, WINDOW), max_size=9), st.integers(1, 40))
def test_estimated_wait_of_a_queue_is_exact(limit: int, settled: list[float], count: int) -> None:
    """Each waiter acquires a request as soon as it is available; replies arrive at once."""
    now = WINDOW
    window = RollingWindow(length=WINDOW)
    window.limit, window.synced = limit, True
    for at in sorted(settled)[:limit]:
        spend(window, at)
    promised = now + window.wait(now, count)
    for _ in range(count):
        now += window.wait(now)
        while not window.try_acquire(now):
            now += 1e-9
        window.complete(now, now, window.confirmed, None, success=True, retry_after=None)
    assert now == pytest.approx(promised)
