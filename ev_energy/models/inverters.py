"""Inverters, their catalogue, and their latest state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref
from ev_energy.models._types import Instant

if TYPE_CHECKING:
    from ev_energy.models.users import User


class InverterStatusLogStatus(OpenEnum):
    """What an inverter is doing, as its solar power tells."""

    PRODUCING = "PRODUCING"
    CONSUMING = "CONSUMING"
    IDLE = "IDLE"
    UNKNOWN = "UNKNOWN"


@model
class InverterMake(Model):
    """A manufacturer of inverters."""

    id: str
    url: str
    name: str
    icon: str | None
    """URL of a logo."""
    onboarding_url: str | None = None
    """Where a user connects an inverter of this make; None if the make alone is not enough.

    With client credentials it lacks the user: add ``user_id`` to it.
    """
    inverter_models: str | None = None
    """URL of the list of this make's models."""


@model
class InverterModel(Model):
    """A product of a make."""

    id: str
    url: str
    name: str
    make: Ref[InverterMake] | None = None
    onboarding_url: str | None = None
    """Where a user connects an inverter of this model; None if it cannot be integrated.

    With client credentials it lacks the user: add ``user_id`` to it.
    """


@model
class Inverter(Model):
    """One physical inverter.

    ``user`` is not described by the API, but its examples carry it.
    """

    id: str
    url: str
    model: Ref[InverterModel] | None = None
    created_at: Instant | None = None
    """When it was connected to ev.energy."""
    latest_status_log: Ref[InverterStatusLog] | None = None
    """None before the first report. Expand it: no operation retrieves it by itself."""
    onboarding_url: str | None = None
    """Where its user signs in to the account that it belongs to."""
    user: Ref[User] | None = None
    """None where the reply does not say."""


@model
class InverterStatusLog(Model):
    """The state of an inverter when it reported. Expanding it is the only way to the latest one."""

    url: str | None = None
    """No operation answers at it."""
    sampled_at: Instant | None = None
    """When the inverter measured."""
    logged_at: Instant | None = None
    """When the server wrote it down."""
    inverter: Ref[Inverter] | None = None
    solar_power_watts: int | None = None
    """Output of the panels, 0 or more."""
    status: InverterStatusLogStatus | None = None
    """Worked out from ``solar_power_watts``."""
