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
    """The activity of an inverter, derived from its solar power."""

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
    """The page where a user connects an inverter of this make; None if it needs the model.

    With client credentials the URL does not name the user: add ``user_id`` to it.
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
    """The page where a user connects an inverter of this model; None if it cannot be integrated.

    With client credentials the URL does not name the user: add ``user_id`` to it.
    """


@model
class Inverter(Model):
    """One physical inverter.

    The API does not describe ``user``, but its examples contain it.
    """

    id: str
    url: str
    model: Ref[InverterModel] | None = None
    created_at: Instant | None = None
    """When it was connected to ev.energy."""
    latest_status_log: Ref[InverterStatusLog] | None = None
    """None before the first report. Expand it: no operation returns it alone."""
    onboarding_url: str | None = None
    """The page where its user signs in to the account that it belongs to."""
    user: Ref[User] | None = None
    """None if the reply does not contain it."""


@model
class InverterStatusLog(Model):
    """The state of an inverter when it reported. Only expanding the link returns the latest one."""

    url: str | None = None
    """No operation reads this URL."""
    sampled_at: Instant | None = None
    """When the inverter measured."""
    logged_at: Instant | None = None
    """When the server recorded it."""
    inverter: Ref[Inverter] | None = None
    solar_power_watts: int | None = None
    """Output of the panels, 0 or more."""
    status: InverterStatusLogStatus | None = None
    """Derived from ``solar_power_watts``."""
