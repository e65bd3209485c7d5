"""Areas on the map, as GeoJSON has them: positions are longitude and latitude, in that order."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


#: A closed line of positions.
Ring = list[list[float]]
#: Where it is, and the holes in it.
Polygon = list[Ring]

_EARTH_RADIUS_KM: Final = 6371.0088
_KM_OF_A_DEGREE: Final = 111.195
_ON_EDGE: Final = 1e-12
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
                if abs(side) <= _ON_EDGE and min(x1, x2) <= longitude <= max(x1, x2):
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


Point = tuple[float, float]
Edge = tuple[Point, Point]

_PLACES: Final = 9  # of degrees: a tenth of a millimetre
_SNAP: Final = 1e-9
_MOST_BANDS: Final = 4096


def union(polygons: Iterable[Polygon]) -> list[Polygon]:
    """Return the area of some polygons as polygons that do not overlap; none if it is empty."""
    owners = _pieces(list(_edges(polygons)))
    across, along = _Rays(owners), _Rays(owners, turned=True)
    outgoing: defaultdict[Point, list[Point]] = defaultdict(list)
    for (a, b), own in owners.items():
        steep = abs(b[1] - a[1]) >= abs(b[0] - a[0])
        beyond = (across if steep else along).odd_beyond((a, b))
        if bool(beyond) == bool(beyond ^ own):
            continue  # the area is on both sides, or on none
        # Beyond is the right side of an edge that goes up, the left of one that goes right.
        area_on_left = bool(beyond) == ((b[1] < a[1]) if steep else (b[0] > a[0]))
        start, end = (a, b) if area_on_left else (b, a)
        outgoing[start].append(end)
    return _nested(list(_rings(outgoing)))


def _edges(polygons: Iterable[Polygon]) -> Iterator[tuple[Edge, int]]:
    """Yield the edges of polygons, and of which polygon each is."""
    for number, polygon in enumerate(polygons):
        for ring in polygon:
            points = [(round(x, _PLACES), round(y, _PLACES)) for x, y in ring]
            for a, b in itertools.pairwise(points):
                if a != b:
                    yield (min(a, b), max(a, b)), number


def _pieces(edges: list[tuple[Edge, int]]) -> dict[Edge, frozenset[int]]:
    """Return what is left of edges cut where they meet, and whose each piece is, an odd number."""
    cuts: list[set[Point]] = [set(edge) for edge, _ in edges]
    for at, other in _close_pairs([edge for edge, _ in edges]):
        points = _meetings(*edges[at][0], *edges[other][0])
        cuts[at].update(points)
        cuts[other].update(points)
    owners: defaultdict[Edge, frozenset[int]] = defaultdict(frozenset)
    for (_, number), cut in zip(edges, cuts, strict=True):
        for piece in itertools.pairwise(sorted(cut)):
            owners[piece] ^= {number}
    return {piece: own for piece, own in owners.items() if own}


def _close_pairs(edges: list[Edge]) -> Iterator[tuple[int, int]]:
    """Yield the numbers of edges that may meet, each two once."""
    bands = _Bands(edges, 1)
    for number, band in enumerate(bands.edges):
        passed: list[int] = []
        for at in sorted(band, key=edges.__getitem__):
            (left, y1), (_, y2) = edges[at]
            low, high = min(y1, y2) - _SNAP, max(y1, y2) + _SNAP
            passed = [other for other in passed if edges[other][1][0] >= left - _SNAP]
            for other in passed:
                (_, y3), (_, y4) = edges[other]
                lowest = max(low, min(y3, y4) - _SNAP)
                if lowest <= min(high, max(y3, y4) + _SNAP) and bands.at(lowest) == number:
                    yield at, other
            passed.append(at)


def _side(a: Point, b: Point, point: Point) -> float:
    """Return a number that is positive to the left of a line, negative to the right."""
    return (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0])


def _is_on(point: Point, a: Point, b: Point) -> bool:
    if not (
        a[0] - _SNAP <= point[0] <= b[0] + _SNAP
        and min(a[1], b[1]) - _SNAP <= point[1] <= max(a[1], b[1]) + _SNAP
    ):
        return False
    return abs(_side(a, b, point)) <= _SNAP * math.dist(a, b)


def _meetings(a: Point, b: Point, c: Point, d: Point) -> list[Point]:
    """Return the points that two edges have in common; of a common stretch, its ends."""
    points = [point for point in (c, d) if _is_on(point, a, b)]
    points += [point for point in (a, b) if _is_on(point, c, d)]
    if points:
        return points
    before, after = _side(c, d, a), _side(c, d, b)
    if before * after >= 0 or _side(a, b, c) * _side(a, b, d) >= 0:
        return []
    part = before / (before - after)
    x, y = a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1])
    return [(round(x, _PLACES), round(y, _PLACES))]


class _Bands:
    """Edges in stripes of the plane: which may have a point at some height, or, at level 0, width.

    Stripes are about as wide as edges are high, so that most edges are in one or two.
    """

    def __init__(self, edges: Sequence[Edge], level: int) -> None:
        lows = [min(a[level], b[level]) - _SNAP for a, b in edges] or [0.0]
        highs = [max(a[level], b[level]) + _SNAP for a, b in edges] or [0.0]
        self._low = min(lows)
        heights = math.fsum(highs) - math.fsum(lows)
        whole = max(highs) - self._low
        self._last = min(int(whole * len(edges) / heights), _MOST_BANDS) if heights else 0
        self._step = whole / (self._last + 1) or 1.0
        self.edges: list[list[int]] = [[] for _ in range(self._last + 1)]
        """The numbers of the edges in each stripe."""
        for at in range(len(edges)):
            for band in range(self.at(lows[at]), self.at(highs[at]) + 1):
                self.edges[band].append(at)

    def at(self, height: float) -> int:
        """Return which stripe a height is in."""
        return min(int((height - self._low) / self._step), self._last)


class _Rays:
    """Tells what lies beyond the middle of a piece: to its right, or, turned, above it."""

    def __init__(self, owners: dict[Edge, frozenset[int]], *, turned: bool = False) -> None:
        self._across, self._level = (1, 0) if turned else (0, 1)
        self._pieces = [*owners.items()]
        self._bands = _Bands([*owners], self._level)

    def odd_beyond(self, piece: Edge) -> frozenset[int]:
        """Return which polygons' edges a ray from the middle meets an odd number of."""
        across, level = self._across, self._level
        (a, b) = piece
        height, start = (a[level] + b[level]) / 2, (a[across] + b[across]) / 2
        odd: frozenset[int] = frozenset()
        for at in self._bands.edges[self._bands.at(height)]:
            edge, own = self._pieces[at]
            c, d = edge
            if (c[level] > height) == (d[level] > height) or edge == piece:
                continue
            part = (height - c[level]) / (d[level] - c[level])
            if c[across] + part * (d[across] - c[across]) > start:
                odd ^= own
        return odd


def _rings(outgoing: dict[Point, list[Point]]) -> Iterator[list[Point]]:
    """Yield the closed lines that edges with the area on their left form."""
    for first in list(outgoing):
        while outgoing[first]:
            ring = [first, outgoing[first].pop()]
            while ring[-1] != first and outgoing.get(ring[-1]):
                ring.append(_turn(ring[-2], ring[-1], outgoing[ring[-1]]))
            if ring[-1] == first:  # else it is a crack too narrow for numbers
                yield ring


def _turn(before: Point, here: Point, ends: list[Point]) -> Point:
    """Take the next point of a ring: where lines touch, the area to the left stays in one piece."""
    back = math.atan2(before[1] - here[1], before[0] - here[0])

    def clockwise(end: Point) -> float:
        return (back - math.atan2(end[1] - here[1], end[0] - here[0])) % math.tau

    ends.sort(key=clockwise)
    return ends.pop(0)


def _doubled_area(ring: list[Point]) -> float:
    """Return twice the area in a ring, negative if it is a hole."""
    x0, y0 = ring[0]
    return math.fsum(
        (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        for (x1, y1), (x2, y2) in itertools.pairwise(ring)
    )


def _nested(rings: list[list[Point]]) -> list[Polygon]:
    """Return rings as polygons, each hole with the smallest ring around it."""
    areas = [_doubled_area(ring) for ring in rings]
    around = sorted((area, at) for at, area in enumerate(areas) if area > 0)
    made = {at: [_listed(rings[at])] for _, at in reversed(around)}
    for at, area in enumerate(areas):
        if area < 0:
            (x1, y1), (x2, y2) = rings[at][:2]
            middle = ((x1 + x2) / 2, (y1 + y2) / 2)
            home = next((big for _, big in around if _is_in(rings[big], middle)), None)
            if home is not None:
                made[home].append(_listed(rings[at]))
    return list(made.values())


def _is_in(ring: list[Point], point: Point) -> bool:
    x, y = point
    return (
        sum(
            (a[1] > y) != (b[1] > y) and a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]) > x
            for a, b in itertools.pairwise(ring)
        )
        % 2
        == 1
    )


def _listed(ring: list[Point]) -> list[list[float]]:
    return [list(point) for point in ring]
