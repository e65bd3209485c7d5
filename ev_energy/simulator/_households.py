"""Users, their homes, and the charge points there."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from ev_energy.models.evses import EVSELifecycleState, EVSELockMode
from ev_energy.simulator._instants import ANCHOR, write_instant
from ev_energy.simulator._suppliers import tariff_of_country
from ev_energy.simulator._world import Address, Link

if TYPE_CHECKING:
    from ev_energy.simulator._catalogue import Maker
    from ev_energy.simulator._world import Row, World

_FIRST_NAMES: Final = (
    "Ada",
    "Bram",
    "Chloe",
    "Dev",
    "Esme",
    "Femke",
    "Goran",
    "Hana",
    "Iris",
    "Jun",
)
_LAST_NAMES: Final = ("Achterberg", "Baker", "Castellano", "Doyle", "Engel", "Farrow", "Grant")
_STREETS: Final = ("Orchard", "Mill", "Station", "Harbour", "Chestnut", "Meadow")
#: City, state, postal code, country, latitude, longitude.
_CITIES: Final = (
    ("London", None, "SE1 9SG", "GB", 51.5045, -0.0865),
    ("Manchester", None, "M2 5DB", "GB", 53.4794, -2.2453),
    ("Utrecht", None, "3511 AX", "NL", 52.0907, 5.1214),
    ("Hamburg", None, "20095", "DE", 53.5503, 10.0006),
    ("Oakland", "CA", "94612", "US", 37.8044, -122.2712),
)
_EVSES_OF_FIRST_USER: Final = 3
_STATES: Final = (
    *(EVSELifecycleState.COMMISSIONED,) * 4,
    EVSELifecycleState.ENROLLED,
    EVSELifecycleState.INSTALLED,
    None,
)


def _user_of(row: Row) -> str | None:
    link: Link | None = row["user"]
    return None if link is None else link.key


def add_households(world: World, evses: int) -> None:
    """Fill the tables of users, sites, EVSEs and CT clamps; the first user has several EVSEs."""
    world.table("users", "user", owned_by=lambda row: str(row["id"]))
    world.table("evses", "evse", owned_by=_user_of)
    world.table("evse_sites", "site")

    def clamp_owner(row: Row) -> str | None:
        found = None if row["evse"] is None else world.find(row["evse"])
        return "" if found is None else _user_of(found[1])

    world.table("ct_clamps", "ctcl", owned_by=clamp_owner)
    site = _add_site(world)
    number = made = 0
    while made < evses or number <= 1:
        user = _add_user(world, number, site)
        wanted = (
            _EVSES_OF_FIRST_USER if number == 0 else world.chance.between(0, 2, "evses", number)
        )
        for _ in range(min(wanted, evses - made)):
            row = _add_known_evse(world, user, made)
            if user["default_location"]["evse_site"] is not None:
                site["evses"].append(row["url"])
            made += 1
        number += 1


def _add_site(world: World) -> Row:
    made_at = ANCHOR - timedelta(days=300)
    return world.tables["evse_sites"].add({
        "id": world.chance.uid("site", made_at, "site"),
        "evses": [],
        "cpms_connection": "CHARGEPOINT",
        "cpms_connection_display_name": "ChargePoint",
        "user_connected": None,
    })  # fmt: skip


def _add_user(world: World, number: int, site: Row) -> Row:
    chance = world.chance
    joined = ANCHOR - timedelta(
        days=700 - number * 600 / (number + 10), microseconds=chance.between(1, 10**9, "j", number)
    )
    first = chance.pick(_FIRST_NAMES, "first", number)
    last = chance.pick(_LAST_NAMES, "last", number)
    street = chance.pick(_STREETS, "street", number)
    city, state, postal_code, country, latitude, longitude = (
        chance.pick(_CITIES, "city", number) if number else _CITIES[0]
    )
    return world.tables["users"].add({
        "id": chance.uid("user", joined, number),
        "email": f"{first}.{last}.{number}@example.com".lower(),
        "full_name": f"{first} {last}",
        "joined_at": write_instant(joined),
        "terms_consent_datetime": write_instant(joined + timedelta(seconds=95))
        if number == 0 or chance.odds(90, "consent", number)
        else None,
        "default_location": {
            "address_1": f"{chance.between(1, 180, 'house', number)} {street} Road",
            "address_2": None,
            "city": city,
            "state": state,
            "postal_code": postal_code,
            "country_code": country,
            "coordinates": {
                "latitude": round(latitude + chance.between(-900, 900, "lat", number) / 1e5, 5),
                "longitude": round(longitude + chance.between(-900, 900, "lon", number) / 1e5, 5),
            },
            "tariff": tariff_of_country(world, country, chance.between(0, 9, "tariff", number)),
            "evse_site": site["url"] if number % 8 == 1 else None,
        },
        "vehicles": [],
        "evses": [],
    })  # fmt: skip


def _add_known_evse(world: World, user: Row, number: int) -> Row:
    chance = world.chance
    country = user["default_location"]["country_code"]
    sold = [
        row
        for row in world.tables["evse_models"].rows()
        if row["_product"].supported and country in row["_maker"].countries
    ]
    model = sold[number] if number < _EVSES_OF_FIRST_USER else chance.pick(sold, "model", number)
    maker: Maker = model["_maker"]
    joined = datetime.fromisoformat(user["joined_at"])
    made_at = joined + timedelta(seconds=chance.between(90, 86400, "onboarded", number))
    reports = number < _EVSES_OF_FIRST_USER or not chance.odds(6, "silent", number)
    row = add_evse(
        world, user, model, f"{maker.serial}{100001 + 37 * number}", made_at, reports=reports
    )
    row["lifecycle_state"] = chance.pick(_STATES, "state", number)
    if number == 0 or chance.odds(30, "clamp", number):
        clamp = world.tables["ct_clamps"].add({
            "id": chance.uid("ctcl", made_at, number),
            "evse": row["url"],
            "calibration_factor": -1 if chance.odds(15, "backwards", number) else 1,
        })  # fmt: skip
        row["ct_clamp"] = clamp["url"]
    return row


def add_evse(
    world: World, user: Row, model: Row, cpid: str, made_at: datetime, *, reports: bool
) -> Row:
    """Add an EVSE to a user's home; one that does not report yet has empty logs."""
    evse_id = world.chance.uid("evse", made_at, cpid) if reports else world.new_id("evses", made_at)
    coordinates = user.get("default_location", {}).get("coordinates")
    lock_modes = tuple(EVSELockMode)
    row = world.tables["evses"].add({
        "id": evse_id,
        "cpid": cpid,
        "model": model["url"],
        "user": user["url"],
        "latest_status_log": None,
        "ct_clamp": None,
        "lock_mode": str(world.chance.pick(lock_modes, "lock", cpid)),
        "location": None if coordinates is None else dict(coordinates),
        "lifecycle_state": str(EVSELifecycleState.CREATED_LINKED),
        "charging_sub_sessions": Address(f"/charging_sub_sessions?evse={evse_id}"),
        "_product": model["_product"],
        "_reports": reports,
    })  # fmt: skip
    row["latest_status_log"] = world.series(row, "status_logs").latest()
    user["evses"].append(row["url"])
    return row


def remove_evse(world: World, row: Row) -> None:
    """Take an EVSE away from its user, its clamp and its site, then forget it."""
    url: Link = row["url"]
    found = world.find(row["user"])
    holders = [] if found is None else [found[1]]
    for holder in (*holders, *world.tables["evse_sites"].rows()):
        holder["evses"] = [link for link in holder["evses"] if link != url]
    for clamp in world.tables["ct_clamps"].rows():
        if clamp["evse"] == url:
            clamp["evse"] = None
    world.forget(url.folder, url.key)
