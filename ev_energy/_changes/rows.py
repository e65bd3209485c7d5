"""The part of a state that grows, in rows, so that a commit can save only what has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn, Protocol, TypeVar, cast, runtime_checkable

import attrs

from ev_energy.errors import StateError

K = TypeVar("K")
V = TypeVar("V")


@attrs.frozen
class StoredRows:
    """The state that a store of rows holds."""

    head: str
    """The part of the state that has no rows."""
    rows: Mapping[str, str]
    """The rows by their keys."""
    revision: str
    """Identifies the state: see `StateUpdate.previous_revision`."""


@attrs.frozen
class StateUpdate:
    """What one batch changes in a state that is stored in rows."""

    head: str
    """The new part without rows; about 2 kB."""
    rows: Mapping[str, str | None]
    """The rows to insert or replace, by their keys; None for those to delete."""
    previous_revision: str | None
    """The revision that the stored state must have; None if nothing must be stored."""
    revision: str
    """The revision of the state after this update."""

    @classmethod
    def after(cls, previous: str | None, head: str, rows: Mapping[str, str | None]) -> StateUpdate:
        """Return an update of the state with the revision *previous*."""
        content = json.dumps([previous, head, sorted(rows.items())])
        revision = hashlib.sha1(content.encode(), usedforsecurity=False).hexdigest()
        return cls(head, rows, previous, revision)


@runtime_checkable
class RowStateStore(Protocol):
    """A store for the state of one stream, in rows. Any class with these two methods can be one.

    A `StateStore` writes the whole state at each commit; this writes what the batch has changed.
    """

    async def load_rows(self) -> StoredRows | None:
        """Return the stored state, or None if there is none."""
        ...

    async def save_rows(self, update: StateUpdate) -> None:
        """Carry out *update* if the stored state has its previous revision.

        If the stored state has the new revision already, nothing is changed and the call succeeds,
        since the reply to an earlier one may have been lost. All of it must be one step for all
        that share the store, and durable when this returns.

        Raises:
            StateConflictError: The stored state has another revision. It stays unchanged.
        """
        ...


class StateInRows(Protocol):
    """A state that can be saved as a whole, or in rows."""

    def dump(self) -> str:
        """Return the whole state as a text."""
        ...

    def head(self) -> str:
        """Return the part that has no rows, as a text."""
        ...

    def tables(self) -> Mapping[str, Rows[Any, Any]]:
        """Return the parts in rows by their names."""
        ...

    def row(self, entry: Any) -> str:
        """Return the text of an entry of one of the tables."""
        ...


class Rows(dict[K, V]):
    """A dictionary that remembers the keys whose entries have changed.

    Entries are set and deleted singly. An entry that is changed in place must be set again.
    """

    __slots__ = ("changed",)

    def __init__(self, entries: Mapping[K, V] | None = None, *, are_saved: bool = False) -> None:
        super().__init__(entries or {})
        self.changed: set[K] = set() if are_saved else set(self)

    def __setitem__(self, key: K, entry: V) -> None:
        super().__setitem__(key, entry)
        self.changed.add(key)

    def __delitem__(self, key: K) -> None:
        super().__delitem__(key)
        self.changed.add(key)

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("set and delete the entries one by one: their keys are remembered")

    clear = pop = popitem = setdefault = update = __ior__ = cast("Any", _refuse)


#: Between the name of a table and the key of an entry, in the key of a row.
_SEPARATOR: Final = "/"


def changed_rows(state: StateInRows) -> dict[str, str | None]:
    """Return the rows that have changed since `mark_saved`; None for a deleted one."""
    return {
        f"{name}{_SEPARATOR}{key}": state.row(table[key]) if key in table else None
        for name, table in state.tables().items()
        for key in table.changed
    }


def mark_saved(state: StateInRows) -> None:
    """Note that all rows of *state* are stored."""
    for table in state.tables().values():
        table.changed.clear()


def check_rows(expected: int | None, stored: StoredRows | None) -> None:
    """Raise `StateError` unless *stored* has the *expected* number of rows.

    None for *stored* stands for a state that was saved as a whole.
    """
    if expected is not None and stored is None:
        raise StateError(
            "this is the part of a state without its rows: pass the store that has the rows"
        )
    found = None if stored is None else len(stored.rows)
    if found != expected:
        raise StateError(
            f"the state is damaged: it has {found} rows, and had {expected}. Restore a backup"
        )


def table_of(
    rows: Mapping[str, str], name: str, read: Callable[[str, str], tuple[K, V]]
) -> Rows[K, V]:
    """Return the table *name* of stored *rows*; *read* returns the entry of a key and a text."""
    prefix = name + _SEPARATOR
    entries = (
        read(key.removeprefix(prefix), text) for key, text in rows.items() if key.startswith(prefix)
    )
    return Rows(dict(entries), are_saved=True)
