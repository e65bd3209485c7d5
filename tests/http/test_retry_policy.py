"""The decision to repeat a request, and the pause before it."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ev_energy import RetryPolicy
from ev_energy._http.outgoing import Outcome
from ev_energy._http.retry_policy import pause_before_retry
from ev_energy._messages import ConnectionFault, RateLimit, Response


def reply(status: int, retry_after: float | None = None) -> Response:
    headers = {} if retry_after is None else {"retry-after": f"{retry_after:f}"}
    return Response(status, "", headers, b"")


def fault(*, sent: bool) -> ConnectionFault:
    return ConnectionFault("broken", sent=sent)


def pause(outcome: Outcome, *, attempt: int = 1, is_write: bool = False, jitter: float = 1.0):
    return pause_before_retry(
        RetryPolicy(), attempt, outcome, is_write=is_write, remaining=1e9, jitter=jitter
    )


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_read_is_repeated_after_a_temporary_status(status: int) -> None:
    assert pause(reply(status)) == 0.5


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 409, 422, 500, 501])
def test_request_is_not_repeated_after_a_final_status(status: int) -> None:
    assert pause(reply(status)) is None
    assert pause(reply(status), is_write=True) is None


def test_write_is_repeated_only_if_it_was_not_carried_out() -> None:
    assert pause(reply(429), is_write=True) is not None
    assert pause(fault(sent=False), is_write=True) is not None
    assert pause(fault(sent=True), is_write=True) is None
    assert pause(reply(503), is_write=True) is None


@given(st.integers(1, 50), st.floats(0, 1))
def test_pauses_grow_up_to_eight_seconds(attempt: int, jitter: float) -> None:
    found = pause_before_retry(
        RetryPolicy(retries=50), attempt, reply(503), is_write=False, remaining=1e9, jitter=jitter
    )
    assert found is not None
    assert 0 <= found <= min(8.0, 0.5 * 2 ** (attempt - 1))


def test_request_is_not_repeated_after_the_last_retry() -> None:
    assert pause(reply(503), attempt=2) is not None
    assert pause(reply(503), attempt=3) is None


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_retry_after_is_honoured(asked: float, jitter: float) -> None:
    assert pause(reply(429, retry_after=asked), jitter=jitter) == asked


POLICIES = st.builds(
    RetryPolicy,
    retries=st.integers(0, 5000),
    initial_backoff=st.floats(0, 1e9),
    max_backoff=st.floats(0, 1e9),
    statuses=st.frozensets(st.integers(400, 599), max_size=9),
)
OUTCOMES = st.builds(fault, sent=st.booleans()) | st.builds(
    reply, st.integers(200, 599), st.none() | st.floats(0, 1e12)
)
SECONDS = st.floats(-1e3, float("inf"))


@given(POLICIES, OUTCOMES, st.integers(1, 5000), st.booleans(), SECONDS, st.floats(0, 1))
def test_retry_rules_hold_for_arbitrary_outcomes(
    policy: RetryPolicy,
    outcome: Outcome,
    attempt: int,
    is_write: bool,
    remaining: float,
    jitter: float,
) -> None:
    found = pause_before_retry(
        policy, attempt, outcome, is_write=is_write, remaining=remaining, jitter=jitter
    )
    if found is None:
        return
    assert attempt <= policy.retries, "more retries than allowed"
    assert 0 <= found < remaining, "beyond the deadline"
    status, asked = None, None
    if isinstance(outcome, Response):
        status, asked = outcome.status, outcome.retry_after
    if asked is not None:
        assert found == asked, "earlier than the server allows"
    else:
        assert found <= policy.max_backoff
    if is_write:
        assert status == 429 or (isinstance(outcome, ConnectionFault) and not outcome.sent)
    else:
        assert status is None or status in policy.statuses


@given(POLICIES, OUTCOMES, st.integers(1, 50), st.floats(0, 1e4), st.floats(0, 1))
def test_read_is_retried_wherever_a_write_is(
    policy: RetryPolicy, outcome: Outcome, attempt: int, remaining: float, jitter: float
) -> None:
    policy = attrs.evolve(policy, statuses=policy.statuses | {429})

    def decide(*, is_write: bool) -> float | None:
        return pause_before_retry(
            policy, attempt, outcome, is_write=is_write, remaining=remaining, jitter=jitter
        )

    assert decide(is_write=True) in {None, decide(is_write=False)}


@pytest.mark.parametrize("asked", [59.9, 60.0, 61.0])
def test_pause_is_not_shortened_to_fit_the_deadline(asked: float) -> None:
    found = pause_before_retry(
        RetryPolicy(), 1, reply(429, retry_after=asked), is_write=False, remaining=60.0, jitter=0.5
    )
    assert found == (asked if asked < 60 else None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"retries": -1},
        {"initial_backoff": -0.1},
        {"max_backoff": float("nan")},
        {"initial_backoff": float("inf")},
        {"statuses": {200}},
    ],
)
def test_invalid_policy_is_refused(wrong: dict[str, Any]) -> None:
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
def test_retry_after_is_parsed_in_both_spellings_and_both_forms(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert Response(429, "", headers, b"").retry_after == seconds


@given(st.dictionaries(st.sampled_from(["retry-after", "retryafter", "date"]), st.text()))
def test_invalid_retry_after_is_never_an_exception(headers: dict[str, str]) -> None:
    found = Response(429, "", headers, b"").retry_after
    assert found is None or found >= 0


@given(st.text(), st.text())
def test_invalid_rate_limit_header_is_never_an_exception(limit: str, remaining: str) -> None:
    headers = {"x-ratelimit-limit": limit, "x-ratelimit-remaining": remaining}
    found = RateLimit.of(headers)
    assert found is None or (found.limit >= 0 and found.remaining >= 0)
