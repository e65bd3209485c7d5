"""A token store in a file."""

from __future__ import annotations

from ev_energy._stores import MemoryStore


class FileStore(MemoryStore):
    """Not written yet."""
