"""Points in time, as text and as numbers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

#: The moment the world is generated for. Fixed, so that its data are the same in every run.
ANCHOR: Final = datetime(2026, 10, 5, 12, tzinfo=UTC)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RFC_3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def write_instant(instant: datetime) -> str:
    """Return the text that goes over the wire, microseconds always included."""
    # Not by strftime, which writes the year 999 with three digits.
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def read_instant(text: str) -> datetime:
    """Return the instant an RFC 3339 text means; `ValueError` for anything else."""
    if not _RFC_3339.fullmatch(text):
        raise ValueError(f"Not an RFC 3339 date and time: {text}")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"Outside of the calendar: {text}") from error


def micros(instant: datetime) -> int:
    """Return the microseconds since 1970."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def instant_at(at: int) -> datetime:
    """Return the instant that a number of microseconds since 1970 means."""
    return _EPOCH + timedelta(microseconds=at)
