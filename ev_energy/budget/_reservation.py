"""The context manager of ``async with client.reserve(300) as reserved``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Generic, TypeVar

from ev_energy.budget._protocol import Reservation

C = TypeVar("C")


class ReservationContext(Generic[C]):
    """Reserves requests when it is entered, and returns the unused ones when it is left."""

    def __init__(
        self,
        reserve: Callable[[], Awaitable[Reservation]],
        release: Callable[[Reservation], Awaitable[None]],
        with_reservation: Callable[[Reservation], C],
    ) -> None:
        self._reserve, self._release, self._with_reservation = reserve, release, with_reservation
        self._reservation: Reservation | None = None
        self._entered = False

    @property
    def remaining(self) -> int:
        """Requests that are still reserved; 0 outside the ``async with`` block."""
        return 0 if self._reservation is None else self._reservation.remaining

    async def __aenter__(self) -> C:
        """Return a client whose calls use the reserved requests first."""
        if self._entered:
            raise RuntimeError("a reservation can be entered once: call reserve() for another one")
        self._entered = True
        self._reservation = await self._reserve()
        return self._with_reservation(self._reservation)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._reservation is not None:
            await self._release(self._reservation)
