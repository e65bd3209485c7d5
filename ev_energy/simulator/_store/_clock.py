"""The clock of the simulated world: it stands still, runs at any speed, or jumps ahead."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator._store._bell import Bell
from ev_energy.simulator._store._instants import ANCHOR, read_instant, write_instant

if TYPE_CHECKING:
    from collections.abc import Callable

#: A year before the calendar ends, so that whoever adds hours to the time needs no check.
_LAST: Final = datetime(9999, 1, 1, tzinfo=UTC)
#: The longest time a loop is asked to sleep at once; some cannot count much further.
_NAP: Final = 3600.0


class Clock:
    """Tells the world's time. It never goes back, and any thread may read or move it.

    At a ``speed`` of 0 it stands still, at 1 it keeps pace with ours, at 60 an hour is a minute.
    At the end of the calendar it stops. ``monotonic`` counts the real seconds.
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
        self._lock = threading.Lock()
        self._moved = Bell()
        self._told: dict[object, Callable[[], None]] = {}

    def __call__(self) -> datetime:
        """Return what time it is in the world."""
        return self.now()

    def now(self) -> datetime:
        """Return what time it is in the world."""
        with self._lock:
            return self._read()

    @property
    def speed(self) -> float:
        """How many seconds of the world a real second lasts."""
        return self._speed

    def run(self, speed: float = 1.0) -> None:
        """Go on from now at another speed."""
        speed = _checked_speed(speed)
        with self._lock:
            at = self._monotonic()
            self._base, self._based_at, self._speed = self._read(at), at, speed
        self._moved.ring()

    def stop(self) -> None:
        """Stand still from now on."""
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
        """Jump ahead; return the time it is then."""
        try:
            span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
            span += by or timedelta()
        except OverflowError:
            raise ValueError("The calendar ends before that") from None
        if span < timedelta():
            raise ValueError(f"The clock cannot go back, not even by {-span}")
        return self._jump(lambda now: _later(now, span))

    def jump_to(self, instant: datetime) -> datetime:
        """Jump ahead to an instant; return it."""
        instant = _checked_instant(instant)
        return self._jump(lambda _now: instant)

    async def wait_until(self, instant: datetime) -> None:
        """Return once it is ``instant`` or later, however the clock gets there."""
        _check_zone(instant)
        loop = asyncio.get_running_loop()
        with self._moved.listen() as stirred:  # by a move, or by the timer
            while True:
                stirred.clear()
                with self._lock:
                    missing, speed = (instant - self._read()).total_seconds(), self._speed
                if missing <= 0:
                    return
                timer = None
                if speed:
                    timer = loop.call_later(min(missing / speed, _NAP), stirred.set)
                try:
                    await stirred.wait()
                finally:
                    if timer is not None:
                        timer.cancel()

    def on_jump(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` called after each jump, in the jumper's thread.

        Returns a function that ends this.
        """
        key = object()
        with self._lock:
            self._told[key] = callback

        def remove() -> None:
            with self._lock:
                self._told.pop(key, None)

        return remove

    def dump(self) -> dict[str, Any]:
        """Return JSON that `load` goes on from."""
        with self._lock:
            return {"now": write_instant(self._read()), "speed": self._speed}

    def load(self, dumped: dict[str, Any]) -> None:
        """Go on as another clock did when it was dumped; the time since then did not pass."""
        now, speed = _checked_instant(read_instant(dumped["now"])), _checked_speed(dumped["speed"])
        with self._lock:
            self._base, self._based_at, self._speed = now, self._monotonic(), speed
        self._moved.ring()

    def _read(self, at: float | None = None) -> datetime:
        at = self._monotonic() if at is None else at
        elapsed = (at - self._based_at) * self._speed
        if elapsed >= (_LAST - self._base).total_seconds():
            return _LAST
        return self._base + timedelta(seconds=elapsed)

    def _jump(self, aim: Callable[[datetime], datetime]) -> datetime:
        with self._lock:
            at = self._monotonic()
            now = self._read(at)
            then = aim(now)
            if then < now:
                raise ValueError(f"The clock cannot go back from {now} to {then}")
            self._base, self._based_at = then, at
            told = list(self._told.values())
        if then > now:
            self._moved.ring()
            for callback in told:
                callback()
        return then


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
    if instant > _LAST:
        raise ValueError(f"The clock ends at {_LAST}: {instant} is out of reach")
    return instant


def _checked_speed(speed: float) -> float:
    if not math.isfinite(speed) or speed < 0:
        raise ValueError(f"No clock runs at {speed}: the speed is a number from 0 up")
    return float(speed)
