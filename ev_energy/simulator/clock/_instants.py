"""Points in time as text, as `datetime` and as whole microseconds since 1970.

The simulator computes in microseconds: they are exact, quick, and divide into half-hours.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

#: The moment the world is generated for. Fixed, so that its data are the same in every run.
ANCHOR: Final = datetime(2026, 10, 5, 12, tzinfo=UTC)

#: A number of microseconds; of a point in time, those since 1970-01-01T00:00:00Z.
Micros = int

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
HALF_HOUR: Final = 30 * MINUTE
DAY: Final = 24 * HOUR
#: Half-hours in a day.
SLOTS: Final = DAY // HALF_HOUR

#: 1970-01-01 was a Thursday: weekday 3, counted from Monday.
_EPOCH_WEEKDAY: Final = 3
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_RFC_3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def write_instant(instant: datetime) -> str:
    """Return *instant* as RFC 3339 text in UTC, always with six digits of microseconds."""
    # strftime would write the year 999 with three digits.
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def read_instant(text: str) -> datetime:
    """Parse an RFC 3339 text.

    Raises:
        ValueError: It is no RFC 3339 date and time, or in UTC it is outside of the calendar.
    """
    if not _RFC_3339.fullmatch(text):
        raise ValueError(f"Not an RFC 3339 date and time: {text}")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"Outside of the calendar: {text}") from error


def micros(instant: datetime) -> Micros:
    """Return the microseconds from 1970 to *instant*."""
    return (instant - _EPOCH) // _MICROSECOND


def micros_of(span: timedelta) -> Micros:
    """Return the length of *span* in microseconds."""
    return span // _MICROSECOND


def instant_of(at: Micros) -> datetime:
    """Return the point in time *at* microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=at)


_FIRST: Final = micros(datetime.min.replace(tzinfo=UTC))
_LAST: Final = micros(datetime.max.replace(tzinfo=UTC))


def nearest_instant(at: Micros) -> datetime:
    """Return the point in time *at* microseconds after 1970, or the nearest end of the calendar.

    The bounds of a filter may lie at an end of the calendar and a microsecond beyond it.
    """
    return instant_of(min(max(at, _FIRST), _LAST))


def weekday(day: int) -> int:
    """Return the weekday of the *day*-th day since 1970-01-01; Monday is 0."""
    return (day + _EPOCH_WEEKDAY) % 7


@attrs.frozen
class Span:
    """A span of time, open-ended while it lasts."""

    start_us: Micros
    end_us: Micros | None

    @property
    def start(self) -> datetime:
        """The start of the span."""
        return instant_of(self.start_us)

    @property
    def end(self) -> datetime | None:
        """The end of the span; None while it lasts."""
        return None if self.end_us is None else instant_of(self.end_us)
