"""Time as whole microseconds: exact, quick, and cut into half-hours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from ev_energy.simulator.clock._instants import micros

#: Microseconds: since 1970 where a point in time is meant.
Micros = int

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
HALF_HOUR: Final = 30 * MINUTE
DAY: Final = 24 * HOUR
SLOTS: Final = DAY // HALF_HOUR
#: Days are counted from a Thursday; this many make it a Monday.
_TO_MONDAY: Final = 3

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST: Final = micros(datetime.min.replace(tzinfo=UTC))
_LAST: Final = micros(datetime.max.replace(tzinfo=UTC))


def instant_of(at: Micros) -> datetime:
    """Return the point in time that so many microseconds mean."""
    return _EPOCH + timedelta(microseconds=at)


def nearest_instant(at: Micros) -> datetime:
    """Return the point in time that so many microseconds mean, or the nearest end of the calendar.

    Bounds that requests send may lie at an end of the calendar, and a microsecond beyond it.
    """
    return instant_of(min(max(at, _FIRST), _LAST))


def micros_of(span: timedelta) -> Micros:
    """Return how many microseconds a span lasts."""
    return span // _MICROSECOND


def weekday(day: int) -> int:
    """Return 0 for a Monday."""
    return (day + _TO_MONDAY) % 7


@attrs.frozen
class Span:
    """A stretch of time; without an end while it lasts."""

    start_us: Micros
    end_us: Micros | None

    @property
    def start(self) -> datetime:
        """When it begins."""
        return instant_of(self.start_us)

    @property
    def end(self) -> datetime | None:
        """When it ends; None while it lasts."""
        return None if self.end_us is None else instant_of(self.end_us)


__all__ = [
    "DAY",
    "HALF_HOUR",
    "HOUR",
    "MINUTE",
    "SECOND",
    "SLOTS",
    "Micros",
    "Span",
    "instant_of",
    "micros",
    "micros_of",
    "nearest_instant",
    "weekday",
]
