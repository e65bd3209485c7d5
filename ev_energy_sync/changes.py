"""Blocking streams of changes; the stores, queues and changes are those of `ev_energy.changes`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence

from ev_energy.changes import Batch as AsyncBatch
from ev_energy.changes import (
    Change,
    Created,
    Ended,
    EventQueue,
    FileStateStore,
    Gone,
    LogEntry,
    LogStatus,
    MemoryEventQueue,
    MemoryRowStateStore,
    MemoryStateStore,
    RowStateStore,
    SQLiteStateStore,
    StateStore,
    StateUpdate,
    StoredRows,
    StoredState,
    StreamStatus,
    Updated,
    Via,
    WebhookEvent,
)
from ev_energy.changes import SubSessionStream as AsyncStream
from ev_energy_sync._blocking import Blocking
from ev_energy_sync._follow import LogBatch, LogStream
from ev_energy_sync._state_batch import StateBatch, first

__all__ = [
    "Batch",
    "Change",
    "Created",
    "Ended",
    "EventQueue",
    "FileStateStore",
    "Gone",
    "LogBatch",
    "LogEntry",
    "LogStatus",
    "LogStream",
    "MemoryEventQueue",
    "MemoryRowStateStore",
    "MemoryStateStore",
    "RowStateStore",
    "SQLiteStateStore",
    "StateStore",
    "StateUpdate",
    "StoredRows",
    "StoredState",
    "StreamStatus",
    "SubSessionStream",
    "Updated",
    "Via",
    "WebhookEvent",
]


class Batch(StateBatch[AsyncBatch, Change]):
    """Some changes of sub-sessions, and the state of the stream after them.

    Store both in one transaction, and each change is stored exactly once; or store the changes
    first, and each is stored at least once. Then commit the batch.
    """

    __slots__ = ()

    @property
    def changes(self) -> Sequence[Change]:
        """The changes; empty if only the state has changed, as after a pass that found nothing."""
        return self._aio.changes


class SubSessionStream(Blocking[AsyncStream], Iterator[Change]):
    """The changes of charging sub-sessions, each once: beginnings, ends, and later corrections.

    Iterate over it for the changes themselves: a batch is committed when the change after its last
    one is asked for. Or iterate over `batches`, and commit each yourself. The iteration never
    ends; it waits for changes. It may be left and continued at any time, also after an error or an
    interrupt: nothing is lost, and what was handed over is not handed over again.

    Connection failures, errors of the server and exhausted rate limits do not raise: the stream
    logs them, waits, and continues at the same page; `status` shows them. All other errors raise.
    """

    __slots__ = ()

    def __next__(self) -> Change:
        """Return the next change; commit the batch of the previous one if it was its last."""
        return self._portal.call(first(self._aio))

    def batches(self) -> Iterator[Batch]:
        """Return an iterator over batches, each of which must be committed before the next.

        A pass without changes gives an empty batch, since the state changes too; so does the
        beginning, if nothing is due. Asking for the next batch without committing raises
        `UncommittedBatchError`.
        """
        return _Batches(self._aio.batches(), self._portal)

    def offer(self, event: WebhookEvent) -> None:
        """Take an event of a webhook, from any thread. It is looked at when the stream is iterated.

        Verify its sender before (`ev_energy.webhooks.Webhook.verify`). Events of unknown types are
        ignored. Losing an event, or offering it twice, late, or out of order, is harmless: webhooks
        make the stream faster, and polling makes it right.

        Raises:
            TypeError: *event* is not an event of ``ev_energy.webhooks``.
        """
        self._aio.offer(event)

    def status(self) -> StreamStatus:
        """Return where the stream is. Nothing is sent."""
        return self._aio.status()


class _Batches(Blocking[AsyncIterator[AsyncBatch]], Iterator[Batch]):
    """An iterator with one call into the loop per batch."""

    def __next__(self) -> Batch:
        return Batch(self._portal.call(first(self._aio)), self._portal)
