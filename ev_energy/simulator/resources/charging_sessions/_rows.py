"""The rows of sessions and sub-sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.models.charging import ChargingSubSessionLabel as Label
from ev_energy.models.charging import ChargingSubSessionMode as Mode
from ev_energy.models.charging import ChargingSubSessionSolarModeType as SolarMode
from ev_energy.simulator.charging._carbon import rank
from ev_energy.simulator.clock._instants import read_instant, write_instant
from ev_energy.simulator.resources.charging_sessions._energy import (
    currency_of,
    is_priced,
    tariff_of,
    usage_of,
)
from ev_energy.simulator.resources.charging_sessions._unreliable_data import view_of
from ev_energy.simulator.resources.feeds import carbon_feed_of, grid_feeds_of
from ev_energy.simulator.resources.program_membership import membership_of
from ev_energy.simulator.world._fleet import CONNECTED_GROUP
from ev_energy.simulator.world._rows import Link

if TYPE_CHECKING:
    from datetime import datetime

    from ev_energy.simulator.charging._episodes import Episode
    from ev_energy.simulator.charging._sub_sessions import Usage
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


FOLDER: Final = "charging_sessions"
SUB_FOLDER: Final = "charging_sub_sessions"
#: The members that are links to parts of a sub-session.
_PARTS: Final = ("energy_usage", "schedules", "assessment", "flags", "debug_metadata")
_WATT_HOURS_PER_POINT: Final = 100
#: The minor units that a program pays for each kWh of smart charging.
_INCENTIVE_PER_KWH: Final = 3
#: Public charging is at most this far from home, in 1/100,000 of a degree.
_PUBLIC_DISTANCE: Final = 18_000


def device_links(world: World, episode: Episode) -> tuple[Link | None, Link | None]:
    """Return links to the vehicle and the EVSE of an episode, None for each that does not exist."""
    vehicle = world.fleet.vehicle(episode.site) if episode.car is not None else None
    evse = world.fleet.evse(episode.site) if episode.point is not None else None
    return None if vehicle is None else vehicle["url"], None if evse is None else evse["url"]


def session_row(world: World, episode: Episode, now: datetime) -> Row:
    """Return the session of an episode, as known at *now*."""
    key = world.charging.session_id(episode)
    vehicle, evse = device_links(world, episode)
    numbers = [
        number
        for number in reversed(range(len(episode.periods)))
        if view_of(world, episode, number, now) is not None
    ]
    return {
        "id": key,
        "url": Link(FOLDER, key),
        "start": write_instant(episode.start),
        "end": None if episode.end is None else write_instant(episode.end),
        "vehicle": vehicle,
        "evse": evse,
        "sub_sessions": [
            Link(SUB_FOLDER, world.charging.sub_session_id(episode, number)) for number in numbers
        ],
        "_episode": episode,
        "_now": now,
        "_user": world.fleet.user_id(episode.site),
    }


def sub_session_row(world: World, episode: Episode, number: int, now: datetime) -> Row:
    """Return the sub-session of a period of an episode, as known at *now*."""
    key, period = world.charging.sub_session_id(episode, number), episode.periods[number]
    user_id, site = world.fleet.user_id(episode.site), episode.site
    vehicle, evse = device_links(world, episode)
    tariff = tariff_of(world, episode)
    usage = usage_of(world, key, episode, number, now)
    return {
        "id": key,
        "url": Link(SUB_FOLDER, key),
        "start": write_instant(period.start),
        "end": None if period.end is None else write_instant(period.end),
        "mode": str(period.mode),
        "vehicle": vehicle,
        "evse": evse,
        "energy_delivered_watt_hours": usage.wh,
        "location": _location(world, episode, user_id),
        "percentage_added": round(100 * usage.wh / episode.battery_wh, 1) if episode.car else None,
        "currency": currency_of(episode, tariff),
        "duration_minutes": usage.duration_minutes,
        "grid_energy_delivered_watt_hours": usage.grid_wh,
        "solar_energy_delivered_watt_hours": usage.solar_wh,
        "grid_energy_delivered": f"{usage.grid_wh}.00",
        "solar_energy_delivered": f"{usage.solar_wh}.00",
        "labels": _labels(episode, usage),
        "solar_mode_type": _solar_mode(world, episode, user_id),
        **_costs(world, episode, period.mode, usage, user_id, tariff),
        **_carbon(usage),
        **_points(period.mode, usage),
        **{name: Link(SUB_FOLDER, f"{key}/{name}") for name in _PARTS},
        "tariff": tariff and tariff["url"],
        "carbon_feed": carbon_feed_of(world, site.country),
        "grid_feeds": grid_feeds_of(world, site.country),
        "_episode": episode,
        "_number": number,
        "_now": now,
        "_usage": usage,
        "_user": user_id,
    }


def _costs(
    world: World,
    episode: Episode,
    mode: Mode,
    usage: Usage,
    user_id: str,
    tariff: Row | None,
) -> Row:
    if not is_priced(tariff):
        names = ("cost", "cost_per_kilowatt_hour", "savings_cost", "incentive_earned")
        return dict.fromkeys(names)
    incentive = None
    if mode is Mode.SMART and usage.wh:
        member = membership_of(world, user_id)
        if member is not None and read_instant(member["since"]) <= episode.start:
            incentive = usage.wh * _INCENTIVE_PER_KWH // 1000
    return {
        "cost": usage.cost,
        "cost_per_kilowatt_hour": usage.cost_per_kwh,
        "savings_cost": usage.savings_cost,
        "incentive_earned": incentive,
    }


def _carbon(usage: Usage) -> Row:
    grams = usage.co2_per_kwh
    return {
        "savings_co2_grams": usage.savings_co2_grams,
        "total_co2_grams": usage.co2_grams,
        "co2_intensity_grams_per_kilowatt_hour": grams,
        "co2_intensity_classification": None if grams is None else str(rank(grams)),
    }


def _points(mode: Mode, usage: Usage) -> Row:
    points = usage.wh // _WATT_HOURS_PER_POINT
    if mode is Mode.SMART:
        return {"total_points": points, "total_points_missed": 0}
    return {
        "total_points": 0,
        "total_points_missed": None if mode is Mode.UNMANAGED_OTG else points,
    }


def _location(world: World, episode: Episode, user_id: str) -> Row:
    site = episode.site
    timezone = None if site.group == CONNECTED_GROUP else site.zone
    address: Row = (world.tables["users"].get(user_id) or {}).get("default_location") or {}
    coordinates: Row | None = address.get("coordinates")
    if not episode.public:
        return {
            "name": "Home",
            "coordinates": coordinates,
            "postal_code": address.get("postal_code"),
            "address_1": address.get("address_1"),
            "timezone": timezone,
        }
    about = ("on the go", site.number, episode.day)
    if coordinates is not None:
        coordinates = {
            name: round(degrees + _public_offset(world, *about, name), 5)
            for name, degrees in coordinates.items()
        }
    return {
        "name": "On the go",
        "coordinates": coordinates,
        "postal_code": None,
        "address_1": None,
        "timezone": timezone,
    }


def _public_offset(world: World, *about: object) -> float:
    return world.random.between(-_PUBLIC_DISTANCE, _PUBLIC_DISTANCE, *about) / 1e5


def _labels(episode: Episode, usage: Usage) -> list[str] | None:
    if episode.site.country != "US":
        return None
    if episode.public:
        return [str(Label.AWAY)]
    lowest = min(interval.price for interval in usage.intervals)
    off_peak = all(interval.price == lowest for interval in usage.intervals if interval.wh)
    return [str(Label.PRIMARY), str(Label.OFF_PEAK if off_peak and usage.wh else Label.MIXED)]


def _solar_mode(world: World, episode: Episode, user_id: str) -> str | None:
    home = world.home_of_user(user_id)
    if home is None or not world.homes.template(home).solar_arrays:
        return None
    is_off = episode.public or world.random.odds(25, "solar mode", home)
    return str(SolarMode.OFF if is_off else SolarMode.SOLAR_AND_GRID)
