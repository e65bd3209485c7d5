"""The hourly rate limit: a rolling window in the service's time."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from ev_energy.simulator.clock._instants import read_instant, write_instant
from ev_energy.simulator.http._problems import too_many_requests

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from datetime import datetime


_WINDOW: Final = timedelta(hours=1)


@attrs.frozen
class Allowance:
    """The requests per hour of one caller."""

    key: Hashable
    """What is counted together: client and user, or an address and its pool."""
    limit: int | None
    """None for no limit."""


class RateLimiter:
    """Counts the requests of the last hour for each caller."""

    def __init__(self, limit: int | None, clock: Callable[[], datetime]) -> None:
        self._limit = limit
        self._clock = clock
        self._counted: defaultdict[Hashable, deque[datetime]] = defaultdict(deque)

    def allowance(self, *key: Hashable, at_most: int | None = None) -> Allowance:
        """Return the allowance of a caller; *at_most* lowers the usual limit."""
        limits = [limit for limit in (self._limit, at_most) if limit is not None]
        return Allowance(key, None if self._limit is None else min(limits))

    def count(self, allowance: Allowance) -> None:
        """Count one request, or raise the 429 without counting it."""
        if allowance.limit is None:
            return
        counted, now = self._recent(allowance), self._clock()
        if len(counted) >= allowance.limit:
            # With a limit of 0 there is no counted request that could leave the window.
            free_at = (counted[0] if counted else now) + _WINDOW
            raise too_many_requests(max(1, math.ceil((free_at - now).total_seconds())))
        counted.append(now)

    def headers(self, allowance: Allowance) -> dict[str, str]:
        """Return the X-RateLimit headers for the allowance as it is now."""
        if allowance.limit is None:
            return {}
        remaining = max(0, allowance.limit - len(self._recent(allowance)))
        return {"X-RateLimit-Limit": str(allowance.limit), "X-RateLimit-Remaining": str(remaining)}

    def _recent(self, allowance: Allowance) -> deque[datetime]:
        counted, window_start = self._counted[allowance.key], self._clock() - _WINDOW
        while counted and counted[0] <= window_start:
            counted.popleft()
        return counted

    def dump(self) -> list[Any]:
        """Return the requests that still count, as JSON."""
        return [
            [list(cast("tuple[Any, ...]", key)), [write_instant(time) for time in counted]]
            for key, counted in self._counted.items()
            if counted
        ]

    def load(self, dumped: list[Any]) -> None:
        """Replace everything with what `dump` returned."""
        now = self._clock()
        loaded = {
            tuple(key): deque(sorted(min(read_instant(time), now) for time in counted))
            for key, counted in dumped
        }
        self._counted.clear()
        self._counted.update(loaded)
