"""Streams of changes, and the stores that their states are saved in.

A stream reads a listing again and again, merges webhooks into it, and hands over each change once.
Its state is a text, which a store keeps, so that another process can continue the stream.
"""

from __future__ import annotations

from ev_energy._changes.stores import FileStateStore, MemoryStateStore, StateStore, StoredState

__all__ = ["FileStateStore", "MemoryStateStore", "StateStore", "StoredState"]
