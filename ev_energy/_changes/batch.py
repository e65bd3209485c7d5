"""Changes of sub-sessions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs

from ev_energy._changes.stores import revision_of
from ev_energy.models._refs import last_segment

if TYPE_CHECKING:
    from ev_energy.models.charging import ChargingSubSession

#: How a stream learnt of a change: from a listing, from a webhook, from reading the sub-session by
#: its id, or from comparing the past with what was handed over.
Via: TypeAlias = Literal["poll", "webhook", "read", "sweep"]


def id_of(item: ChargingSubSession) -> str:
    """Return the id of *item*, or an empty text if the reply has none."""
    id_: Any = item.id
    return str(id_) if id_ and isinstance(id_, str) else last_segment(str(item.url or ""))


@attrs.frozen
class _SessionChange:
    """A change of a sub-session that exists."""

    session: ChargingSubSession
    via: Via
    late: bool = False
    """Whether it began or ended more than three hours before: its device was offline, say."""

    @property
    def id(self) -> str:
        """The id of the sub-session."""
        return id_of(self.session)


@attrs.frozen
class Created(_SessionChange):
    """A sub-session that the stream had not handed over before."""


@attrs.frozen
class Ended(_SessionChange):
    """A sub-session that has ended. `Created` came before, possibly in the same batch."""


@attrs.frozen
class Updated(_SessionChange):
    """A sub-session that had ended, and has other figures now, or another end.

    ``session.end`` is None if the end was taken back. `Ended` follows when it ends again. What a
    sweep finds comes as an update too, also if it was never handed over before.
    """


@attrs.frozen
class Gone:
    """A sub-session that was handed over and no longer exists: the API answers 404 for it."""

    id: str
    via: Via
    late: bool = False
    """Whether it began or ended more than three hours before."""


Change: TypeAlias = Created | Ended | Updated | Gone


class Batch:
    """Some changes of sub-sessions, and the state of the stream after them.

    Store both in one transaction, and each change is stored exactly once; or store the changes
    first, and each is stored at least once. Then commit the batch.
    """

    def __init__(
        self,
        changes: Sequence[Change],
        *,
        caught_up: bool,
        previous_revision: str | None,
        dump: Callable[[], str],
        commit: Callable[[Batch], Awaitable[None]],
    ) -> None:
        self.changes: Sequence[Change] = tuple(changes)
        """The changes; empty if only the state has changed, as after a pass that found nothing."""
        self.caught_up = caught_up
        """Whether the stream waits before it asks for more."""
        self.previous_revision = previous_revision
        """The revision of the state that this batch follows; None if there was none."""
        self.is_committed = False
        """Whether `commit` has succeeded."""
        self._dump, self._commit = dump, commit
        self._state: str | None = None

    @property
    def state(self) -> str:
        """The state of the stream after this batch, to pass to ``changes(state=...)``.

        Read it before the batch is committed. Afterwards, this raises `ValueError` unless it was
        read before or saved in a store, because the stream may have moved on.
        """
        if self._state is None:
            if self.is_committed:
                raise ValueError("read the state of a batch before it is committed")
            self._state = self._dump()
        return self._state

    @property
    def revision(self) -> str:
        """The revision of the state after this batch, as a `StateStore` counts it."""
        return revision_of(self.state)

    @property
    def has_state(self) -> bool:
        """Whether the state was read or saved."""
        return self._state is not None

    def __iter__(self) -> Iterator[Change]:
        """Return an iterator over the changes."""
        return iter(self.changes)

    def __len__(self) -> int:
        """Return the number of changes."""
        return len(self.changes)

    def __repr__(self) -> str:
        return f"<Batch of {len(self.changes)} changes{', caught up' * self.caught_up}>"

    async def commit(self) -> None:
        """Save the state in the store, if there is one, and let the stream continue.

        Committing again does nothing.

        Raises:
            StateConflictError: Another process has saved a state: it reads the same stream.
            StateStoreError: The state cannot be saved. The batch may be committed again.
        """
        if not self.is_committed:
            await self._commit(self)
            self.is_committed = True
