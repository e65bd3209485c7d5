"""When to retry, decided by values alone: no clock, no randomness, no sleep."""

from __future__ import annotations

import math
from collections.abc import Set as AbstractSet
from http import HTTPStatus
from typing import Final

import attrs

from ev_energy._messages import ConnectionFault, Response

#: Doublings after which the backoff stops growing; without a bound, the power would overflow.
_MOST_DOUBLINGS: Final = 60
_ERROR_STATUSES: Final = range(400, 600)


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often and how soon a call is retried.

    Which calls may be retried is not configurable: a read after a connection fault or one of
    ``statuses``; a write only if the server provably did not carry it out, because it was never
    sent or was refused with 429.
    """

    retries: int = 2
    """Attempts after the first one, at most."""
    initial_backoff: float = 0.5
    """Upper bound in seconds of the pause before the second attempt; it doubles per attempt."""
    max_backoff: float = 8.0
    """Upper bound in seconds of any pause. A ``Retry-After`` of the server takes precedence."""
    statuses: AbstractSet[int] = frozenset({429, 502, 503, 504})
    """Response statuses after which a read is retried."""

    def __attrs_post_init__(self) -> None:
        if self.retries < 0:
            raise ValueError(f"retries must be 0 or more, not {self.retries}")
        for name in ("initial_backoff", "max_backoff"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be 0 or more seconds, not {getattr(self, name)}")
        if invalid := [status for status in self.statuses if status not in _ERROR_STATUSES]:
            raise ValueError(f"statuses must be error statuses (400 to 599), not {invalid}")


def pause_before_retry(
    policy: RetryPolicy,
    attempt: int,
    outcome: Response | ConnectionFault,
    *,
    is_write: bool,
    remaining: float,
    jitter: float,
) -> float | None:
    """Return the seconds to wait after attempt number *attempt*, or None to accept *outcome*.

    *jitter*, from 0 to 1, spreads clients that failed together (full jitter). A pause requested by
    the server is taken in full. A pause that would not end within *remaining* seconds is None.
    """
    if attempt > policy.retries or not _may_repeat(policy, outcome, is_write=is_write):
        return None
    retry_after = outcome.retry_after if isinstance(outcome, Response) else None
    if retry_after is not None:
        pause = retry_after
    else:
        backoff = policy.initial_backoff * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS)
        pause = jitter * min(policy.max_backoff, backoff)
    return pause if pause < remaining else None


def _may_repeat(
    policy: RetryPolicy, outcome: Response | ConnectionFault, *, is_write: bool
) -> bool:
    if isinstance(outcome, ConnectionFault):
        return not is_write or not outcome.sent
    if is_write:
        return outcome.status == HTTPStatus.TOO_MANY_REQUESTS
    return outcome.status in policy.statuses
