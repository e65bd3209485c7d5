"""What vehicles report, what they are told, and what fails."""

from __future__ import annotations

import functools
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from ev_energy.models.charging import ChargingSubSessionMode as Mode
from ev_energy.models.vehicle_logs import VehicleCommandLogCommand as Command
from ev_energy.models.vehicles import VehicleStatusLogCurrentType as Current
from ev_energy.models.vehicles import VehicleStatusLogState as Doing
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
_PLACE_EVERY: Final = timedelta(hours=1)
_SOON: Final = timedelta(minutes=30)
_ALMOST: Final = 97
_VOLTS: Final = 230
#: How long before the world's first day connections were lost, in hours.
_SEVERED_HOURS: Final = (30, 1500)
_ERRORS: Final = (
    (429, "RATE_LIMITED", "VehicleAPITooManyRequests", "The maker's API wants fewer calls."),
    (408, "ASLEEP", "VehicleAPITimeout", "The car did not wake up in time."),
    (401, "AUTHENTICATION_ERROR", "VehicleAPIUnauthorized", "The driver withdrew permission."),
)
#: One command in so many fails.
_FAILS: Final = 14


def add_vehicle_logs(world: World) -> None:
    """Make the logs of vehicles known."""
    makers: dict[str, Callable[[World, Row], TimeSeries]] = {
        "vehicles/status_logs": _status,
        "vehicles/location_logs": _location,
        "vehicles/command_logs": _commands,
        "vehicles/error_logs": _errors,
    }
    for path, maker in makers.items():
        world.logs[path] = functools.partial(maker, world)


def _site(world: World, vehicle: Row) -> ChargingSite | None:
    """Return where a vehicle charges; None if it tells nothing."""
    return None if vehicle["integrated"] == "UNINTEGRATED" else world.fleet.site_of_row(vehicle)


def _severed(world: World, vehicle: Row, site: ChargingSite | None) -> datetime | None:
    """Return since when a vehicle tells nothing any more, None if it does."""
    if site is None or vehicle["integrated"] != "INACTIVE":
        return None
    gone = [change.at for change in world.fleet.changes(site) if change.kind == "car_gone"]
    if gone:
        return gone[-1]
    hours = world.random.between(*_SEVERED_HOURS, vehicle["id"], "severed")
    return ANCHOR - timedelta(hours=hours)


def _none(_number: int) -> Sequence[Entry]:
    return ()


def _status(world: World, vehicle: Row) -> TimeSeries:
    site = _site(world, vehicle)

    def make(at: datetime) -> Row:
        if site is None:
            raise LookupError(vehicle["id"])
        state = world.charging.state(site, at)
        late = world.random.between(300, 9000, vehicle["id"], "late", micros(at))
        return {
            "logged_at": write_instant(at + timedelta(milliseconds=late)),
            "vehicle": vehicle["url"],
            **_told(state, at),
        }

    entries: Callable[[int], Sequence[Entry]] = _none
    if site is not None:
        jitter = timedelta(minutes=15)
        entries = periodic_entries(
            world.random, _STATUS_EVERY, jitter, make, vehicle["id"], "status"
        )
    until = _severed(world, vehicle, site)
    return row_log(world, vehicle, "status_logs", "sampled_at", _STATUS_EVERY, entries, until=until)


def _told(state: SiteState, at: datetime) -> Row:
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
        "state": str(_doing(state, at)),
    }


def _doing(state: SiteState, at: datetime) -> Doing:
    if not state.plugged_in:
        return Doing.DRIVING if state.driving else Doing.STATIONARY
    if state.complete:
        return Doing.PLUGGED_IN_COMPLETE
    if state.percent is not None and state.percent * 100 >= _ALMOST * state.target_percent:
        return Doing.PLUGGED_IN_ALMOST_COMPLETE
    if state.charging:
        return Doing.PLUGGED_IN_CHARGING
    if state.ready_by is not None and state.ready_by - at <= _SOON:
        return Doing.PLUGGED_IN_NEAR_READY_BY_TIME
    return Doing.PLUGGED_IN_NOT_CHARGING


def _location(world: World, vehicle: Row) -> TimeSeries:
    site = _site(world, vehicle)

    def make(at: datetime) -> Row:
        known = site is not None and not world.random.odds(4, vehicle["id"], "no fix", micros(at))
        late = world.random.between(300, 9000, vehicle["id"], "place", micros(at))
        return {
            "logged_at": write_instant(at + timedelta(milliseconds=late)),
            "vehicle": vehicle["url"],
            "at_home": world.charging.state(site, at).at_home
            if site is not None and known
            else None,
        }

    entries: Callable[[int], Sequence[Entry]] = _none
    if site is not None:
        jitter = timedelta(minutes=50)
        entries = periodic_entries(world.random, _PLACE_EVERY, jitter, make, vehicle["id"], "where")
    until = _severed(world, vehicle, site)
    return row_log(
        world, vehicle, "location_logs", "sampled_at", _PLACE_EVERY, entries, until=until
    )


def _sent(
    world: World, vehicle: Row, site: ChargingSite | None, number: int
) -> list[tuple[datetime, Row]]:
    """Return the commands of a day: what each of the changes in the car's charging took."""
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
    """Return when a car was told of its plan, and to begin and to stop charging."""
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

    until = _severed(world, vehicle, site)
    return row_log(world, vehicle, "command_logs", "logged_at", DAY, entries, until=until)


def _errors(world: World, vehicle: Row) -> TimeSeries:
    site, random = _site(world, vehicle), world.random

    def entries(number: int) -> Sequence[Entry]:
        found: list[Entry] = []
        for at, command in _sent(world, vehicle, site, number):
            about = (vehicle["id"], "error", micros(at))
            if random.number(*about) % _FAILS:
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

    until = _severed(world, vehicle, site)
    return row_log(world, vehicle, "error_logs", "logged_at", DAY, entries, until=until)
