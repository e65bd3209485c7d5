"""Commands to vehicles, their locations, and failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref
from ev_energy.models._types import Instant, Uuid

if TYPE_CHECKING:
    from ev_energy.models.vehicles import Vehicle


class VehicleCommandLogCommand(OpenEnum):
    """A command to a vehicle."""

    START_CHARGE = "START_CHARGE"
    STOP_CHARGE = "STOP_CHARGE"
    WAKE_UP = "WAKE_UP"
    """Wake the vehicle from its sleep."""
    SEND_SCHEDULE = "SEND_SCHEDULE"
    """Tell the vehicle when to charge."""


@model
class VehicleAPIErrorLog(Model):
    """A failure to reach a vehicle through its provider's API. An unknown value is None."""

    url: str | None = None
    logged_at: Instant | None = None
    """When the server recorded it; with the vehicle, the key of this entry."""
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
    """The id of the failed request."""
    command: str | None = None
    """The attempted command, such as ``START_CHARGE``."""
    error_detail: str | None = None
    internal_command_id: Uuid | None = None
    """The same id as in the command log of the failed command."""


@model
class VehicleLocationLog(Model):
    """A report of a vehicle's location. The location itself is not disclosed."""

    url: str | None = None
    sampled_at: Instant | None = None
    """When the vehicle was there; with the vehicle, the key of this entry."""
    logged_at: Instant | None = None
    """When the server recorded it."""
    vehicle: Ref[Vehicle] | None = None
    at_home: bool | None = None
    """Whether that was its user's home; None if the user has not set a home."""


@model
class VehicleCommandLog(Model):
    """A command that was sent to a vehicle."""

    url: str | None = None
    logged_at: Instant | None = None
    """When it was sent; with the vehicle, the key of this entry."""
    vehicle: Ref[Vehicle] | None = None
    command: VehicleCommandLogCommand | None = None
    external_command_id: str | None = None
    """The provider's id of the command."""
    current_milliamps: int | None = None
    """The current that was sent with a start or stop."""
    internal_command_id: Uuid | None = None
    """The same id as in the error log of this command."""
