"""Parts of a sub-session with URLs of their own: flags, debug metadata and assessment."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from ev_energy.models.charging import ChargingSubSessionMode as Mode
from ev_energy.models.charging_assessment import ChargingSubSessionAssessmentRating as Rating
from ev_energy.models.charging_assessment import (
    ChargingSubSessionDebugMetadataEnergyUsageCalculationMethod as Method,
)
from ev_energy.models.charging_assessment import (
    ChargingSubSessionDebugMetadataEnergyUsageInterpolationMethod as Interpolation,
)
from ev_energy.models.charging_assessment import (
    ChargingSubSessionDebugMetadataSolarIntegrationType as Solar,
)
from ev_energy.simulator.charging._sub_sessions import Assessment, assess, flags_of
from ev_energy.simulator.clock._instants import micros, read_instant, write_instant
from ev_energy.simulator.resources.catalogues.evses import product_of
from ev_energy.simulator.resources.charging_sessions._energy import (
    energy_usage,
    is_capped,
    overage_of,
    tariff_of,
    updated_at,
)
from ev_energy.simulator.resources.charging_sessions._plans import schedules
from ev_energy.simulator.world._rows import ApiPath

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ev_energy.simulator.charging._episodes import Episode
    from ev_energy.simulator.charging._sub_sessions import Usage
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


#: A sub-session is assessed this long after its end.
_ASSESSMENT_DELAY: Final = timedelta(minutes=11)
#: The lowest percentages of a green and of an amber rating; lower ones are red.
_GREEN_PERCENT, _AMBER_PERCENT = 90, 60
#: The lowest power of a green rating.
_GREEN_WATTS: Final = 1400
_ESTIMATES: Final = (
    Method.ESTIMATED_CHARGE_ENERGY_ADDED,
    Method.ESTIMATED_CHARGE_LEVEL,
    Method.ESTIMATED_CHARGE_RATE,
    Method.ESTIMATED_CHARGE_LEVEL_WITH_INFERENCE,
)
_SOFTWARE: Final = (Solar.SOFTWARE, Solar.SOFTWARE, Solar.SOFTWARE_BETA, Solar.UNAVAILABLE)


def _head(row: Row, name: str) -> Row:
    """Return the members that all parts of a sub-session have."""
    return {"url": ApiPath(f"{row['url'].path}/{name}"), "charging_sub_session": row["url"]}


def flags(world: World, row: Row) -> Row:
    """Return the flags of a sub-session."""
    episode, number, usage = row["_episode"], row["_number"], row["_usage"]
    found = [
        {"name": flag.name, "root_cause": flag.root_cause}
        for flag in flags_of(episode, number, usage)
    ]
    if _overage(world, row):
        cause = world.random.pick(
            ("CHARGE_MEASUREMENT_OSCILLATION", "METER_RESET"), row["id"], "cause"
        )
        found.append({"name": "ENERGY_OVER_DELIVERY", "root_cause": cause})
    return {**_head(row, "flags"), "flags": found}


def _overage(world: World, row: Row) -> int:
    episode, number = row["_episode"], row["_number"]
    delivered = episode.delivered(number, micros(row["_now"]))
    return overage_of(world, row["id"], episode, number, delivered)


def debug_metadata(world: World, row: Row) -> Row:
    """Return why a sub-session started and finished, and how its energy was calculated."""
    episode, number = row["_episode"], row["_number"]
    period, overage = episode.periods[number], _overage(world, row)
    capped = bool(overage) and is_capped(world, row["id"])
    return {
        **_head(row, "debug_metadata"),
        "start_reason": str(period.start_reason),
        "finish_reason": None if period.finish_reason is None else str(period.finish_reason),
        "is_energy_delivered_capped": capped,
        "uncapped_energy_delivered_watt_hours": row["_usage"].wh + overage if capped else None,
        "energy_usage_calculation_method": str(_method(world, episode)),
        "energy_usage_interpolation_method": str(
            Interpolation.LINEAR if episode.point else Interpolation.LINEAR_WITH_CHARGE_STEP
        ),
        "solar_integration_type": _solar(world, episode),
    }


def _method(world: World, episode: Episode) -> Method:
    if episode.point is None:
        return world.random.pick(_ESTIMATES, "method", episode.site.number)
    evse = world.fleet.evse(episode.site)
    metered = evse is None or product_of(world, evse).telemetry
    return Method.METERED if metered else Method.METERED_CHARGE_RATE


def _solar(world: World, episode: Episode) -> str | None:
    if episode.point is None:
        return None
    if episode.point.bidirectional:
        return str(Solar.HARDWARE)
    return str(world.random.pick(_SOFTWARE, "solar integration", episode.site.number))


def assessment(world: World, row: Row) -> Row:
    """Return the assessment of a sub-session; until it is assessed, its figures are None."""
    episode, number, usage = row["_episode"], row["_number"], row["_usage"]
    head = _head(row, "assessment")
    end: datetime | None = episode.periods[number].end
    if end is None or row["_now"] < end + _ASSESSMENT_DELAY:
        names = (
            "energy_delivered_to_capacity_percentage",
            "energy_delivery_percentage",
            "average_charge_rate_watts",
            "max_charge_rate_watts",
        )
        ratings = {"overall": str(Rating.NOT_APPLICABLE)}
        return {**head, **dict.fromkeys(names), "metrics": {}, "ratings": ratings}
    found = assess(episode, number, usage)
    metrics = _metrics(world, row, found)
    calculated_at = read_instant(updated_at(world, row["id"], episode, number, row["_now"]))
    return {
        **head,
        "energy_delivered_to_capacity_percentage": found.capacity_percent,
        "energy_delivery_percentage": found.delivery_percent,
        "average_charge_rate_watts": found.average_watts,
        "max_charge_rate_watts": found.max_watts,
        "metrics": metrics,
        "ratings": _ratings(found, metrics, usage),
        "updated_at": write_instant(max(calculated_at, end + _ASSESSMENT_DELAY)),
    }


def _metrics(world: World, row: Row, found: Assessment) -> Row:
    episode: Episode = row["_episode"]
    number: int = row["_number"]
    mode = episode.periods[number].mode

    def draw(low: int, high: int, name: str) -> int:
        return world.random.between(low, high, row["id"], name)

    has_tariff = tariff_of(world, episode) is not None
    car_reports = episode.car is not None and episode.car.telematics
    managed = mode in {Mode.SMART, Mode.BOOST}
    of_car = {
        "vehicle_data_uptime": draw(86, 100, "uptime"),
        "vehicle_location_uptime": draw(82, 100, "place"),
        "vehicle_error_rate": draw(0, 7, "errors"),
        "vehicle_command_adherence": draw(90, 100, "obeys") if managed else None,
        "charge_energy_added_meter_reset": draw(0, 40, "reset") == 0,
        "charge_energy_added_oscillation_count": draw(0, 12, "swings") // 11,
        "charge_level_oscillation_count": draw(0, 12, "levels") // 10,
        "charge_location_data_at_session_start_minutes": draw(0, 24, "age"),
        "last_location_update_implied_velocity_kmh": draw(0, 50, "speed"),
        "distance_from_home_meters": draw(900, 18_000, "far")
        if episode.public
        else draw(2, 40, "near"),
        "missing_location": False,
        "vehicle_median_data_gap_duration_minutes": draw(18, 21, "gap"),
        "vehicle_max_data_gap_duration_minutes": draw(24, 60, "gaps"),
        "vehicle_data_frequency_below_threshold": draw(0, 12, "seldom"),
    }
    of_evse = {
        "evse_data_uptime": draw(93, 100, "evse uptime"),
        "evse_command_adherence": draw(94, 100, "evse obeys") if managed else None,
        "evse_median_data_gap_duration_minutes": draw(13, 16, "evse gap"),
        "evse_max_data_gap_duration_minutes": draw(17, 40, "evse gaps"),
        "evse_data_frequency_below_threshold": draw(0, 9, "evse seldom"),
    }
    return {
        **(of_car if car_reports else {**dict.fromkeys(of_car), "missing_location": True}),
        **(of_evse if episode.point else dict.fromkeys(of_evse)),
        "schedule_quality": draw(0, 4, "idle") if managed else None,
        "charge_outside_of_schedule": 0 if managed else None,
        "session_duration": found.lasted_us // 1_000_000,
        "energy_delivered_vs_required": min(100, found.delivery_percent),
        "savings_attainment_rate": found.savings_percent if has_tariff else None,
        "session_savings_range": found.most_cost - found.least_cost if has_tariff else None,
        "charge_rate_max_mad_score": draw(0, 4, "mad"),
        "charge_rate_max_median_ratio": draw(100, 112, "median"),
    }


def _ratings(found: Assessment, metrics: Mapping[str, int | None], usage: Usage) -> Row:
    idle = metrics["schedule_quality"]
    ratings = {
        "energy_delivered_to_capacity_ratio": _rate_percent(200 - found.capacity_percent),
        "energy_delivery_ratio": _rate_percent(found.delivery_percent),
        "average_charge_rate_watts": _rate_watts(found.average_watts, usage),
        "max_charge_rate_watts": _rate_watts(found.max_watts, usage),
        "vehicle_data_uptime": _rate_percent(metrics["vehicle_data_uptime"]),
        "evse_data_uptime": _rate_percent(metrics["evse_data_uptime"]),
        "schedule_quality": _rate_percent(None if idle is None else 100 - idle),
        "session_duration": Rating.GREEN,
    }
    not_green = (rating for rating in (Rating.RED, Rating.AMBER) if rating in ratings.values())
    ratings["overall"] = next(not_green, Rating.GREEN)
    return {name: str(rating) for name, rating in ratings.items()}


def _rate_percent(percent: int | None) -> Rating:
    if percent is None:
        return Rating.NOT_APPLICABLE
    return (
        Rating.GREEN
        if percent >= _GREEN_PERCENT
        else Rating.AMBER
        if percent >= _AMBER_PERCENT
        else Rating.RED
    )


def _rate_watts(watts: int, usage: Usage) -> Rating:
    if not usage.wh:
        return Rating.NOT_APPLICABLE
    return Rating.GREEN if watts >= _GREEN_WATTS else Rating.AMBER


_PARTS: Final[Mapping[str, Callable[[World, Row], Row]]] = {
    "energy_usage": energy_usage,
    "schedules": schedules,
    "assessment": assessment,
    "flags": flags,
    "debug_metadata": debug_metadata,
}


def part_of(world: World, row: Row, name: str) -> Row | None:
    """Return a part of a sub-session by its name, or None if there is no such part."""
    make = _PARTS.get(name)
    return None if make is None else make(world, row)
