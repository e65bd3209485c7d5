"""What members of request bodies must look like, beyond what the contract says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ev_energy.simulator.world._rows import Link

if TYPE_CHECKING:
    from ev_energy.simulator.http._problems import FieldErrors
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


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


def read_location(world: World, given: Row, before: Row) -> tuple[Row, FieldErrors]:
    """Return the members to set in a location that was *before*, and what is wrong with them.

    The four members that an address needs are there together or not at all, in the request and
    afterwards. A request that clears all four clears the rest of the address as well.
    """
    row: Row = {name: given[name] for name in LOCATION if name in given}
    errors = _wrong_address(row, before)
    if all(name in row and row[name] is None for name in _NEEDED) and not errors:
        row |= dict.fromkeys(_ADDRESS)
    for name, folder in _LINKS.items():
        if row.get(name) is not None:
            row[name] = read_link(world, folder, row[name])
            if row[name] is None:
                errors[name] = ["Not the URL of one."]
    if row.get("coordinates") is not None:
        row["coordinates"] = {name: row["coordinates"][name] for name in ("latitude", "longitude")}
    return ({}, {"default_location": errors}) if errors else (row, {})


def _wrong_address(row: Row, before: Row) -> FieldErrors:
    if any(row.get(name) is not None for name in _ADDRESS):
        text = "Needed as soon as any part of an address is given."
        return {name: [text] for name in _NEEDED if row.get(name) is None}
    cleared = [name for name in _NEEDED if name in row]
    if len(cleared) == len(_NEEDED) or all(before.get(name) is None for name in _ADDRESS):
        return {}
    return {name: [f"Cleared only along with all of {', '.join(_NEEDED)}."] for name in cleared}
