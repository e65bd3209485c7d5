"""When to try again."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ev_energy import RetryPolicy
from ev_energy._http.retry_policy import Outcome, pause_before_retry
from ev_energy._messages import RateLimit, Response


def pause(outcome: Outcome, *, attempt: int = 1, is_write: bool = False, chance: float = 1.0):
    return pause_before_retry(
        RetryPolicy(), attempt, outcome, is_write=is_write, left=1e9, chance=chance
    )


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_read_is_repeated_after_a_temporary_status(status: int) -> None:
    assert pause(Outcome(status)) == 0.5


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 409, 422, 500, 501])
def test_nothing_is_repeated_after_a_final_status(status: int) -> None:
    assert pause(Outcome(status)) is None
    assert pause(Outcome(status), is_write=True) is None


def test_a_write_is_repeated_only_where_it_was_not_carried_out() -> None:
    assert pause(Outcome(429), is_write=True) is not None
    assert pause(Outcome(sent=False), is_write=True) is not None
    assert pause(Outcome(sent=True), is_write=True) is None
    assert pause(Outcome(503), is_write=True) is None


@given(st.integers(1, 50), st.floats(0, 1))
def test_pauses_grow_but_never_beyond_eight_seconds(attempt: int, chance: float) -> None:
    found = pause_before_retry(
        RetryPolicy(retries=50), attempt, Outcome(503), is_write=False, left=1e9, chance=chance
    )
    assert found is not None
    assert 0 <= found <= min(8.0, 0.5 * 2 ** (attempt - 1))


def test_after_the_last_retry_it_gives_up() -> None:
    assert pause(Outcome(503), attempt=2) is not None
    assert pause(Outcome(503), attempt=3) is None


@given(st.floats(0, 1e6), st.floats(0, 1))
def test_a_pause_the_server_asks_for_is_taken_in_full(asked: float, chance: float) -> None:
    assert pause(Outcome(429, retry_after=asked), chance=chance) == asked


POLICIES = st.builds(
    RetryPolicy,
    retries=st.integers(0, 5000),
    first_pause=st.floats(0, 1e9),
    longest_pause=st.floats(0, 1e9),
    statuses=st.frozensets(st.integers(400, 599), max_size=9),
)
OUTCOMES = st.builds(
    Outcome,
    status=st.none() | st.integers(200, 599),
    sent=st.booleans(),
    retry_after=st.none() | st.floats(0, float("inf")),
)
SECONDS = st.floats(-1e3, float("inf"))


@given(POLICIES, OUTCOMES, st.integers(1, 5000), st.booleans(), SECONDS, st.floats(0, 1))
def test_whatever_comes_the_rules_hold(
    policy: RetryPolicy,
    outcome: Outcome,
    attempt: int,
    is_write: bool,
    left: float,
    chance: float,
) -> None:
    found = pause_before_retry(
        policy, attempt, outcome, is_write=is_write, left=left, chance=chance
    )
    if found is None:
        return
    assert attempt <= policy.retries, "never more often than that"
    assert 0 <= found < left, "never beyond the deadline"
    if outcome.retry_after is not None:
        assert found == outcome.retry_after, "never sooner than the server asks"
    else:
        assert found <= policy.longest_pause
    if is_write:
        assert outcome.status == 429 or (outcome.status is None and not outcome.sent)
    else:
        assert outcome.status is None or outcome.status in policy.statuses


@given(POLICIES, OUTCOMES, st.integers(1, 50), st.floats(0, 1e4), st.floats(0, 1))
def test_a_read_is_tried_again_wherever_a_write_is(
    policy: RetryPolicy, outcome: Outcome, attempt: int, left: float, chance: float
) -> None:
    policy = attrs.evolve(policy, statuses=policy.statuses | {429})

    def decide(*, is_write: bool) -> float | None:
        return pause_before_retry(
            policy, attempt, outcome, is_write=is_write, left=left, chance=chance
        )

    assert decide(is_write=True) in {None, decide(is_write=False)}


@pytest.mark.parametrize("asked", [59.9, 60.0, 61.0])
def test_a_pause_that_does_not_fit_is_not_made_shorter(asked: float) -> None:
    found = pause_before_retry(
        RetryPolicy(), 1, Outcome(429, retry_after=asked), is_write=False, left=60.0, chance=0.5
    )
    assert found == (asked if asked < 60 else None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"retries": -1},
        {"first_pause": -0.1},
        {"longest_pause": float("nan")},
        {"first_pause": float("inf")},
        {"statuses": {200}},
    ],
)
def test_a_policy_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RetryPolicy(**wrong)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retryafter": "7.5"}, 7.5),
        ({"retry-after": "7", "retryafter": "9"}, 7.0),
        (
            {
                "retry-after": "Sun, 22 Nov 2026 10:01:30 GMT",
                "date": "Sun, 22 Nov 2026 10:00:00 GMT",
            },
            90.0,
        ),
        (
            {
                "retry-after": "Sun, 22 Nov 2026 09:00:00 GMT",
                "date": "Sun, 22 Nov 2026 10:00:00 GMT",
            },
            0.0,
        ),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({}, None),
    ],
)
def test_both_spellings_and_both_forms_of_retry_after_are_read(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert Response(429, "", headers, b"").retry_after == seconds


@given(st.dictionaries(st.sampled_from(["retry-after", "retryafter", "date"]), st.text()))
def test_no_retry_after_is_an_error(headers: dict[str, str]) -> None:
    found = Response(429, "", headers, b"").retry_after
    assert found is None or found >= 0


@given(st.text(), st.text())
def test_no_rate_limit_header_is_an_error(limit: str, remaining: str) -> None:
    headers = {"x-ratelimit-limit": limit, "x-ratelimit-remaining": remaining}
    found = RateLimit.of(headers)
    assert found is None or (found.limit >= 0 and found.remaining >= 0)
