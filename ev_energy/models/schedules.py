"""Instructions to charge, the plans behind them, and the commands that were sent."""

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
    """The purpose of an instruction."""

    INITIAL_CHARGE_TIME = "INITIAL_CHARGE_TIME"
    """Initial charging to condition the battery."""
    BATTERY_WARMING = "BATTERY_WARMING"
    """Warming the battery in the last hour before it must be ready."""
    SMART = "SMART"
    """Charging at the best times."""
    BOOST = "BOOST"
    """Charging at once, as fast as possible."""
    SOLAR_ONLY = "SOLAR_ONLY"
    """Charging from solar power only."""
    SOLAR_SMART = "SOLAR_SMART"
    """Charging from solar power and at the best times."""
    V2G_DISCHARGE = "V2G_DISCHARGE"
    """Feeding the grid from the battery."""
    V2G_CHARGEBACK = "V2G_CHARGEBACK"
    """Recharging the energy that was fed into the grid."""
    LEGACY = "LEGACY"
    """Unknown: created before types were recorded."""


class SchedulePlanEstimatedChargeRateSource(OpenEnum):
    """What a charge rate was estimated from."""

    CURRENT_SESSION_EVSE_DATA_LOGS = "CURRENT_SESSION_EVSE_DATA_LOGS"
    """What the EVSE logged in the present session."""
    CURRENT_SESSION_VEHICLE_DATA_LOGS = "CURRENT_SESSION_VEHICLE_DATA_LOGS"
    """What the vehicle logged in the present session."""
    ENERGY_TRANSFER_PERIODS = "ENERGY_TRANSFER_PERIODS"
    DEFAULT_CHARGE_RATE = "DEFAULT_CHARGE_RATE"
    """A default rate."""
    MAX_EVSE_CHARGE_RATE = "MAX_EVSE_CHARGE_RATE"
    """The highest rate of the EVSE."""
    MAX_VEHICLE_CHARGE_RATE = "MAX_VEHICLE_CHARGE_RATE"
    """The highest rate of the vehicle."""


class DispatcherLogDeviceType(OpenEnum):
    """The kind of device that a command is for."""

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
    """When it takes effect: at a full or half hour."""
    interval_seconds: int | None = None
    """1800 at present; None for a boost, which has no fixed end."""
    current_milliamps: int | None = None
    """0 means: do not charge."""
    schedule_type: ScheduleIntervalScheduleType | None = None
    dispatched_at: Instant | None = None
    """When it was last sent to the device; None if it was not sent yet."""
    created_at: Instant | None = None


@model
class SchedulePlans(Model):
    """The plans behind the instructions of a sub-session."""

    url: str | None = None
    charging_sub_session: Ref[ChargingSubSession] | None = None
    schedule_plans: tuple[SchedulePlan, ...] | None = None


@model
class SchedulePlan(Model):
    """The input of one planning of instructions. It has no URL."""

    id: str | None = None
    created_at: Instant | None = None
    ready_by_time: Instant | None = None
    """When charging should be done."""
    price_threshold_minor_unit: int | None = None
    """In **hundredths** of a minor unit, unlike any other price: 1500 is 15 pence.

    None if there is no threshold.
    """
    power_on_current_milliamps: int | None = None
    """The current while charging."""
    power_off_current_milliamps: int | None = None
    """The current while not charging: usually 0."""
    seconds_to_charge: int | None = None
    """Charging time until it is done."""
    vehicle_charge_level_watt_hours: int | None = None
    """Energy in the battery when the plan was made; None if not known."""
    estimated_charge_rate_watts: int | None = None
    estimated_charge_rate_source: SchedulePlanEstimatedChargeRateSource | None = None
    """None if not known."""
    watt_hours_to_charge: int | None = None
    """Energy to add until charging is done."""
    min_charge_limit_percent: int | None = None
    max_charge_limit_percent: int | None = None
    price_data: tuple[Price, ...] | None = None
    """The tariff's prices when the plan was made.

    None unless expanded (it is never a link), and None if the session has no tariff.
    """


@model
class DispatcherLog(Model):
    """A command for a device, whether it was sent or not. It has no URL."""

    logged_at: Instant | None = None
    charging_sub_session: Ref[ChargingSubSession] | None = None
    schedule_valid_period_start: Instant | None = None
    """When the instruction behind it took effect."""
    schedule_created_at: Instant | None = None
    """When the instruction behind it was created."""
    internal_command_id: Uuid | None = None
    """The id of the command; presumably the same as in the logs of the device."""
    device_type: DispatcherLogDeviceType | None = None
    reason_not_sent: str | None = None
    """Why the command was not sent; None if it was."""
