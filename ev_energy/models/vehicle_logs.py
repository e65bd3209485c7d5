"""What vehicles were told, where they were seen, and what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref
from ev_energy.models._types import Instant, Uuid

if TYPE_CHECKING:
    from ev_energy.models.vehicles import Vehicle


class VehicleCommandLogCommand(OpenEnum):
    """What a vehicle was told to do."""

    START_CHARGE = "START_CHARGE"
    STOP_CHARGE = "STOP_CHARGE"
    WAKE_UP = "WAKE_UP"
    SEND_SCHEDULE = "SEND_SCHEDULE"


@model
class VehicleAPIErrorLog(Model):
    """A failure to reach a vehicle through its provider's API. What is not known is None."""

    url: str | None = None
    logged_at: Instant | None = None
    """When it was written down; with the vehicle, the key of this entry."""
    vehicle: Ref[Vehicle] | None = None
    status_code: int | None = None
    """HTTP status of the provider's API."""
    controller: str | None = None
    """The integration in use, such as ``ENODE``."""
    error_code: str | None = None
    """The provider's, or ev.energy's own, such as ``AUTHENTICATION_ERROR``."""
    error_type: str | None = None
    """The provider's, or ev.energy's own, such as ``VehicleAPIUnauthorized``."""
    request_id: str | None = None
    """Names the request that failed."""
    command: str | None = None
    """What was being attempted, such as ``START_CHARGE``."""
    error_detail: str | None = None
    internal_command_id: Uuid | None = None
    """The same in the command log of the command that failed."""


@model
class VehicleLocationLog(Model):
    """When a vehicle told where it was. The place itself is not given away."""

    url: str | None = None
    sampled_at: Instant | None = None
    """When it was there; with the vehicle, the key of this entry."""
    logged_at: Instant | None = None
    """When the server heard of it."""
    vehicle: Ref[Vehicle] | None = None
    at_home: bool | None = None
    """Whether that was its user's home; None if the user has given none."""


@model
class VehicleCommandLog(Model):
    """A command that was sent to a vehicle."""

    url: str | None = None
    logged_at: Instant | None = None
    """When it was sent; with the vehicle, the key of this entry."""
    vehicle: Ref[Vehicle] | None = None
    command: VehicleCommandLogCommand | None = None
    external_command_id: str | None = None
    """The provider's name for the command."""
    current_milliamps: int | None = None
    """The current that went along with a start or stop."""
    internal_command_id: Uuid | None = None
    """The same in the error log of this command."""
