"""Point tests, areas and unions of GeoJSON polygons."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ev_energy.simulator.resources._geojson import (
    area_sq_km,
    contains_point,
    geometry_errors,
    ring_around,
    union,
)

Polygon = list[list[list[float]]]


def square(x: float, y: float, side: float = 1) -> Polygon:
    return [[[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]]


def flat_area(polygons: list[Polygon]) -> float:
    def ring(points: list[list[float]]) -> float:
        return sum(a[0] * b[1] - b[0] * a[1] for a, b in itertools.pairwise(points)) / 2

    return sum(ring(points) for polygon in polygons for points in polygon)


# Whole numbers make points and edges coincide; halves of them lie on no edge's end.
coordinates = st.integers(0, 6).map(float)
points = st.lists(coordinates, min_size=2, max_size=2)


@st.composite
def random_polygons(draw: Any) -> Polygon:
    ring = draw(st.lists(points, min_size=3, max_size=6))
    return [[*ring, ring[0]]]


probes = st.tuples(
    st.floats(0, 6, allow_subnormal=False).map(lambda x: round(x, 3) + 0.0001234),
    st.floats(0, 6, allow_subnormal=False).map(lambda y: round(y, 3) + 0.0004321),
)


@given(
    st.lists(random_polygons(), min_size=1, max_size=5), st.lists(probes, min_size=5, max_size=30)
)
def test_union_contains_the_points_of_its_parts(
    polygons: list[Polygon], asked: list[tuple[float, float]]
) -> None:
    joined = union(polygons)
    for x, y in asked:
        inside = any(contains_point([polygon], x, y) for polygon in polygons)
        assert contains_point(joined, x, y) == inside


@given(st.lists(random_polygons(), min_size=1, max_size=5))
def test_union_has_closed_rings_and_no_overlaps(
    polygons: list[Polygon],
) -> None:
    joined = union(polygons)
    assert not list(geometry_errors(joined))
    assert all(flat_area([[polygon[0]]]) > 0 for polygon in joined)
    assert all(flat_area([[hole]]) < 0 for polygon in joined for hole in polygon[1:])
    sum_of_areas = sum(flat_area([polygon]) for polygon in joined)
    assert sum_of_areas == pytest.approx(flat_area(union(joined)))


@given(st.lists(random_polygons(), min_size=1, max_size=4), st.randoms())
def test_union_does_not_depend_on_the_order(polygons: list[Polygon], chance: Any) -> None:
    shuffled = chance.sample(polygons, len(polygons))
    assert flat_area(union(polygons)) == pytest.approx(flat_area(union(shuffled)))


def test_union_removes_a_common_border() -> None:
    assert len(union([square(0, 0), square(1, 0)])) == 1
    assert flat_area(union([square(0, 0), square(1, 0)])) == pytest.approx(2)


def test_union_removes_a_contained_polygon() -> None:
    assert union([square(0, 0, 3), square(1, 1)]) == union([square(0, 0, 3)])


def test_union_preserves_holes_and_islands_in_them() -> None:
    ring = [square(0, 0, 5)[0], square(1, 1, 3)[0]]
    joined = union([ring, square(2, 2)])
    assert [len(polygon) for polygon in joined] == [2, 1]
    assert flat_area(joined) == pytest.approx(25 - 9 + 1)


def test_union_splits_a_self_intersecting_ring() -> None:
    joined = union([[[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]])
    assert len(joined) == 2
    assert flat_area(joined) == pytest.approx(2)


@given(st.floats(-80, 80), st.floats(-170, 170), st.floats(1, 100), st.integers(24, 90))
def test_area_of_a_round_ring_is_that_of_a_circle(
    latitude: float, longitude: float, kilometres: float, corners: int
) -> None:
    assume(abs(latitude) < 75)
    ring = ring_around(latitude, longitude, kilometres, [360 * n / corners for n in range(corners)])
    expected = corners / 2 * math.sin(math.tau / corners) * kilometres**2
    assert area_sq_km([[ring]]) == pytest.approx(expected, rel=0.02)


def test_union_of_many_points_is_fast() -> None:
    turns = [math.tau * n / 5000 for n in range(5000)]
    ring = [[math.cos(turn) * 2, math.sin(turn)] for turn in turns]
    joined = union([[[*ring, ring[0]]], [[[x + 1, y] for x, y in [*ring, ring[0]]]]])
    assert len(joined) == 1
    assert math.tau < flat_area(joined) < 2 * math.tau
    assert json.loads(json.dumps(joined)) == joined
