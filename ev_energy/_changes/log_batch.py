"""Entries of a log as a stream hands them over, and its status."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Generic, TypeVar

import attrs

from ev_energy._changes.saving import StateBatch
from ev_energy.errors import EvEnergyError
from ev_energy.models._base import Model

M_co = TypeVar("M_co", bound=Model, covariant=True)


@attrs.frozen
class LogEntry(Generic[M_co]):
    """An entry of a log, and whether it is late."""

    item: M_co
    """The entry."""
    late: bool
    """Whether the entry is older than one that was handed over before."""


class LogBatch(StateBatch[LogEntry[M_co]]):
    """Some entries of a log in the order of time, and the state of the stream after them.

    Store both in one transaction, and each entry is stored exactly once; or store the entries
    first, and each is stored at least once. Then commit the batch.
    """

    @property
    def entries(self) -> tuple[LogEntry[M_co], ...]:
        """The entries in the order of time, oldest first; empty if a pass found nothing new."""
        return self._items

    def __repr__(self) -> str:
        return f"<LogBatch of {len(self)} entries{', caught up' * self.caught_up}>"


@attrs.frozen(kw_only=True)
class LogStatus:
    """The status of a stream, for a dashboard or an alarm. All times are in UTC."""

    through: datetime | None
    """When the latest finished pass began, in the server's time, less ``hold``: the stream has
    handed over what was readable then. None before the first one."""
    lag: timedelta | None
    """How long ago that was."""
    remembered: int
    """The number of entries in the state."""
    requests: int
    """The number of requests of the last hour."""
    next_pass: datetime | None
    """When the next pass is due, in the server's time; None during one."""
    late: int
    """The number of late entries that this stream has handed over."""
    has_server_time: bool
    """Whether replies have a ``Date`` header. Without one, this machine's time minus five minutes
    stands for the server's."""
    error: EvEnergyError | None
    """The error because of which the stream waits and tries again; None after a success."""
