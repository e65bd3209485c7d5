"""The logs of vehicles: status, location, commands and errors."""

from __future__ import annotations

import functools
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from ev_energy.models.charging import ChargingSubSessionMode as Mode
from ev_energy.models.vehicle_logs import VehicleCommandLogCommand as Command
from ev_energy.models.vehicles import VehicleStatusLogCurrentType as Current
from ev_energy.models.vehicles import VehicleStatusLogState as VehicleState
from ev_energy.simulator.clock._instants import ANCHOR, micros, write_instant
from ev_energy.simulator.resources.charging_sessions._session_query import MAX_SESSION_LENGTH
from ev_energy.simulator.world._series import (
    DAY,
    END_OF_DAY_MARGIN,
    ORIGIN,
    Entry,
    TimeSeries,
    periodic_entries,
    row_log,
    shortly_after,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ev_energy.simulator.charging._charging_model import SiteState
    from ev_energy.simulator.charging._charging_site import ChargingSite
    from ev_energy.simulator.charging._episodes import Episode
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


_STATUS_EVERY: Final = timedelta(minutes=20)
_LOCATION_EVERY: Final = timedelta(hours=1)
_NEAR_READY_BY: Final = timedelta(minutes=30)
_ALMOST_COMPLETE_PERCENT: Final = 97
_VOLTS: Final = 230
#: Hours before the world's first day at which inactive vehicles lost their connection.
_DISCONNECTED_HOURS: Final = (30, 1500)
_ERRORS: Final = (
    (429, "RATE_LIMITED", "VehicleAPITooManyRequests", "The maker's API wants fewer calls."),
    (408, "ASLEEP", "VehicleAPITimeout", "The car did not wake up in time."),
    (401, "AUTHENTICATION_ERROR", "VehicleAPIUnauthorized", "The driver withdrew permission."),
)
#: One command in this many fails.
_COMMANDS_PER_ERROR: Final = 14


def add_vehicle_logs(world: World) -> None:
    """Add the logs of vehicles."""
    logs: dict[str, Callable[[World, Row], TimeSeries]] = {
        "vehicles/status_logs": _status,
        "vehicles/location_logs": _location,
        "vehicles/command_logs": _commands,
        "vehicles/error_logs": _errors,
    }
    for path, log in logs.items():
        world.logs[path] = functools.partial(log, world)


def _site(world: World, vehicle: Row) -> ChargingSite | None:
    """Return the site of a vehicle, or None if it never reported."""
    return None if vehicle["integrated"] == "UNINTEGRATED" else world.fleet.site_of_row(vehicle)


def _disconnected_at(world: World, vehicle: Row, site: ChargingSite | None) -> datetime | None:
    """Return when a vehicle was disconnected, or None if it reports or never did."""
    if site is None or vehicle["integrated"] != "INACTIVE":
        return None
    disconnections = [
        change.at for change in world.fleet.changes(site) if change.kind == "car_gone"
    ]
    if disconnections:
        return disconnections[-1]
    hours = world.random.between(*_DISCONNECTED_HOURS, vehicle["id"], "severed")
    return ANCHOR - timedelta(hours=hours)


def _no_entries(_number: int) -> Sequence[Entry]:
    return ()


def _status(world: World, vehicle: Row) -> TimeSeries:
    site = _site(world, vehicle)

    def make(at: datetime) -> Row:
        if site is None:
            raise LookupError(vehicle["id"])
        state = world.charging.state(site, at)
        delay = world.random.between(300, 9000, vehicle["id"], "late", micros(at))
        return {
            "logged_at": write_instant(at + timedelta(milliseconds=delay)),
            "vehicle": vehicle["url"],
            **_status_members(state, at),
        }

    entries: Callable[[int], Sequence[Entry]] = _no_entries
    if site is not None:
        jitter = timedelta(minutes=15)
        entries = periodic_entries(
            world.random, _STATUS_EVERY, jitter, make, vehicle["id"], "status"
        )
    until = _disconnected_at(world, vehicle, site)
    return row_log(world, vehicle, "status_logs", "sampled_at", _STATUS_EVERY, entries, until=until)


def _status_members(state: SiteState, at: datetime) -> Row:
    left = state.seconds_left
    public = state.episode is not None and state.episode.public
    current = Current.DC if public else Current.AC
    return {
        "state_of_charge_percentage": state.percent,
        "is_charging": state.charging,
        "is_plugged_in": state.plugged_in,
        "charge_rate_watts": state.power_watts,
        "estimated_charge_rate_watts": state.power_watts if state.charging else None,
        "charge_level_watt_hours": state.stored_wh,
        "target_charge_level_percentage": state.target_percent,
        "target_charge_level_watt_hours": state.target_wh,
        "charge_energy_added_watt_hours": state.added_wh if state.plugged_in else None,
        "minutes_to_full_charge": -(-left // 60) if state.charging and left is not None else None,
        "current_type": str(current) if state.plugged_in else None,
        "is_complete": state.complete if state.plugged_in else None,
        "odometer_meters": state.odometer_m,
        "data_source": "SIMULATED_TELEMATICS",
        "state": str(_vehicle_state(state, at)),
    }


def _vehicle_state(state: SiteState, at: datetime) -> VehicleState:
    if not state.plugged_in:
        return VehicleState.DRIVING if state.driving else VehicleState.STATIONARY
    if state.complete:
        return VehicleState.PLUGGED_IN_COMPLETE
    if (
        state.percent is not None
        and state.percent * 100 >= _ALMOST_COMPLETE_PERCENT * state.target_percent
    ):
        return VehicleState.PLUGGED_IN_ALMOST_COMPLETE
    if state.charging:
        return VehicleState.PLUGGED_IN_CHARGING
    if state.ready_by is not None and state.ready_by - at <= _NEAR_READY_BY:
        return VehicleState.PLUGGED_IN_NEAR_READY_BY_TIME
    return VehicleState.PLUGGED_IN_NOT_CHARGING


def _location(world: World, vehicle: Row) -> TimeSeries:
    site = _site(world, vehicle)

    def make(at: datetime) -> Row:
        has_fix = site is not None and not world.random.odds(4, vehicle["id"], "no fix", micros(at))
        delay = world.random.between(300, 9000, vehicle["id"], "place", micros(at))
        return {
            "logged_at": write_instant(at + timedelta(milliseconds=delay)),
            "vehicle": vehicle["url"],
            "at_home": world.charging.state(site, at).at_home
            if site is not None and has_fix
            else None,
        }

    entries: Callable[[int], Sequence[Entry]] = _no_entries
    if site is not None:
        jitter = timedelta(minutes=50)
        entries = periodic_entries(
            world.random, _LOCATION_EVERY, jitter, make, vehicle["id"], "where"
        )
    until = _disconnected_at(world, vehicle, site)
    return row_log(
        world, vehicle, "location_logs", "sampled_at", _LOCATION_EVERY, entries, until=until
    )


def _sent(
    world: World, vehicle: Row, site: ChargingSite | None, number: int
) -> list[tuple[datetime, Row]]:
    """Return the commands of a day, one for each switch of charging, oldest first."""
    if site is None:
        return []
    day = ORIGIN + number * DAY
    end = day + DAY
    found: list[tuple[datetime, Row]] = []
    for episode in world.charging.episodes(
        site, now=end, after=day - MAX_SESSION_LENGTH, before=end
    ):
        if episode.public or episode.car is None:
            continue
        for instant, command in _switches(episode):
            if day <= instant < end - END_OF_DAY_MARGIN:
                at = shortly_after(world.random, instant, timedelta(seconds=3), vehicle["id"])
                about = (vehicle["id"], "command", micros(at))
                found.append((at, _command(world, vehicle, command, episode.watts, about)))
    return sorted(found, key=lambda entry: entry[0])


def _switches(episode: Episode) -> Iterator[tuple[datetime, Command]]:
    """Yield the commands of an episode: its plan, and the starts and stops of charging."""
    smart = episode.plans[0].mode is Mode.SMART
    yield episode.start, Command.SEND_SCHEDULE if smart else Command.WAKE_UP
    ends = {segment.end_us for segment in episode.segments}
    starts = {segment.start_us for segment in episode.segments}
    for segment in episode.segments:
        if segment.start_us not in ends and segment.start_us > episode.start_us:
            yield segment.start, Command.START_CHARGE
        stopped = segment.end_us not in starts and segment.end_us != episode.end_us
        if segment.end is not None and stopped:
            yield segment.end, Command.STOP_CHARGE


def _command(
    world: World, vehicle: Row, command: Command, watts: int, about: tuple[object, ...]
) -> Row:
    starts = command is Command.START_CHARGE
    return {
        "vehicle": vehicle["url"],
        "command": str(command),
        "external_command_id": world.random.uuid(*about, "external")[:13],
        "current_milliamps": watts * 1000 // _VOLTS if starts else None,
        "internal_command_id": world.random.uuid(*about),
    }


def _commands(world: World, vehicle: Row) -> TimeSeries:
    site = _site(world, vehicle)

    def entries(number: int) -> Sequence[Entry]:
        return [*_sent(world, vehicle, site, number)]

    until = _disconnected_at(world, vehicle, site)
    return row_log(world, vehicle, "command_logs", "logged_at", DAY, entries, until=until)


def _errors(world: World, vehicle: Row) -> TimeSeries:
    site, random = _site(world, vehicle), world.random

    def entries(number: int) -> Sequence[Entry]:
        found: list[Entry] = []
        for at, command in _sent(world, vehicle, site, number):
            about = (vehicle["id"], "error", micros(at))
            if random.number(*about) % _COMMANDS_PER_ERROR:
                continue
            status, code, kind, text = random.pick(_ERRORS, *about, "kind")
            failed_at = shortly_after(random, at, timedelta(seconds=2), vehicle["id"], "error")
            row: Row = {
                "vehicle": vehicle["url"],
                "status_code": status,
                "controller": "SIMULATED",
                "error_code": code,
                "error_type": kind,
                "request_id": random.uuid(*about, "request"),
                "command": command["command"],
                "error_detail": text,
                "internal_command_id": command["internal_command_id"],
            }
            found.append((failed_at, row))
        return found

    until = _disconnected_at(world, vehicle, site)
    return row_log(world, vehicle, "error_logs", "logged_at", DAY, entries, until=until)
