"""The blocking twin of what a stream hands over at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Generic, TypeVar

from ev_energy._changes.rows import StateUpdate
from ev_energy._changes.saving import StateBatch as AsyncStateBatch
from ev_energy_sync._blocking import Blocking

B = TypeVar("B", bound=AsyncStateBatch[Any])
T = TypeVar("T")


class StateBatch(Blocking[B], Generic[B, T]):
    """What a stream hands over at once, and its state after that."""

    __slots__ = ()

    @property
    def state(self) -> str:
        """The whole state of the stream after this batch, as a text to continue from.

        Read it before the batch is committed. Afterwards, this raises `ValueError` unless it was
        read before or saved in a `StateStore`, because the stream may have moved on.
        """
        return self._aio.state

    @property
    def update(self) -> StateUpdate:
        """What this batch changes in the state, for a `RowStateStore`. Read it as `state`.

        Raises:
            ValueError: The store of the stream is not a `RowStateStore`, or the batch is committed.
        """
        return self._aio.update

    @property
    def revision(self) -> str:
        """The revision of the state after this batch: a digest of `state`, or that of `update`."""
        return self._aio.revision

    @property
    def previous_revision(self) -> str | None:
        """The revision of the state that this batch follows; None if there was none."""
        return self._aio.previous_revision

    @property
    def caught_up(self) -> bool:
        """Whether the stream waits before it asks for more."""
        return self._aio.caught_up

    @property
    def is_committed(self) -> bool:
        """Whether `commit` has succeeded."""
        return self._aio.is_committed

    def __iter__(self) -> Iterator[T]:
        """Return an iterator over what is handed over."""
        return iter(self._aio)

    def __len__(self) -> int:
        """Return the number of things that are handed over."""
        return len(self._aio)

    def commit(self) -> None:
        """Save the state in the store, if there is one, and let the stream continue.

        Committing again does nothing.

        Raises:
            StateConflictError: Another process has saved a state: it reads the same stream.
            StateStoreError: The state cannot be saved. The batch may be committed again.
        """
        self._portal.call(self._aio.commit())


async def first(items: AsyncIterator[T]) -> T:
    """Return the next one of *items*."""
    return await anext(items)
