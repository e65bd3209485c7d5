"""Loading the state of a stream, and saving it with each batch that is committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeAlias, TypeVar

from ev_energy._arguments import describe_type
from ev_energy._changes.rows import (
    RowStateStore,
    StateInRows,
    StateUpdate,
    StoredRows,
    changed_rows,
    mark_saved,
)
from ev_energy._changes.stores import StateStore, revision_of
from ev_energy.errors import StateError

T_co = TypeVar("T_co", covariant=True)
S = TypeVar("S", bound=StateInRows)

#: A store for the state of a stream, of either kind.
AnyStateStore: TypeAlias = StateStore | RowStateStore


def require_store(store: object) -> None:
    """Raise `TypeError` if *store* is not one of either kind, or is the class of one."""
    if hasattr(store, "lock") and hasattr(store, "load"):
        raise TypeError(
            f"store must be a state store, such as ev_energy.changes.FileStateStore, and "
            f"{describe_type(store)} is a token store"
        )
    if isinstance(store, type) or not isinstance(store, StateStore | RowStateStore):
        raise TypeError(
            "store must be an object with the methods load() and save(), or load_rows() and "
            f"save_rows(), not {describe_type(store)}"
        )


class Saving:
    """Where the state of one stream is kept: in a store of either kind, or by the consumer."""

    def __init__(self, store: AnyStateStore | None) -> None:
        self.store = store
        self.revision: str | None = None
        """The revision of the state that was loaded or saved last."""

    @property
    def is_in_rows(self) -> bool:
        """Whether the store saves what has changed, and not the whole state."""
        return isinstance(self.store, RowStateStore)

    async def load(self, text: Callable[[str], S], rows: Callable[[StoredRows], S]) -> S | None:
        """Return the stored state, made from its *text* or its *rows*; None if there is none.

        Raises:
            StateError: The stored state cannot be continued from.
        """
        store = self.store
        if store is None:
            return None
        try:
            if isinstance(store, RowStateStore):
                stored_rows = await store.load_rows()
                if stored_rows is None:
                    return None
                state = rows(stored_rows)
                self.revision = stored_rows.revision
            else:
                stored = await store.load()
                if stored is None:
                    return None
                state = text(stored.text)
                self.revision = stored.revision
        except StateError as error:
            raise StateError(f"{error} (it is stored in {store!r})") from error
        return state

    async def save(self, batch: StateBatch[object]) -> str | None:
        """Save the state after *batch*, and return its revision."""
        store = self.store
        if store is None:
            return batch.revision if batch.has_state else self.revision
        if isinstance(store, RowStateStore):
            await store.save_rows(batch.update)
            return batch.update.revision
        return await store.save(batch.state, batch.previous_revision)


class StateBatch(Generic[T_co]):
    """What a stream hands over at once, and its state after that."""

    def __init__(
        self, items: Sequence[T_co], state: StateInRows, saving: Saving, *, caught_up: bool
    ) -> None:
        self.caught_up = caught_up
        """Whether the stream waits before it asks for more."""
        self.previous_revision: str | None = saving.revision
        """The revision of the state that this batch follows; None if there was none."""
        self.is_committed: bool = False
        """Whether `commit` has succeeded."""
        self._items, self._live, self._saving = tuple(items), state, saving
        self._text: str | None = None
        self._update: StateUpdate | None = None

    @property
    def state(self) -> str:
        """The whole state of the stream after this batch, as a text to continue from.

        Read it before the batch is committed. Afterwards, this raises `ValueError` unless it was
        read before or saved in a `StateStore`, because the stream may have moved on.
        """
        if self._text is None:
            self._require_present_state("state")
            self._text = self._live.dump()
        return self._text

    @property
    def update(self) -> StateUpdate:
        """What this batch changes in the state, for a `RowStateStore`. Read it as `state`.

        Raises:
            ValueError: The store of the stream is not a `RowStateStore`, or the batch is committed.
        """
        if self._update is None:
            if not self._saving.is_in_rows:
                raise ValueError("the store of this stream is not a RowStateStore: read state")
            self._require_present_state("update")
            rows = changed_rows(self._live)
            self._update = StateUpdate.after(self.previous_revision, self._live.head(), rows)
        return self._update

    @property
    def revision(self) -> str:
        """The revision of the state after this batch: a digest of `state`, or that of `update`."""
        return self.update.revision if self._saving.is_in_rows else revision_of(self.state)

    @property
    def has_state(self) -> bool:
        """Whether the state was read or saved."""
        return self._text is not None or self._update is not None

    def __iter__(self) -> Iterator[T_co]:
        """Return an iterator over what is handed over."""
        return iter(self._items)

    def __len__(self) -> int:
        """Return the number of things that are handed over."""
        return len(self._items)

    async def commit(self) -> None:
        """Save the state in the store, if there is one, and let the stream continue.

        Committing again does nothing.

        Raises:
            StateConflictError: Another process has saved a state: it reads the same stream.
            StateStoreError: The state cannot be saved. The batch may be committed again.
        """
        if self.is_committed:
            return
        revision = await self._saving.save(self)
        # A commit that was given up may end after another one of the same batch, and the stream may
        # have gone on meanwhile.
        if not self.is_committed:
            self._saving.revision = revision
            mark_saved(self._live)
            self.is_committed = True

    def _require_present_state(self, name: str) -> None:
        if self.is_committed:
            raise ValueError(f"read the {name} of a batch before it is committed")
