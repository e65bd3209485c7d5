"""The documented limits of the boundaries of regions, checked before a request is spent.

Each message names the place: ``regions[3].geometries[0].coordinates[0][7]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

from ev_energy._arguments import describe_type, is_list
from ev_energy.models.regions import GeoJsonMultiPolygon, GeoJsonPolygon, RegionGroupEntry

Many = TypeVar("Many", bound=Sequence[Any])


def region_entries(name: str, entries: Sequence[RegionGroupEntry]) -> Sequence[RegionGroupEntry]:
    """The regions of a group, with names and within the limits."""
    for place, entry in _each(name, entries, "regions", 1, 500):
        if not entry.name.strip():
            raise ValueError(f"{place}.name must not be empty")
        boundary(f"{place}.geometries", entry.geometries)
    return entries


def boundary(name: str, geometries: Many) -> Many:
    """The geometries of one region, within the limits."""
    for place, geometry in _each(name, geometries, "geometries", 1, 1000):
        if not isinstance(geometry, GeoJsonPolygon | GeoJsonMultiPolygon):
            raise TypeError(
                f"{place} must be a GeoJsonPolygon or a GeoJsonMultiPolygon, not "
                f"{_kind(geometry)}; their from_dict() takes a GeoJSON object"
            )
        polygon = isinstance(geometry, GeoJsonPolygon)
        type_ = "Polygon" if polygon else "MultiPolygon"
        if geometry.type != type_:
            raise ValueError(f"{place}.type must be {type_!r}, not {geometry.type!r}")
        if polygon:
            _rings(f"{place}.coordinates", geometry.coordinates)
        else:
            for inner, rings in _each(
                f"{place}.coordinates", geometry.coordinates, "polygons", 1, 500
            ):
                _rings(inner, rings)
    return geometries


def _rings(name: str, rings: object) -> None:
    for place, ring in _each(name, rings, "rings", 1, 100):
        positions = _several(place, ring, "positions", 4, 25_000)
        for index, position in enumerate(positions):
            if not _is_position(position):
                raise ValueError(
                    f"{place}[{index}] must be two numbers: longitude, -180 to 180, "
                    f"then latitude, -90 to 90; not {position!r}"
                )
        if tuple(positions[0]) != tuple(positions[-1]):
            raise ValueError(f"{place} must end where it starts: repeat its first position")


def _is_position(value: Any) -> bool:
    if not is_list(value) or len(value) != 2:  # noqa: PLR2004  (RFC 7946 §3.1.1, without altitude)
        return False
    longitude, latitude = value
    return _is_within(longitude, 180) and _is_within(latitude, 90)


def _is_within(degrees: object, limit: int) -> bool:
    # A bool is an int; nan is in no range.
    return (
        isinstance(degrees, float | int)
        and not isinstance(degrees, bool)
        and -limit <= degrees <= limit
    )


def _each(name: str, value: object, what: str, low: int, high: int) -> list[tuple[str, Any]]:
    """*low* to *high* things, each with its place."""
    items = _several(name, value, what, low, high)
    return [(f"{name}[{index}]", item) for index, item in enumerate(items)]


def _several(name: str, value: object, what: str, low: int, high: int) -> Sequence[Any]:
    if not is_list(value):
        raise TypeError(f"{name} must be a list of {what}, not {_kind(value)}")
    items = cast("Sequence[object]", value)
    if not low <= len(items) <= high:
        raise ValueError(f"{name} must hold {low} to {high} {what}, not {len(items)}")
    return items


def _kind(value: object) -> str:
    return "null" if value is None else describe_type(value)
