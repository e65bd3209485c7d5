"""The clock for what both the service and its clients measure: lifetimes and rate limits."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from datetime import datetime

    from ev_energy.simulator.clock._clock import Clock


#: The clock that lifetimes and limits use.
TimeSource = Literal["real", "world"]


def checked_source(name: str, source: str) -> TimeSource:
    """Return *source* if it is valid, or raise a `ValueError` that names the argument."""
    if source == "real":
        return "real"
    if source == "world":
        return "world"
    raise ValueError(f"{name}: must be 'real' or 'world', not {source!r}")


class ServiceClock:
    """The clock of the lifetimes of tokens, codes and upload URLs, and of the rate limit.

    A client measures those with its own clock. With ``"real"`` time, a second of this clock is a
    real second at any speed of the world, and a jump of the world's clock is a jump of this one.
    With ``"world"`` time, it is the clock of the world. A client can use the same clock:
    ``Client(wall_clock=clock.timestamp, budget=MemoryBudget(clock=clock.monotonic,
    sleep=clock.sleep))``.
    """

    def __init__(self, clock: Clock, source: TimeSource) -> None:
        self._clock = clock
        self._real = source == "real"
        self._start = self()

    def __call__(self) -> datetime:
        """Return the current time."""
        return self._clock.service_now() if self._real else self._clock.now()

    def timestamp(self) -> float:
        """Return the seconds since 1970."""
        return self().timestamp()

    def monotonic(self) -> float:
        """Return the seconds since the simulator was created, jumps included."""
        return (self() - self._start).total_seconds()

    def sleep(self, seconds: float) -> Coroutine[Any, Any, None]:
        """Wait for some seconds, or for a jump over them, in any event loop.

        The seconds count from the call of this method, not from the await, so a jump in between
        counts as well.
        """
        wait = self._clock.wait_until_service if self._real else self._clock.wait_until
        return wait(self() + timedelta(seconds=max(0.0, seconds)))
