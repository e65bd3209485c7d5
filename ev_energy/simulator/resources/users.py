"""Users and time zones, and the users who can sign in."""

from __future__ import annotations

import functools
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from ev_energy.simulator.clock._instants import ANCHOR, micros, write_instant
from ev_energy.simulator.http._filters import equals_ignoring_case
from ev_energy.simulator.http._problems import invalid
from ev_energy.simulator.http._routes import Reply, collection_at, detail, listing, read_link
from ev_energy.simulator.oauth import User
from ev_energy.simulator.resources.feeds import carbon_of
from ev_energy.simulator.resources.sites import site_of
from ev_energy.simulator.resources.tariffs import tariff_of_country
from ev_energy.simulator.world._fleet import carbon_feed
from ev_energy.simulator.world._rows import Link
from ev_energy.simulator.world._tables import GeneratedRows, Selection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ev_energy.simulator.http._problems import FieldErrors
    from ev_energy.simulator.http._routes import Call, Routes
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._tables import Collection
    from ev_energy.simulator.world._world import World


_FIRST_NAMES: Final = (
    *("Ada", "Bram", "Chloe", "Dev", "Esme", "Femke", "Goran", "Hana", "Iris", "Jun"),
    *("Kofi", "Lena", "Mateo", "Nia", "Olek", "Priya", "Quinn", "Rosa", "Sami", "Tess"),
)
_LAST_NAMES: Final = (
    *("Achterberg", "Baker", "Castellano", "Doyle", "Engel", "Farrow", "Grant", "Hughes"),
    *("Ito", "Janssen", "Kaur", "Lindqvist", "Mensah", "Novak", "Okafor", "Petrov"),
)
_STREETS: Final = ("Orchard", "Mill", "Station", "Harbour", "Chestnut", "Meadow")
#: The number of a home has at most this many digits.
_MAX_HOME_DIGITS: Final = 11
_TOWNS_BY_AREA: Final = {
    "Africa": ("Cairo", "Casablanca", "Johannesburg", "Lagos", "Nairobi"),
    "America": (
        *("Anchorage", "Argentina/Buenos_Aires", "Bogota", "Chicago", "Denver", "Halifax"),
        *("Los_Angeles", "Mexico_City", "New_York", "Phoenix", "Santiago", "Sao_Paulo"),
        *("St_Johns", "Toronto", "Vancouver", "Winnipeg"),
    ),
    "Asia": (
        *("Bangkok", "Dubai", "Hong_Kong", "Jakarta", "Jerusalem", "Kolkata", "Manila", "Seoul"),
        *("Shanghai", "Singapore", "Taipei", "Tokyo"),
    ),
    "Atlantic": ("Azores", "Canary", "Reykjavik"),
    "Australia": ("Adelaide", "Brisbane", "Darwin", "Hobart", "Melbourne", "Perth", "Sydney"),
    "Europe": (
        *("Amsterdam", "Athens", "Berlin", "Brussels", "Bucharest", "Budapest", "Copenhagen"),
        *("Dublin", "Helsinki", "Istanbul", "Lisbon", "London", "Luxembourg", "Madrid", "Malta"),
        *("Oslo", "Paris", "Prague", "Riga", "Rome", "Sofia", "Stockholm", "Tallinn", "Vienna"),
        *("Vilnius", "Warsaw", "Zagreb", "Zurich"),
    ),
    "Pacific": ("Auckland", "Honolulu"),
}
_ADDRESS_LINES: Final = ("address_1", "address_2", "city", "state", "postal_code")
_ADDRESS: Final = (*_ADDRESS_LINES, "country_code", "coordinates")
_REQUIRED: Final = ("address_1", "city", "postal_code", "country_code")
_LOCATION_LINKS: Final = {"tariff": "tariffs", "evse_site": "evse_sites"}
#: The members of a location that requests may set.
_LOCATION: Final = (*_ADDRESS, *_LOCATION_LINKS)
#: The number of users that the sign-in page offers.
_SUGGESTIONS: Final = 3


def add_users(world: World) -> None:
    """Add the table of users: one for each home."""
    homes, random = world.homes, world.random

    @functools.lru_cache(8192)
    def key(home: int) -> str:
        return random.uid("user", homes.joined_at(home), home)

    def view(row: Row, _viewer: Viewer) -> Row:
        urls = {
            folder: [thing["url"] for thing in world.rows_of_user(row["id"], folder)]
            for folder in ("vehicles", "evses")
        }
        return row | urls

    def numbers_of_user(user_id: str) -> range:
        home = generated.number(user_id)
        return range(0) if home is None else range(home, home + 1)

    generated = GeneratedRows(homes.count, key, functools.partial(_user, world), numbers_of_user)
    world.table("users", "user", generated, view=view, owned_by=lambda row: str(row["id"]))


def _user(world: World, home: int) -> Row:
    random, city = world.random, world.homes.template(home).city
    joined = world.homes.joined_at(home)
    street = random.pick(_STREETS, "street", home)
    has_consented = home == 0 or random.odds(90, "consent", home)
    return {
        "email": email_of(world, home),
        "full_name": " ".join(_names(world, home)),
        "joined_at": write_instant(joined),
        "terms_consent_datetime": write_instant(joined + timedelta(seconds=95))
        if has_consented
        else None,
        "default_location": {
            "address_1": f"{random.between(1, 180, 'house', home)} {street} Road",
            "address_2": None,
            "city": city.name,
            "state": city.state,
            "postal_code": city.postal_code,
            "country_code": city.country,
            "coordinates": coordinates_of(world, home),
            "tariff": tariff_of_country(world, city.country, tariff_choice(world, home)),
            "evse_site": site_of(world, home),
        },
    }


def _names(world: World, home: int) -> tuple[str, str]:
    random = world.random
    return random.pick(_FIRST_NAMES, "first", home), random.pick(_LAST_NAMES, "last", home)


def coordinates_of(world: World, home: int) -> Row:
    """Return the coordinates of a home."""
    random, city = world.random, world.homes.template(home).city
    return {
        "latitude": round(city.latitude + random.between(-900, 900, "lat", home) / 1e5, 5),
        "longitude": round(city.longitude + random.between(-900, 900, "lon", home) / 1e5, 5),
    }


def tariff_choice(world: World, home: int) -> int:
    """Return the index of a home's tariff among those of its country."""
    return world.random.between(0, 9, "tariff", home)


def email_of(world: World, home: int) -> str:
    """Return the e-mail address of a home's user; its local part ends in the home's number."""
    first, last = _names(world, home)
    return f"{first}.{last}.{home}@example.com".lower()


def home_of_email(email: str) -> int | None:
    """Return the number of the home whose user may have this e-mail address, or None."""
    number = email.partition("@")[0].rpartition(".")[2]
    is_number = number.isascii() and number.isdigit() and len(number) <= _MAX_HOME_DIGITS
    return int(number) if is_number else None


def add_timezones(world: World) -> None:
    """Add the table of time zones."""
    names = [*(f"{area}/{town}" for area, towns in _TOWNS_BY_AREA.items() for town in towns), "UTC"]
    start = ANCHOR - timedelta(days=960)
    rows = [
        {"id": world.random.uid("tzon", start + timedelta(minutes=number), name), "name": name}
        for number, name in enumerate(names)
    ]
    world.table("timezones", "tzon", GeneratedRows.from_rows(rows))


def _candidates(call: Call) -> Collection:
    """Return the users to filter; only those that may match if the query has an e-mail address."""
    users = collection_at(call)
    if "email" not in call.query or call.viewer.user_id is not None:
        return users
    table = call.world.tables["users"]
    return Selection(table, table.candidates(home_of_email(call.query["email"])))


def _detail_members(call: Call, row: Row) -> Row:
    """Return the members that only the reply for a single user has."""
    location = row.get("default_location")
    if location is None:
        return {}
    grams = carbon_of(call.world).intensity(
        carbon_feed(location.get("country_code")), micros(call.now)
    )
    return {
        "default_location": {**location, "current_carbon_intensity_grams_per_kilowatt_hour": grams}
    }


def _create(call: Call) -> Reply:
    row = call.world.tables["users"].add({
        "id": call.world.new_id("users"),
        "joined_at": write_instant(call.now),
        "terms_consent_datetime": None,
        **_members_to_set(call, {}),
    })  # fmt: skip
    return _user_reply(call, row, HTTPStatus.CREATED)


def _update(call: Call) -> Reply:
    row = call.row("users", "user_id")
    members = _members_to_set(call, row)
    before: Row = row.get("default_location") or {}
    after: Row = members.get("default_location") or {}
    tariff: Link | None = after.get("tariff")
    if tariff is not None and tariff != before.get("tariff"):
        call.world.fleet.change_tariff(row["id"], tariff)
    return _user_reply(call, call.world.update(row, **members))


def _user_reply(call: Call, row: Row, status: int = HTTPStatus.OK) -> Reply:
    row = call.world.tables["users"].view_for(row, call.viewer)
    return Reply(call.serialize(row | _detail_members(call, row)), status)


def _members_to_set(call: Call, before: Row) -> Row:
    """Return the members that a body sets, or raise if any is invalid; others are ignored."""
    row: Row = {}
    if "email" in call.body:
        row["email"] = call.body["email"]
    if "default_location" in call.body:
        old: Row = before.get("default_location") or {}
        location, errors = _read_location(call.world, call.body["default_location"], old)
        if errors:
            raise invalid(errors)
        row["default_location"] = {**dict.fromkeys(_LOCATION), **old, **location}
    return row


def _read_location(world: World, given: Row, before: Row) -> tuple[Row, FieldErrors]:
    """Return the members to set in the location *before*, and the errors in *given*.

    The four members that an address requires are set together or not at all, in the request and
    afterwards. A request that clears all four clears the rest of the address as well.
    """
    row: Row = {name: given[name] for name in _LOCATION if name in given}
    errors = _address_errors(row, before)
    if all(name in row and row[name] is None for name in _REQUIRED) and not errors:
        row |= dict.fromkeys(_ADDRESS)
    for name, folder in _LOCATION_LINKS.items():
        if row.get(name) is not None:
            row[name] = read_link(world, folder, row[name])
            if row[name] is None:
                errors[name] = [f"This must be the URL of one of /{folder}."]
    if row.get("coordinates") is not None:
        row["coordinates"] = {name: row["coordinates"][name] for name in ("latitude", "longitude")}
    return ({}, {"default_location": errors}) if errors else (row, {})


def _address_errors(row: Row, before: Row) -> FieldErrors:
    if any(row.get(name) is not None for name in _ADDRESS):
        text = "This is required as soon as any part of an address is given."
        return {name: [text] for name in _REQUIRED if row.get(name) is None}
    cleared = [name for name in _REQUIRED if name in row]
    if len(cleared) == len(_REQUIRED) or all(before.get(name) is None for name in _ADDRESS):
        return {}
    text = f"This can only be cleared together with all of {', '.join(_REQUIRED)}."
    return {name: [text] for name in cleared}


def _sign_in_user(row: Row) -> User:
    email: str = row.get("email") or f"{row['id']}@example.com"
    return User(row["id"], email, row.get("full_name") or email)


class WorldUsers:
    """The users of a world, for the sign-in pages."""

    def __init__(self, world: World) -> None:
        self._users = world.tables["users"]

    def by_email(self, email: str) -> User | None:
        """Return the user with this e-mail address in any capitalisation, or None."""
        users = map(_sign_in_user, self._users.candidates(home_of_email(email)))
        return next((user for user in users if user.email.lower() == email.strip().lower()), None)

    def by_id(self, user_id: str) -> User | None:
        """Return the user with this id, or None."""
        row = self._users.get(user_id)
        return None if row is None else _sign_in_user(row)

    def suggestions(self) -> Sequence[User]:
        """Return a few users that the page offers for signing in."""
        rows = (self._users.by_number(home) for home in range(_SUGGESTIONS))
        return [_sign_in_user(row) for row in rows if row is not None]


ROUTES: Final[Routes] = {
    ("GET", "/users"): listing(_candidates, filters={"email": equals_ignoring_case("email")}),
    ("POST", "/users"): _create,
    ("GET", "/users/{user_id}"): detail(_detail_members),
    ("PATCH", "/users/{user_id}"): _update,
}
