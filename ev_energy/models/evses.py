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
    """How far an EVSE has come from the box to daily use."""

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
    """Charging, and the place must be ventilated."""
    E = "E"
    """Shut off."""
    F = "F"
    """Fault."""


class EVSEStatusLogMode(OpenEnum):
    """What an EVSE says it is doing."""

    UNKNOWN = "Unknown"
    IDLE = "Idle"
    DELAY = "Delay"
    CHARGE = "Charge"
    DISCHARGE = "Discharge"
    FFR = "FFR"
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
    """The name to show to drivers; None if it has none of its own."""
    icon: str | None = None
    """URL of a logo."""
    onboarding_url: str | None = None
    """Where a driver connects an EVSE of this make; None if the model must be chosen first.

    With client credentials it lacks the user, unless the client acts for one.
    """
    is_beta: bool | None = None
    """Whether the integration is still being tried out."""
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
    """The name to show to drivers; None if it has none of its own."""
    onboarding_url: str | None = None
    """Where a driver connects an EVSE of this model; None if it cannot be integrated.

    With client credentials it lacks the user, unless the client acts for one.
    """


@model
class EVSEFirmwareVersion(Model):
    """A firmware release for one or more models."""

    id: str
    url: str
    version: str
    """The maker's internal version."""
    public_version: str | None
    """The version drivers are shown, None where it is the internal one."""
    change_log: str | None
    support_url: str | None
    """A page about this release."""


@model
class EVSE(Model):
    """One physical charge point.

    There is no flag for online: look how old ``latest_status_log.value.sampled_at`` is.
    """

    id: str
    url: str
    cpid: str
    """The charge point's own identity; its form depends on the maker."""
    model: Ref[EVSEModel] | None = None
    user: Ref[User] | None = None
    latest_status_log: Ref[EVSEStatusLog] | None = None
    """None before the first report."""
    ct_clamp: Ref[CTClamp] | None = None
    """None where no clamp is fitted."""
    lock_mode: EVSELockMode | None = None
    location: LatLong | None = None
    """Where it stands; decides grid, carbon feed, time zone and programs. None until known."""
    lifecycle_state: EVSELifecycleState | None = None
    """None before the first step was recorded."""
    charging_sub_sessions: str | None = None
    """URL of the list of this EVSE's sub-sessions."""


@model
class EVSEStatusLog(Model):
    """The state of an EVSE when it reported. What it cannot measure is None."""

    url: str | None = None
    sampled_at: Instant | None = None
    """When the EVSE measured; with the EVSE, the key of this entry."""
    logged_at: Instant | None = None
    """When the server wrote it down, at ``sampled_at`` or later."""
    evse: Ref[EVSE] | None = None
    is_plugged_in: bool | None = None
    is_charging: bool | None = None
    charge_rate_watts: int | None = None
    """Power into the vehicle."""
    export_power_watts: int | None = None
    """Power out of the vehicle (V2X); None where the EVSE is one-way."""
    control_pilot_status: EVSEStatusLogControlPilotStatus | None = None
    meter_reading_watt_hours: int | None = None
    """The meter's running total."""
    is_enabled: bool | None = None
    """Free-vend: whether any vehicle may charge."""
    max_current_rating_milliamps: int | None = None
    """The most it lets a vehicle draw."""
    cable_current_rating_milliamps: int | None = None
    """The most the cable may carry."""
    signal_strength_rssi_dbm: int | None = None
    inlet_power_watts: int | None = None
    """Power at the property's supply, as the EVSE measures it."""
    voltage_millivolts: int | None = None
    state_of_charge_percentage: int | None = None
    """Of the vehicle's battery, 0 to 100, where the EVSE is told."""
    mode: EVSEStatusLogMode | None = None


@model
class EVSEReconnectionUrl(Model):
    """Where a driver signs in again to an EVSE that lost its authorisation."""

    url: str | None = None


@model
class CTClamp(Model):
    """A current transformer around the supply cable, for charging from one's own solar power."""

    id: str | None = None
    url: str | None = None
    evse: Ref[EVSE] | None = None
    """None while it is linked to no EVSE."""
    calibration_factor: int | None = None
    """Readings are multiplied by this; -1 where the clamp was fitted backwards."""


@model
class CTClampLog(Model):
    """A current that a CT clamp measured."""

    url: str | None = None
    sampled_at: Instant | None = None
    """When it was measured; with the clamp, the key of this entry."""
    logged_at: Instant | None = None
    """When the server wrote it down."""
    ct_clamp: Ref[CTClamp] | None = None
    current_milliamps: int | None = None
    """Positive: import from the grid. Negative: export to it."""


@model
class EVSEConnectivity(Model):
    """How well an EVSE is connected. Signal strengths are None for EVSEs on Wi-Fi."""

    signal_strength_rssi_dbm: int | None
    """The last one known."""
    lowest_signal_strength_rssi_dbm_7d: int | None
    """Of the last seven days."""
    highest_signal_strength_rssi_dbm_7d: int | None
    """Of the last seven days."""
    connection_reliability_30d: int
    """Share of the last 30 days it was online, 0 to 100."""
    ip_address: str | None
    """Of its SIM; None without one."""
    iccid: str | None
    """Of its SIM; None without one."""
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
