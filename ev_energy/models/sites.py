"""Places where several users share EVSEs."""

from __future__ import annotations

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum


class EVSESiteCpmsConnection(OpenEnum):
    """Charge point management systems of sites."""

    CHARGEPOINT = "CHARGEPOINT"
    """ChargePoint."""
    SWTCH = "SWTCH"
    """SWTCH Energy."""


@model
class EVSESite(Model):
    """A place with EVSEs that several users may use."""

    id: str
    url: str
    evses: tuple[str, ...]
    """URLs of the EVSEs of the site."""
    cpms_connection: EVSESiteCpmsConnection | None
    """The charge point management system that it is connected to, or None."""
    cpms_connection_display_name: str | None = None
    """The name of that system to show to people."""
    user_connected: bool | None = None
    """Whether the user is connected to that system; None unless the request is made for a user."""
