"""Charging: plug-in episodes, what they consist of, and what was sent to devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ev_energy.models.charging import ChargingSubSessionMode as Mode
from ev_energy.simulator.charging._episodes import MOST_PERIODS
from ev_energy.simulator.clock._instants import micros
from ev_energy.simulator.http._problems import ProblemError, conflict, invalid
from ev_energy.simulator.http._routes import Reply, detail, listing
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
from ev_energy.simulator.world._rows import Link

if TYPE_CHECKING:
    from collections.abc import Callable

    from ev_energy.simulator.charging._charging_site import ChangeKind
    from ev_energy.simulator.charging._episodes import Episode
    from ev_energy.simulator.http._routes import Call, Handler, Routes
    from ev_energy.simulator.resources.charging_sessions._sessions import SubSessions
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._tables import Collection
    from ev_energy.simulator.world._world import World


_MYSELF: Final = "me"


def _of_owner(call: Call, stays: SessionQuery) -> SessionQuery:
    """Return the stays that the caller may see, and of the user who is asked for."""
    fleet, viewer = call.world.fleet, call.viewer.user_id
    wanted = call.query.get("user_id")
    if wanted == _MYSELF and viewer is None:
        raise invalid({"user_id": ["Nobody is acted for, so nobody is meant."]})
    if viewer is not None:
        stays = stays.at(tuple(fleet.sites_of_user(viewer)))
    if wanted is not None and wanted != _MYSELF:
        stays = stays.at(tuple(fleet.sites_of_user(wanted)))
    return stays


def _of_things(call: Call, stays: SessionQuery) -> SessionQuery:
    """Return the stays of the vehicle and of the EVSE that are asked for."""
    seen: dict[str, Callable[[Episode], bool]] = {
        "vehicle": lambda episode: episode.car is not None,
        "evse": lambda episode: episode.point is not None,
    }
    for name, is_there in seen.items():
        key = call.query.get(f"{name}_id")
        if key is not None:
            row = call.world.follow(Link(f"{name}s", key))
            site = None if row is None else call.world.fleet.site_of_row(row)
            stays = stays.at(() if site is None else (site,)).where(is_there)
    return stays


def _in_time(call: Call, found: SubSessions) -> SubSessions:
    """Keep the sub-sessions that began and ended when they should have.

    Each bound tells when the stay began, give or take the longest one: no others are looked at.
    """
    stays, query = found.stays, call.query
    for name in ("start__gt", "end__gt"):
        if name in query:
            low = max(query[name], stays.since + MAX_SESSION_LENGTH)
            stays = stays.within(since=low - MAX_SESSION_LENGTH)
    for name in ("start__lt", "end__lt"):
        if name in query:
            stays = stays.within(before=query[name])
    tests: dict[str, Callable[[int | None, int], bool]] = {
        "gt": lambda at, bound: at is not None and at > bound,
        "lt": lambda at, bound: at is not None and at < bound,
    }
    if query.get("is_finished") is False:
        stays = stays.within(since=call.now - MAX_SESSION_LENGTH)
    found = type(found)(stays, found.keep)
    for what in ("start", "end"):
        for how, test in tests.items():
            if (bound := query.get(f"{what}__{how}")) is not None:
                found = found.where(_at(what, test, micros(bound)))
    return found


def _at(
    what: str, test: Callable[[int | None, int], bool], bound: int
) -> Callable[[Episode, int], bool]:
    def keep(episode: Episode, number: int) -> bool:
        period = episode.periods[number]
        return test(period.start_us if what == "start" else period.end_us, bound)

    return keep


def _sub_sessions(call: Call) -> Collection:
    world, query = call.world, call.query
    base = all_sub_sessions(world)
    found = type(base)(_of_things(call, _of_owner(call, base.stays)))
    found = _in_time(call, found)
    if "is_finished" in query:
        over: bool = query["is_finished"]
        found = found.where(lambda e, number: (e.periods[number].end_us is not None) is over)
    if "mode" in query:
        mode = Mode(query["mode"])
        if mode is Mode.MANAGED_OTG:  # nobody manages that yet: no need to look for it
            return type(found)(found.stays.at(()))
        found = found.where(lambda e, number: e.periods[number].mode is mode)
    least = query.get("energy_delivered_watt_hours__gte")
    most = query.get("energy_delivered_watt_hours__lte")
    if (least or 0) > _most_energy(world) or (most is not None and most < 0):
        return type(found)(found.stays.at(()))
    if least is not None or most is not None:
        low, high = least or 0, _most_energy(world) if most is None else most
        now = call.now
        found = found.where(lambda e, number: low <= delivered(world, e, number, now) <= high)
    return found


def _most_energy(world: World) -> int:
    """Return more than any car takes at once."""

    def largest() -> int:
        sizes: list[int] = [row["battery_size_watt_hours"] for row in world.tables["vehicle_trims"]]
        return max(sizes) * 11 // 10

    return world.cached("largest battery", largest)


_BY_SOURCE: Final[tuple[str, ...]] = (
    *("vehicle_id", "evse_id", "user_id", "is_finished", "mode"),
    *("energy_delivered_watt_hours__gte", "energy_delivered_watt_hours__lte"),
    *("start__gt", "start__lt", "end__gt", "end__lt"),
)


def _row(call: Call) -> Row:
    return call.row(SUB_FOLDER, "charging_sub_session_id")


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
        raise ProblemError(400, "Not over yet", "Only what is over can be worked out anew.")
    dry: bool = body.get("dry_run", False)
    before, after = recalculate(
        call.world, row, capped=body.get("cap_overages", True), keep=not dry
    )
    return Reply({
        "status": "dry_run_completed" if dry else "recalculation_triggered",
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


def _boost(call: Call, what: ChangeKind) -> Reply:
    """Start or end a boost, if there is something to start or end it for."""
    world, row = call.world, call.row(FOLDER, "charging_session_id")
    episode: Episode = row["_episode"]
    state = world.charging.state(episode.site, call.now)
    running = episode.end_us is None and state.episode is not None
    wanted = Mode.SMART if what == "boost_start" else Mode.BOOST
    if not state.smart:
        raise conflict("Smart charging is turned off.")
    if not running or state.mode is not wanted or len(episode.periods) > MOST_PERIODS - 3:
        raise conflict(f"The session is not in an ongoing {wanted.lower()} sub-session.")
    if what == "boost_start" and (state.complete or episode.start_us >= micros(call.now)):
        raise conflict("There is nothing to charge.")
    device = _reachable(world, episode)
    if device is None:
        raise ProblemError(503, "Device unreachable", "Neither car nor EVSE can be reached now.")
    world.record_change(device, what)
    return Reply(call.serialize(call.row(FOLDER, "charging_session_id")))


def _reachable(world: World, episode: Episode) -> Row | None:
    """Return the device that takes commands: an EVSE that reports, or else a connected car."""
    evse = world.fleet.evse(episode.site) if episode.point else None
    if evse is not None and evse["_reports"]:
        return evse
    vehicle = world.fleet.vehicle(episode.site) if episode.car else None
    return vehicle if vehicle is not None and vehicle["integrated"] == "ACTIVE" else None


_BELOW: Final = "/charging_sub_sessions/{charging_sub_session_id}"
_SINGLE: Final = "/charging_sessions/{charging_session_id}"
_FILTERS: Final[dict[str, Any]] = dict.fromkeys(_BY_SOURCE)

ROUTES: Final[Routes] = {
    ("GET", "/charging_sessions"): listing(),
    ("GET", _SINGLE): detail(),
    ("POST", f"{_SINGLE}/boost_start"): lambda call: _boost(call, "boost_start"),
    ("POST", f"{_SINGLE}/boost_end"): lambda call: _boost(call, "boost_end"),
    ("GET", "/charging_sub_sessions"): listing(_sub_sessions, filters=_FILTERS),
    ("GET", _BELOW): detail(),
    ("GET", f"{_BELOW}/energy_usage"): _energy_usage,
    ("GET", f"{_BELOW}/flags"): _part(flags),
    ("GET", f"{_BELOW}/debug_metadata"): _part(debug_metadata),
    ("GET", f"{_BELOW}/schedules"): _schedules,
    ("GET", f"{_BELOW}/schedule_plans"): _schedule_plans,
    ("GET", f"{_BELOW}/assessment"): _part(assessment),
    ("POST", f"{_BELOW}/recalculate_energy_usages"): _recalculate,
    ("GET", "/dispatcher_logs"): _dispatcher_logs,
}
