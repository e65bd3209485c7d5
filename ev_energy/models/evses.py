"""EVSEs (charge points), their catalogue, their latest state, and CT clamps.

EVSE, status log and CT clamp refer to each other, so they share a module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref
from ev_energy.models._types import Instant

if TYPE_CHECKING:
    from ev_energy.models.common import LatLong
    from ev_energy.models.users import User


class EVSELockMode(OpenEnum):
    """When an EVSE lets a vehicle charge."""

    UNLOCKED = "UNLOCKED"
    """At any time."""
    SMART = "SMART"
    """Only when smart charging says so."""
    LOCKED = "LOCKED"
    """Never."""


class EVSELifecycleState(OpenEnum):
    """The state of an EVSE between delivery and daily use.

    The API lists the stages without explaining them.
    """

    CREATED_LINKED = "CREATED_LINKED"
    INSTALLED = "INSTALLED"
    COMMISSIONED = "COMMISSIONED"
    DECOMMISSIONED = "DECOMMISSIONED"
    UNKNOWN = "UNKNOWN"
    PROBABLY_INSTALLED = "PROBABLY_INSTALLED"
    UNPAIRED = "UNPAIRED"
    PENDING = "PENDING"
    ENROLLED = "ENROLLED"


class EVSEStatusLogControlPilotStatus(OpenEnum):
    """State of the control pilot line (SAE J1772, IEC 61851-1)."""

    A = "A"
    """No vehicle."""
    B = "B"
    """A vehicle is connected and not charging."""
    C = "C"
    """Charging, or ready to."""
    D = "D"
    """Charging; the room must be ventilated."""
    E = "E"
    """Shut off."""
    F = "F"
    """Fault."""


class EVSEStatusLogMode(OpenEnum):
    """The activity that an EVSE reports. The API lists the modes without explaining them."""

    UNKNOWN = "Unknown"
    IDLE = "Idle"
    DELAY = "Delay"
    CHARGE = "Charge"
    DISCHARGE = "Discharge"
    FFR = "FFR"
    """Frequency response, a service to the grid."""
    LOAD_MATCH = "Load match"
    EXPORT_MATCH = "Export match"
    PEAK_TIME = "Peak time"
    DEEP_SLEEP = "Deep sleep"


@model
class EVSEMake(Model):
    """A manufacturer of EVSEs."""

    id: str
    url: str
    name: str
    display_name: str | None = None
    """The name to show to drivers; None if there is no separate one."""
    icon: str | None = None
    """URL of a logo."""
    onboarding_url: str | None = None
    """The page where a driver connects an EVSE of this make; None if it needs the model.

    With client credentials the URL does not name the user, unless the client acts for one.
    """
    is_beta: bool | None = None
    """Whether the integration is a beta version."""
    evse_models: str | None = None
    """URL of the list of this make's models."""


@model
class EVSEModel(Model):
    """A product of a make."""

    id: str
    url: str
    name: str
    make: Ref[EVSEMake] | None = None
    display_name: str | None = None
    """The name to show to drivers; None if there is no separate one."""
    onboarding_url: str | None = None
    """The page where a driver connects an EVSE of this model; None if it cannot be integrated.

    With client credentials the URL does not name the user, unless the client acts for one.
    """


@model
class EVSEFirmwareVersion(Model):
    """A firmware release for one or more models."""

    id: str
    url: str
    version: str
    """The maker's internal version."""
    public_version: str | None
    """The version that drivers see; None if it is the internal one."""
    change_log: str | None
    support_url: str | None
    """A page about this release."""


@model
class EVSE(Model):
    """One physical charge point.

    There is no flag for being online: check the age of ``latest_status_log.value.sampled_at``.
    """

    id: str
    url: str
    cpid: str
    """The id that the charge point itself uses; its form depends on the maker."""
    model: Ref[EVSEModel] | None = None
    user: Ref[User] | None = None
    latest_status_log: Ref[EVSEStatusLog] | None = None
    """None before the first report."""
    ct_clamp: Ref[CTClamp] | None = None
    """None if no clamp is fitted."""
    lock_mode: EVSELockMode | None = None
    location: LatLong | None = None
    """The place of installation, which decides grid, carbon feed, time zone and programs.

    None until it is known.
    """
    lifecycle_state: EVSELifecycleState | None = None
    """None before the first step was recorded."""
    charging_sub_sessions: str | None = None
    """URL of the list of this EVSE's sub-sessions."""


@model
class EVSEStatusLog(Model):
    """The state of an EVSE when it reported. A value that it cannot measure is None."""

    url: str | None = None
    sampled_at: Instant | None = None
    """When the EVSE measured; with the EVSE, the key of this entry."""
    logged_at: Instant | None = None
    """When the server recorded it, at ``sampled_at`` or later."""
    evse: Ref[EVSE] | None = None
    is_plugged_in: bool | None = None
    is_charging: bool | None = None
    charge_rate_watts: int | None = None
    """Power into the vehicle."""
    export_power_watts: int | None = None
    """Power out of the vehicle (V2X); None if the EVSE cannot discharge vehicles."""
    control_pilot_status: EVSEStatusLogControlPilotStatus | None = None
    meter_reading_watt_hours: int | None = None
    """The meter's running total."""
    is_enabled: bool | None = None
    """Free-vend: whether any vehicle may charge."""
    max_current_rating_milliamps: int | None = None
    """The highest current that it lets a vehicle draw."""
    cable_current_rating_milliamps: int | None = None
    """The highest current that the cable may carry."""
    signal_strength_rssi_dbm: int | None = None
    inlet_power_watts: int | None = None
    """Power at the property's supply, as the EVSE measures it."""
    voltage_millivolts: int | None = None
    state_of_charge_percentage: int | None = None
    """That of the vehicle's battery, 0 to 100, if the vehicle reports it to the EVSE."""
    mode: EVSEStatusLogMode | None = None


@model
class EVSEReconnectionUrl(Model):
    """The page where a driver signs in again to an EVSE that lost its authorisation."""

    url: str | None = None


@model
class CTClamp(Model):
    """A current transformer around the supply cable, for charging from the home's solar power."""

    id: str | None = None
    url: str | None = None
    evse: Ref[EVSE] | None = None
    """None while it is not linked to an EVSE."""
    calibration_factor: int | None = None
    """Readings are multiplied by this; -1 if the clamp was fitted backwards."""


@model
class CTClampLog(Model):
    """A current that a CT clamp measured."""

    url: str | None = None
    sampled_at: Instant | None = None
    """When it was measured; with the clamp, the key of this entry."""
    logged_at: Instant | None = None
    """When the server recorded it."""
    ct_clamp: Ref[CTClamp] | None = None
    current_milliamps: int | None = None
    """Positive: import from the grid. Negative: export to it."""


@model
class EVSEConnectivity(Model):
    """How well an EVSE is connected. Signal strengths are None for EVSEs on Wi-Fi."""

    signal_strength_rssi_dbm: int | None
    """The last known value."""
    lowest_signal_strength_rssi_dbm_7d: int | None
    """The lowest value of the last seven days."""
    highest_signal_strength_rssi_dbm_7d: int | None
    """The highest value of the last seven days."""
    connection_reliability_30d: int
    """Percentage of the last 30 days in which it was online, 0 to 100."""
    ip_address: str | None
    """That of its SIM; None without a SIM."""
    iccid: str | None
    """That of its SIM; None without a SIM."""
    firmware_version: str | None
    """None if not known."""
    latest_status_log: Ref[EVSEStatusLog] | None


@model
class VPPModes(Model):
    """The ways a virtual power plant may control a device."""

    target_power: bool
    import_max_power: bool
    export_max_power: bool
    charge_mode: bool
