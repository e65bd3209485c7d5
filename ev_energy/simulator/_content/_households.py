"""Users, their homes, and what stands there."""

from __future__ import annotations

import functools
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from ev_energy.models.evses import EVSELifecycleState, EVSELockMode
from ev_energy.simulator._content._catalogue import EVERYWHERE
from ev_energy.simulator._content._sites import site_of
from ev_energy.simulator._content._suppliers import tariff_of_country
from ev_energy.simulator._content._vehicle_catalogue import connected_trims
from ev_energy.simulator._store._instants import write_instant
from ev_energy.simulator._store._rows import Address, Link
from ev_energy.simulator._store._tables import Made

if TYPE_CHECKING:
    from ev_energy.simulator._content._catalogue import Maker
    from ev_energy.simulator._store._rows import Row, Viewer
    from ev_energy.simulator._store._world import World

_FIRST_NAMES: Final = (
    *("Ada", "Bram", "Chloe", "Dev", "Esme", "Femke", "Goran", "Hana", "Iris", "Jun"),
    *("Kofi", "Lena", "Mateo", "Nia", "Olek", "Priya", "Quinn", "Rosa", "Sami", "Tess"),
)
_LAST_NAMES: Final = (
    *("Achterberg", "Baker", "Castellano", "Doyle", "Engel", "Farrow", "Grant", "Hughes"),
    *("Ito", "Janssen", "Kaur", "Lindqvist", "Mensah", "Novak", "Okafor", "Petrov"),
)
_STREETS: Final = ("Orchard", "Mill", "Station", "Harbour", "Chestnut", "Meadow")
#: Enough to see every make at the first user's home.
_EVSES_OF_FIRST_USER: Final = 3
_STATES: Final = (
    *(EVSELifecycleState.COMMISSIONED,) * 4,
    EVSELifecycleState.ENROLLED,
    EVSELifecycleState.INSTALLED,
    None,
)
_LIMITS: Final = (80, 80, 80, 90, 100, 85)


def add_users(world: World) -> None:
    """Open the table of users: one for each home."""
    homes, chance = world.homes, world.chance

    @functools.lru_cache(8192)
    def key(home: int) -> str:
        return chance.uid("user", homes.joined(home), home)

    def view(row: Row, _viewer: Viewer) -> Row:
        urls = {
            folder: [thing["url"] for thing in world.things_of(row["id"], folder)]
            for folder in ("vehicles", "evses")
        }
        return row | urls

    def only(user_id: str) -> range:
        home = made.number(user_id)
        return range(0) if home is None else range(home, home + 1)

    made = Made(homes.count, key, functools.partial(_user, world), only)
    world.table("users", "user", made, view=view, owned_by=lambda row: str(row["id"]))


def email_of(world: World, home: int) -> str:
    """Return the address of a home's user; it ends in the home's number."""
    first, last = _names(world, home)
    return f"{first}.{last}.{home}@example.com".lower()


def home_of_email(email: str) -> int | None:
    """Return the number of the home whose user may have this address."""
    number = email.partition("@")[0].rpartition(".")[2]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 12 else None  # noqa: PLR2004 - more than there are homes


def _names(world: World, home: int) -> tuple[str, str]:
    chance = world.chance
    return chance.pick(_FIRST_NAMES, "first", home), chance.pick(_LAST_NAMES, "last", home)


def _user(world: World, home: int) -> Row:
    chance, city = world.chance, world.homes.kind(home).city
    joined = world.homes.joined(home)
    street = chance.pick(_STREETS, "street", home)
    consented = home == 0 or chance.odds(90, "consent", home)
    return {
        "email": email_of(world, home),
        "full_name": " ".join(_names(world, home)),
        "joined_at": write_instant(joined),
        "terms_consent_datetime": write_instant(joined + timedelta(seconds=95))
        if consented
        else None,
        "default_location": {
            "address_1": f"{chance.between(1, 180, 'house', home)} {street} Road",
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


def coordinates_of(world: World, home: int) -> Row:
    """Return where a home is."""
    chance, city = world.chance, world.homes.kind(home).city
    return {
        "latitude": round(city.latitude + chance.between(-900, 900, "lat", home) / 1e5, 5),
        "longitude": round(city.longitude + chance.between(-900, 900, "lon", home) / 1e5, 5),
    }


def tariff_choice(world: World, home: int) -> int:
    """Return which of its country's tariffs a home has."""
    return world.chance.between(0, 9, "tariff", home)


def _evse(world: World, home: int, slot: int, number: int) -> Row:
    chance, kind = world.chance, world.homes.kind(home)
    sold = evse_models_sold(world, kind.city.country)
    model = sold[number] if number < _EVSES_OF_FIRST_USER else chance.pick(sold, "model", number)
    maker: Maker = model["_maker"]
    state = chance.pick(_STATES, "state", number)
    return {
        "cpid": f"{maker.serial}{_FIRST_SERIAL + _SERIAL_STEP * number}",
        "model": Link("evse_models", model["id"]),
        "ct_clamp": clamp_of(world, home) if slot == 0 else None,
        "lock_mode": str(chance.pick(tuple(EVSELockMode), "lock", number)),
        "location": coordinates_of(world, home),
        "lifecycle_state": state and str(state),
        "_reports": number < _EVSES_OF_FIRST_USER or not chance.odds(6, "silent", number),
    }  # fmt: skip


_FIRST_SERIAL: Final = 100001
_SERIAL_STEP: Final = 37


def number_of_cpid(cpid: str) -> int | None:
    """Return the number of the EVSE that may have this serial number."""
    digits = cpid.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 12):  # noqa: PLR2004 - as above
        return None
    number, rest = divmod(int(digits) - _FIRST_SERIAL, _SERIAL_STEP)
    return number if number >= 0 and not rest else None


def serial_is_known(world: World, cpid: str) -> bool:
    """Return whether there is an EVSE with this serial number."""
    rows = world.tables["evses"].perhaps(number_of_cpid(cpid))
    return any(row["cpid"] == cpid for row in rows)


def add_evse(world: World, user_id: str, model: Row, cpid: str, *, reports: bool = False) -> Row:
    """Add an EVSE to a user's home. One that does not report yet has empty logs."""
    user = world.tables["users"].get(user_id)
    location: Row = (user or {}).get("default_location") or {}
    return world.tables["evses"].add({
        "id": world.new_id("evses"),
        "cpid": cpid,
        "model": Link("evse_models", model["id"]),
        "user": Link("users", user_id),
        "ct_clamp": None,
        "lock_mode": str(world.chance.pick(tuple(EVSELockMode), "lock", cpid)),
        "location": location.get("coordinates"),
        "lifecycle_state": str(EVSELifecycleState.CREATED_LINKED),
        "_reports": reports,
        "_made_at": write_instant(world.now),
    })  # fmt: skip


def evse_models_sold(world: World, country: str) -> list[Row]:
    """Return the models of EVSEs that a driver in a country may have."""
    place = country if country in EVERYWHERE else "GB"

    def sold() -> list[Row]:
        return [
            row
            for row in world.tables["evse_models"]
            if row["_product"].supported and place in row["_maker"].countries
        ]

    return world.once(("evse models", place), sold)


def evse_view(world: World) -> Any:
    """Return what an EVSE's row has besides: what depends on the time and on its id."""

    def view(row: Row, _viewer: Viewer) -> Row:
        return row | {
            "latest_status_log": world.latest(row, "status_logs"),
            "charging_sub_sessions": Address(f"/charging_sub_sessions?evse_id={row['id']}"),
        }

    return view


def clamp_of(world: World, home: int) -> Link | None:
    """Return the CT clamp at a home."""
    layout = world.homes.layout(lambda kind: kind.ct_clamps)
    numbers = layout.of_home(home)
    return Link("ct_clamps", world.key_of("ct_clamps", numbers[0])) if numbers else None


def _clamp(world: World, home: int, _slot: int, number: int) -> Row:
    evse = world.homes.evses.of_home(home)[0]
    return {
        "evse": Link("evses", world.key_of("evses", evse)),
        "calibration_factor": -1 if world.chance.odds(15, "backwards", number) else 1,
    }


def add_waitlists(world: World) -> None:
    """Open the tables of those who wait for their EVSE or vehicle to be supported."""
    world.table("evse_waitlist", "ewlt")
    world.table("vehicle_waitlist", "vwlt")


def add_evses(world: World) -> None:
    """Open the tables of EVSEs and CT clamps."""
    world.owned_table(
        "evses", "evse", world.homes.evses, functools.partial(_evse, world), view=evse_view(world)
    )
    world.owned_table(
        "ct_clamps",
        "ctcl",
        lambda kind: kind.ct_clamps,
        functools.partial(_clamp, world),
        view=functools.partial(_clamp_view, world),
    )


def _clamp_view(world: World, row: Row, _viewer: Viewer) -> Row:
    """Return a clamp without its user, and without an EVSE that is gone."""
    shown = {name: value for name, value in row.items() if name != "user"}
    return shown | {"evse": row["evse"] if world.find(row["evse"]) else None}


def trim_of(world: World, home: int, number: int) -> Row:
    """Return the trim of a vehicle."""
    country = world.homes.kind(home).city.country
    return world.chance.pick(connected_trims(world, country), "trim", number)


def _vehicle(world: World, home: int, slot: int, number: int) -> Row:
    del slot
    chance, trim = world.chance, trim_of(world, home, number)
    size: int = trim["battery_size_watt_hours"]
    return {
        "trim": Link("vehicle_trims", trim["id"]),
        "integrated": "ACTIVE" if number < 2 or not chance.odds(4, "idle", number) else "INACTIVE",  # noqa: PLR2004 - the first user's
        "battery_size_watt_hours": size,
        "effective_battery_size_watt_hours": size,
        "maximum_charge_limit_percentage": chance.pick(_LIMITS, "limit", number),
        "description": trim["_full_name"],
        "disabled": False,
        "smart_charging_enabled": number < 2 or not chance.odds(12, "unmanaged", number),  # noqa: PLR2004 - as above
        "vehicle_class": None if chance.odds(25, "class", number) else "PASSENGER",
    }  # fmt: skip


def add_vehicles(world: World) -> None:
    """Open the table of vehicles."""

    def view(row: Row, _viewer: Viewer) -> Row:
        return row | {
            "latest_status_log": world.latest(row, "status_logs"),
            "charging_sub_sessions": Address(f"/charging_sub_sessions?vehicle_id={row['id']}"),
        }

    world.owned_table(
        "vehicles", "vhcl", world.homes.vehicles, functools.partial(_vehicle, world), view=view
    )
