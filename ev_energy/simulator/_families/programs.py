"""Programs, their tiers and agreements, taking part in them, and what it earns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ev_energy.simulator._api._paging import links
from ev_energy.simulator._api._problems import ProblemError, invalid, not_found
from ev_energy.simulator._api._routes import Reply, detail, listing
from ev_energy.simulator._content._incentives import schemes_for
from ev_energy.simulator._content._membership import (
    accept,
    default_tier,
    join,
    location_of,
    membership_of,
    verify,
)
from ev_energy.simulator._content._programs import agreements_of, is_postal_code
from ev_energy.simulator._content._vehicle_catalogue import REGIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ev_energy.simulator._api._problems import FieldErrors
    from ev_energy.simulator._api._routes import Call, Handler, Routes
    from ev_energy.simulator._content._programs import Program
    from ev_energy.simulator._store._rows import Row

#: First and last years of models that are not of the last few.
_YEARS: Final = {
    "Leaf": (2011, None), "i3": (2014, 2022), "Zoe": (2013, 2024), "Bolt EV": (2017, 2023),
    "Model 3": (2018, None), "ID.3": (2020, None), "Kona Electric": (2018, None),
}  # fmt: skip
_KINDS: Final = {"i3": "PHEV", "F-150 Lightning": None}
#: Those that tell how they charge, and cannot be told.
_DEAF: Final = frozenset({"i3", "Zoe"})
_EUROPE: Final = ("DE", "GB", "IE", "NL")
_AMERICA: Final = ("CA", "US")


def _user_id(call: Call) -> str:
    user_id = call.viewer.user_id
    if user_id is None:
        raise ProblemError(400, "Who is it for?", "EvEnergy-User is needed with this token.")
    return user_id


def _programs(call: Call) -> Reply:
    covered = list(call.world.tables["programs"])
    place = _place_asked_for(call)
    places = [] if place is None else [place]
    if call.viewer.user_id is not None:
        places.append(location_of(call.world, call.viewer.user_id))
    for location in places:
        covered = [row for row in covered if row["_program"].may_cover(location)]
    return Reply([call.show(row) for row in covered], headers={"Link": links()})


def _place_asked_for(call: Call) -> Row | None:
    """Return the location that the query narrows the list to, as far as it tells."""
    query = call.query
    country, code = query.get("country_code"), query.get("postal_code")
    if "coordinates" in query:
        also = [name for name in ("postal_code", "country_code") if name in query]
        if also:
            raise invalid({name: ["Not together with coordinates."] for name in also})
        latitude, longitude = map(float, query["coordinates"].split(","))
        return {"coordinates": {"latitude": latitude, "longitude": longitude}}
    if country is None:
        if code is not None:
            raise invalid({"country_code": ["Needed where there is a postal_code."]})
        return None
    if code is not None and not is_postal_code(country, code):
        raise invalid({"postal_code": [f"Not a postal code of {country}."]})
    return {"country_code": country, "postal_code": code}


def _compatible(program: Program, model: Row) -> bool:
    if not model["_connected"] or model.get("_hidden"):
        return False
    return model["_america"] or program.country not in REGIONS


def _vehicle_compatibility(call: Call) -> Reply:
    program: Program = call.row("programs", "program_id")["_program"]
    rows = [
        _record(row) for row in call.world.tables["vehicle_models"] if _compatible(program, row)
    ]
    return Reply([call.show(row) for row in rows])


def _record(model: Row) -> Row:
    start, end = _YEARS.get(model["name"], (2021, None))
    return {
        "can_control_charge": model["name"] not in _DEAF,
        "model": model["url"],
        "type": _KINDS.get(model["name"], "BEV"),
        "supported_countries": [*_EUROPE, *(_AMERICA if model["_america"] else ())],
        "start_year": start,
        "end_year": end,
    }


def _join(call: Call) -> Reply:
    user_id = _user_id(call)
    program = call.row("programs", "program_id")
    tier = default_tier(call.world, program)
    if tier is None:
        raise not_found("No default tier")
    join(call.world, user_id, program, tier)
    return Reply(call.show(program), 201)


def _current(call: Call) -> Reply:
    program = call.row("programs", "program_id")
    versions = call.world.tables[agreements_of(program["id"])]
    published = [row for row in versions if row["published"]]
    if not published:
        raise not_found("No published version")
    newest = max(published, key=lambda row: row["version_number"])
    return Reply(call.show(versions.seen_by(newest, call.viewer)))


def _accept(call: Call) -> Reply:
    if not call.by_user:
        raise ProblemError(403, "Forbidden", "Only users can agree: a token of theirs is needed.")
    program = call.row("programs", "program_id")
    version = call.row(agreements_of(program["id"]), "participation_agreement_version_id")
    accept(call.world, _user_id(call), version)
    return Reply(status=201)


def _verification_faults(program: Program, given: Row) -> Iterator[tuple[str, str]]:
    for name, pattern in program.verification.items():
        value = given.get(name)
        if value is None:
            yield name, "This is needed."
        elif not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
            yield name, "Not of the form that the sponsor uses."


def _verified(when: str) -> Handler:
    """Return a handler that takes what verifies an account ``before`` joining or ``after``."""

    def handler(call: Call) -> Reply:
        user_id = _user_id(call)
        row = call.row("programs", "program_id")
        membership = membership_of(call.world, user_id)
        errors: FieldErrors = {
            name: [text] for name, text in _verification_faults(row["_program"], call.body)
        }
        if errors:
            raise invalid(errors)
        if when == "after" and (membership is None or membership["program"] != row["id"]):
            raise ProblemError(400, "Not enrolled", "The user is not in this program.")
        known = {name: call.body[name] for name in row["_program"].verification}
        verify(call.world, user_id, row, when, known)
        return Reply(status=201)

    return handler


def _incentive_schemes(call: Call) -> Reply:
    return Reply(schemes_for(call.world, _user_id(call)), headers={"Link": links()})


_AGREEMENTS: Final = "/programs/{program_id}/participation_agreement_versions"
_ONE: Final = _AGREEMENTS + "/{participation_agreement_version_id}"

PROGRAMS: Final[Routes] = {
    ("GET", "/programs"): _programs,
    ("GET", "/programs/{program_id}"): detail(),
    ("GET", "/programs/{program_id}/vehicle_compatibility"): _vehicle_compatibility,
    ("POST", "/programs/{program_id}/join"): _join,
    ("POST", "/programs/{program_id}/user_verification"): _verified("before"),
    ("POST", "/programs/{program_id}/post-enrollment-verification"): _verified("after"),
    ("GET", "/programs/{program_id}/tiers"): listing(),
    ("GET", "/programs/{program_id}/tiers/{tier_id}"): detail(),
    ("GET", _AGREEMENTS): listing(),
    ("GET", _AGREEMENTS + "/current"): _current,
    ("GET", _ONE): detail(),
    ("POST", _ONE + "/accept"): _accept,
    ("GET", "/incentive_schemes"): _incentive_schemes,
}
