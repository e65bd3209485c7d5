"""Saved routes: below their user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.simulator._api._problems import invalid, not_found
from ev_energy.simulator._api._routes import Reply, listing
from ev_energy.simulator._content._saved_routes import routes_of_user
from ev_energy.simulator._store._instants import read_instant, write_instant
from ev_energy.simulator._store._rows import Link

if TYPE_CHECKING:
    from ev_energy.simulator._api._routes import Call, Routes
    from ev_energy.simulator._store._rows import Row
    from ev_energy.simulator._store._tables import Collection, Table

_MOST: Final = 50


def _table(call: Call) -> Table:
    return call.world.tables["saved_routes"]


def _listed(call: Call) -> Collection:
    return _table(call).of_user(call.row("users", "user_id")["id"])


def _route(call: Call) -> Row:
    """Return the route that is asked for, as it is kept; 404 if it is somebody else's."""
    user_id = call.row("users", "user_id")["id"]
    row = _table(call).get(call.params["saved_route_id"])
    if row is None or row["user"].key != user_id:
        raise not_found("No such route")
    return row


def _shown(call: Call, row: Row, status: int = 200) -> Reply:
    return Reply(call.show(_table(call).seen_by(row, call.viewer)), status)


def _written(call: Call) -> Row:
    members = dict(call.body)
    if "last_used_at" in members:
        members["last_used_at"] = write_instant(read_instant(members["last_used_at"]))
    return members


def _get(call: Call) -> Reply:
    return _shown(call, _route(call))


def _create(call: Call) -> Reply:
    user_id, now = call.row("users", "user_id")["id"], write_instant(call.now)
    if len(routes_of_user(call.world, user_id)) >= _MOST:
        raise invalid({"body": [f"A user can save {_MOST} routes: delete one first."]})
    row = _table(call).add({
        "id": call.world.new_id("saved_routes"),
        "user": Link("users", user_id),
        "favourite": False,
        "waypoints": [],
        "preferred_departure_minutes": None,
        "last_used_at": now,
        "_made_at": now,
        **_written(call),
    })  # fmt: skip
    return _shown(call, row, 201)


def _update(call: Call) -> Reply:
    row = _route(call)
    return _shown(call, _table(call).change(row["id"], _written(call)))


def _delete(call: Call) -> Reply:
    _table(call).remove(_route(call)["id"])
    return Reply(status=204)


_ALL: Final = "/users/{user_id}/saved_routes"
_ONE: Final = f"{_ALL}/{{saved_route_id}}"

SAVED_ROUTES: Final[Routes] = {
    ("GET", _ALL): listing(_listed),
    ("POST", _ALL): _create,
    ("GET", _ONE): _get,
    ("PATCH", _ONE): _update,
    ("DELETE", _ONE): _delete,
}
