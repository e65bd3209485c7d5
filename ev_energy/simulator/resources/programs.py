"""Programs for drivers: their areas, tiers, agreements and compatible vehicles."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator.clock._instants import ANCHOR, write_instant
from ev_energy.simulator.http._paging import link_header
from ev_energy.simulator.http._problems import ProblemError, invalid, not_found
from ev_energy.simulator.http._routes import Reply, detail, listing
from ev_energy.simulator.resources._geojson import contains_point
from ev_energy.simulator.resources.catalogues.vehicles import CONNECTOR_REGIONS
from ev_energy.simulator.resources.program_membership import (
    default_tier,
    is_eligible,
    join_program,
    language_of,
    location_of,
    membership_of,
    record_acceptance,
    record_verification,
    schemes_for,
)
from ev_energy.simulator.resources.regions import service_area_of
from ev_energy.simulator.world._homes import HAMBURG, LEEDS, LONDON, OAKLAND, UTRECHT
from ev_energy.simulator.world._rows import ApiPath
from ev_energy.simulator.world._tables import GeneratedRows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ev_energy.simulator.http._problems import FieldErrors
    from ev_energy.simulator.http._routes import Call, Handler, Routes
    from ev_energy.simulator.resources._geojson import Polygon
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._world import World


_FIRST_CREATED: Final = ANCHOR - timedelta(days=800)
_ACCOUNT_NUMBER: Final = r"\d{8}-[A-Z]"
#: The formats of postal codes in the countries of the programs and in some others.
_POSTAL_CODES: Final = {
    "GB": r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}",
    "NL": r"[1-9]\d{3} ?[A-Z]{2}",
    "DE": r"\d{5}",
    "FR": r"\d{5}",
    "BE": r"[1-9]\d{3}",
    "IE": r"[A-Z]\d[\dW] ?[A-Z\d]{4}",
    "US": r"\d{5}(-\d{4})?",
    "CA": r"[A-Z]\d[A-Z] ?\d[A-Z]\d",
}
#: An approximation.
_GREAT_BRITAIN: Final[Polygon] = [[
    [-6.5, 49.8], [1.9, 50.9], [2.0, 53.2], [-1.0, 56.0], [-1.5, 61.0], [-8.7, 58.5],
    [-5.5, 54.5], [-6.5, 49.8],
]]  # fmt: skip


@attrs.frozen(kw_only=True)
class Tier:
    """A level of participation in a program."""

    short_name: str
    name: str | None
    description: str | None = None
    long_description: str | None = None
    requirement: str | None = None
    """The collection in which a driver must own something, or ``verified`` for the account."""
    is_default: bool = False
    """Whether users who join the program are in this tier."""
    smart_charging: bool = True
    fixed_tariff: bool = False
    visible: bool = True


@attrs.frozen(kw_only=True)
class Program:
    """The definition of a program."""

    name: str
    description: str
    sponsor: str
    country: str | None
    """None if the program is open in every country."""
    polygons: tuple[Polygon, ...] = ()
    postal_codes: str = ""
    """A regular expression for the start of the postal codes that are covered."""
    tiers: tuple[Tier, ...]
    agreement_count: int = 0
    """The number of versions of the agreement."""
    published_version: int | None = None
    """The number of the current version; None if none is published."""
    verification: Mapping[str, str] = attrs.Factory(dict[str, str])
    """The members that verify an account, with a regular expression for each value."""
    has_logo: bool = True

    def covers_point(self, latitude: float, longitude: float) -> bool:
        """Return whether drivers who charge at this point can take part."""
        return self.country is None or contains_point(self.polygons, longitude, latitude)

    def covers_postal_code(self, country: str, postal_code: str | None) -> bool:
        """Return whether drivers with this postal code can take part, True if it is unknown."""
        if self.country is None:
            return True
        if self.country != country:
            return False
        code = (postal_code or "").strip().upper()
        return not code or bool(re.match(self.postal_codes, code))

    def can_cover(self, location: Row) -> bool:
        """Return False if the known members of a location are outside the program's area."""
        point, country = location.get("coordinates"), location.get("country_code")
        if point is not None:
            return self.covers_point(point["latitude"], point["longitude"])
        return country is None or self.covers_postal_code(country, location.get("postal_code"))


_STANDARD: Final = Tier(
    short_name="standard",
    name="Standard",
    description="Earn for every night you charge off-peak.",
    long_description=(
        "Plug in in the evening and set your departure time. We choose the cheapest hours."
    ),
    is_default=True,
)
_SUNSHINE: Final = Tier(
    short_name="sun",
    name="Sunshine",
    description="For homes with solar panels.",
    requirement="solar_arrays",
)
_PLUS: Final = Tier(
    short_name="plus",
    name="Plus",
    description="Higher rewards for customers whose account is confirmed.",
    requirement="verified",
    fixed_tariff=True,
)
_FLEET: Final = Tier(short_name="fleet", name=None, smart_charging=False, visible=False)

PROGRAMS: Final = (
    Program(
        name="Thames Night Charge", sponsor="Thamesway Networks", country="GB",
        description="Rewards drivers in London who do not charge during the evening peak.",
        polygons=service_area_of(LONDON).polygons, postal_codes=r"(E|EC|N|NW|SE|SW|W|WC)\d",
        tiers=(_STANDARD, _SUNSHINE, _PLUS, _FLEET), agreement_count=3, published_version=2,
        verification={"account_number": _ACCOUNT_NUMBER},
    ),
    Program(
        name="Aire Valley Flex", sponsor="Aireside Power", country="GB",
        description="Pays drivers in West Yorkshire for charging when wind power is plentiful.",
        polygons=service_area_of(LEEDS).polygons, postal_codes=r"(BD|HX|LS|WF)\d",
        tiers=(_STANDARD, attrs.evolve(
            _SUNSHINE, short_name="store", name="Storage", description="For homes with a battery.",
            requirement="home_batteries",
        )),
        agreement_count=2, published_version=2,
        verification={"account_number": _ACCOUNT_NUMBER, "said": r"[\w-]{6,20}"},
    ),
    Program(
        name="Quiet Hours", sponsor="Fernhill Energy", country="GB",
        description="A small reward for every off-peak hour, anywhere in Great Britain.",
        polygons=(_GREAT_BRITAIN,), tiers=(_STANDARD,), agreement_count=1, has_logo=False,
    ),
    Program(
        name="Zonuren Utrecht", sponsor="Zuiderlicht", country="NL",
        description="Rewards charging with solar power in and around Utrecht.",
        polygons=service_area_of(UTRECHT).polygons, postal_codes=r"3[4-6]",
        tiers=(_STANDARD, _SUNSHINE), agreement_count=2, published_version=2,
    ),
    Program(
        name="Elbstrom Flex", sponsor="Lindenwerk", country="DE",
        description="Relieves Hamburg's grid and lowers your bill.",
        polygons=service_area_of(HAMBURG).polygons, postal_codes=r"2[0-2]",
        tiers=(_STANDARD, _PLUS), agreement_count=1, published_version=1,
        verification={"account_number": _ACCOUNT_NUMBER},
    ),
    Program(
        name="East Bay Charge Rewards", sponsor="Blue Mesa Power", country="US",
        description="Bill credits for drivers around Oakland who charge after 10 p.m.",
        polygons=service_area_of(OAKLAND).polygons, postal_codes=r"94[5-7]",
        tiers=(_STANDARD, _SUNSHINE, _PLUS), agreement_count=4, published_version=3,
        verification={"pin": r"[a-z]{5}-\d{5}"},
    ),
    Program(
        name="Grid Friends Pilot", sponsor="Open Grid Laboratory", country=None,
        description="A pilot for invited drivers only.",
        tiers=(attrs.evolve(_STANDARD, is_default=False, smart_charging=False),), has_logo=False,
    ),
)  # fmt: skip

_AGREEMENTS: Final = {
    "en": "<h1>{name}</h1><p>Version {version}. You allow {sponsor} to choose when your car"
    " charges. You can leave the program at any time.</p>",
    "nl": "<h1>{name}</h1><p>Versie {version}. U laat {sponsor} bepalen wanneer uw auto laadt."
    " U kunt op elk moment stoppen.</p>",
    "de": "<h1>{name}</h1><p>Fassung {version}. Sie lassen {sponsor} bestimmen, wann Ihr Auto"
    " lädt. Sie können jederzeit aussteigen.</p>",
}


def is_postal_code(country: str, text: str) -> bool:
    """Return whether *text* has the format of the country's postal codes, if it is known."""
    return bool(re.fullmatch(_POSTAL_CODES.get(country, r"[\w -]+"), text.strip().upper()))


def _tiers_folder(program_id: str) -> str:
    """Return the collection of a program's tiers."""
    return f"programs/{program_id}/tiers"


def _agreements_folder(program_id: str) -> str:
    """Return the collection of the versions of a program's agreement."""
    return f"programs/{program_id}/participation_agreement_versions"


def add_programs(world: World) -> None:
    """Fill the tables of programs, tiers and agreement versions."""
    programs: list[Row] = []
    for number, program in enumerate(PROGRAMS):
        created = _FIRST_CREATED + timedelta(days=20 * number, hours=2)
        program_id = world.random.uid("prog", created, program.name)
        slug = program.name.lower().replace(" ", "-")
        programs.append({
            "id": program_id,
            "name": program.name,
            "description": program.description,
            "logo": f"https://cdn.example.com/programs/{slug}.png" if program.has_logo else None,
            "sponsor_name": program.sponsor,
            "external_url": f"https://www.example.com/{slug}",
            "_program": program,
        })  # fmt: skip
        _add_tiers(world, program_id, program, created)
        _add_agreements(world, program_id, program, created)
    world.table("programs", "prog", GeneratedRows.from_rows(programs))


def _html(text: str | None) -> str | None:
    return None if text is None else f"<html><p>{text}</p></html>"


def _add_tiers(world: World, program_id: str, program: Program, created: datetime) -> None:
    folder = _tiers_folder(program_id)
    rows: list[Row] = []
    for number, tier in enumerate(program.tiers):
        tier_created = created + timedelta(minutes=number)
        tier_id = world.random.uid("tier", tier_created, program.name, number)
        logo = f"https://cdn.example.com/tiers/{tier.short_name}.svg" if tier.name else None
        rows.append({
            "id": tier_id,
            "url": ApiPath(f"/{folder}/{tier_id}"),
            "short_name": tier.short_name,
            "name": tier.name,
            "logo_svg": logo,
            "description_short": _html(tier.description),
            "description_long": _html(tier.long_description),
            "smart_charging_enabled": tier.smart_charging,
            "disable_changing_tariff": tier.fixed_tariff,
            "visible": tier.visible,
            "_tier": tier,
        })  # fmt: skip

    def view(row: Row, viewer: Viewer) -> Row:
        user_id = viewer.user_id
        eligible = None if user_id is None else is_eligible(world, program, row["_tier"], user_id)
        return row | {"eligible": eligible}

    world.table(folder, "tier", GeneratedRows.from_rows(rows), view=view)


def _add_agreements(world: World, program_id: str, program: Program, created: datetime) -> None:
    folder = _agreements_folder(program_id)
    rows: list[Row] = []
    for version in range(1, program.agreement_count + 1):
        version_created = created + timedelta(days=30 * version)
        version_id = world.random.uid("pagv", version_created, program.name, version)
        rows.append({
            "id": version_id,
            "url": ApiPath(f"/{folder}/{version_id}"),
            "version_number": version,
            "published": version == program.published_version,
            "created_at": write_instant(version_created),
        })  # fmt: skip

    def view(row: Row, viewer: Viewer) -> Row:
        text = _AGREEMENTS[language_of(world, viewer.user_id, _AGREEMENTS)]
        version = row["version_number"]
        content = text.format(name=program.name, version=version, sponsor=program.sponsor)
        return row | {"content": content}

    world.table(folder, "pagv", GeneratedRows.from_rows(rows), view=view)


#: The first and last model years of older models; other models start in 2021.
_MODEL_YEARS: Final = {
    "Leaf": (2011, None), "i3": (2014, 2022), "Zoe": (2013, 2024), "Bolt EV": (2017, 2023),
    "Model 3": (2018, None), "ID.3": (2020, None), "Kona Electric": (2018, None),
}  # fmt: skip
_MODEL_TYPES: Final = {"i3": "PHEV", "F-150 Lightning": None}
#: Models that report data but whose charging cannot be controlled.
_WITHOUT_CONTROL: Final = frozenset({"i3", "Zoe"})
_EUROPEAN_COUNTRIES: Final = ("DE", "GB", "IE", "NL")
_AMERICAN_COUNTRIES: Final = ("CA", "US")


def _list_programs(call: Call) -> Reply:
    locations: list[Row] = []
    if (requested := _requested_location(call)) is not None:
        locations.append(requested)
    if call.viewer.user_id is not None:
        locations.append(location_of(call.world, call.viewer.user_id))
    rows = [
        row
        for row in call.world.tables["programs"]
        if all(row["_program"].can_cover(location) for location in locations)
    ]
    return Reply([call.serialize(row) for row in rows], headers={"Link": link_header()})


def _requested_location(call: Call) -> Row | None:
    """Return the known members of the location in the query, or None if it has no location."""
    query = call.query
    country, code = query.get("country_code"), query.get("postal_code")
    if "coordinates" in query:
        excluded = [name for name in ("postal_code", "country_code") if name in query]
        if excluded:
            raise invalid({name: ["Must not be sent with coordinates."] for name in excluded})
        latitude, longitude = map(float, query["coordinates"].split(","))
        return {"coordinates": {"latitude": latitude, "longitude": longitude}}
    if country is None:
        if code is not None:
            raise invalid({"country_code": ["Required with postal_code."]})
        return None
    if code is not None and not is_postal_code(country, code):
        raise invalid({"postal_code": [f"Not a postal code of {country}."]})
    return {"country_code": country, "postal_code": code}


def _is_compatible(program: Program, model: Row) -> bool:
    if not model["_connected"] or model.get("_hidden"):
        return False
    return model["_america"] or program.country not in CONNECTOR_REGIONS


def _vehicle_compatibility(call: Call) -> Reply:
    program: Program = call.row("programs", "program_id")["_program"]
    models = call.world.tables["vehicle_models"]
    rows = [_compatibility(model) for model in models if _is_compatible(program, model)]
    return Reply([call.serialize(row) for row in rows])


def _compatibility(model: Row) -> Row:
    american_countries = _AMERICAN_COUNTRIES if model["_america"] else ()
    start, end = _MODEL_YEARS.get(model["name"], (2021, None))
    return {
        "can_control_charge": model["name"] not in _WITHOUT_CONTROL,
        "model": model["url"],
        "type": _MODEL_TYPES.get(model["name"], "BEV"),
        "supported_countries": [*_EUROPEAN_COUNTRIES, *american_countries],
        "start_year": start,
        "end_year": end,
    }


def _join(call: Call) -> Reply:
    user_id = call.require_user_id()
    program = call.row("programs", "program_id")
    tier = default_tier(call.world, program)
    if tier is None:
        raise not_found("No default tier exists.")
    join_program(call.world, user_id, program, tier)
    return Reply(call.serialize(program), HTTPStatus.CREATED)


def _current_agreement(call: Call) -> Reply:
    program = call.row("programs", "program_id")
    versions = call.world.tables[_agreements_folder(program["id"])]
    published = [row for row in versions if row["published"]]
    if not published:
        raise not_found("No published version exists.")
    newest = max(published, key=lambda row: row["version_number"])
    return Reply(call.serialize(versions.view_for(newest, call.viewer)))


def _accept_agreement(call: Call) -> Reply:
    if not call.by_user:
        text = "Only users can accept an agreement: send a token of the user."
        raise ProblemError(HTTPStatus.FORBIDDEN, "Forbidden", text)
    program = call.row("programs", "program_id")
    version = call.row(_agreements_folder(program["id"]), "participation_agreement_version_id")
    record_acceptance(call.world, call.require_user_id(), version)
    return Reply(status=HTTPStatus.CREATED)


def _verification_errors(program: Program, body: Row) -> FieldErrors:
    errors: FieldErrors = {}
    for name, pattern in program.verification.items():
        value = body.get(name)
        if value is None:
            errors[name] = ["This field is required."]
        elif not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
            errors[name] = ["The sponsor uses another format."]
    return errors


def _verification_handler(when: str) -> Handler:
    """Return a handler that verifies an account ``before`` or ``after`` enrollment."""

    def handler(call: Call) -> Reply:
        user_id = call.require_user_id()
        row = call.row("programs", "program_id")
        program: Program = row["_program"]
        membership = membership_of(call.world, user_id)
        if errors := _verification_errors(program, call.body):
            raise invalid(errors)
        if when == "after" and (membership is None or membership["program"] != row["id"]):
            text = "The user is not enrolled in this program."
            raise ProblemError(HTTPStatus.BAD_REQUEST, "Not enrolled", text)
        data = {name: call.body[name] for name in program.verification}
        record_verification(call.world, user_id, row, when, data)
        return Reply(status=HTTPStatus.CREATED)

    return handler


def _incentive_schemes(call: Call) -> Reply:
    schemes = schemes_for(call.world, call.require_user_id())
    return Reply(schemes, headers={"Link": link_header()})


_AGREEMENT_VERSIONS: Final = "/programs/{program_id}/participation_agreement_versions"
_AGREEMENT_VERSION: Final = _AGREEMENT_VERSIONS + "/{participation_agreement_version_id}"

ROUTES: Final[Routes] = {
    ("GET", "/programs"): _list_programs,
    ("GET", "/programs/{program_id}"): detail(),
    ("GET", "/programs/{program_id}/vehicle_compatibility"): _vehicle_compatibility,
    ("POST", "/programs/{program_id}/join"): _join,
    ("POST", "/programs/{program_id}/user_verification"): _verification_handler("before"),
    ("POST", "/programs/{program_id}/post-enrollment-verification"): _verification_handler("after"),
    ("GET", "/programs/{program_id}/tiers"): listing(),
    ("GET", "/programs/{program_id}/tiers/{tier_id}"): detail(),
    ("GET", _AGREEMENT_VERSIONS): listing(),
    ("GET", _AGREEMENT_VERSIONS + "/current"): _current_agreement,
    ("GET", _AGREEMENT_VERSION): detail(),
    ("POST", _AGREEMENT_VERSION + "/accept"): _accept_agreement,
    ("GET", "/incentive_schemes"): _incentive_schemes,
}
