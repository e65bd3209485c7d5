"""Assessments of sub-sessions, suspected errors, and how the figures were calculated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref
from ev_energy.models._types import Instant

if TYPE_CHECKING:
    from ev_energy.models.charging import ChargingSubSession


class ChargingSubSessionAssessmentRating(OpenEnum):
    """The rating of a metric, as a traffic light."""

    RED = "RED"
    """Bad."""
    AMBER = "AMBER"
    """Neither good nor bad."""
    GREEN = "GREEN"
    """Good."""
    NOT_APPLICABLE = "NOT_APPLICABLE"
    """The metric has no rating here."""


class ChargingSubSessionDebugMetadataStartReason(OpenEnum):
    """Why a sub-session began. The API lists the reasons without explaining them."""

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
    """Why a sub-session ended. The API lists the reasons without explaining them."""

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
    """What the energy of a sub-session was calculated from.

    The API lists the methods without explaining them.
    """

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
    """With a straight line between two readings."""
    LINEAR_WITH_CHARGE_STEP = "LINEAR_WITH_CHARGE_STEP"


class ChargingSubSessionDebugMetadataSolarIntegrationType(OpenEnum):
    """How an EVSE charges from solar power. The API lists the types without explaining them."""

    UNAVAILABLE = "UNAVAILABLE"
    HARDWARE = "HARDWARE"
    SOFTWARE = "SOFTWARE"
    SOFTWARE_BETA = "SOFTWARE_BETA"
    HARDWARE_PASSTHROUGH = "HARDWARE_PASSTHROUGH"


@model
class ChargingSubSessionAssessment(Model):
    """The assessment of a sub-session that has ended."""

    url: str | None = None
    charging_sub_session: Ref[ChargingSubSession] | None = None
    energy_delivered_to_capacity_percentage: int | None = None
    """Energy delivered, in percent of the battery's capacity; can exceed 100."""
    energy_delivery_percentage: int | None = None
    """Energy delivered, in percent of the required energy."""
    average_charge_rate_watts: int | None = None
    max_charge_rate_watts: int | None = None
    metrics: ChargingSubSessionAssessmentMetrics | None = None
    ratings: dict[str, ChargingSubSessionAssessmentRating] | None = None
    """Ratings by the name of the metric, including one for the whole.

    The API documents none of the names, not even that of the rating for the whole.
    """
    updated_at: Instant | None = None


@model
class ChargingSubSessionAssessmentMetrics(Model):
    """Metrics of a sub-session.

    They are percentages, 0 to 100, unless the name or the docstring of a field says otherwise.
    Each may be None. The API does not document the thresholds.
    """

    vehicle_data_uptime: int | None = None
    vehicle_location_uptime: int | None = None
    vehicle_error_rate: int | None = None
    vehicle_command_adherence: int | None = None
    evse_data_uptime: int | None = None
    evse_command_adherence: int | None = None
    schedule_quality: int | None = None
    """Scheduled time without charging, although the name suggests the opposite."""
    charge_outside_of_schedule: int | None = None
    """Energy that flowed when none was scheduled."""
    session_duration: int | None = None
    """The unit is not stated; by the example, seconds."""
    energy_delivered_vs_required: int | None = None
    savings_attainment_rate: int | None = None
    """Savings, in percent of the highest possible savings."""
    session_savings_range: int | None = None
    """The lowest to the highest possible cost of the session.

    In "units of currency"; whether these are major or minor units is not stated.
    """
    charge_energy_added_meter_reset: bool | None = None
    """Whether the counter of added energy was reset."""
    charge_energy_added_oscillation_count: int | None = None
    charge_level_oscillation_count: int | None = None
    charge_location_data_at_session_start_minutes: int | None = None
    """The age of the vehicle's location when the session started."""
    last_location_update_implied_velocity_kmh: int | None = None
    """The speed that the distance to the last reported location implies."""
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

    It is not a percentage.
    """
    charge_rate_max_median_ratio: int | None = None
    """The highest charge rate in percent of the median one, so 100 or more."""


@model
class ChargingSubSessionDebugMetadata(Model):
    """How a sub-session came about and its figures were calculated."""

    url: str
    charging_sub_session: Ref[ChargingSubSession]
    start_reason: ChargingSubSessionDebugMetadataStartReason | None
    finish_reason: ChargingSubSessionDebugMetadataFinishReason | None
    is_energy_delivered_capped: bool
    """Whether the energy was limited to the battery's capacity."""
    uncapped_energy_delivered_watt_hours: int | None
    """The energy before it was limited; None if it was not, or cannot be calculated any more."""
    energy_usage_calculation_method: ChargingSubSessionDebugMetadataEnergyUsageCalculationMethod
    energy_usage_interpolation_method: ChargingSubSessionDebugMetadataEnergyUsageInterpolationMethod
    solar_integration_type: ChargingSubSessionDebugMetadataSolarIntegrationType | None
    """That of the EVSE; None without an EVSE."""


@model
class ChargingSubSessionFlags(Model):
    """Suspected errors of a sub-session."""

    url: str
    charging_sub_session: Ref[ChargingSubSession]
    flags: tuple[ChargingSessionFlag, ...]


@model
class ChargingSessionFlag(Model):
    """One suspected error. The API documents neither the names nor the causes."""

    name: str
    """The name of the error, such as ``ENERGY_OVER_DELIVERY``."""
    root_cause: str
    """The kind of cause, such as ``CHARGE_MEASUREMENT_OSCILLATION``."""
