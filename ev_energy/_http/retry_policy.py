"""When to retry, decided by values alone: no clock, no randomness, no sleep."""

from __future__ import annotations

import math
from collections.abc import Collection
from collections.abc import Set as AbstractSet
from http import HTTPStatus
from typing import Final, cast

import attrs

from ev_energy._arguments import describe_type, describe_value, require_whole_number
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
        require_whole_number("retries", self.retries, 0)
        for name in ("initial_backoff", "max_backoff"):
            seconds: object = getattr(self, name)
            if isinstance(seconds, bool) or not isinstance(seconds, int | float):
                raise TypeError(f"{name} must be a number of seconds, not {describe_type(seconds)}")
            if not 0 <= seconds < math.inf:
                raise ValueError(f"{name} must be 0 or more seconds, not {seconds}")
        statuses = cast("object", self.statuses)
        if isinstance(statuses, str) or not isinstance(statuses, Collection):
            raise TypeError(f"statuses must be a set of numbers, not {describe_type(statuses)}")
        if invalid := [status for status in self.statuses if status not in _ERROR_STATUSES]:
            raise ValueError(f"statuses must be error statuses (400 to 599), not {invalid}")


def as_retry_policy(retries: int | RetryPolicy, base: RetryPolicy | None = None) -> RetryPolicy:
    """Return *retries* as a policy; a number changes how often *base* retries."""
    if isinstance(retries, RetryPolicy):
        return retries
    given = cast("object", retries)
    if isinstance(given, bool) or not isinstance(given, int):
        raise TypeError(
            f"retries must be a whole number or a RetryPolicy, not {describe_value(given)}"
        )
    return attrs.evolve(base or RetryPolicy(), retries=retries)


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
