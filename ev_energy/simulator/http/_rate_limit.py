"""The hourly limit, as a rolling window of the time that clients measure."""

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
class Bucket:
    """Whose requests are counted together, and how many they may be."""

    who: Hashable
    limit: int | None


class RateLimiter:
    """Counts the requests of the last hour by bucket."""

    def __init__(self, limit: int | None, clock: Callable[[], datetime]) -> None:
        self._limit = limit
        self._clock = clock
        self._taken: defaultdict[Hashable, deque[datetime]] = defaultdict(deque)

    def bucket(self, *who: Hashable, at_most: int | None = None) -> Bucket:
        """Return the bucket of a caller; ``at_most`` lowers the usual limit."""
        limits = [limit for limit in (self._limit, at_most) if limit is not None]
        return Bucket(who, None if self._limit is None else min(limits))

    def take(self, bucket: Bucket) -> None:
        """Count one request, or refuse it; a refused one does not count."""
        if bucket.limit is None:
            return
        taken, now = self._recent(bucket), self._clock()
        if len(taken) >= bucket.limit:
            # With a limit of nothing at all there is no oldest request to wait for.
            leaves = (taken[0] if taken else now) + _WINDOW
            raise too_many_requests(max(1, math.ceil((leaves - now).total_seconds())))
        taken.append(now)

    def headers(self, bucket: Bucket) -> dict[str, str]:
        """Return the headers that tell where the caller stands."""
        if bucket.limit is None:
            return {}
        remaining = max(0, bucket.limit - len(self._recent(bucket)))
        return {"X-RateLimit-Limit": str(bucket.limit), "X-RateLimit-Remaining": str(remaining)}

    def _recent(self, bucket: Bucket) -> deque[datetime]:
        taken, past = self._taken[bucket.who], self._clock() - _WINDOW
        while taken and taken[0] <= past:
            taken.popleft()
        return taken

    def dump(self) -> list[Any]:
        """Return the requests that still count, as JSON."""
        return [
            [list(cast("tuple[Any, ...]", who)), [write_instant(at) for at in taken]]
            for who, taken in self._taken.items()
            if taken
        ]

    def load(self, dumped: list[Any]) -> None:
        """Take what `dump` returned in place of everything."""
        now = self._clock()
        kept = {
            tuple(who): deque(sorted(min(read_instant(at), now) for at in taken))
            for who, taken in dumped
        }
        self._taken.clear()
        self._taken.update(kept)
