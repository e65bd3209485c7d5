"""Trips that users plan again and again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator.clock._instants import ANCHOR, read_instant, write_instant
from ev_energy.simulator.http._problems import invalid, not_found
from ev_energy.simulator.http._routes import Reply, listing
from ev_energy.simulator.resources.users import coordinates_of
from ev_energy.simulator.world._rows import Address, Link

if TYPE_CHECKING:
    from ev_energy.simulator.http._routes import Call, Routes
    from ev_energy.simulator.world._homes import Kind
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._tables import Collection, Table
    from ev_energy.simulator.world._world import World


_Place = tuple[str, float, float]
#: Where people drive to, by country; what is far comes last.
_PLACES: Final[dict[str, tuple[_Place, ...]]] = {
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
_MORNING: Final = (None, 390, 450, 480, 540, 600)


def routes_of_user(world: World, user_id: str) -> list[Row]:
    """Return what a user saved, in the order of the list."""
    return list(world.things_of(user_id, "saved_routes"))


def _routes(kind: Kind) -> int:
    return kind.vehicles + 1 if kind.vehicles else 0


def add_saved_routes(world: World) -> None:
    """Open the table of saved routes; those who drive have some."""
    chance, homes = world.chance, world.homes

    def make(home: int, slot: int, number: int) -> Row:
        places = _PLACES[homes.kind(home).city.country]
        first = chance.between(0, len(places) - 2, "route", number)
        ahead = 1 + slot % (len(places) - 1 - first) if slot else 1
        stops = places[first + 1 : first + 1 + ahead] if slot else ()
        destination = stops[-1] if stops else places[first]
        waypoints = (places[first], *stops[:-1]) if stops else ()
        ago = timedelta(minutes=chance.between(5, 60 * 24 * 90, "used", number))
        return {
            "name": f"{'Holiday in' if slot else 'Visit to'} {destination[0]}",
            "favourite": slot == 0,
            "origin": {**coordinates_of(world, home), "name": "Home"},
            "destination": _point(destination),
            "waypoints": [_point(place) for place in waypoints],
            "arrive_with_min_percent": chance.pick((10, 10, 15, 20, 30), "arrive", number),
            "preferred_departure_minutes": chance.pick(_MORNING, "departure", number),
            "last_used_at": write_instant(ANCHOR - ago),
        }

    world.owned_table("saved_routes", "savr", _routes, make, view=_view)


def _point(place: _Place) -> dict[str, Any]:
    name, latitude, longitude = place
    return {"latitude": latitude, "longitude": longitude, "name": name}


def _view(row: Row, _viewer: Viewer) -> Row:
    user: Link = row["user"]
    return row | {
        "url": Address(f"{user.path}/saved_routes/{row['id']}"),
        "created_at": write_instant(read_instant(row["_made_at"])),
    }


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
    return Reply(call.serialize(_table(call).seen_by(row, call.viewer)), status)


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

ROUTES: Final[Routes] = {
    ("GET", _ALL): listing(_listed),
    ("POST", _ALL): _create,
    ("GET", _ONE): _get,
    ("PATCH", _ONE): _update,
    ("DELETE", _ONE): _delete,
}
