"""Places where several people share chargers."""

from __future__ import annotations

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum


class EVSESiteCpmsConnection(OpenEnum):
    """Charge point management systems that sites are run by."""

    CHARGEPOINT = "CHARGEPOINT"
    SWTCH = "SWTCH"


@model
class EVSESite(Model):
    """A place with EVSEs that several users may charge at."""

    id: str
    url: str
    evses: tuple[str, ...]
    """URLs of the EVSEs that belong to the site now."""
    cpms_connection: EVSESiteCpmsConnection | None
    """The charge point management system it is connected to, None if to none."""
    cpms_connection_display_name: str | None = None
    """That system's name, for people."""
    user_connected: bool | None = None
    """Whether the user is connected to that system; None unless the request stands for a user."""
