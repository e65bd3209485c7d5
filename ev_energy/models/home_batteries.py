"""Home batteries, their catalogue and their reports."""

from __future__ import annotations

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref
from ev_energy.models._types import Instant


class HomeBatteryStatusLogStatus(OpenEnum):
    """The activity of a home battery, determined by the server."""

    CHARGING = "CHARGING"
    DISCHARGING = "DISCHARGING"
    IDLE = "IDLE"
    FAULT = "FAULT"
    UNKNOWN = "UNKNOWN"


class HomeBatteryStatusLogOperationMode(OpenEnum):
    """The mode that a home battery is set to. The API lists the modes without explaining them."""

    EXPORT_FOCUS = "EXPORT_FOCUS"
    IMPORT_FOCUS = "IMPORT_FOCUS"
    TIME_OF_USE = "TIME_OF_USE"
    SELF_RELIANCE = "SELF_RELIANCE"
    IDLE = "IDLE"
    UNKNOWN = "UNKNOWN"


@model
class HomeBatteryMake(Model):
    """A manufacturer of home batteries."""

    id: str | None = None
    url: str | None = None
    name: str | None = None
    icon: str | None = None
    """URL of a logo; None if there is none."""
    onboarding_url: str | None = None
    """The page where a user connects a battery of this make; None if it needs the model.

    With client credentials the URL does not name the user, unless the client acts for one: add
    ``user_id``.
    """
    models: str | None = None
    """URL of the list of this make's models."""


@model
class HomeBatteryModel(Model):
    """A product of a make."""

    id: str | None = None
    url: str | None = None
    name: str | None = None
    make: Ref[HomeBatteryMake] | None = None
    onboarding_url: str | None = None
    """The page where a user connects a battery of this model; None if it cannot be integrated.

    With client credentials the URL does not name the user, unless the client acts for one: add
    ``user_id``.
    """


@model
class HomeBattery(Model):
    """One physical home battery."""

    id: str
    url: str
    model: Ref[HomeBatteryModel] | None = None
    created_at: Instant | None = None
    """When it was connected to ev.energy."""
    latest_status_log: Ref[HomeBatteryStatusLog] | None = None
    """None before the first report."""


@model
class HomeBatteryStatusLog(Model):
    """The state of a home battery when it reported. A value that it does not report is None."""

    url: str | None = None
    sampled_at: Instant | None = None
    """When the battery measured; with the battery, the key of this entry."""
    home_battery: Ref[HomeBattery] | None = None
    capacity_watt_hours: int | None = None
    """Energy in the full battery."""
    state_of_charge_percentage: int | None = None
    """0 to 100."""
    charge_rate_watts: int | None = None
    """Positive: the battery charges. Negative: it discharges."""
    discharge_limit_percentage: int | None = None
    """The reserve, 0 to 100: the battery is not discharged below it."""
    status: HomeBatteryStatusLogStatus | None = None
    operation_mode: HomeBatteryStatusLogOperationMode | None = None
