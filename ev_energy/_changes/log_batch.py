"""Entries of a log as a stream hands them over, and its status."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import attrs

from ev_energy._changes.stores import revision_of
from ev_energy.errors import EvEnergyError
from ev_energy.models._base import Model

M = TypeVar("M", bound=Model)
M_co = TypeVar("M_co", bound=Model, covariant=True)


@attrs.frozen
class LogEntry(Generic[M_co]):
    """An entry of a log, and whether it is late."""

    item: M_co
    late: bool
    """Whether the entry is older than one that was handed over before."""


class LogBatch(Generic[M]):
    """Some entries of a log in the order of time, and the state of the stream after them.

    Store both in one transaction, and each entry is stored exactly once; or store the entries
    first, and each is stored at least once. Then commit the batch.
    """

    def __init__(
        self,
        entries: tuple[LogEntry[M], ...],
        state: str,
        *,
        caught_up: bool,
        previous_revision: str | None,
        commit: Callable[[LogBatch[M]], Awaitable[None]],
    ) -> None:
        self.entries = entries
        """The entries in the order of time, oldest first; empty if a pass found nothing new."""
        self.state = state
        """The state of the stream after this batch, to pass to ``follow(state=...)``."""
        self.revision = revision_of(state)
        """The revision of the state after this batch, as a `StateStore` counts it."""
        self.caught_up = caught_up
        """Whether the stream waits before it asks for more."""
        self.previous_revision = previous_revision
        """The revision of the state that this batch follows; None if there was none."""
        self.is_committed = False
        """Whether `commit` has succeeded."""
        self._commit = commit

    def __iter__(self) -> Iterator[LogEntry[M]]:
        """Return an iterator over the entries."""
        return iter(self.entries)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self.entries)

    def __repr__(self) -> str:
        return f"<LogBatch of {len(self.entries)} entries{', caught up' * self.caught_up}>"

    async def commit(self) -> None:
        """Save the state in the store, if there is one, and let the stream continue.

        Committing again does nothing.

        Raises:
            StateConflictError: Another process has saved a state: it reads the same log.
            StateStoreError: The state cannot be saved. The batch may be committed again.
        """
        if not self.is_committed:
            await self._commit(self)
            self.is_committed = True


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
