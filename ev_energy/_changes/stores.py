"""Stores for the state of a stream, with compare and swap."""

from __future__ import annotations

import hashlib
import os
from typing import Protocol, runtime_checkable

import attrs

from ev_energy._arguments import require_text
from ev_energy._runtime.private_file import PrivateFile
from ev_energy.errors import StateConflictError, StateStoreError


@attrs.frozen
class StoredState:
    """The state that a store holds."""

    text: str
    """The state, as the stream wrote it."""
    revision: str
    """Identifies the state: `StateStore.save` replaces a state only if it has this revision."""


@runtime_checkable
class StateStore(Protocol):
    """A store for the state of one stream. Any class with these two methods can be one."""

    async def load(self) -> StoredState | None:
        """Return the stored state, or None if there is none."""
        ...

    async def save(self, text: str, revision: str | None) -> str:
        """Replace the stored state, which must have *revision*, and return the new revision.

        None for *revision* means that nothing must be stored. Saving the stored state again changes
        nothing and succeeds, since the reply to the first save may have been lost. The comparison
        and the replacement must be one step for all that share the store, and the new state must be
        durable when this returns.

        Raises:
            StateConflictError: The stored state has another revision. It stays unchanged.
        """
        ...


def checked_name(name: object) -> str:
    """Return the argument *name* of a store, a text that is not empty."""
    checked = require_text("name", name)
    if not checked:
        raise ValueError("name must not be empty")
    try:
        checked.encode()
    except UnicodeEncodeError:
        raise ValueError(f"name must be valid Unicode, not {checked!r}") from None
    return checked


def revision_of(text: str) -> str:
    """Return the revision of a state: the SHA-1 of its text, which Redis computes too."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _revision(stored: StoredState | None) -> str | None:
    return None if stored is None else stored.revision


class MemoryStateStore:
    """A state store in memory, lost when the process ends."""

    def __init__(self) -> None:
        self._state: StoredState | None = None

    def __repr__(self) -> str:
        return "MemoryStateStore()"

    async def load(self) -> StoredState | None:
        """Return the stored state, or None if there is none."""
        return self._state

    async def save(self, text: str, revision: str | None) -> str:
        """Replace the stored state, which must have *revision*, and return the new revision.

        Raises:
            StateConflictError: The stored state has another revision. It stays unchanged.
        """
        state = StoredState(require_text("text", text), revision_of(text))
        if must_write("this store", state.revision, revision, _revision(self._state)):
            self._state = state
        return state.revision


class FileStateStore:
    """A state store in one file that only its owner can read, for processes on one machine.

    A save writes a second file and renames it over the first. At any moment, also if the process or
    the machine dies, there is a complete file with either the old state or the new one.

    Args:
        path: The file. Its folder is created if it is missing, but no folder above that.

    Both methods raise `StateStoreError`, which names the file, if it cannot be read or written; it
    stays unchanged then.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = PrivateFile(path, StateStoreError)

    def __repr__(self) -> str:
        return f"FileStateStore({str(self._file.path)!r})"

    async def load(self) -> StoredState | None:
        """Return the stored state, or None if there is none."""
        return self._read()

    async def save(self, text: str, revision: str | None) -> str:
        """Replace the stored state, which must have *revision*, and return the new revision.

        Raises:
            StateConflictError: The stored state has another revision. It stays unchanged.
        """
        state = StoredState(require_text("text", text), revision_of(text))
        async with self._file.lock("lock"):
            stored = _revision(self._read())
            if must_write(str(self._file.path), state.revision, revision, stored):
                self._file.replace(text.encode())
        return state.revision

    def _read(self) -> StoredState | None:
        content = self._file.read()
        if content is None or not content.body:
            return None
        try:
            text = content.body.decode()
        except UnicodeDecodeError:
            raise StateStoreError(
                f"{self._file.path} does not hold a state: it is not UTF-8. It was not changed: "
                "move it away, or give another path"
            ) from None
        return StoredState(text, revision_of(text))


def must_write(where: str, new: str, expected: str | None, stored: str | None) -> bool:
    """Return whether the state with the revision *new* must be written, or is stored already.

    Raises:
        StateConflictError: The *stored* revision is not the *expected* one.
    """
    if stored == new:
        return False
    if stored != expected:
        raise StateConflictError(where, expected, stored)
    return True
