"""Users and their homes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator._bodies import LOCATION, is_email, members, read_location
from ev_energy.simulator._filters import equals_ignoring_case
from ev_energy.simulator._instants import write_instant
from ev_energy.simulator._problems import invalid, not_found
from ev_energy.simulator._routes import Reply, Route, list_of, one_of_list

if TYPE_CHECKING:
    from ev_energy.simulator._problems import FieldErrors
    from ev_energy.simulator._routes import Call, Handler, Routes
    from ev_energy.simulator._world import Row

_EXPANDS: Final = (
    "default_location.tariff",
    "default_location.tariff.supplier",
    "default_location.evse_site",
)


def _write(call: Call, row: Row) -> None:
    """Set what a body may set, all of it or nothing; other members are ignored."""
    body = members(call.body)
    errors: FieldErrors = {}
    location: Row = {}
    if "email" in body and not is_email(body["email"]):
        errors["email"] = ["Not an e-mail address."]
    if "default_location" in body:
        location, wrong = read_location(call.world, body["default_location"])
        errors |= wrong
    if errors:
        raise invalid(errors)
    if "email" in body:
        row["email"] = body["email"]
    if "default_location" in body:
        blank = dict.fromkeys(LOCATION)
        row["default_location"] = {**blank, **row.get("default_location", {}), **location}


def _single(_call: Call, row: Row) -> Row:
    """Return the members that only a user asked for alone has."""
    location = row.get("default_location")
    if location is None:
        return {}
    return {
        "default_location": {**location, "current_carbon_intensity_grams_per_kilowatt_hour": 164}
    }


def _me(answer: Handler) -> Handler:
    """Let ``me`` stand for the user whom the caller acts for; without one there is no such user."""

    def answer_for_me(call: Call) -> Reply:
        if call.params["user_id"] != "me":
            return answer(call)
        if call.viewer.user_id is None:
            raise not_found()
        return answer(attrs.evolve(call, params={"user_id": call.viewer.user_id}))

    return answer_for_me


def _create(call: Call) -> Reply:
    row: Row = {
        "id": call.world.new_id("users", call.now),
        "joined_at": write_instant(call.now),
        "terms_consent_datetime": None,
        "vehicles": [],
        "evses": [],
    }
    _write(call, row)
    row = call.world.tables["users"].add(row)
    return Reply(call.show(row | _single(call, row)), 201)


def _update(call: Call) -> Reply:
    row = call.row("users", "user_id")
    _write(call, row)
    return Reply(call.show(row | _single(call, row)))


_READ: Final = ("user:read",)
_WRITE: Final = ("user:write",)

USERS: Final[Routes] = {
    ("GET", "/users"): Route(
        list_of({"email": equals_ignoring_case("email")}), _READ, expand=_EXPANDS
    ),
    ("POST", "/users"): Route(_create, _WRITE),
    ("GET", "/users/{user_id}"): Route(_me(one_of_list(_single)), _READ, expand=_EXPANDS),
    ("PATCH", "/users/{user_id}"): Route(_me(_update), _WRITE, expand=_EXPANDS),
}
