"""The saved routes of users: trips that they plan repeatedly."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator.clock._instants import ANCHOR, read_instant, write_instant
from ev_energy.simulator.http._problems import invalid, not_found
from ev_energy.simulator.http._routes import Reply, listing
from ev_energy.simulator.resources.users import coordinates_of
from ev_energy.simulator.world._rows import ApiPath, Link

if TYPE_CHECKING:
    from ev_energy.simulator.http._routes import Call, Routes
    from ev_energy.simulator.world._homes import HomeTemplate
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._tables import Collection, Table
    from ev_energy.simulator.world._world import World


_MAX_ROUTES: Final = 50
_DEPARTURE_MINUTES: Final = (None, 390, 450, 480, 540, 600)

#: A name, a latitude and a longitude.
_NamedPoint = tuple[str, float, float]
#: Destinations by country, the nearest first.
_DESTINATIONS: Final[dict[str, tuple[_NamedPoint, ...]]] = {
    "GB": (("Oxford", 51.752, -1.2577), ("York", 53.9591, -1.0815), ("Bristol", 51.4545, -2.5879),
           ("Keswick", 54.6013, -3.1347), ("Inverness", 57.4778, -4.2247)),
    "NL": (("Zwolle", 52.5168, 6.083), ("Breda", 51.5719, 4.7683), ("Groningen", 53.2194, 6.5665),
           ("Texel", 53.0547, 4.7973), ("Luxembourg", 49.6117, 6.1319)),
    "DE": (("Lübeck", 53.8655, 10.6866), ("Hannover", 52.3759, 9.732), ("Sylt", 54.9079, 8.3265),
           ("Leipzig", 51.3397, 12.3731), ("München", 48.1351, 11.582)),
    "US": (("Monterey", 36.6002, -121.8947), ("Sacramento", 38.5816, -121.4944),
           ("Tahoe City", 39.1677, -120.1452), ("Eureka", 40.8021, -124.1637),
           ("Los Angeles", 34.0522, -118.2437)),
}  # fmt: skip


def add_saved_routes(world: World) -> None:
    """Open the table of saved routes; homes with vehicles have some."""
    random, homes = world.random, world.homes

    def make(home: int, slot: int, number: int) -> Row:
        points = _DESTINATIONS[homes.template(home).city.country]
        first = random.between(0, len(points) - 2, "route", number)
        leg_count = 1 + slot % (len(points) - 1 - first) if slot else 1
        stops = points[first + 1 : first + 1 + leg_count] if slot else ()
        destination = stops[-1] if stops else points[first]
        waypoints = (points[first], *stops[:-1]) if stops else ()
        unused_for = timedelta(minutes=random.between(5, 60 * 24 * 90, "used", number))
        return {
            "name": f"{'Holiday in' if slot else 'Visit to'} {destination[0]}",
            "favourite": slot == 0,
            "origin": {**coordinates_of(world, home), "name": "Home"},
            "destination": _point(destination),
            "waypoints": [_point(point) for point in waypoints],
            "arrive_with_min_percent": random.pick((10, 10, 15, 20, 30), "arrive", number),
            "preferred_departure_minutes": random.pick(_DEPARTURE_MINUTES, "departure", number),
            "last_used_at": write_instant(ANCHOR - unused_for),
        }

    world.owned_table("saved_routes", "savr", _route_count, make, view=_view)


def _route_count(kind: HomeTemplate) -> int:
    return kind.vehicles + 1 if kind.vehicles else 0


def _point(point: _NamedPoint) -> dict[str, Any]:
    name, latitude, longitude = point
    return {"latitude": latitude, "longitude": longitude, "name": name}


def _view(row: Row, _viewer: Viewer) -> Row:
    user: Link = row["user"]
    return row | {
        "url": ApiPath(f"{user.path}/saved_routes/{row['id']}"),
        "created_at": write_instant(read_instant(row["_made_at"])),
    }


def _table(call: Call) -> Table:
    return call.world.tables["saved_routes"]


def _routes_of_user(call: Call) -> Collection:
    return _table(call).for_user(call.row("users", "user_id")["id"])


def _route(call: Call) -> Row:
    """Return the stored row of the route in the path.

    Raises:
        ProblemError: 404 if the route does not exist or belongs to another user.
    """
    user_id = call.row("users", "user_id")["id"]
    row = _table(call).get(call.params["saved_route_id"])
    if row is None or row["user"].key != user_id:
        raise not_found("No such route exists.")
    return row


def _reply(call: Call, row: Row, status: int = HTTPStatus.OK) -> Reply:
    return Reply(call.serialize(_table(call).view_for(row, call.viewer)), status)


def _requested_members(call: Call) -> Row:
    members = dict(call.body)
    if "last_used_at" in members:
        members["last_used_at"] = write_instant(read_instant(members["last_used_at"]))
    return members


def _get(call: Call) -> Reply:
    return _reply(call, _route(call))


def _create(call: Call) -> Reply:
    user_id, now = call.row("users", "user_id")["id"], write_instant(call.now)
    saved = list(call.world.rows_of_user(user_id, "saved_routes"))
    if len(saved) >= _MAX_ROUTES:
        raise invalid(
            {"body": [f"A user can save at most {_MAX_ROUTES} routes. Delete one first."]}
        )
    row = _table(call).add({
        "id": call.world.new_id("saved_routes"),
        "user": Link("users", user_id),
        "favourite": False,
        "waypoints": [],
        "preferred_departure_minutes": None,
        "last_used_at": now,
        "_made_at": now,
        **_requested_members(call),
    })  # fmt: skip
    return _reply(call, row, HTTPStatus.CREATED)


def _update(call: Call) -> Reply:
    row = _route(call)
    return _reply(call, _table(call).update(row["id"], _requested_members(call)))


def _delete(call: Call) -> Reply:
    _table(call).remove(_route(call)["id"])
    return Reply(status=HTTPStatus.NO_CONTENT)


_ROUTES_PATH: Final = "/users/{user_id}/saved_routes"
_ROUTE_PATH: Final = f"{_ROUTES_PATH}/{{saved_route_id}}"

ROUTES: Final[Routes] = {
    ("GET", _ROUTES_PATH): listing(_routes_of_user),
    ("POST", _ROUTES_PATH): _create,
    ("GET", _ROUTE_PATH): _get,
    ("PATCH", _ROUTE_PATH): _update,
    ("DELETE", _ROUTE_PATH): _delete,
}
