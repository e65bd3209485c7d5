"""What members of request bodies must look like, beyond what the contract says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ev_energy.simulator._store._rows import Link

if TYPE_CHECKING:
    from ev_energy.simulator._api._problems import FieldErrors
    from ev_energy.simulator._store._rows import Row
    from ev_energy.simulator._store._world import World

_LINES: Final = ("address_1", "address_2", "city", "state", "postal_code")
_ADDRESS: Final = (*_LINES, "country_code", "coordinates")
_NEEDED: Final = ("address_1", "city", "postal_code", "country_code")
_LINKS: Final = {"tariff": "tariffs", "evse_site": "evse_sites"}

#: The members of a location that requests may set.
LOCATION: Final = (*_ADDRESS, *_LINKS)


def read_link(world: World, folder: str, value: object) -> Link | None:
    """Return what a URL in a body refers to, None if to nothing of the kind."""
    try:
        path = urlsplit(str(value)).path
    except ValueError:
        return None
    *_, parent, key = ["", "", *path.rstrip("/").split("/")]
    if parent != folder or world.tables[folder].get(key) is None:
        return None
    return Link(folder, key)


def read_location(world: World, given: Row) -> tuple[Row, FieldErrors]:
    """Return the members to set in a location, and what is wrong with them."""
    row: Row = {name: given[name] for name in LOCATION if name in given}
    errors: FieldErrors = {}
    if any(row.get(name) is not None for name in _ADDRESS):
        for name in _NEEDED:
            if row.get(name) is None:
                errors[name] = ["Needed as soon as any part of an address is given."]
    for name, folder in _LINKS.items():
        if row.get(name) is not None:
            row[name] = read_link(world, folder, row[name])
            if row[name] is None:
                errors[name] = ["Not the URL of one."]
    if row.get("coordinates") is not None:
        row["coordinates"] = {name: row["coordinates"][name] for name in ("latitude", "longitude")}
    return ({}, {"default_location": errors}) if errors else (row, {})
