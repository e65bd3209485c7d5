"""The protocol between the client and a budget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

import attrs

from ev_energy._messages import RateLimit

#: Calls of ``interactive`` priority are served before those of ``batch`` priority.
Priority: TypeAlias = Literal["interactive", "batch"]


class WouldExceedDeadline(Exception):  # noqa: N818  (the client raises BudgetExceeded for it)
    """Capacity will not be available before the caller's deadline, but may be in *wait* seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"no capacity for {wait:.1f} s")
        self.wait = wait


class BudgetUnavailable(Exception):  # noqa: N818  (the client raises BudgetUnavailableError for it)
    """The budget backend is unreachable."""


@attrs.frozen
class Acquire:
    """A request for permission to send one call, or for a reservation."""

    bucket: str
    """The name of the rate limit, such as that of an application."""
    timeout: float = float("inf")
    """Seconds to wait for capacity at most."""
    priority: Priority = "interactive"
    """Calls with ``"interactive"`` are served before those with ``"batch"``."""
    reservation: Reservation | None = None
    """A reservation to take capacity from, if it has some left."""
    on_wait: Callable[[float], None] | None = None
    """Called once if the caller has to wait, with the expected seconds."""
    deadline: float = float("inf")
    """Seconds until the call fails in any case, should the budget itself be slow to answer."""


class Ticket(Protocol):
    """Permission to send one request. Exactly one of its methods must be called, once."""

    def complete(
        self, rate_limit: RateLimit | None, *, success: bool, retry_after: float | None
    ) -> None:
        """Record that the request was answered, or may have been sent.

        Args:
            rate_limit: The limit that the reply stated.
            success: Whether the reply was a success.
            retry_after: For a refusal by the rate limit (429), the seconds after which the server
                accepts requests again; 0 if it did not say. None for everything else.
        """
        ...

    def release(self) -> None:
        """Return the capacity of a request that was provably not sent."""
        ...


class Reservation(Protocol):
    """Capacity that is held for later requests."""

    @property
    def remaining(self) -> int:
        """Requests that the reservation still covers."""
        ...

    async def release(self) -> None:
        """Return the unused capacity."""
        ...


class Budget(Protocol):
    """A rate limiter that grants tickets and reservations."""

    def try_acquire(self, bucket: str, reservation: Reservation | None) -> Ticket | None:
        """Return a ticket if one is available without waiting for anything, else None."""
        ...

    async def acquire(self, params: Acquire) -> Ticket:
        """Wait for a ticket.

        Raises:
            WouldExceedDeadline: As soon as the ticket cannot be granted within the timeout.
            BudgetUnavailable: If the backend does not answer within the timeout.
        """
        ...

    async def reserve(self, params: Acquire, count: int) -> Reservation:
        """Wait for a reservation of *count* requests, which is granted whole.

        Raises:
            WouldExceedDeadline: As soon as it cannot be granted within the timeout.
            BudgetUnavailable: If the backend does not answer within the timeout.
            ValueError: If *count* is less than 1, or more than the whole allowance.
        """
        ...

    def state(self, bucket: str) -> RateLimit | None:
        """Return the known state of an allowance, or None if it has no limit."""
        ...
