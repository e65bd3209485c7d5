"""Sessions and sub-sessions as the API shows them."""

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
#: What is shown by a URL of its own, and has more to tell.
_PARTS: Final = ("energy_usage", "schedules", "assessment", "flags", "debug_metadata")
#: Watt-hours that are worth a point, and minor units for so many kWh.
_POINT: Final = 100
_INCENTIVE: Final = 3
#: How far from home, in 1/100,000 of a degree, one charges on the go.
_FAR: Final = 18_000


def things(world: World, episode: Episode) -> tuple[Link | None, Link | None]:
    """Return the vehicle and the EVSE of an episode, as far as they are still there."""
    vehicle = world.fleet.vehicle(episode.site) if episode.car is not None else None
    evse = world.fleet.evse(episode.site) if episode.point is not None else None
    return None if vehicle is None else vehicle["url"], None if evse is None else evse["url"]


def session_row(world: World, episode: Episode, now: datetime) -> Row:
    """Return the session that an episode is, as it is seen at ``now``."""
    key = world.charging.session_id(episode)
    vehicle, evse = things(world, episode)
    numbers = reversed(range(len(episode.periods)))
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
    """Return the sub-session that a period of an episode is, as it is seen at ``now``."""
    key, period = world.charging.sub_session_id(episode, number), episode.periods[number]
    user_id, site = world.fleet.user_id(episode.site), episode.site
    vehicle, evse = things(world, episode)
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
        **_money(world, episode, period.mode, usage, user_id, tariff),
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


def _money(
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
            incentive = usage.wh * _INCENTIVE // 1000
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
    points = usage.wh // _POINT
    if mode is Mode.SMART:
        return {"total_points": points, "total_points_missed": 0}
    return {
        "total_points": 0,
        "total_points_missed": None if mode is Mode.UNMANAGED_OTG else points,
    }


def _location(world: World, episode: Episode, user_id: str) -> Row:
    site = episode.site
    timezone = None if site.group == CONNECTED_GROUP else site.zone
    home: Row = (world.tables["users"].get(user_id) or {}).get("default_location") or {}
    place: Row | None = home.get("coordinates")
    if not episode.public:
        return {
            "name": "Home",
            "coordinates": place,
            "postal_code": home.get("postal_code"),
            "address_1": home.get("address_1"),
            "timezone": timezone,
        }
    about = ("on the go", site.number, episode.day)
    if place is not None:
        far = {name: world.random.between(-_FAR, _FAR, *about, name) / 1e5 for name in place}
        place = {name: round(degrees + far[name], 5) for name, degrees in place.items()}
    return {
        "name": "On the go",
        "coordinates": place,
        "postal_code": None,
        "address_1": None,
        "timezone": timezone,
    }


def _labels(episode: Episode, usage: Usage) -> list[str] | None:
    if episode.site.country != "US":
        return None
    if episode.public:
        return [str(Label.AWAY)]
    cheapest = min(one.price for one in usage.intervals)
    cheap = all(one.price == cheapest for one in usage.intervals if one.wh)
    return [str(Label.PRIMARY), str(Label.OFF_PEAK if cheap and usage.wh else Label.MIXED)]


def _solar_mode(world: World, episode: Episode, user_id: str) -> str | None:
    home = world.home_of_user(user_id)
    if home is None or not world.homes.template(home).solar_arrays:
        return None
    off = episode.public or world.random.odds(25, "solar mode", home)
    return str(SolarMode.OFF if off else SolarMode.SOLAR_AND_GRID)
