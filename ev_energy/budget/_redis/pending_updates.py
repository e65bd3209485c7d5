"""What all who share an allowance agree on, and what Redis has not been told of it yet."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Settings:
    """What all who share an allowance should be told alike."""

    limit: int | None
    window: float
    lease: float
    share: float | None
    """Which part of the allowance may be spent while Redis is down; None: nothing."""

    @property
    def hold(self) -> float:
        """Seconds after it was taken within which a request of a dead process may have arrived."""
        return min(120.0, self.window / 30)

    @property
    def policy(self) -> str:
        """What is done while Redis is down, in words."""
        if self.share is None:
            return "calls wait for it, or fail"
        return f"up to {self.share:.1%} of the allowance is spent without it"


@attrs.define(eq=False)
class News:
    """What Redis has not been told yet."""

    returned: set[str] = attrs.field(factory=set[str])
    pending: set[str] = attrs.field(factory=set[str])
    settled: dict[str, float] = attrs.field(factory=dict[str, float])
    stated: tuple[int, int, float] | None = None
    """Limit, what remains of it, and when the request was taken."""
    unstated: bool = False
    blocked_until: float = float("-inf")

    def __bool__(self) -> bool:
        return bool(
            self.returned or self.pending or self.settled or self.stated or self.unstated
        ) or self.blocked_until > float("-inf")

    def add(self, newer: News) -> None:
        """What came after this."""
        self.pending -= newer.returned
        self.pending -= newer.settled.keys()
        self.pending |= newer.pending
        self.returned |= newer.returned
        self.settled.update(newer.settled)
        self.stated = newer.stated or self.stated
        self.unstated = self.unstated or newer.unstated
        self.blocked_until = max(self.blocked_until, newer.blocked_until)
