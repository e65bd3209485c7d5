"""The server's clock, as the ``Date`` headers of its replies show it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from ev_energy._changes.times import is_possible

#: How far the server's clock is assumed to be behind this machine's if its replies have no date.
#: Too early a time only lists some entries again; too late a time would leave some out.
_UNKNOWN_DIFFERENCE: Final = timedelta(minutes=5)


class ServerClock:
    """The time of the server, estimated from this machine's clock and the latest reply."""

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        self._wall_clock = wall_clock
        self._difference = timedelta()
        self.is_known: bool = False
        """Whether the latest reply had a date."""

    def now(self) -> datetime:
        """Return the estimated time of the server; this machine's before the first reply."""
        return self._local() + self._difference

    def read(self, date: datetime | None) -> datetime:
        """Return the time at which the server made a reply, which states *date* if not None."""
        local = self._local()
        if date is not None and not is_possible(date):
            date = None
        self.is_known = date is not None
        if date is None:
            self._difference = timedelta()
            return local - _UNKNOWN_DIFFERENCE
        self._difference = date - local
        return date

    def _local(self) -> datetime:
        return datetime.fromtimestamp(self._wall_clock(), UTC)
