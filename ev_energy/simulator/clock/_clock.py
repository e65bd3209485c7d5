"""The clock of the simulated world: it stands still, runs at any speed, or jumps ahead."""

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


#: Identifiers hold the milliseconds since 1970, and none before.
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: A year before the calendar ends, so that adding hours to the time needs no check.
_LAST: Final = datetime(9999, 1, 1, tzinfo=UTC)
#: All that is announced to webhooks in the time that is jumped over has to be made up.
LONGEST_JUMP: Final = timedelta(days=366)
#: An hour in a millisecond.
GREATEST_SPEED: Final = 3_600_000
#: The longest time a loop is asked to sleep at once; some cannot count much further.
_NAP: Final = 3600.0


class Clock:
    """Tells the world's time. It never goes back, and any thread may read or move it.

    At a ``speed`` of 0 it stands still, at 1 it keeps pace with ours, at 60 an hour is a minute;
    3,600,000 is the greatest. A jump spans 366 days at most. The first instant is the first of
    1970; at the beginning of the year 9999 the clock stops. ``monotonic`` counts the real seconds.

    A second hand, `service_now`, always runs at the pace of real time, and jumps along. Lifetimes
    of tokens and the rate limit go by it, since clients measure those with clocks of their own.
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
        self._moved = BroadcastEvent()
        self._told: dict[object, Callable[[], None]] = {}

    def __call__(self) -> datetime:
        """Return what time it is in the world."""
        return self.now()

    def now(self) -> datetime:
        """Return what time it is in the world."""
        with self._lock:
            return self._read()

    def service_now(self) -> datetime:
        """Return the time by the hand that takes a real second for a second, jumps included."""
        with self._lock:
            return self._read_service()

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
        self._moved.notify()

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
        """Jump ahead, by 366 days at most; return the time it is then."""
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
        """Jump ahead to an instant, 366 days away at most; return it."""
        instant = _checked_instant(instant)
        return self._jump(lambda _now: instant)

    async def wait_until(self, instant: datetime) -> None:
        """Return once it is ``instant`` or later, however the clock gets there."""
        _check_zone(instant)
        await self._wait(lambda: ((instant - self._read()).total_seconds(), self._speed))

    async def wait_until_service(self, instant: datetime) -> None:
        """Return once `service_now` is ``instant`` or later."""
        _check_zone(instant)
        await self._wait(lambda: ((instant - self._read_service()).total_seconds(), 1.0))

    async def _wait(self, left: Callable[[], tuple[float, float]]) -> None:
        """Return once *left*, which gives the seconds that are missing and their pace, has none."""
        loop = asyncio.get_running_loop()
        with self._moved.listen() as stirred:  # by a move, or by the timer
            while True:
                stirred.clear()
                with self._lock:
                    missing, pace = left()
                if missing <= 0:
                    return
                timer = None
                if pace:
                    timer = loop.call_later(min(missing / pace, _NAP), stirred.set)
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
            return {
                "now": write_instant(self._read()),
                "speed": self._speed,
                "service_now": write_instant(self._read_service()),
            }

    def load(self, dumped: dict[str, Any]) -> None:
        """Go on as another clock did when it was dumped; the time since then did not pass."""
        now, speed = _checked_instant(read_instant(dumped["now"])), _checked_speed(dumped["speed"])
        # Earlier versions had the one hand only.
        service = _checked_instant(read_instant(dumped.get("service_now", dumped["now"])))
        with self._lock:
            self._base, self._based_at, self._speed = now, self._monotonic(), speed
            self._service, self._service_at = service, self._based_at
        self._moved.notify()

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

    def _jump(self, aim: Callable[[datetime], datetime]) -> datetime:
        with self._lock:
            at = self._monotonic()
            now = self._read(at)
            then = aim(now)
            if then < now:
                raise ValueError(f"The clock cannot go back from {now} to {then}")
            if then - now > LONGEST_JUMP:
                raise ValueError(_too_far(then - now))
            service = min(self._read_service(at), _LAST - (then - now)) + (then - now)
            self._base, self._based_at = then, at
            self._service, self._service_at = service, at
            told = list(self._told.values())
        if then > now:
            self._moved.notify()
            for callback in told:
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
