"""Changes of sub-sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs

from ev_energy._changes.saving import StateBatch
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
    """The sub-session as it is now."""
    via: Via
    """How the stream learned of the change."""
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
    """The id of the sub-session."""
    via: Via
    """How the stream learned of it."""
    late: bool = False
    """Whether it began or ended more than three hours before."""


#: A change of a sub-session; use ``match`` to tell which.
Change: TypeAlias = Created | Ended | Updated | Gone


class Batch(StateBatch[Change]):
    """Some changes of sub-sessions, and the state of the stream after them.

    Store both in one transaction, and each change is stored exactly once; or store the changes
    first, and each is stored at least once. Then commit the batch.
    """

    @property
    def changes(self) -> Sequence[Change]:
        """The changes; empty if only the state has changed, as after a pass that found nothing."""
        return self._items

    def __repr__(self) -> str:
        return f"<Batch of {len(self)} changes{', caught up' * self.caught_up}>"
