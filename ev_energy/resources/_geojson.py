"""The documented limits of region boundaries, checked before a request is sent.

Each message gives the path of the value, such as ``regions[3].geometries[0].coordinates[0][7]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

from ev_energy._arguments import describe_type, is_list
from ev_energy.models.regions import GeoJsonMultiPolygon, GeoJsonPolygon, RegionGroupEntry

Geometries = TypeVar("Geometries", bound=Sequence[Any])


def valid_regions(name: str, entries: Sequence[RegionGroupEntry]) -> Sequence[RegionGroupEntry]:
    """Return *entries*, the regions of a group, if all have names and valid boundaries."""
    for path, entry in _items_with_paths(name, entries, "regions", 1, 500):
        if not entry.name.strip():
            raise ValueError(f"{path}.name must not be empty")
        valid_boundary(f"{path}.geometries", entry.geometries)
    return entries


def valid_boundary(name: str, geometries: Geometries) -> Geometries:
    """Return *geometries*, the boundary of one region, if they are within the limits."""
    for path, geometry in _items_with_paths(name, geometries, "geometries", 1, 1000):
        if not isinstance(geometry, GeoJsonPolygon | GeoJsonMultiPolygon):
            raise TypeError(
                f"{path} must be a GeoJsonPolygon or a GeoJsonMultiPolygon, not "
                f"{describe_type(geometry)}; their from_dict() takes a GeoJSON object"
            )
        is_polygon = isinstance(geometry, GeoJsonPolygon)
        geometry_type = "Polygon" if is_polygon else "MultiPolygon"
        if geometry.type != geometry_type:
            raise ValueError(f"{path}.type must be {geometry_type!r}, not {geometry.type!r}")
        coordinates_path, coordinates = f"{path}.coordinates", geometry.coordinates
        if is_polygon:
            _check_rings(coordinates_path, coordinates)
        else:
            for polygon_path, rings in _items_with_paths(
                coordinates_path, coordinates, "polygons", 1, 500
            ):
                _check_rings(polygon_path, rings)
    return geometries


def _check_rings(name: str, rings: object) -> None:
    for path, ring in _items_with_paths(name, rings, "rings", 1, 100):
        positions = _require_items(path, ring, "positions", 4, 25_000)
        for index, position in enumerate(positions):
            if not _is_position(position):
                raise ValueError(
                    f"{path}[{index}] must be two numbers: longitude, -180 to 180, "
                    f"then latitude, -90 to 90; not {position!r}"
                )
        if tuple(positions[0]) != tuple(positions[-1]):
            raise ValueError(f"{path} must end where it starts: repeat its first position")


def _is_position(value: Any) -> bool:
    """Return whether *value* is a position (RFC 7946 §3.1.1), without an altitude."""
    if not is_list(value) or len(value) != 2:  # noqa: PLR2004  (longitude and latitude)
        return False
    longitude, latitude = value
    return _is_in_range(longitude, 180) and _is_in_range(latitude, 90)


def _is_in_range(degrees: object, limit: int) -> bool:
    # A bool is an int, so it is excluded; nan fails both comparisons.
    return (
        isinstance(degrees, float | int)
        and not isinstance(degrees, bool)
        and -limit <= degrees <= limit
    )


def _items_with_paths(
    name: str, value: object, plural: str, low: int, high: int
) -> list[tuple[str, Any]]:
    """Return the *low* to *high* items of *value*, each with its path."""
    items = _require_items(name, value, plural, low, high)
    return [(f"{name}[{index}]", item) for index, item in enumerate(items)]


def _require_items(name: str, value: object, plural: str, low: int, high: int) -> Sequence[Any]:
    """Return *value* if it is a list of *low* to *high* items; *plural* describes them."""
    if not is_list(value):
        raise TypeError(f"{name} must be a list of {plural}, not {describe_type(value)}")
    items = cast("Sequence[object]", value)
    if not low <= len(items) <= high:
        raise ValueError(f"{name} must hold {low} to {high} {plural}, not {len(items)}")
    return items
