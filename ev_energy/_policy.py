"""When to try again, decided by values alone: no clock, no randomness, no sleep."""

from __future__ import annotations

from typing import Final, NamedTuple

_TEMPORARY: Final = frozenset({429, 502, 503, 504})
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 8.0


class Outcome(NamedTuple):
    """What came of one attempt."""

    status: int | None = None
    """None: no reply."""
    sent: bool = True
    retry_after: float | None = None


def pause_before_retry(
    attempt: int, outcome: Outcome, *, is_write: bool, retries: int, chance: float
) -> float | None:
    """Seconds to wait before attempt number *attempt* + 1; None to leave it at this outcome.

    A read is repeated after a fault or a temporary status. A write is repeated only where it
    provably was not carried out: it was never sent, or the server refused it with 429. *chance*,
    0 to 1, spreads callers that failed together (full jitter). A pause that the server asked for
    is taken in full.
    """
    if attempt > retries:
        return None
    if outcome.status is None:
        repeatable = not is_write or not outcome.sent
    else:
        repeatable = outcome.status in _TEMPORARY and (not is_write or outcome.status == 429)  # noqa: PLR2004
    if not repeatable:
        return None
    if outcome.retry_after is not None:
        return outcome.retry_after
    return chance * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (attempt - 1))
