"""Requests that are set aside for somebody: ``async with client.reserve(300) as reserved``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Generic, TypeVar

from ev_energy.budget import Share

C = TypeVar("C")


class Reservation(Generic[C]):
    """Sets requests aside when it is entered, and gives back what is left when it is left."""

    def __init__(
        self,
        reserve: Callable[[], Awaitable[Share]],
        end: Callable[[Share], Awaitable[None]],
        with_share: Callable[[Share], C],
    ) -> None:
        self._reserve, self._end, self._with_share = reserve, end, with_share
        self._share: Share | None = None
        self._entered = False

    @property
    def left(self) -> int:
        """How many requests are left of it; 0 before it is entered and after it was left."""
        return 0 if self._share is None else self._share.left

    async def __aenter__(self) -> C:
        """The client whose calls use them up."""
        if self._entered:
            raise RuntimeError("a reservation is entered once: make another with reserve()")
        self._entered = True
        self._share = await self._reserve()
        return self._with_share(self._share)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._share is not None:
            await self._end(self._share)
