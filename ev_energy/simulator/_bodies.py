"""What members of request bodies must look like."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeGuard, cast
from urllib.parse import urlsplit

from ev_energy.models.countries import CountryCode
from ev_energy.simulator._problems import ProblemError
from ev_energy.simulator._world import Link

if TYPE_CHECKING:
    from ev_energy.simulator._problems import FieldErrors
    from ev_energy.simulator._world import Row, World

_LINES: Final = ("address_1", "address_2", "city", "state", "postal_code")
_ADDRESS: Final = (*_LINES, "country_code", "coordinates")
_NEEDED: Final = ("address_1", "city", "postal_code", "country_code")
_LINKS: Final = {"tariff": "tariffs", "evse_site": "evse_sites"}
_COUNTRIES: Final = frozenset(country.value for country in CountryCode)

#: The members of a location that requests may set.
LOCATION: Final = (*_ADDRESS, *_LINKS)


def members(body: object) -> dict[str, Any]:
    """Return a body that is an object, or refuse it; no body counts as an empty one."""
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise ProblemError(400, "Malformed request", "The body is not a JSON object.")
    return cast("dict[str, Any]", body)


def is_email(value: object) -> TypeGuard[str]:
    """Return whether a value looks like an e-mail address."""
    return isinstance(value, str) and bool(re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value))


def point_errors(value: object) -> list[str]:
    """Return what is wrong with a point."""
    if not isinstance(value, dict):
        return ["Neither a point nor null."]
    point = cast("dict[str, Any]", value)
    errors: list[str] = []
    for name, limit in (("latitude", 90), ("longitude", 180)):
        number = point.get(name)
        if isinstance(number, bool) or not isinstance(number, int | float):
            errors.append(f"{name} is not a number.")
        elif not abs(number) <= limit:  # the way round that is false for NaN
            errors.append(f"{name} is beyond {limit} degrees.")
    return errors


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


def _location_error(world: World, name: str, value: object) -> list[str]:
    if value is None:
        return []
    if name in _LINES:
        return [] if isinstance(value, str) else ["Not a text."]
    if name == "country_code":
        return (
            [] if isinstance(value, str) and value in _COUNTRIES else ["Not the code of a country."]
        )
    if name == "coordinates":
        return point_errors(value)
    return [] if read_link(world, _LINKS[name], value) else ["Not the URL of one."]


def read_location(world: World, value: object) -> tuple[Row, FieldErrors]:
    """Return the members to set in a location, and what is wrong with them."""
    if not isinstance(value, dict):
        return {}, {"default_location": ["Not a location."]}
    given = cast("dict[str, Any]", value)
    row: Row = {name: given[name] for name in LOCATION if name in given}
    errors: FieldErrors = {
        name: wrong for name in row if (wrong := _location_error(world, name, row[name]))
    }
    if any(row.get(name) is not None for name in _ADDRESS):
        for name in _NEEDED:
            if row.get(name) is None:
                errors[name] = ["Needed as soon as any part of an address is given."]
    if errors:
        return {}, {"default_location": errors}
    for name, folder in _LINKS.items():
        if row.get(name) is not None:
            row[name] = read_link(world, folder, row[name])
    if row.get("coordinates") is not None:
        row["coordinates"] = {name: row["coordinates"][name] for name in ("latitude", "longitude")}
    return row, {}
