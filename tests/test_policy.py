"""When to try again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ev_energy import RetryPolicy
from ev_energy._http import RateLimit, Response
from ev_energy._policy import Outcome, pause_before_retry


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
