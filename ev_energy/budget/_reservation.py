"""Requests that are set aside for somebody: ``async with client.reserve(300) as reserved``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Generic, TypeVar

from ev_energy.budget import Reservation

C = TypeVar("C")


class ReservationContext(Generic[C]):
    """Sets requests aside when it is entered, and gives back what is left when it is left."""

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
        """How many requests are left of it; 0 before it is entered and after it was left."""
        return 0 if self._reservation is None else self._reservation.remaining

    async def __aenter__(self) -> C:
        """The client whose calls use them up."""
        if self._entered:
            raise RuntimeError("a reservation is entered once: make another with reserve()")
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
