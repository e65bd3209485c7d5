"""Streams of changes, and the stores that their states are saved in.

A stream reads a listing again and again, merges webhooks into it, and hands over each change once.
Its state is a text, which a store keeps, so that another process can continue the stream. Stores of
rows write only what a batch has changed, for large fleets.
``client.charging_sub_sessions.changes()`` returns the stream of charging sub-sessions. The listings
of logs, such as ``client.evses.status_logs(evse)``, have a method ``follow()`` that returns the
stream of their entries.
"""

from __future__ import annotations

from ev_energy._changes.batch import Batch, Change, Created, Ended, Gone, Updated, Via
from ev_energy._changes.follow import LogStream
from ev_energy._changes.log_batch import LogBatch, LogEntry, LogStatus
from ev_energy._changes.queues import EventQueue, MemoryEventQueue, WebhookEvent
from ev_energy._changes.row_stores import MemoryRowStateStore, SQLiteStateStore
from ev_energy._changes.rows import RowStateStore, StateUpdate, StoredRows
from ev_energy._changes.status import StreamStatus
from ev_energy._changes.stores import FileStateStore, MemoryStateStore, StateStore, StoredState
from ev_energy._changes.stream import SubSessionStream

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
