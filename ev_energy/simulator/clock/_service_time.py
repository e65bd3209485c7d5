"""The time by which the service measures what its clients measure, too."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from datetime import datetime

    from ev_energy.simulator.clock._clock import Clock


#: Which clock lifetimes and limits go by.
TimeSource = Literal["real", "world"]


def checked_source(name: str, source: str) -> TimeSource:
    """Return a source of time; `ValueError` names the argument that is none."""
    if source == "real":
        return "real"
    if source == "world":
        return "world"
    raise ValueError(f"{name}: must be 'real' or 'world', not {source!r}")


class ServiceClock:
    """What lifetimes of tokens, codes and upload URLs and the hour of the rate limit go by.

    A client counts those with a clock of its own. In ``"real"`` time a second here is a second of
    that client at any speed of the world, and a jump of the world's clock is a jump here as well.
    In ``"world"`` time everything goes by the clock of the world. Its methods are what a client
    takes to measure the same way: ``Client(wall_clock=clock.timestamp,
    budget=MemoryBudget(clock=clock.monotonic, sleep=clock.sleep))``.
    """

    def __init__(self, clock: Clock, source: TimeSource) -> None:
        self._clock = clock
        self._real = source == "real"
        self._began = self()

    def __call__(self) -> datetime:
        """Return what time it is."""
        return self._clock.service_now() if self._real else self._clock.now()

    def timestamp(self) -> float:
        """Return the seconds since 1970."""
        return self().timestamp()

    def monotonic(self) -> float:
        """Return the seconds since the simulator was made, jumps included."""
        return (self() - self._began).total_seconds()

    def sleep(self, seconds: float) -> Coroutine[Any, Any, None]:
        """Wait for some seconds, or for a jump over them. Any event loop may wait for this.

        The seconds count from the call, and not from the first turn of what awaits its result: a
        jump in between counts as well.
        """
        wait = self._clock.wait_until_service if self._real else self._clock.wait_until
        return wait(self() + timedelta(seconds=max(0.0, seconds)))
