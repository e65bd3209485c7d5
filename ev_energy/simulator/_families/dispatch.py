"""Dispatch coordinators, their logs, and the events they make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.simulator._api._problems import ProblemError, invalid, not_found
from ev_energy.simulator._api._routes import Reply, detail, listing, log
from ev_energy.simulator._content._dispatch import (
    COORDINATORS,
    EVENTS,
    add_event,
    cancel_event,
    event_ends,
    events_of,
)
from ev_energy.simulator._content._home_devices import country_of
from ev_energy.simulator._store._instants import read_instant, write_instant

if TYPE_CHECKING:
    from datetime import datetime

    from ev_energy.simulator._api._problems import FieldErrors
    from ev_energy.simulator._api._routes import Call, Handler, Routes
    from ev_energy.simulator._content._dispatch import Coordinator
    from ev_energy.simulator._store._rows import Row

_LIMITS: Final = ("import_limit_watts", "export_limit_watts")
_TARGET: Final = "target_power_watts"


def _coordinator(call: Call) -> Row:
    """Return the coordinator of the path; a user may see those of the own country."""
    row = call.row(COORDINATORS, "dispatch_coordinator_id")
    who: Coordinator = row["_who"]
    user_id = call.viewer.user_id
    if user_id is not None and country_of(call.world, user_id) != who.city.country:
        raise not_found()
    return row


def _guarded(handler: Handler) -> Handler:
    def answer(call: Call) -> Reply:
        _coordinator(call)
        return handler(call)

    return answer


def _faults(call: Call, coordinator: Row, start: datetime, end: datetime) -> FieldErrors:
    who: Coordinator = coordinator["_who"]
    errors: FieldErrors = {}
    if start < call.now:
        errors["start_time"] = ["That is over."]
    elif not who.holds(start, end):
        errors["start_time"] = ["The contract does not cover that."]
    if end <= start:
        errors["end_time"] = ["It has to be after the start."]
    elif any(
        start < event_ends(event) and read_instant(event["start_time"]) < end
        for event in events_of(call.world, coordinator)
    ):
        errors.setdefault("start_time", ["Another event runs then."])
    given = {name: call.body.get(name) for name in (*_LIMITS, _TARGET)}
    if all(value is None for value in given.values()):
        errors["import_limit_watts"] = ["One of the limits or a target is needed."]
    for name in _LIMITS:
        if (given[name] or 0) < 0:
            errors[name] = ["It cannot be less than nothing."]
    target, most = given[_TARGET], given["import_limit_watts"]
    if target is not None and most is not None and target > most:
        errors[_TARGET] = ["It is more than may be drawn."]
    return errors


def _create(call: Call) -> Reply:
    coordinator = _coordinator(call)
    start, end = (read_instant(call.body[name]) for name in ("start_time", "end_time"))
    if errors := _faults(call, coordinator, start, end):
        raise invalid(errors)
    limits = {name: call.body.get(name) for name in (*_LIMITS, _TARGET)}
    times = {"start_time": write_instant(start), "end_time": write_instant(end)}
    return Reply(call.show(add_event(call.world, coordinator, times | limits)), 201)


def _cancel(call: Call) -> Reply:
    coordinator = _coordinator(call)
    event = call.world.tables[EVENTS].get(call.params["dispatch_event_id"])
    if event is None or event["dispatch_coordinator"] != coordinator["url"]:
        raise not_found()
    if event["_cancelled_at"] is not None or event_ends(event) <= call.now:
        raise ProblemError(400, "Too late", "The event is over, or was cancelled before.")
    cancel_event(call.world, event)
    return Reply({"status": "CANCELLED"})


_ONE: Final = f"/{COORDINATORS}/{{dispatch_coordinator_id}}"

DISPATCH: Final[Routes] = {
    ("GET", f"/{COORDINATORS}"): listing(),
    ("GET", _ONE): _guarded(detail()),
    ("GET", f"{_ONE}/dispatch_logs"): _guarded(log("logged_at")),
    ("GET", f"{_ONE}/dispatch_logs/{{logged_at}}"): _guarded(detail()),
    ("POST", f"{_ONE}/dispatch_events"): _create,
    ("POST", f"{_ONE}/dispatch_events/{{dispatch_event_id}}/cancel"): _cancel,
}
