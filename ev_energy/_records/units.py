"""The units of all numbers in the models whose names do not state them, or not correctly.

Every number of every model is here, unless its name matches `STATED`; tests compare them, and the
table in ``docs/units.md``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

#: Matches names of fields that state their unit, or that the number is a count.
STATED: Final = re.compile(
    r"(?:^|_)(?:watts|watt_hours|wh|milliamps|millivolts|dbm|grams|minor_units|percent|percentage"
    r"|seconds|minutes|hours|meters|kmh|sq_km|count|latitude|longitude|year)(?:_|$)"
    r"|^total_(?:points|resolved|unresolved)"
)

#: What `to_records` adds to the name of a field, by class and field.
SUFFIXES: Final[Mapping[str, str]] = {
    "ChargingSubSession.incentive_earned": "minor_units",
    "ChargingSubSession.savings_cost": "minor_units",
    **dict.fromkeys(
        (
            f"ChargingSubSessionAssessmentMetrics.{name}"
            for name in (
                "charge_outside_of_schedule",
                "charge_rate_max_median_ratio",
                "energy_delivered_vs_required",
                "evse_command_adherence",
                "evse_data_frequency_below_threshold",
                "evse_data_uptime",
                "savings_attainment_rate",
                "schedule_quality",
                "vehicle_command_adherence",
                "vehicle_data_frequency_below_threshold",
                "vehicle_data_uptime",
                "vehicle_error_rate",
                "vehicle_location_uptime",
            )
        ),
        "percent",
    ),
    "EVSEConnectivity.connection_reliability_30d": "percent",
    "EnergyDeliveredByPrice.price": "minor_units",
    "PriceSummary.price": "major_units",
    "SchedulePlan.price_threshold_minor_unit": "hundredths",
    "SupportTicketPriorityStatsBreakdown.percentage": "fraction",
    "SupportTicketResolutionStats.resolution_rate": "fraction",
    "SupportTicketSourceStatsBreakdown.percentage": "fraction",
    "SupportTicketStatusStatsBreakdown.percentage": "fraction",
    "SupportTicketTopCategoriesStatsCategory.percentage": "fraction",
    "SupportTicketTopCategoriesStatsSubcategory.percentage": "fraction",
    "TariffDetail.current_price": "minor_units",
    "UsageInterval.electricity_cost_sub_unit": "per_kilowatt_hour",
}

#: Quantities whose unit the API does not state. A suffix would claim more than is known.
NOT_STATED: Final = frozenset(
    {
        "ChargingSubSession.cost",
        "ChargingSubSession.cost_per_kilowatt_hour",
        "ChargingSubSession.grid_energy_delivered",
        "ChargingSubSession.solar_energy_delivered",
        "ChargingSubSessionAssessmentMetrics.session_duration",
        "ChargingSubSessionAssessmentMetrics.session_savings_range",
    }
)

#: Numbers without a unit: codes, ranks, factors, scores, positions.
NO_UNIT: Final = frozenset(
    {
        "CTClamp.calibration_factor",
        "ChargingSubSessionAssessmentMetrics.charge_rate_max_mad_score",
        "EVSEAPIErrorLog.status_code",
        "EVSECompatibilityCheckResult.recommendation_rank",
        "GridFeed.priority",
        "GridLevel.value",
        "ParticipationAgreementVersion.version_number",
        "SupportTicketMessage.position",
        "SupportTicketSankeyStatsLink.value",
        "VehicleAPIErrorLog.status_code",
        "VehicleCompatibilityCheckResult.recommendation_rank",
    }
)


def with_unit(model: type[Any], field: str) -> str:
    """Return the name of *field* with its unit."""
    for cls in model.__mro__:
        if suffix := SUFFIXES.get(f"{cls.__name__}.{field}"):
            return f"{field}_{suffix}"
    return field
