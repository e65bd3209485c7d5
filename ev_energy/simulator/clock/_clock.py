"""The clock of the simulated world, which stands still, runs at any speed, or jumps ahead."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator.clock._broadcast_event import BroadcastEvent
from ev_energy.simulator.clock._instants import ANCHOR, read_instant, write_instant

if TYPE_CHECKING:
    from collections.abc import Callable


#: Ids hold milliseconds since 1970, so no earlier instant can be used.
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: A year before the calendar ends, so that adding hours to the time needs no check.
_LAST: Final = datetime(9999, 1, 1, tzinfo=UTC)
#: A jump publishes all webhook events of the time it skips, so its length is limited.
LONGEST_JUMP: Final = timedelta(days=366)
#: One hour per millisecond.
GREATEST_SPEED: Final = 3_600_000
#: The longest single sleep; some event loops overflow with much longer timers.
_LONGEST_SLEEP: Final = 3600.0


class Clock:
    """The time of the simulated world. It never goes back; any thread may read or move it.

    At a *speed* of 0 the clock stands still, at 1 it runs in real time, at 60 an hour passes in a
    minute; the highest speed is 3,600,000. A jump spans at most 366 days. The clock covers the
    years 1970 to 9998 and stops at the beginning of 9999. *monotonic* returns real seconds.

    The clock has a second reading, `service_now`, which runs in real time at any speed and takes
    part in jumps. Token lifetimes and the rate limit use it, because clients measure them with
    their own clocks.
    """

    def __init__(
        self,
        start: datetime = ANCHOR,
        *,
        speed: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._speed = _checked_speed(speed)
        self._base = _checked_instant(start)
        self._monotonic = monotonic
        self._based_at = monotonic()
        self._service = self._base
        self._service_at = self._based_at
        self._lock = threading.Lock()
        self._changed = BroadcastEvent()
        self._callbacks: dict[object, Callable[[], None]] = {}

    def __call__(self) -> datetime:
        """Return the current time of the world."""
        return self.now()

    def now(self) -> datetime:
        """Return the current time of the world."""
        with self._lock:
            return self._read()

    def service_now(self) -> datetime:
        """Return the time that advances by one second per real second, and by each jump."""
        with self._lock:
            return self._read_service()

    @property
    def speed(self) -> float:
        """Seconds of the world per real second."""
        return self._speed

    def run(self, speed: float = 1.0) -> None:
        """Continue from now at another speed."""
        speed = _checked_speed(speed)
        with self._lock:
            at = self._monotonic()
            self._base, self._based_at, self._speed = self._read(at), at, speed
        self._changed.notify()

    def stop(self) -> None:
        """Stop the clock."""
        self.run(0.0)

    def advance(
        self,
        by: timedelta | None = None,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
    ) -> datetime:
        """Jump ahead by at most 366 days. Return the new time."""
        try:
            span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
            span += by or timedelta()
        except OverflowError:
            raise ValueError("The calendar ends before that") from None
        if span < timedelta():
            raise ValueError(f"The clock cannot go back, not even by {-span}")
        if span > LONGEST_JUMP:
            raise ValueError(_too_far(span))
        return self._jump(lambda now: _later(now, span))

    def jump_to(self, instant: datetime) -> datetime:
        """Jump ahead to an instant at most 366 days away. Return it."""
        instant = _checked_instant(instant)
        return self._jump(lambda _now: instant)

    async def wait_until(self, instant: datetime) -> None:
        """Wait until the clock reaches *instant*, by running or by jumping."""
        _check_zone(instant)
        await self._wait(lambda: ((instant - self._read()).total_seconds(), self._speed))

    async def wait_until_service(self, instant: datetime) -> None:
        """Wait until `service_now` reaches *instant*."""
        _check_zone(instant)
        await self._wait(lambda: ((instant - self._read_service()).total_seconds(), 1.0))

    async def _wait(self, remaining: Callable[[], tuple[float, float]]) -> None:
        """Wait until *remaining*, a function returning seconds and their speed, returns none."""
        loop = asyncio.get_running_loop()
        with self._changed.listen() as changed:  # set by moves of the clock and by the timer
            while True:
                changed.clear()
                with self._lock:
                    seconds, speed = remaining()
                if seconds <= 0:
                    return
                timer = None
                if speed:
                    timer = loop.call_later(min(seconds / speed, _LONGEST_SLEEP), changed.set)
                try:
                    await changed.wait()
                finally:
                    if timer is not None:
                        timer.cancel()

    def on_jump(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call *callback* after each jump, in the thread that jumps.

        Returns:
            A function that removes the callback.
        """
        key = object()
        with self._lock:
            self._callbacks[key] = callback

        def remove() -> None:
            with self._lock:
                self._callbacks.pop(key, None)

        return remove

    def dump(self) -> dict[str, Any]:
        """Return the state of the clock as JSON for `load`."""
        with self._lock:
            return {
                "now": write_instant(self._read()),
                "speed": self._speed,
                "service_now": write_instant(self._read_service()),
            }

    def load(self, dumped: dict[str, Any]) -> None:
        """Continue from a dumped state. The time since the dump is not counted."""
        now, speed = _checked_instant(read_instant(dumped["now"])), _checked_speed(dumped["speed"])
        service = _checked_instant(read_instant(dumped["service_now"]))
        with self._lock:
            self._base, self._based_at, self._speed = now, self._monotonic(), speed
            self._service, self._service_at = service, self._based_at
        self._changed.notify()

    def _read(self, at: float | None = None) -> datetime:
        at = self._monotonic() if at is None else at
        elapsed = (at - self._based_at) * self._speed
        if elapsed >= (_LAST - self._base).total_seconds():
            return _LAST
        return self._base + timedelta(seconds=elapsed)

    def _read_service(self, at: float | None = None) -> datetime:
        elapsed = (self._monotonic() if at is None else at) - self._service_at
        if elapsed >= (_LAST - self._service).total_seconds():
            return _LAST
        return self._service + timedelta(seconds=elapsed)

    def _jump(self, target: Callable[[datetime], datetime]) -> datetime:
        with self._lock:
            at = self._monotonic()
            now = self._read(at)
            then = target(now)
            if then < now:
                raise ValueError(f"The clock cannot go back from {now} to {then}")
            if then - now > LONGEST_JUMP:
                raise ValueError(_too_far(then - now))
            service = min(self._read_service(at), _LAST - (then - now)) + (then - now)
            self._base, self._based_at = then, at
            self._service, self._service_at = service, at
            callbacks = list(self._callbacks.values())
        if then > now:
            self._changed.notify()
            for callback in callbacks:
                callback()
        return then


def _too_far(span: timedelta) -> str:
    return f"The clock jumps {LONGEST_JUMP.days} days ahead at most, not {span}: jump several times"


def _later(now: datetime, span: timedelta) -> datetime:
    try:
        return _checked_instant(now + span)
    except OverflowError:
        raise ValueError("The calendar ends before that") from None


def _check_zone(instant: datetime) -> None:
    if instant.utcoffset() is None:
        raise ValueError(f"Without a time zone, {instant} may be any hour")


def _checked_instant(instant: datetime) -> datetime:
    _check_zone(instant)
    try:
        instant = instant.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"Outside of the calendar: {instant}") from None
    if not _FIRST <= instant <= _LAST:
        raise ValueError(f"The clock begins at {_FIRST} and ends at {_LAST}: not {instant}")
    return instant


def _checked_speed(speed: float) -> float:
    if not (math.isfinite(speed) and 0 <= speed <= GREATEST_SPEED):
        raise ValueError(f"speed: must be from 0 to {GREATEST_SPEED:,}, not {speed}")
    return float(speed)
