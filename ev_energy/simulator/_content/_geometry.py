"""Areas on the map, as GeoJSON has them: positions are longitude and latitude, in that order."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

#: A closed line of positions.
Ring = list[list[float]]
#: Where it is, and the holes in it.
Polygon = list[Ring]

_EARTH_RADIUS_KM: Final = 6371.0088
_KM_OF_A_DEGREE: Final = 111.195
_HAIR: Final = 1e-12
_MOST_LONGITUDE: Final = 180
_MOST_LATITUDE: Final = 90


def polygons_of(geometry: Mapping[str, Any]) -> list[Polygon]:
    """Return the polygons that a Polygon or a MultiPolygon consists of."""
    coordinates: Any = geometry["coordinates"]
    return [coordinates] if geometry["type"] == "Polygon" else list(coordinates)


def faults(polygons: Iterable[Polygon]) -> Iterator[str]:
    """Yield what keeps polygons from being any, at most once each."""
    rings = [ring for polygon in polygons for ring in polygon]
    if any(ring[0] != ring[-1] for ring in rings):
        yield "A ring does not end where it begins."
    if not all(_on_earth(*position) for ring in rings for position in ring):
        yield "A position is not longitude and latitude, in that order."


def _on_earth(longitude: float, latitude: float) -> bool:
    return abs(longitude) <= _MOST_LONGITUDE and abs(latitude) <= _MOST_LATITUDE


def contains(polygons: Iterable[Polygon], longitude: float, latitude: float) -> bool:
    """Return whether a point lies in one of some polygons, and not on the edge of any."""
    found = False
    for polygon in polygons:
        crossed = 0
        for ring in polygon:
            for (x1, y1), (x2, y2) in itertools.pairwise(ring):
                if not min(y1, y2) <= latitude <= max(y1, y2):
                    continue
                side = (x2 - x1) * (latitude - y1) - (y2 - y1) * (longitude - x1)
                if abs(side) <= _HAIR and min(x1, x2) <= longitude <= max(x1, x2):
                    return False
                if (y1 > latitude) != (y2 > latitude):
                    crossed += (side > 0) == (y2 > y1)
        found = found or crossed % 2 == 1
    return found


def area_sq_km(polygons: Iterable[Polygon]) -> float:
    """Return the area of polygons that do not overlap, on a round earth."""
    return sum(
        abs(_ring_area(ring)) * (1 if number == 0 else -1)
        for polygon in polygons
        for number, ring in enumerate(polygon)
    )


def _ring_area(ring: Ring) -> float:
    doubled = math.fsum(
        math.radians(x2 - x1) * (2 + math.sin(math.radians(y1)) + math.sin(math.radians(y2)))
        for (x1, y1), (x2, y2) in itertools.pairwise(ring)
    )
    return doubled * _EARTH_RADIUS_KM**2 / 2


def ring_around(
    latitude: float, longitude: float, kilometres: float, bearings: Sequence[float]
) -> Ring:
    """Return the ring of points at a distance in some directions, in degrees from north."""
    ring: Ring = []
    for bearing in bearings:
        north = kilometres * math.cos(math.radians(bearing)) / _KM_OF_A_DEGREE
        east = kilometres * math.sin(math.radians(bearing)) / _KM_OF_A_DEGREE
        east /= math.cos(math.radians(latitude))
        ring.append([round(longitude + east, 6), round(latitude + north, 6)])
    return [*ring, ring[0]]
