"""The settings of a call that `Client.with_options` can change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from ev_energy._arguments import require_seconds, require_whole_number
from ev_energy._http.retry_policy import RetryPolicy
from ev_energy._redaction.show import Unshown
from ev_energy._runtime.structs import copy_with
from ev_energy.budget import Priority, Reservation


class CallOptions(Unshown, msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """How calls are made, apart from their arguments."""

    timeout: float = 30.0
    """Seconds for one attempt, connecting included."""
    deadline: float = 120.0
    """Seconds for the whole call: waiting for the budget, attempts and the pauses between them."""
    retries: RetryPolicy = msgspec.field(default_factory=RetryPolicy)
    headers: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    user: str | None = None
    """The user that calls are made for (``EvEnergy-User``)."""
    priority: Priority = "interactive"
    when_exhausted: Literal["wait", "raise"] = "wait"
    reservation: Reservation | None = None
    """The reservation that calls use up first."""
    max_pages: int = 100_000

    @property
    def reserved(self) -> int:
        """The number of requests that the reservation still covers."""
        return 0 if self.reservation is None else self.reservation.remaining

    def evolve(self, **changes: Any) -> CallOptions:
        """Return a copy with *changes*."""
        return copy_with(self, **changes)

    def __post_init__(self) -> None:
        for name in ("timeout", "deadline"):
            require_seconds(name, getattr(self, name))
        if self.priority not in {"interactive", "batch"}:
            raise ValueError(f"priority must be 'interactive' or 'batch', not {self.priority!r}")
        if self.when_exhausted not in {"wait", "raise"}:
            raise ValueError(
                f"when_exhausted must be 'wait' or 'raise', not {self.when_exhausted!r}"
            )
        require_whole_number("max_pages", self.max_pages, 1)
