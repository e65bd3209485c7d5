"""Polygons as in GeoJSON (RFC 7946): validation, point tests, areas and unions.

Positions are longitude and latitude, in that order.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


#: Positions; the last one is equal to the first.
Ring = list[list[float]]
#: The outer ring and the rings of the holes.
Polygon = list[Ring]

_EARTH_RADIUS_KM: Final = 6371.0088
_KM_PER_DEGREE: Final = 111.195
_EDGE_TOLERANCE: Final = 1e-12
_MAX_LONGITUDE: Final = 180
_MAX_LATITUDE: Final = 90


def polygons_of(geometry: Mapping[str, Any]) -> list[Polygon]:
    """Return the polygons of a geometry of type Polygon or MultiPolygon."""
    coordinates: Any = geometry["coordinates"]
    return [coordinates] if geometry["type"] == "Polygon" else list(coordinates)


def geometry_errors(polygons: Iterable[Polygon]) -> Iterator[str]:
    """Yield the errors in polygons, each kind of error once."""
    rings = [ring for polygon in polygons for ring in polygon]
    if any(ring[0] != ring[-1] for ring in rings):
        yield "The first and the last position of a ring must be equal."
    if not all(_is_position(*position) for ring in rings for position in ring):
        yield "A position must be longitude and latitude, in that order."


def _is_position(longitude: float, latitude: float) -> bool:
    return abs(longitude) <= _MAX_LONGITUDE and abs(latitude) <= _MAX_LATITUDE


def contains_point(polygons: Iterable[Polygon], longitude: float, latitude: float) -> bool:
    """Return whether a point is inside one of the polygons and on the edge of none."""
    is_inside = False
    for polygon in polygons:
        crossings = 0
        for ring in polygon:
            for (x1, y1), (x2, y2) in itertools.pairwise(ring):
                if not min(y1, y2) <= latitude <= max(y1, y2):
                    continue
                side = (x2 - x1) * (latitude - y1) - (y2 - y1) * (longitude - x1)
                if abs(side) <= _EDGE_TOLERANCE and min(x1, x2) <= longitude <= max(x1, x2):
                    return False
                if (y1 > latitude) != (y2 > latitude):
                    crossings += (side > 0) == (y2 > y1)
        is_inside = is_inside or crossings % 2 == 1
    return is_inside


def area_sq_km(polygons: Iterable[Polygon]) -> float:
    """Return the area of polygons that do not overlap, on a spherical earth."""
    return sum(
        abs(_signed_area_sq_km(ring)) * (1 if number == 0 else -1)
        for polygon in polygons
        for number, ring in enumerate(polygon)
    )


def _signed_area_sq_km(ring: Ring) -> float:
    doubled = math.fsum(
        math.radians(x2 - x1) * (2 + math.sin(math.radians(y1)) + math.sin(math.radians(y2)))
        for (x1, y1), (x2, y2) in itertools.pairwise(ring)
    )
    return doubled * _EARTH_RADIUS_KM**2 / 2


def ring_around(
    latitude: float, longitude: float, kilometres: float, bearings: Sequence[float]
) -> Ring:
    """Return the ring of points at a distance from a center, at bearings in degrees from north."""
    ring: Ring = []
    for bearing in bearings:
        north = kilometres * math.cos(math.radians(bearing)) / _KM_PER_DEGREE
        east = kilometres * math.sin(math.radians(bearing)) / _KM_PER_DEGREE
        east /= math.cos(math.radians(latitude))
        ring.append([round(longitude + east, 6), round(latitude + north, 6)])
    return [*ring, ring[0]]


Point = tuple[float, float]
Edge = tuple[Point, Point]

_DECIMAL_PLACES: Final = 9  # in degrees: a tenth of a millimetre
_TOLERANCE: Final = 1e-9
_MAX_BUCKETS: Final = 4096


def union(polygons: Iterable[Polygon]) -> list[Polygon]:
    """Return polygons that do not overlap and cover the same area; empty if there is no area.

    Edges are split where they meet. An edge is on the outline if the area is on exactly one of its
    sides, which a ray from its middle decides. The outline's edges are then joined to rings.
    """
    polygons_by_edge = _split_edges(list(_edges(polygons)))
    rightward = _RayCaster(polygons_by_edge)
    upward = _RayCaster(polygons_by_edge, is_upward=True)
    outgoing: defaultdict[Point, list[Point]] = defaultdict(list)
    for (a, b), edge_polygons in polygons_by_edge.items():
        is_steep = abs(b[1] - a[1]) >= abs(b[0] - a[0])
        beyond = (rightward if is_steep else upward).crossed_oddly((a, b))
        if bool(beyond) == bool(beyond ^ edge_polygons):
            continue  # the area is on both sides or on neither
        # "Beyond" is the right side of an edge that goes up and the left of one that goes right.
        area_on_left = bool(beyond) == ((b[1] < a[1]) if is_steep else (b[0] > a[0]))
        start, end = (a, b) if area_on_left else (b, a)
        outgoing[start].append(end)
    return _nest_holes(list(_trace_rings(outgoing)))


def _edges(polygons: Iterable[Polygon]) -> Iterator[tuple[Edge, int]]:
    """Yield each edge with the number of its polygon."""
    for number, polygon in enumerate(polygons):
        for ring in polygon:
            points = [(round(x, _DECIMAL_PLACES), round(y, _DECIMAL_PLACES)) for x, y in ring]
            for a, b in itertools.pairwise(points):
                if a != b:
                    yield (min(a, b), max(a, b)), number


def _split_edges(edges: list[tuple[Edge, int]]) -> dict[Edge, frozenset[int]]:
    """Split edges where they meet; return which polygons have each part as an edge.

    A part that is an edge of the same polygon an even number of times bounds no area of it, so
    such a polygon is left out, and a part without polygons too.
    """
    split_points: list[set[Point]] = [set(edge) for edge, _ in edges]
    for first, second in _candidate_pairs([edge for edge, _ in edges]):
        points = _intersections(*edges[first][0], *edges[second][0])
        split_points[first].update(points)
        split_points[second].update(points)
    polygons_by_edge: defaultdict[Edge, frozenset[int]] = defaultdict(frozenset)
    for (_, number), edge_points in zip(edges, split_points, strict=True):
        for part in itertools.pairwise(sorted(edge_points)):
            polygons_by_edge[part] ^= {number}
    return {part: numbers for part, numbers in polygons_by_edge.items() if numbers}


def _candidate_pairs(edges: list[Edge]) -> Iterator[tuple[int, int]]:
    """Yield the indexes of edges whose bounding boxes overlap, each pair once.

    Within a bucket, edges are swept from left to right.
    """
    index = _EdgeIndex(edges, 1)
    for bucket_number, bucket in enumerate(index.buckets):
        open_edges: list[int] = []
        for edge in sorted(bucket, key=edges.__getitem__):
            (left, y1), (_, y2) = edges[edge]
            low, high = min(y1, y2) - _TOLERANCE, max(y1, y2) + _TOLERANCE
            open_edges = [other for other in open_edges if edges[other][1][0] >= left - _TOLERANCE]
            for other in open_edges:
                (_, y3), (_, y4) = edges[other]
                overlap_low = max(low, min(y3, y4) - _TOLERANCE)
                overlap_high = min(high, max(y3, y4) + _TOLERANCE)
                # A pair in several buckets is yielded in the one where its overlap begins.
                if overlap_low <= overlap_high and index.bucket_at(overlap_low) == bucket_number:
                    yield edge, other
            open_edges.append(edge)


def _side(a: Point, b: Point, point: Point) -> float:
    """Return a positive number if *point* is left of the line, a negative one if it is right."""
    return (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0])


def _is_on_edge(point: Point, a: Point, b: Point) -> bool:
    if not (
        a[0] - _TOLERANCE <= point[0] <= b[0] + _TOLERANCE
        and min(a[1], b[1]) - _TOLERANCE <= point[1] <= max(a[1], b[1]) + _TOLERANCE
    ):
        return False
    return abs(_side(a, b, point)) <= _TOLERANCE * math.dist(a, b)


def _intersections(a: Point, b: Point, c: Point, d: Point) -> list[Point]:
    """Return the common points of two edges; if they overlap, the ends of the overlap."""
    points = [point for point in (c, d) if _is_on_edge(point, a, b)]
    points += [point for point in (a, b) if _is_on_edge(point, c, d)]
    if points:
        return points
    before, after = _side(c, d, a), _side(c, d, b)
    if before * after >= 0 or _side(a, b, c) * _side(a, b, d) >= 0:
        return []
    fraction = before / (before - after)
    x, y = a[0] + fraction * (b[0] - a[0]), a[1] + fraction * (b[1] - a[1])
    return [(round(x, _DECIMAL_PLACES), round(y, _DECIMAL_PLACES))]


class _EdgeIndex:
    """Edges in buckets by one coordinate: 0 is the longitude, 1 the latitude.

    A bucket is about as wide as the average edge, so most edges are in one or two buckets.
    """

    def __init__(self, edges: Sequence[Edge], axis: int) -> None:
        lows = [min(a[axis], b[axis]) - _TOLERANCE for a, b in edges] or [0.0]
        highs = [max(a[axis], b[axis]) + _TOLERANCE for a, b in edges] or [0.0]
        self._low = min(lows)
        total_length = math.fsum(highs) - math.fsum(lows)
        extent = max(highs) - self._low
        self._last = (
            min(int(extent * len(edges) / total_length), _MAX_BUCKETS) if total_length else 0
        )
        self._width = extent / (self._last + 1) or 1.0
        self.buckets: list[list[int]] = [[] for _ in range(self._last + 1)]
        """The indexes of the edges in each bucket."""
        for edge in range(len(edges)):
            for bucket in range(self.bucket_at(lows[edge]), self.bucket_at(highs[edge]) + 1):
                self.buckets[bucket].append(edge)

    def bucket_at(self, coordinate: float) -> int:
        """Return the number of the bucket that contains a coordinate."""
        return min(int((coordinate - self._low) / self._width), self._last)


class _RayCaster:
    """Casts rays from the middle of edges, to the right or upward."""

    def __init__(
        self, polygons_by_edge: dict[Edge, frozenset[int]], *, is_upward: bool = False
    ) -> None:
        self._ray_axis, self._index_axis = (1, 0) if is_upward else (0, 1)
        self._edges = [*polygons_by_edge.items()]
        self._index = _EdgeIndex([*polygons_by_edge], self._index_axis)

    def crossed_oddly(self, origin: Edge) -> frozenset[int]:
        """Return the polygons whose edges the ray from *origin* crosses an odd number of times."""
        ray, across = self._ray_axis, self._index_axis
        (a, b) = origin
        level, start = (a[across] + b[across]) / 2, (a[ray] + b[ray]) / 2
        crossed: frozenset[int] = frozenset()
        for edge_number in self._index.buckets[self._index.bucket_at(level)]:
            edge, edge_polygons = self._edges[edge_number]
            c, d = edge
            if (c[across] > level) == (d[across] > level) or edge == origin:
                continue
            fraction = (level - c[across]) / (d[across] - c[across])
            if c[ray] + fraction * (d[ray] - c[ray]) > start:
                crossed ^= edge_polygons
        return crossed


def _trace_rings(outgoing: dict[Point, list[Point]]) -> Iterator[list[Point]]:
    """Yield the rings formed by edges that have the area on their left."""
    for first in list(outgoing):
        while outgoing[first]:
            ring = [first, outgoing[first].pop()]
            while ring[-1] != first and outgoing.get(ring[-1]):
                ring.append(_take_next_point(ring[-2], ring[-1], outgoing[ring[-1]]))
            if ring[-1] == first:  # otherwise a gap narrower than the precision of the numbers
                yield ring


def _take_next_point(previous: Point, current: Point, candidates: list[Point]) -> Point:
    """Remove and return the next point of a ring.

    Where rings touch, the first edge clockwise keeps the area on the left in one piece.
    """
    back = math.atan2(previous[1] - current[1], previous[0] - current[0])

    def clockwise_angle(point: Point) -> float:
        return (back - math.atan2(point[1] - current[1], point[0] - current[0])) % math.tau

    candidates.sort(key=clockwise_angle)
    return candidates.pop(0)


def _signed_doubled_area(ring: list[Point]) -> float:
    """Return twice the area inside a ring, negative for the ring of a hole."""
    x0, y0 = ring[0]
    return math.fsum(
        (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        for (x1, y1), (x2, y2) in itertools.pairwise(ring)
    )


def _nest_holes(rings: list[list[Point]]) -> list[Polygon]:
    """Return rings as polygons, each hole in the smallest outer ring that contains it."""
    areas = [_signed_doubled_area(ring) for ring in rings]
    outer_rings = sorted((area, index) for index, area in enumerate(areas) if area > 0)
    polygons = {index: [_positions(rings[index])] for _, index in reversed(outer_rings)}
    for index, area in enumerate(areas):
        if area < 0:
            (x1, y1), (x2, y2) = rings[index][:2]
            middle = ((x1 + x2) / 2, (y1 + y2) / 2)
            containing = (outer for _, outer in outer_rings if _is_inside(rings[outer], middle))
            outer = next(containing, None)
            if outer is not None:
                polygons[outer].append(_positions(rings[index]))
    return list(polygons.values())


def _is_inside(ring: list[Point], point: Point) -> bool:
    x, y = point
    return (
        sum(
            (a[1] > y) != (b[1] > y) and a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]) > x
            for a, b in itertools.pairwise(ring)
        )
        % 2
        == 1
    )


def _positions(ring: list[Point]) -> list[list[float]]:
    return [list(point) for point in ring]
