"""The blocking twin of a stream of log entries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, TypeVar

from ev_energy._changes.follow import LogStream as AsyncLogStream
from ev_energy._changes.log_batch import LogBatch as AsyncLogBatch
from ev_energy._changes.log_batch import LogEntry, LogStatus
from ev_energy.models._base import Model
from ev_energy_sync._blocking import Blocking
from ev_energy_sync._state_batch import StateBatch, first

if TYPE_CHECKING:
    from ev_energy_sync._loop_thread import Portal

M = TypeVar("M", bound=Model)


class LogBatch(StateBatch[AsyncLogBatch[M], LogEntry[M]]):
    """Some entries of a log in the order of time, and the state of the stream after them.

    Store both in one transaction, and each entry is stored exactly once; or store the entries
    first, and each is stored at least once. Then commit the batch.
    """

    __slots__ = ()

    @property
    def entries(self) -> tuple[LogEntry[M], ...]:
        """The entries in the order of time, oldest first; empty if a pass found nothing new."""
        return self._aio.entries


class LogStream(Blocking[AsyncLogStream[M]], Iterator[M]):
    """The entries of a log in the order of time, each once.

    Iterate over it for the entries themselves: a batch is committed when the entry after it is
    asked for. Or iterate over `batches`, which tell late entries, and commit each yourself. The
    iteration never ends; it waits for new entries. It may be left and continued at any time, also
    after an error.

    Connection failures, errors of the server and exhausted rate limits do not raise: the stream
    logs them, waits, and continues where it was; `status` shows them. All other errors raise.
    """

    __slots__ = ("_batch", "_entries")

    def __init__(self, aio: AsyncLogStream[M], portal: Portal) -> None:
        super().__init__(aio, portal)
        self._batch: LogBatch[M] | None = None
        self._entries = iter(tuple[LogEntry[M], ...]())

    def __next__(self) -> M:
        """Return the next entry; commit the batch of the previous one if it was its last."""
        while True:
            for entry in self._entries:
                return entry.item
            if self._batch is not None:
                self._batch.commit()
                self._batch = None
            self._batch = next(self.batches())
            self._entries = iter(self._batch)

    def batches(self) -> Iterator[LogBatch[M]]:
        """Return an iterator over batches, each of which must be committed before the next.

        A pass without new entries gives an empty batch, since the state changes too. Asking for the
        next batch without committing raises `UncommittedBatchError`.
        """
        return _LogBatches(self._aio.batches(), self._portal)

    def status(self) -> LogStatus:
        """Return where the stream is. Nothing is sent."""
        return self._aio.status()


class _LogBatches(Blocking[AsyncIterator[AsyncLogBatch[M]]], Iterator[LogBatch[M]]):
    def __next__(self) -> LogBatch[M]:
        return LogBatch(self._portal.call(first(self._aio)), self._portal)
