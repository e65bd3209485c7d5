"""Changes of sub-sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs

if TYPE_CHECKING:
    from ev_energy.models.charging import ChargingSubSession

#: How a stream learnt of a change: from a listing, from a webhook, from reading the sub-session by
#: its id, or from comparing the past with what was handed over.
Via: TypeAlias = Literal["poll", "webhook", "read", "sweep"]


@attrs.frozen
class Created:
    """A sub-session that the stream had not handed over before."""

    session: ChargingSubSession
    via: Via
    late: bool = False
    """Whether it began or ended more than three hours before: its device was offline, say."""

    @property
    def id(self) -> str:
        """The id of the sub-session."""
        return self.session.id


@attrs.frozen
class Ended:
    """A sub-session that has ended. `Created` came before, possibly in the same batch."""

    session: ChargingSubSession
    via: Via
    late: bool = False
    """Whether it ended more than three hours before: its device was offline, say."""

    @property
    def id(self) -> str:
        """The id of the sub-session."""
        return self.session.id


@attrs.frozen
class Updated:
    """A sub-session that had ended, and has other figures now, or another end.

    ``session.end`` is None if the end was taken back. `Ended` follows when it ends again.
    """

    session: ChargingSubSession
    via: Via
    late: bool = False
    """Whether it ended more than three hours before, as is usual for corrections."""

    @property
    def id(self) -> str:
        """The id of the sub-session."""
        return self.session.id


@attrs.frozen
class Gone:
    """A sub-session that was handed over and no longer exists: the API answers 404 for it."""

    id: str
    via: Via
    late: bool = False
    """Whether it began or ended more than three hours before."""


Change: TypeAlias = Created | Ended | Updated | Gone
