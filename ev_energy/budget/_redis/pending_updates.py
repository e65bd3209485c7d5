"""The settings of a shared allowance, its requests, and the updates not yet sent to Redis."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of a `RedisBudget`. `window` and `heartbeat_ttl` must agree everywhere."""

    limit: int | None
    window: float
    heartbeat_ttl: float
    local_fraction: float | None
    """The fraction of the allowance to use during an outage of Redis; None to block instead."""

    @property
    def in_flight_ttl(self) -> float:
        """Seconds after it was acquired within which a request of a dead process may arrive."""
        return min(120.0, self.window / 30)

    @property
    def outage_policy(self) -> str:
        """A description, for the log, of what happens to calls during an outage of Redis."""
        if self.local_fraction is None:
            return "calls wait until it is back, or fail"
        return f"this process sends up to {self.local_fraction:.1%} of the allowance without it"


@attrs.define(eq=False)
class PendingUpdates:
    """Facts that were not sent to Redis yet."""

    released: set[str] = attrs.field(factory=set[str])
    in_flight: set[str] = attrs.field(factory=set[str])
    completed: dict[str, float] = attrs.field(factory=dict[str, float])
    rate_limit: tuple[int, int, float] | None = None
    """The limit, the remaining requests, and when the request was acquired."""
    unlimited: bool = False
    """Whether a success stated no limit."""
    blocked_until: float = float("-inf")

    def __bool__(self) -> bool:
        return bool(
            self.released or self.in_flight or self.completed or self.rate_limit or self.unlimited
        ) or self.blocked_until > float("-inf")

    @property
    def allows_no_more(self) -> bool:
        """Whether the API refused a request, or stated that none remains."""
        return self.blocked_until > float("-inf") or (
            self.rate_limit is not None and self.rate_limit[1] < 1
        )

    def add(self, newer: PendingUpdates) -> None:
        """Merge *newer* updates into these."""
        self.in_flight -= newer.released
        self.in_flight -= newer.completed.keys()
        self.in_flight |= newer.in_flight
        self.released |= newer.released
        self.completed.update(newer.completed)
        self.rate_limit = newer.rate_limit or self.rate_limit
        self.unlimited = self.unlimited or newer.unlimited
        self.blocked_until = max(self.blocked_until, newer.blocked_until)


class CountedRequests:
    """The requests of one event loop that count against an allowance."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._completed_at: dict[str, float | None] = {}
        self._pruned_at = float("-inf")

    def __len__(self) -> int:
        return len(self._completed_at)

    def add(self, name: str) -> None:
        """Count a request that is about to be sent."""
        self._completed_at[name] = None

    def complete(self, name: str, now: float) -> None:
        """Count a request for a window from *now*."""
        self._completed_at[name] = now

    def discard(self, name: str) -> None:
        """Stop counting a request that was not sent."""
        self._completed_at.pop(name, None)

    def prune(self, now: float) -> None:
        """Remove the requests that no longer count, from time to time."""
        if now - self._pruned_at < self._window / 100:
            return
        self._pruned_at, expired_at = now, now - self._window
        expired = [n for n, at in self._completed_at.items() if at is not None and at <= expired_at]
        for name in expired:
            del self._completed_at[name]

    def next_expiry_in(self, now: float) -> float:
        """Return the seconds until the first request expires; a window if none was completed."""
        completed = [at for at in self._completed_at.values() if at is not None]
        return min(completed, default=now) + self._window - now

    def report(self) -> PendingUpdates:
        """Return all requests, for a Redis that lost them."""
        requests = self._completed_at.items()
        return PendingUpdates(
            in_flight={name for name, at in requests if at is None},
            completed={name: at for name, at in requests if at is not None},
        )
