"""Programs that drivers can take part in: where they are, their tiers and their agreements."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator.clock._instants import ANCHOR, write_instant
from ev_energy.simulator.http._paging import link_header
from ev_energy.simulator.http._problems import ProblemError, invalid, not_found
from ev_energy.simulator.http._routes import Reply, detail, listing
from ev_energy.simulator.resources._geojson import contains_point
from ev_energy.simulator.resources.catalogues.vehicles import CONNECTOR_REGIONS
from ev_energy.simulator.resources.program_membership import (
    accept,
    default_tier,
    is_eligible,
    join,
    language_of,
    location_of,
    membership_of,
    schemes_for,
    verify,
)
from ev_energy.simulator.resources.regions import service_area_of
from ev_energy.simulator.world._homes import HAMBURG, LEEDS, LONDON, OAKLAND, UTRECHT
from ev_energy.simulator.world._rows import ApiPath
from ev_energy.simulator.world._tables import GeneratedRows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ev_energy.simulator.http._problems import FieldErrors
    from ev_energy.simulator.http._routes import Call, Handler, Routes
    from ev_energy.simulator.resources._geojson import Polygon
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._world import World


_BEGAN: Final = ANCHOR - timedelta(days=800)
_ACCOUNT: Final = r"\d{8}-[A-Z]"
#: What postal codes look like where programs are, and a few places around.
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
#: Roughly.
_GREAT_BRITAIN: Final[Polygon] = [[
    [-6.5, 49.8], [1.9, 50.9], [2.0, 53.2], [-1.0, 56.0], [-1.5, 61.0], [-8.7, 58.5],
    [-5.5, 54.5], [-6.5, 49.8],
]]  # fmt: skip


@attrs.frozen(kw_only=True)
class Tier:
    """A way to take part in a program."""

    short_name: str
    name: str | None
    words: str | None = None
    more_words: str | None = None
    needs: str | None = None
    """What a driver must have: a folder of things, or ``verified`` for a verified account."""
    default: bool = False
    """Whether those who join the program begin here."""
    smart: bool = True
    fixed_tariff: bool = False
    visible: bool = True


@attrs.frozen(kw_only=True)
class Program:
    """A program as it was set up."""

    name: str
    words: str
    sponsor: str
    country: str | None
    """None if it is for everybody everywhere."""
    polygons: tuple[Polygon, ...] = ()
    postal_codes: str = ""
    """How the postal codes begin that it is for, as a regular expression."""
    tiers: tuple[Tier, ...]
    agreements: int = 0
    """How many versions of its agreement there are."""
    published: int | None = None
    """Which of them drivers are shown."""
    verification: Mapping[str, str] = attrs.Factory(dict[str, str])
    """What an account is verified by, and what each of it looks like."""
    logo: bool = True

    def covers_point(self, latitude: float, longitude: float) -> bool:
        """Return whether drivers who charge there may take part."""
        return self.country is None or contains_point(self.polygons, longitude, latitude)

    def covers_postal_code(self, country: str, postal_code: str | None) -> bool:
        """Return whether drivers who live there may take part; a code may be unknown."""
        if self.country in {None, country}:
            known = (postal_code or "").strip().upper()
            return self.country is None or not known or bool(re.match(self.postal_codes, known))
        return False

    def may_cover(self, location: Row) -> bool:
        """Return whether it is for a place, as far as that is known."""
        point, country = location.get("coordinates"), location.get("country_code")
        if point is not None:
            return self.covers_point(point["latitude"], point["longitude"])
        return country is None or self.covers_postal_code(country, location.get("postal_code"))


_STANDARD: Final = Tier(
    short_name="standard",
    name="Standard",
    words="Earn for every night you charge off-peak.",
    more_words="Plug in in the evening and set your departure time. We choose the cheapest hours.",
    default=True,
)
_SOLAR: Final = Tier(
    short_name="sun", name="Sunshine", words="For homes with solar panels.", needs="solar_arrays"
)
_VERIFIED: Final = Tier(
    short_name="plus",
    name="Plus",
    words="Higher rewards for customers whose account is confirmed.",
    needs="verified",
    fixed_tariff=True,
)
_FLEET: Final = Tier(short_name="fleet", name=None, smart=False, visible=False)

PROGRAMS: Final = (
    Program(
        name="Thames Night Charge", sponsor="Thamesway Networks", country="GB",
        words="Rewards drivers in London who do not charge during the evening peak.",
        polygons=service_area_of(LONDON).polygons, postal_codes=r"(E|EC|N|NW|SE|SW|W|WC)\d",
        tiers=(_STANDARD, _SOLAR, _VERIFIED, _FLEET), agreements=3, published=2,
        verification={"account_number": _ACCOUNT},
    ),
    Program(
        name="Aire Valley Flex", sponsor="Aireside Power", country="GB",
        words="Pays drivers in West Yorkshire for charging when wind power is plentiful.",
        polygons=service_area_of(LEEDS).polygons, postal_codes=r"(BD|HX|LS|WF)\d",
        tiers=(_STANDARD, attrs.evolve(
            _SOLAR, short_name="store", name="Storage", words="For homes with a battery.",
            needs="home_batteries",
        )),
        agreements=2, published=2,
        verification={"account_number": _ACCOUNT, "said": r"[\w-]{6,20}"},
    ),
    Program(
        name="Quiet Hours", sponsor="Fernhill Energy", country="GB",
        words="A small reward for every off-peak hour, anywhere in Great Britain.",
        polygons=(_GREAT_BRITAIN,), tiers=(_STANDARD,), agreements=1, logo=False,
    ),
    Program(
        name="Zonuren Utrecht", sponsor="Zuiderlicht", country="NL",
        words="Rewards charging with solar power in and around Utrecht.",
        polygons=service_area_of(UTRECHT).polygons, postal_codes=r"3[4-6]",
        tiers=(_STANDARD, _SOLAR), agreements=2, published=2,
    ),
    Program(
        name="Elbstrom Flex", sponsor="Lindenwerk", country="DE",
        words="Relieves Hamburg's grid and lowers your bill.",
        polygons=service_area_of(HAMBURG).polygons, postal_codes=r"2[0-2]",
        tiers=(_STANDARD, _VERIFIED), agreements=1, published=1,
        verification={"account_number": _ACCOUNT},
    ),
    Program(
        name="East Bay Charge Rewards", sponsor="Blue Mesa Power", country="US",
        words="Bill credits for drivers around Oakland who charge after 10 p.m.",
        polygons=service_area_of(OAKLAND).polygons, postal_codes=r"94[5-7]",
        tiers=(_STANDARD, _SOLAR, _VERIFIED), agreements=4, published=3,
        verification={"pin": r"[a-z]{5}-\d{5}"},
    ),
    Program(
        name="Grid Friends Pilot", sponsor="Open Grid Laboratory", country=None,
        words="A pilot for invited drivers only.",
        tiers=(attrs.evolve(_STANDARD, default=False, smart=False),), logo=False,
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
    """Return whether this is how a country writes its postal codes, as far as that is known."""
    return bool(re.fullmatch(_POSTAL_CODES.get(country, r"[\w -]+"), text.strip().upper()))


def tiers_of(program_id: str) -> str:
    """Return where the tiers of a program are."""
    return f"programs/{program_id}/tiers"


def agreements_of(program_id: str) -> str:
    """Return where the versions of a program's agreement are."""
    return f"programs/{program_id}/participation_agreement_versions"


def add_programs(world: World) -> None:
    """Fill the tables of programs, of their tiers and of their agreements."""
    programs: list[Row] = []
    for number, program in enumerate(PROGRAMS):
        made_at = _BEGAN + timedelta(days=20 * number, hours=2)
        key = world.random.uid("prog", made_at, program.name)
        slug = program.name.lower().replace(" ", "-")
        programs.append({
            "id": key,
            "name": program.name,
            "description": program.words,
            "logo": f"https://cdn.example.com/programs/{slug}.png" if program.logo else None,
            "sponsor_name": program.sponsor,
            "external_url": f"https://www.example.com/{slug}",
            "_program": program,
        })  # fmt: skip
        _add_tiers(world, key, program, made_at)
        _add_agreements(world, key, program, made_at)
    world.table("programs", "prog", GeneratedRows.from_rows(programs))


def _html(words: str | None) -> str | None:
    return None if words is None else f"<html><p>{words}</p></html>"


def _add_tiers(world: World, program_id: str, program: Program, made_at: datetime) -> None:
    folder = tiers_of(program_id)
    rows: list[Row] = []
    for number, tier in enumerate(program.tiers):
        key = world.random.uid("tier", made_at + timedelta(minutes=number), program.name, number)
        logo = f"https://cdn.example.com/tiers/{tier.short_name}.svg" if tier.name else None
        rows.append({
            "id": key,
            "url": ApiPath(f"/{folder}/{key}"),
            "short_name": tier.short_name,
            "name": tier.name,
            "logo_svg": logo,
            "description_short": _html(tier.words),
            "description_long": _html(tier.more_words),
            "smart_charging_enabled": tier.smart,
            "disable_changing_tariff": tier.fixed_tariff,
            "visible": tier.visible,
            "_tier": tier,
        })  # fmt: skip

    def view(row: Row, viewer: Viewer) -> Row:
        user_id = viewer.user_id
        eligible = None if user_id is None else is_eligible(world, program, row["_tier"], user_id)
        return row | {"eligible": eligible}

    world.table(folder, "tier", GeneratedRows.from_rows(rows), view=view)


def _add_agreements(world: World, program_id: str, program: Program, made_at: datetime) -> None:
    folder = agreements_of(program_id)
    rows: list[Row] = []
    for version in range(1, program.agreements + 1):
        written = made_at + timedelta(days=30 * version)
        key = world.random.uid("pagv", written, program.name, version)
        rows.append({
            "id": key,
            "url": ApiPath(f"/{folder}/{key}"),
            "version_number": version,
            "published": version == program.published,
            "created_at": write_instant(written),
        })  # fmt: skip

    def view(row: Row, viewer: Viewer) -> Row:
        text = _AGREEMENTS[language_of(world, viewer.user_id, _AGREEMENTS)]
        version = row["version_number"]
        content = text.format(name=program.name, version=version, sponsor=program.sponsor)
        return row | {"content": content}

    world.table(folder, "pagv", GeneratedRows.from_rows(rows), view=view)


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
    return Reply([call.serialize(row) for row in covered], headers={"Link": link_header()})


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
    return model["_america"] or program.country not in CONNECTOR_REGIONS


def _vehicle_compatibility(call: Call) -> Reply:
    program: Program = call.row("programs", "program_id")["_program"]
    rows = [
        _record(row) for row in call.world.tables["vehicle_models"] if _compatible(program, row)
    ]
    return Reply([call.serialize(row) for row in rows])


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
    return Reply(call.serialize(program), 201)


def _current(call: Call) -> Reply:
    program = call.row("programs", "program_id")
    versions = call.world.tables[agreements_of(program["id"])]
    published = [row for row in versions if row["published"]]
    if not published:
        raise not_found("No published version")
    newest = max(published, key=lambda row: row["version_number"])
    return Reply(call.serialize(versions.view_for(newest, call.viewer)))


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
    return Reply(schemes_for(call.world, _user_id(call)), headers={"Link": link_header()})


_AGREEMENT_VERSIONS: Final = "/programs/{program_id}/participation_agreement_versions"
_ONE: Final = _AGREEMENT_VERSIONS + "/{participation_agreement_version_id}"

ROUTES: Final[Routes] = {
    ("GET", "/programs"): _programs,
    ("GET", "/programs/{program_id}"): detail(),
    ("GET", "/programs/{program_id}/vehicle_compatibility"): _vehicle_compatibility,
    ("POST", "/programs/{program_id}/join"): _join,
    ("POST", "/programs/{program_id}/user_verification"): _verified("before"),
    ("POST", "/programs/{program_id}/post-enrollment-verification"): _verified("after"),
    ("GET", "/programs/{program_id}/tiers"): listing(),
    ("GET", "/programs/{program_id}/tiers/{tier_id}"): detail(),
    ("GET", _AGREEMENT_VERSIONS): listing(),
    ("GET", _AGREEMENT_VERSIONS + "/current"): _current,
    ("GET", _ONE): detail(),
    ("POST", _ONE + "/accept"): _accept,
    ("GET", "/incentive_schemes"): _incentive_schemes,
}
