"""Events that the API sends to a webhook endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.models._base import Model, model
from ev_energy.models._types import Instant, JsonObject

if TYPE_CHECKING:
    from ev_energy.models.charging import ChargingSubSession


@model
class ChargingSubSessionCreatedWebhook(Model):
    """A charging sub-session began: from now on, a vehicle charges in one mode."""

    type: str
    """Always ``charging_sub_session.created``."""
    timestamp: Instant
    """When it happened."""
    data: ChargingSubSession
    """The sub-session at that time; links are not expanded."""


@model
class ChargingSubSessionEndedWebhook(Model):
    """A charging sub-session ended."""

    type: str
    """Always ``charging_sub_session.ended``."""
    timestamp: Instant
    """When it happened."""
    data: ChargingSubSession
    """The sub-session at that time; links are not expanded."""


@model
class UnknownEvent(Model):
    """An event that this version of the SDK does not know. Answer it with status 200, too."""

    type: str | None = None
    timestamp: Instant | None = None
    """When it happened."""
    data: JsonObject | None = None
    """The data of the event, as JSON values."""
