"""Time zones."""

from __future__ import annotations

from ev_energy.models._base import Model, model


@model
class Timezone(Model):
    """A time zone that the API supports."""

    id: str
    url: str
    name: str
    """Its IANA name, such as ``Europe/London``, as `zoneinfo.ZoneInfo` takes it."""
