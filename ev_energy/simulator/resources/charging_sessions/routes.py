"""Operations of charging sessions, sub-sessions and their parts, and of dispatcher logs."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.models.charging import ChargingSubSessionMode as Mode
from ev_energy.simulator.charging._episodes import MAX_PERIODS
from ev_energy.simulator.clock._instants import micros
from ev_energy.simulator.http._paging import link_header
from ev_energy.simulator.http._problems import ProblemError, conflict, invalid, not_found
from ev_energy.simulator.http._routes import Reply, detail, listing, paged_reply, row_filter
from ev_energy.simulator.resources.charging_sessions._energy import (
    delivered,
    energy_usage,
    recalculate,
)
from ev_energy.simulator.resources.charging_sessions._parts import assessment, debug_metadata, flags
from ev_energy.simulator.resources.charging_sessions._plans import (
    dispatches,
    schedule_plans,
    schedules,
)
from ev_energy.simulator.resources.charging_sessions._rows import FOLDER, SUB_FOLDER
from ev_energy.simulator.resources.charging_sessions._session_query import (
    MAX_SESSION_LENGTH,
    SessionQuery,
)
from ev_energy.simulator.resources.charging_sessions._sessions import all_sub_sessions
from ev_energy.simulator.resources.charging_sessions._unreliable_data import (
    read_time,
    unreliable_data,
)
from ev_energy.simulator.world._rows import Link

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ev_energy.simulator.charging._charging_site import ChangeKind
    from ev_energy.simulator.charging._episodes import Episode
    from ev_energy.simulator.http._routes import Call, Handler, Routes
    from ev_energy.simulator.resources.charging_sessions._sessions import SubSessions
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


_CURRENT_USER: Final = "me"


def _limit_to_user(call: Call, session_query: SessionQuery) -> SessionQuery:
    """Narrow a query to the sites of the viewer, and of the user that the call names."""
    fleet, viewer = call.world.fleet, call.viewer.user_id
    user_id = call.query.get("user_id")
    if user_id == _CURRENT_USER and viewer is None:
        raise invalid({"user_id": ["The token is not for a user, so there is no current user."]})
    if viewer is not None:
        session_query = session_query.at_sites(tuple(fleet.sites_of_user(viewer)))
    if user_id is not None and user_id != _CURRENT_USER:
        session_query = session_query.at_sites(tuple(fleet.sites_of_user(user_id)))
    return session_query


def _limit_to_devices(call: Call, session_query: SessionQuery) -> SessionQuery:
    """Narrow a query to the vehicle and the EVSE that the call names."""
    has_device: dict[str, Callable[[Episode], bool]] = {
        "vehicle": lambda episode: episode.car is not None,
        "evse": lambda episode: episode.point is not None,
    }
    for name, predicate in has_device.items():
        key = call.query.get(f"{name}_id")
        if key is not None:
            row = call.world.follow(Link(f"{name}s", key))
            site = None if row is None else call.world.fleet.site_of_row(row)
            session_query = session_query.at_sites(() if site is None else (site,)).where(predicate)
    return session_query


def _limit_to_times(call: Call, sub_sessions: SubSessions) -> SubSessions:
    """Narrow sub-sessions to the starts and ends that the call asks for.

    Each bound also limits the start of the episode, by the length of the longest one, so that other
    episodes are not computed.
    """
    session_query, query = sub_sessions.query, call.query
    for name in ("start__gt", "end__gt"):
        if name in query:
            low = max(query[name], session_query.since + MAX_SESSION_LENGTH)
            session_query = session_query.within(since=low - MAX_SESSION_LENGTH)
    for name in ("start__lt", "end__lt"):
        if name in query:
            session_query = session_query.within(before=query[name])
    tests: dict[str, Callable[[int | None, int], bool]] = {
        "gt": lambda instant, bound: instant is not None and instant > bound,
        "lt": lambda instant, bound: instant is not None and instant < bound,
    }
    if query.get("is_finished") is False:
        options = unreliable_data(call.world)
        longest = MAX_SESSION_LENGTH
        if options is not None:  # ends may be unknown for some time, and reads stale
            longest += options.longest_delay + options.max_staleness
        session_query = session_query.within(since=call.now - longest)
    sub_sessions = attrs.evolve(sub_sessions, query=session_query)
    for what in ("start", "end"):
        for operator, test in tests.items():
            if (bound := query.get(f"{what}__{operator}")) is not None:
                sub_sessions = sub_sessions.where(_compare(what, test, micros(bound)))
    return sub_sessions


def _compare(
    what: str, test: Callable[[int | None, int], bool], bound: int
) -> Callable[[Episode, int, datetime], bool]:
    def keep(episode: Episode, number: int, _now: datetime) -> bool:
        period = episode.periods[number]
        return test(period.start_us if what == "start" else period.end_us, bound)

    return keep


def _sub_sessions(call: Call) -> SubSessions:
    world, query = call.world, call.query
    everything = all_sub_sessions(world, read_at=read_time(world, call.now))
    session_query = _limit_to_devices(call, _limit_to_user(call, everything.query))
    sub_sessions = _limit_to_times(call, attrs.evolve(everything, query=session_query))
    if "is_finished" in query:
        finished: bool = query["is_finished"]
        sub_sessions = sub_sessions.where(
            lambda e, number, _now: (e.periods[number].end_us is not None) is finished
        )
    if "mode" in query:
        mode = Mode(query["mode"])
        if mode is Mode.MANAGED_OTG:  # public charging is not managed, so no sub-session matches
            return _none_of(sub_sessions)
        sub_sessions = sub_sessions.where(lambda e, number, _now: e.periods[number].mode is mode)
    minimum = query.get("energy_delivered_watt_hours__gte")
    maximum = query.get("energy_delivered_watt_hours__lte")
    if (minimum or 0) > _max_energy(world) or (maximum is not None and maximum < 0):
        return _none_of(sub_sessions)
    if minimum is not None or maximum is not None:
        low, high = minimum or 0, _max_energy(world) if maximum is None else maximum
        sub_sessions = sub_sessions.where(
            lambda e, number, now: low <= delivered(world, e, number, now) <= high
        )
    return sub_sessions


def _none_of(sub_sessions: SubSessions) -> SubSessions:
    return attrs.evolve(sub_sessions, query=sub_sessions.query.at_sites(()))


def _list(call: Call) -> Reply:
    predicate, sub_sessions = row_filter(call, _FILTERS), _sub_sessions(call)
    reply, options = paged_reply(call, sub_sessions, predicate), unreliable_data(call.world)
    cursor = call.query.get("page_after", call.query.get("page_before"))
    is_fragile = options is not None and options.fragile_cursors
    if is_fragile and cursor is not None and sub_sessions.get(cursor) is None:
        return Reply([], headers={"Link": link_header()})
    return reply


def _max_energy(world: World) -> int:
    """Return an upper bound for the energy of a sub-session."""

    def find_bound() -> int:
        sizes: list[int] = [row["battery_size_watt_hours"] for row in world.tables["vehicle_trims"]]
        return max(sizes) * 11 // 10

    return world.cached("largest battery", find_bound)


_QUERY_PARAMETERS: Final[tuple[str, ...]] = (
    *("vehicle_id", "evse_id", "user_id", "is_finished", "mode"),
    *("energy_delivered_watt_hours__gte", "energy_delivered_watt_hours__lte"),
    *("start__gt", "start__lt", "end__gt", "end__lt"),
)


def _row(call: Call) -> Row:
    """Return the sub-session that the call names, as it is shown; 404 if it is not visible."""
    is_read = call.facts.method == "GET"
    read_at = read_time(call.world, call.now) if is_read else None
    sub_sessions = all_sub_sessions(call.world, read_at=read_at)
    row = sub_sessions.get(call.params["charging_sub_session_id"])
    if row is None or not call.can_see(sub_sessions, row):
        raise not_found()
    return row


def _energy_usage(call: Call) -> Reply:
    above = call.query.get("energy_delivered_watt_hours__gt")
    merged = call.query.get("merge_consecutive_intervals", False)
    return Reply(call.serialize(energy_usage(call.world, _row(call), merged=merged, above=above)))


def _part(make: Callable[[World, Row], Row]) -> Handler:
    return lambda call: Reply(call.serialize(make(call.world, _row(call))))


def _schedules(call: Call) -> Reply:
    query = call.query
    shown = schedules(
        call.world,
        _row(call),
        since=query.get("started_at__gte"),
        until=query.get("started_at__lte"),
        plan=query.get("schedule_plan_id"),
        latest_only=query.get("only_most_recently_created", True),
    )
    return Reply(call.serialize(shown))


def _schedule_plans(call: Call) -> Reply:
    shown = schedule_plans(
        call.world,
        _row(call),
        since=call.query.get("created_at__gte"),
        until=call.query.get("created_at__lte"),
        with_prices="price_data" in call.expand,
    )
    return Reply(call.serialize(shown))


def _recalculate(call: Call) -> Reply:
    row, body = _row(call), call.body
    if row["end"] is None:
        detail = "Only finished sub-sessions can be recalculated."
        raise ProblemError(HTTPStatus.BAD_REQUEST, "Not finished", detail)
    dry_run: bool = body.get("dry_run", False)
    before, after = recalculate(
        call.world, row, capped=body.get("cap_overages", True), keep=not dry_run
    )
    return Reply({
        "status": "dry_run_completed" if dry_run else "recalculation_triggered",
        "previous_energy_delivered_watt_hours": before,
        "new_energy_delivered_watt_hours": after,
    })  # fmt: skip


def _dispatcher_logs(call: Call) -> Reply:
    world, query = call.world, call.query
    found = world.find(Link(SUB_FOLDER, query["charging_sub_session_id"]))
    if found is None or not call.can_see(*found):
        return Reply([])
    low, high = (query.get(f"logged_at__{how}") for how in ("gte", "lte"))
    shown = [
        call.serialize(row)
        for row in dispatches(world, found[1])
        if (low is None or row["_at"] >= low) and (high is None or row["_at"] <= high)
    ]
    return Reply(shown)


def _boost(call: Call, kind: ChangeKind) -> Reply:
    """Start or end a boost of an ongoing session."""
    world, row = call.world, call.row(FOLDER, "charging_session_id")
    episode: Episode = row["_episode"]
    state = world.charging.state(episode.site, call.now)
    running = episode.end_us is None and state.episode is not None
    required_mode = Mode.SMART if kind == "boost_start" else Mode.BOOST
    if not state.smart:
        raise conflict("Smart charging is turned off.")
    if not running or state.mode is not required_mode or len(episode.periods) > MAX_PERIODS - 3:
        raise conflict(f"The session is not in an ongoing {required_mode.lower()} sub-session.")
    if kind == "boost_start" and (state.complete or episode.start_us >= micros(call.now)):
        raise conflict("The vehicle needs no more energy.")
    device = _reachable(world, episode)
    if device is None:
        detail = "Neither the vehicle nor the EVSE can be reached now."
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "Device unreachable", detail)
    world.record_change(device, kind)
    return Reply(call.serialize(call.row(FOLDER, "charging_session_id")))


def _reachable(world: World, episode: Episode) -> Row | None:
    """Return the device that takes commands: an EVSE that reports, or a connected vehicle."""
    evse = world.fleet.evse(episode.site) if episode.point else None
    if evse is not None and evse["_reports"]:
        return evse
    vehicle = world.fleet.vehicle(episode.site) if episode.car else None
    return vehicle if vehicle is not None and vehicle["integrated"] == "ACTIVE" else None


_SUB_SESSION: Final = "/charging_sub_sessions/{charging_sub_session_id}"
_SESSION: Final = "/charging_sessions/{charging_session_id}"
_FILTERS: Final[dict[str, Any]] = dict.fromkeys(_QUERY_PARAMETERS)

ROUTES: Final[Routes] = {
    ("GET", "/charging_sessions"): listing(),
    ("GET", _SESSION): detail(),
    ("POST", f"{_SESSION}/boost_start"): lambda call: _boost(call, "boost_start"),
    ("POST", f"{_SESSION}/boost_end"): lambda call: _boost(call, "boost_end"),
    ("GET", "/charging_sub_sessions"): _list,
    ("GET", _SUB_SESSION): lambda call: Reply(call.serialize(_row(call))),
    ("GET", f"{_SUB_SESSION}/energy_usage"): _energy_usage,
    ("GET", f"{_SUB_SESSION}/flags"): _part(flags),
    ("GET", f"{_SUB_SESSION}/debug_metadata"): _part(debug_metadata),
    ("GET", f"{_SUB_SESSION}/schedules"): _schedules,
    ("GET", f"{_SUB_SESSION}/schedule_plans"): _schedule_plans,
    ("GET", f"{_SUB_SESSION}/assessment"): _part(assessment),
    ("POST", f"{_SUB_SESSION}/recalculate_energy_usages"): _recalculate,
    ("GET", "/dispatcher_logs"): _dispatcher_logs,
}
