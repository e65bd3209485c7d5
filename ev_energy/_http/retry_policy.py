"""When to try again, decided by values alone: no clock, no randomness, no sleep."""

from __future__ import annotations

import math
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

import attrs

_REFUSED: Final = 429
#: How often a pause is doubled at most; more than anybody has time for, and no overflow.
_DOUBLED: Final = 60


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often and how soon to try again.

    What may be tried again is no matter of taste: a read after a fault of the connection or one of
    ``statuses``; a write only where it provably was not carried out, which is when it was never
    sent, or refused with 429.
    """

    retries: int = 2
    """How many more attempts there may be."""
    first_pause: float = 0.5
    """Seconds before the second attempt, at most; each further pause may be twice as long."""
    longest_pause: float = 8.0
    """Seconds, at most. Where the server says how long to wait, that counts instead."""
    statuses: AbstractSet[int] = frozenset({429, 502, 503, 504})
    """After which a read is tried again."""

    def __attrs_post_init__(self) -> None:
        if self.retries < 0:
            raise ValueError(f"retries must be 0 or more, not {self.retries}")
        for name in ("first_pause", "longest_pause"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be 0 or more seconds, not {getattr(self, name)}")
        if odd := [status for status in self.statuses if not 400 <= status <= 599]:  # noqa: PLR2004
            raise ValueError(f"statuses must be those of errors, not {odd}")


class Outcome(NamedTuple):
    """What came of one attempt."""

    status: int | None = None
    """None: no reply."""
    sent: bool = True
    retry_after: float | None = None


def pause_before_retry(
    policy: RetryPolicy,
    attempt: int,
    outcome: Outcome,
    *,
    is_write: bool,
    left: float,
    chance: float,
) -> float | None:
    """Seconds to wait before attempt number *attempt* + 1; None to leave it at this outcome.

    *chance*, 0 to 1, spreads callers that failed together (full jitter). A pause that the server
    asked for is taken in full. A pause that does not end within the *left* seconds is not begun.
    """
    if attempt > policy.retries or not _is_repeatable(policy, outcome, is_write=is_write):
        return None
    if outcome.retry_after is not None:
        pause = outcome.retry_after
    else:
        longest = policy.first_pause * 2.0 ** min(attempt - 1, _DOUBLED)
        pause = chance * min(policy.longest_pause, longest)
    return pause if pause < left else None


def _is_repeatable(policy: RetryPolicy, outcome: Outcome, *, is_write: bool) -> bool:
    if outcome.status is None:
        return not is_write or not outcome.sent
    if is_write:
        return outcome.status == _REFUSED
    return outcome.status in policy.statuses
