"""The times that streams compute with: far enough from the first and last of `datetime`."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from ev_energy._arguments import describe_type
from ev_energy._codec.text import timestamp
from ev_energy._runtime.log_fields import log_fields
from ev_energy.errors import StateError

_log: Final = logging.getLogger("ev_energy")

#: Nothing of the API is older.
_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)
#: Clocks that were reset show years before 2000.
_FIRST_YEAR: Final = 1900
#: How far the clocks of this machine and of the server may differ without a warning.
_TOLERANCE: Final = timedelta(minutes=5)
_LONGEST: Final = timedelta(days=3650)


def checked_since(since: object) -> datetime:
    """Return the argument *since* in UTC; the year 2000 for anything earlier.

    Raises:
        TypeError: It is not a datetime.
        ValueError: It has no time zone, or is after the year 9000.
    """
    if not isinstance(since, datetime):
        raise TypeError(f"since must be a datetime, not {describe_type(since)}")
    timestamp("since", since)  # refuses a datetime without a zone
    if since < _EARLIEST:
        return _EARLIEST
    if since > _LATEST:
        raise ValueError(f"since must be before the year {_LATEST.year}, not {since}")
    return since.astimezone(UTC)


def warn_if_ahead(stream: str, since: datetime, now: datetime) -> None:
    """Log a warning if *since* is later than *now*, the server's time: nothing would be found."""
    if since > now + _TOLERANCE:
        _log.warning(
            "%s begins at %s, and the server's time is %s: nothing before that is handed over. "
            "Take since from the server's clock (of a simulator: simulator.clock.now())",
            stream,
            _clock(since),
            _clock(now),
            extra=log_fields("stream_ahead", stream=stream),
        )


def describe_progress(since: datetime, through: datetime | None) -> str:
    """Return since when a stream hands over what it reads, and through which time it has."""
    reached = "not yet read" if through is None else f"read through {_clock(through)}"
    return f"since {_clock(since)}, {reached}"


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def is_possible(at: datetime) -> bool:
    """Return whether a stream can compute with *at*."""
    return _FIRST_YEAR <= at.year <= _LATEST.year


def check_times(times: Iterable[datetime]) -> None:
    """Raise `StateError` if one of the *times* of a saved state cannot be computed with."""
    for at in times:
        if at.tzinfo is None:
            raise StateError("the state is damaged: a time has no time zone. Restore a backup")
        if not is_possible(at):
            raise StateError(f"the state is damaged: the time {at} is impossible. Restore a backup")


def checked_duration(name: str, duration: object, least: timedelta) -> timedelta:
    """Return the argument *name*, a duration of *least* or more.

    Raises:
        TypeError: It is not a timedelta.
        ValueError: It is too short, or longer than ten years.
    """
    if not isinstance(duration, timedelta):
        raise TypeError(f"{name} must be a timedelta, not {describe_type(duration)}")
    if duration < least:
        raise ValueError(f"{name} must be {least} or more, not {duration}")
    if duration > _LONGEST:
        raise ValueError(f"{name} must be {_LONGEST.days} days or less, not {duration}")
    return duration
