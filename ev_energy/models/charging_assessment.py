"""How well a sub-session went, what is wrong with it, and how its figures came about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref
from ev_energy.models._types import Instant

if TYPE_CHECKING:
    from ev_energy.models.charging import ChargingSubSession


class ChargingSubSessionAssessmentRating(OpenEnum):
    """How good a metric is, as a traffic light."""

    RED = "RED"
    """Bad."""
    AMBER = "AMBER"
    GREEN = "GREEN"
    """Good."""
    NOT_APPLICABLE = "NOT_APPLICABLE"


class ChargingSubSessionDebugMetadataStartReason(OpenEnum):
    """What began a sub-session. The API lists the reasons without explaining them."""

    BOOST_START = "BOOST_START"
    SMART_CHARGE_ENABLED = "SMART_CHARGE_ENABLED"
    SMART_CHARGE_DISABLED = "SMART_CHARGE_DISABLED"
    SOLAR_SETTINGS = "SOLAR_SETTINGS"
    ADMIN_CREATE_FAKE = "ADMIN_CREATE_FAKE"
    ADMIN_IMPORT_CSV = "ADMIN_IMPORT_CSV"
    REPROCESS_VEHICLEDATALOGS_CMD = "REPROCESS_VEHICLEDATALOGS_CMD"
    SFTP_IMPORTER = "SFTP_IMPORTER"
    EVSE_CONNECT = "EVSE_CONNECT"
    CP_EVSE_CONNECT = "CP_EVSE_CONNECT"
    VEHICLE_LOG_CONNECT = "VEHICLE_LOG_CONNECT"
    USER_SETTINGS = "USER_SETTINGS"


class ChargingSubSessionDebugMetadataFinishReason(OpenEnum):
    """What ended a sub-session. The API lists the reasons without explaining them."""

    BOOST_START = "BOOST_START"
    SMART_CHARGE_ENABLED = "SMART_CHARGE_ENABLED"
    SMART_CHARGE_DISABLED = "SMART_CHARGE_DISABLED"
    SOLAR_SETTINGS = "SOLAR_SETTINGS"
    ADMIN_ACTION = "ADMIN_ACTION"
    FAKE_CURRENT_CHARGING_CMD = "FAKE_CURRENT_CHARGING_CMD"
    REPROCESS_VEHICLEDATALOGS_CMD = "REPROCESS_VEHICLEDATALOGS_CMD"
    SFTP_IMPORTER = "SFTP_IMPORTER"
    INVALIDATE_ACCOUNT = "INVALIDATE_ACCOUNT"
    REMOVE_INTEGRATION = "REMOVE_INTEGRATION"
    EVSE_UNPAIR = "EVSE_UNPAIR"
    EVSE_DISCONNECT = "EVSE_DISCONNECT"


class ChargingSubSessionDebugMetadataEnergyUsageCalculationMethod(OpenEnum):
    """What the energy of a sub-session was worked out from."""

    ESTIMATED_CHARGE_ENERGY_ADDED = "ESTIMATED_CHARGE_ENERGY_ADDED"
    ESTIMATED_CHARGE_LEVEL = "ESTIMATED_CHARGE_LEVEL"
    ESTIMATED_CHARGE_RATE = "ESTIMATED_CHARGE_RATE"
    METERED = "METERED"
    METERED_CHARGE_RATE = "METERED_CHARGE_RATE"
    BETA_ESTIMATED_CHARGE_ENERGY_ADDED = "BETA_ESTIMATED_CHARGE_ENERGY_ADDED"
    ESTIMATED_CHARGE_LEVEL_WITH_INFERENCE = "ESTIMATED_CHARGE_LEVEL_WITH_INFERENCE"
    MANUAL_ENTRY = "MANUAL_ENTRY"


class ChargingSubSessionDebugMetadataEnergyUsageInterpolationMethod(OpenEnum):
    """How the gaps between readings were filled."""

    LINEAR = "LINEAR"
    LINEAR_WITH_CHARGE_STEP = "LINEAR_WITH_CHARGE_STEP"


class ChargingSubSessionDebugMetadataSolarIntegrationType(OpenEnum):
    """What lets an EVSE charge from solar power."""

    UNAVAILABLE = "UNAVAILABLE"
    HARDWARE = "HARDWARE"
    SOFTWARE = "SOFTWARE"
    SOFTWARE_BETA = "SOFTWARE_BETA"
    HARDWARE_PASSTHROUGH = "HARDWARE_PASSTHROUGH"


@model
class ChargingSubSessionAssessment(Model):
    """How well a sub-session went, once it is over."""

    url: str | None = None
    charging_sub_session: Ref[ChargingSubSession] | None = None
    energy_delivered_to_capacity_percentage: int | None = None
    """Energy delivered, of what the battery can hold; above 100 where it was more."""
    energy_delivery_percentage: int | None = None
    """Energy delivered, of what was required."""
    average_charge_rate_watts: int | None = None
    max_charge_rate_watts: int | None = None
    metrics: ChargingSubSessionAssessmentMetrics | None = None
    ratings: dict[str, ChargingSubSessionAssessmentRating] | None = None
    """By the name of the metric, with one for the whole among them.

    The API lists no names, not even that of the one for the whole.
    """
    updated_at: Instant | None = None


@model
class ChargingSubSessionAssessmentMetrics(Model):
    """Measures of how well a sub-session went.

    Percentages, 0 to 100, where neither the name nor the text of a member tells otherwise. Any
    may be None. What lies behind a threshold is not told.
    """

    vehicle_data_uptime: int | None = None
    vehicle_location_uptime: int | None = None
    vehicle_error_rate: int | None = None
    vehicle_command_adherence: int | None = None
    evse_data_uptime: int | None = None
    evse_command_adherence: int | None = None
    schedule_quality: int | None = None
    """Time that was scheduled for charging and saw none, whatever the name suggests."""
    charge_outside_of_schedule: int | None = None
    """Energy that flowed when none was scheduled."""
    session_duration: int | None = None
    """The unit is not stated; by the example, seconds."""
    energy_delivered_vs_required: int | None = None
    savings_attainment_rate: int | None = None
    """Savings made, of the most that could have been made."""
    session_savings_range: int | None = None
    """From the least to the most that the session could have cost.

    In "units of currency": whether major or minor ones is not stated.
    """
    charge_energy_added_meter_reset: bool | None = None
    """Whether the count of energy added was seen to start over."""
    charge_energy_added_oscillation_count: int | None = None
    charge_level_oscillation_count: int | None = None
    charge_location_data_at_session_start_minutes: int | None = None
    """How old the vehicle's location was when the session started."""
    last_location_update_implied_velocity_kmh: int | None = None
    """How fast the vehicle must have been to get to where it was reported last."""
    distance_from_home_meters: int | None = None
    missing_location: bool | None = None
    vehicle_median_data_gap_duration_minutes: int | None = None
    vehicle_max_data_gap_duration_minutes: int | None = None
    vehicle_data_frequency_below_threshold: int | None = None
    evse_median_data_gap_duration_minutes: int | None = None
    evse_max_data_gap_duration_minutes: int | None = None
    evse_data_frequency_below_threshold: int | None = None
    charge_rate_max_mad_score: int | None = None
    """The highest score of the charge rate, presumably by median absolute deviation.

    No percentage.
    """
    charge_rate_max_median_ratio: int | None = None
    """The highest charge rate in percent of the median one, so 100 or more."""


@model
class ChargingSubSessionDebugMetadata(Model):
    """How a sub-session and its figures came about."""

    url: str
    charging_sub_session: Ref[ChargingSubSession]
    start_reason: ChargingSubSessionDebugMetadataStartReason | None
    finish_reason: ChargingSubSessionDebugMetadataFinishReason | None
    is_energy_delivered_capped: bool
    """Whether the energy was cut down to what the battery can hold."""
    uncapped_energy_delivered_watt_hours: int | None
    """The energy before it was cut down; None if it was not, or cannot be worked out again."""
    energy_usage_calculation_method: ChargingSubSessionDebugMetadataEnergyUsageCalculationMethod
    energy_usage_interpolation_method: ChargingSubSessionDebugMetadataEnergyUsageInterpolationMethod
    solar_integration_type: ChargingSubSessionDebugMetadataSolarIntegrationType | None
    """Of the EVSE; None where no EVSE took part."""


@model
class ChargingSubSessionFlags(Model):
    """What looks wrong about a sub-session."""

    url: str
    charging_sub_session: Ref[ChargingSubSession]
    flags: tuple[ChargingSessionFlag, ...]


@model
class ChargingSessionFlag(Model):
    """One thing that looks wrong. The API lists neither the names nor the causes."""

    name: str
    """What it is, such as ``ENERGY_OVER_DELIVERY``."""
    root_cause: str
    """What kind of thing is behind it, such as ``CHARGE_MEASUREMENT_OSCILLATION``."""
