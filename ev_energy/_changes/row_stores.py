"""Stores for the state of a stream in rows: in memory, and in a SQLite file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from ev_energy._changes.rows import StateUpdate, StoredRows
from ev_energy._changes.stores import checked_name, must_write
from ev_energy._runtime.clocks import REAL
from ev_energy.errors import StateStoreError

if TYPE_CHECKING:
    from sqlite3 import Connection

T = TypeVar("T")

#: Seconds to wait for another transaction on the same file, and between two attempts.
_LOCK_TIMEOUT: Final = 5.0
_LOCK_INTERVAL: Final = 0.02


class MemoryRowStateStore:
    """A state store in rows, in memory, lost when the process ends."""

    def __init__(self) -> None:
        self._stored: StoredRows | None = None

    def __repr__(self) -> str:
        return "MemoryRowStateStore()"

    async def load_rows(self) -> StoredRows | None:
        """Return the stored state, or None if there is none."""
        return self._stored

    async def save_rows(self, update: StateUpdate) -> None:
        """Carry out *update* if the stored state has its previous revision.

        Raises:
            StateConflictError: The stored state has another revision. It stays unchanged.
        """
        stored = self._stored
        revision = None if stored is None else stored.revision
        if not must_write("this store", update.revision, update.previous_revision, revision):
            return
        rows = {**({} if stored is None else stored.rows), **update.rows}
        kept = {key: text for key, text in rows.items() if text is not None}
        self._stored = StoredRows(update.head, kept, update.revision)


class SQLiteStateStore:
    """A state store in a SQLite file, for the processes of one machine.

    A commit writes only what its batch has changed, so it takes the same time for a fleet of any
    size. One file may keep the states of many streams; their saves wait for each other. Two
    processes may not have it on a network drive, where SQLite's locks do not work.

    Args:
        path: The file. It is created, for its owner only, if it is missing; its folder too, but no
            folder above that.
        name: The name of the stream, such as ``"sub-sessions"``. Each stream needs its own.

    Both methods raise `StateStoreError`, which names the file, if it cannot be read or written, or
    if another transaction locks it for five seconds; it stays unchanged then.
    """

    # As with other files, operations run on the event loop: a cancellation cannot separate steps.

    def __init__(self, path: str | os.PathLike[str], name: str) -> None:
        self._path, self._name = Path(path).expanduser().absolute(), checked_name(name)

    def __repr__(self) -> str:
        return f"SQLiteStateStore({str(self._path)!r}, {self._name!r})"

    async def load_rows(self) -> StoredRows | None:
        """Return the stored state, or None if there is none."""

        def load(connection: Connection) -> StoredRows | None:
            if connection.execute(_FIND_TABLE).fetchone() is None:
                return None
            head = connection.execute(_SELECT_HEAD, [self._name]).fetchone()
            if head is None:
                return None
            rows = dict(connection.execute(_SELECT_ROWS, [self._name]))
            return StoredRows(head[0], rows, head[1])

        return await self._transaction("read", "BEGIN", load)

    async def save_rows(self, update: StateUpdate) -> None:
        """Carry out *update* if the stored state has its previous revision.

        Raises:
            StateConflictError: The stored state has another revision. It stays unchanged.
        """
        name, rows = self._name, update.rows.items()

        def save(connection: Connection) -> None:
            for table in _TABLES:
                connection.execute(table)
            stored = connection.execute(_SELECT_HEAD, [name]).fetchone()
            revision = None if stored is None else stored[1]
            if not must_write(repr(self), update.revision, update.previous_revision, revision):
                return
            connection.execute(_PUT_HEAD, [name, update.head, update.revision])
            connection.executemany(_DELETE_ROW, [(name, key) for key, text in rows if text is None])
            connection.executemany(
                _PUT_ROW, [(name, key, text) for key, text in rows if text is not None]
            )

        await self._transaction("write", "BEGIN IMMEDIATE", save)

    async def _transaction(self, action: str, begin: str, work: Callable[[Connection], T]) -> T:
        """Return the result of *work* in one transaction, which is rolled back after an error."""
        import sqlite3  # not every stream needs it

        deadline = REAL.monotonic() + _LOCK_TIMEOUT
        while True:
            try:
                self._path.parent.mkdir(mode=0o700, exist_ok=True)
                with suppress(FileExistsError):
                    os.close(os.open(self._path, os.O_CREAT | os.O_EXCL, 0o600))
                # Waiting for a lock is left to the event loop.
                connection = sqlite3.connect(self._path, timeout=0, isolation_level=None)
                with closing(connection):
                    connection.execute("PRAGMA synchronous = FULL")  # durable when committed
                    connection.execute(begin)
                    result = work(connection)
                    connection.execute("COMMIT")
                    return result
            except (sqlite3.Error, OSError) as error:
                is_locked = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
                if not is_locked or REAL.monotonic() >= deadline:
                    raise StateStoreError(f"cannot {action} {self._path}: {error}") from error
            await asyncio.sleep(_LOCK_INTERVAL)


_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS ev_energy_state (
        name TEXT PRIMARY KEY, head TEXT NOT NULL, revision TEXT NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS ev_energy_state_row (
        name TEXT NOT NULL, key TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (name, key)
    ) WITHOUT ROWID""",
)
_FIND_TABLE: Final = "SELECT 1 FROM sqlite_master WHERE name = 'ev_energy_state'"
_SELECT_HEAD: Final = "SELECT head, revision FROM ev_energy_state WHERE name = ?"
_SELECT_ROWS: Final = "SELECT key, text FROM ev_energy_state_row WHERE name = ?"
_PUT_HEAD: Final = "INSERT OR REPLACE INTO ev_energy_state VALUES (?, ?, ?)"
_PUT_ROW: Final = "INSERT OR REPLACE INTO ev_energy_state_row VALUES (?, ?, ?)"
_DELETE_ROW: Final = "DELETE FROM ev_energy_state_row WHERE name = ? AND key = ?"
