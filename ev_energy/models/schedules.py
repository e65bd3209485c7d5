"""When a vehicle is told to charge, what that was planned from, and what was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref
from ev_energy.models._types import Instant, Uuid

if TYPE_CHECKING:
    from ev_energy.models.charging import ChargingSubSession
    from ev_energy.models.tariffs import Price


class ScheduleIntervalScheduleType(OpenEnum):
    """What an instruction is for."""

    INITIAL_CHARGE_TIME = "INITIAL_CHARGE_TIME"
    """To condition the battery, at first."""
    BATTERY_WARMING = "BATTERY_WARMING"
    """To warm the battery in the last hour before it must be ready."""
    SMART = "SMART"
    """To charge at the best times."""
    BOOST = "BOOST"
    """To charge at once, and as fast as can be."""
    SOLAR_ONLY = "SOLAR_ONLY"
    """To charge from solar power alone."""
    SOLAR_SMART = "SOLAR_SMART"
    """To charge from solar power, and at the best times."""
    V2G_DISCHARGE = "V2G_DISCHARGE"
    """To feed the grid from the battery."""
    V2G_CHARGEBACK = "V2G_CHARGEBACK"
    """To charge what the grid was fed."""
    LEGACY = "LEGACY"
    """Not known: made before types were kept."""


class SchedulePlanEstimatedChargeRateSource(OpenEnum):
    """What a charge rate was estimated from."""

    CURRENT_SESSION_EVSE_DATA_LOGS = "CURRENT_SESSION_EVSE_DATA_LOGS"
    CURRENT_SESSION_VEHICLE_DATA_LOGS = "CURRENT_SESSION_VEHICLE_DATA_LOGS"
    ENERGY_TRANSFER_PERIODS = "ENERGY_TRANSFER_PERIODS"
    DEFAULT_CHARGE_RATE = "DEFAULT_CHARGE_RATE"
    MAX_EVSE_CHARGE_RATE = "MAX_EVSE_CHARGE_RATE"
    MAX_VEHICLE_CHARGE_RATE = "MAX_VEHICLE_CHARGE_RATE"


class DispatcherLogDeviceType(OpenEnum):
    """What kind of device a command was meant for."""

    EVSE = "EVSE"
    VEHICLE = "VEHICLE"


@model
class Schedules(Model):
    """The instructions of a sub-session."""

    url: str | None = None
    charging_sub_session: Ref[ChargingSubSession] | None = None
    schedules: tuple[ScheduleInterval, ...] | None = None


@model
class ScheduleInterval(Model):
    """An instruction: how much current to charge with, for how long."""

    started_at: Instant | None = None
    """When it begins to apply: at a full or half hour."""
    interval_seconds: int | None = None
    """1800 at present; None for a boost, whose end is open."""
    current_milliamps: int | None = None
    """0 means: do not charge."""
    schedule_type: ScheduleIntervalScheduleType | None = None
    dispatched_at: Instant | None = None
    """When the device was told last; None if it was not yet."""
    created_at: Instant | None = None


@model
class SchedulePlans(Model):
    """What the instructions of a sub-session were planned from."""

    url: str | None = None
    charging_sub_session: Ref[ChargingSubSession] | None = None
    schedule_plans: tuple[SchedulePlan, ...] | None = None


@model
class SchedulePlan(Model):
    """What instructions were planned from. It has no URL of its own."""

    id: str | None = None
    created_at: Instant | None = None
    ready_by_time: Instant | None = None
    """When charging should be done."""
    price_threshold_minor_unit: int | None = None
    """In **hundredths** of a minor unit, unlike any other price: 1500 is 15 pence.

    None where there is no threshold.
    """
    power_on_current_milliamps: int | None = None
    """While it is to charge."""
    power_off_current_milliamps: int | None = None
    """While it is not to charge: 0, as a rule."""
    seconds_to_charge: int | None = None
    """How long charging takes until it is done."""
    vehicle_charge_level_watt_hours: int | None = None
    """Energy in the battery as the plan was made; None if not known."""
    estimated_charge_rate_watts: int | None = None
    estimated_charge_rate_source: SchedulePlanEstimatedChargeRateSource | None = None
    """None if not told."""
    watt_hours_to_charge: int | None = None
    """Energy that is missing until charging is done."""
    min_charge_limit_percent: int | None = None
    max_charge_limit_percent: int | None = None
    price_data: tuple[Price, ...] | None = None
    """The tariff's prices as the plan was made.

    None unless expanded (it is never a link); if it was, None where the session has no tariff.
    """


@model
class DispatcherLog(Model):
    """A command for a device: sent, or not. It has no URL of its own."""

    logged_at: Instant | None = None
    charging_sub_session: Ref[ChargingSubSession] | None = None
    schedule_valid_period_start: Instant | None = None
    """Since when the instruction that led to it applied."""
    schedule_created_at: Instant | None = None
    """When the instruction that led to it was made."""
    internal_command_id: Uuid | None = None
    """The command's own identity; presumably the same in the logs of the device."""
    device_type: DispatcherLogDeviceType | None = None
    reason_not_sent: str | None = None
    """Why the command was not sent; None if it was."""
