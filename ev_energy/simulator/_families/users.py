"""Users and their homes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.simulator._api._bodies import LOCATION, read_location
from ev_energy.simulator._api._filters import equals_ignoring_case
from ev_energy.simulator._api._problems import invalid
from ev_energy.simulator._api._routes import Reply, collection_at, detail, listing
from ev_energy.simulator._content._feeds import carbon_of
from ev_energy.simulator._content._households import home_of_email
from ev_energy.simulator._content._markets import feed_of
from ev_energy.simulator._store._instants import micros, write_instant
from ev_energy.simulator._store._tables import Rows

if TYPE_CHECKING:
    from ev_energy.simulator._api._routes import Call, Routes
    from ev_energy.simulator._store._rows import Link, Row
    from ev_energy.simulator._store._tables import Collection


def _written(call: Call, before: Row) -> Row:
    """Return the members that a body sets, all of them or none; others are ignored."""
    row: Row = {}
    if "email" in call.body:
        row["email"] = call.body["email"]
    if "default_location" in call.body:
        old: Row = before.get("default_location") or {}
        location, wrong = read_location(call.world, call.body["default_location"], old)
        if wrong:
            raise invalid(wrong)
        row["default_location"] = {**dict.fromkeys(LOCATION), **old, **location}
    return row


def _listed(call: Call) -> Collection:
    """Return the users to look through: an address belongs to one of very few."""
    users = collection_at(call)
    if "email" not in call.query or call.viewer.user_id is not None:
        return users
    table = call.world.tables["users"]
    return Rows(table, table.perhaps(home_of_email(call.query["email"])))


def _single(call: Call, row: Row) -> Row:
    """Return the members that only a user asked for alone has."""
    location = row.get("default_location")
    if location is None:
        return {}
    grams = carbon_of(call.world).intensity(feed_of(location.get("country_code")), micros(call.now))
    return {
        "default_location": {**location, "current_carbon_intensity_grams_per_kilowatt_hour": grams}
    }


def _create(call: Call) -> Reply:
    row = call.world.tables["users"].add({
        "id": call.world.new_id("users"),
        "joined_at": write_instant(call.now),
        "terms_consent_datetime": None,
        **_written(call, {}),
    })  # fmt: skip
    return _shown(call, row, 201)


def _update(call: Call) -> Reply:
    row = call.row("users", "user_id")
    written = _written(call, row)
    before: Row = row.get("default_location") or {}
    after: Row = written.get("default_location") or {}
    tariff: Link | None = after.get("tariff")
    if tariff is not None and tariff != before.get("tariff"):
        call.world.fleet.move_to(row["id"], tariff)
    return _shown(call, call.world.change(row, **written))


def _shown(call: Call, row: Row, status: int = 200) -> Reply:
    row = call.world.tables["users"].seen_by(row, call.viewer)
    return Reply(call.show(row | _single(call, row)), status)


USERS: Final[Routes] = {
    ("GET", "/users"): listing(_listed, filters={"email": equals_ignoring_case("email")}),
    ("POST", "/users"): _create,
    ("GET", "/users/{user_id}"): detail(_single),
    ("PATCH", "/users/{user_id}"): _update,
}
