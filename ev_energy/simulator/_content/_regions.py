"""Regions, the areas they cover, and groups of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.simulator._content._geometry import contains, ring_around
from ev_energy.simulator._content._organisations import HOUSE
from ev_energy.simulator._store._homes import HAMBURG, LEEDS, LONDON, OAKLAND, UTRECHT
from ev_energy.simulator._store._instants import ANCHOR, write_instant
from ev_energy.simulator._store._rows import Address, Link
from ev_energy.simulator._store._tables import Made

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from ev_energy.simulator._content._geometry import Polygon
    from ev_energy.simulator._store._homes import City
    from ev_energy.simulator._store._rows import Row
    from ev_energy.simulator._store._world import World

_BEGAN: Final = ANCHOR - timedelta(days=420)
_NEIGHBOUR: Final = "Harbourside Networks"
#: How far a city's areas reach, in kilometres.
_OUTER: Final = 28
_INNER: Final = 5
_CITIES: Final = (LONDON, LEEDS, UTRECHT, HAMBURG, OAKLAND)
_QUARTERS: Final = {"NORTH": 0, "EAST": 90, "SOUTH": 180, "WEST": 270}


@attrs.frozen
class Territory:
    """A region that is there from the beginning."""

    name: str
    type: str | None
    polygons: tuple[Polygon, ...]
    groups: tuple[str, ...] = ()
    organisation: str = HOUSE

    def contains(self, latitude: float, longitude: float) -> bool:
        """Return whether a point is within, and not on the edge."""
        return contains(self.polygons, longitude, latitude)


def area_of(city: City) -> Territory:
    """Return the region around a city."""
    bearings = range(0, 360, 30)
    ring = ring_around(city.latitude, city.longitude, _OUTER, bearings)
    return Territory(f"{city.name.upper()} AREA", "ELECTRICITY", ([ring],), ("Service areas",))


def _parts_of(city: City) -> Iterator[Territory]:
    at = (city.latitude, city.longitude)
    middle = [city.longitude, city.latitude]
    name, districts = city.name.upper(), (f"{city.name} districts",)
    inner = ring_around(*at, _INNER, range(0, 360, 60))
    outer = ring_around(*at, _OUTER, range(0, 360, 45))
    yield Territory(f"{name} CENTRE", "OTHER", ([inner],))
    yield Territory(f"{name} OUTSKIRTS", None, ([outer, inner[::-1]],))
    for word, bearing in _QUARTERS.items():
        arc = ring_around(*at, _OUTER, (bearing - 45, bearing, bearing + 45))[:-1]
        yield Territory(f"{name} {word}", "OTHER", ([[middle, *arc, middle]],), districts)


def _territories() -> Iterator[Territory]:
    for city in _CITIES:
        yield area_of(city)
        yield from _parts_of(city)
    islands = [
        [ring_around(latitude, longitude, kilometres, range(0, 360, 40))]
        for latitude, longitude, kilometres in ((49.21, -2.13, 8), (49.45, -2.58, 6))
    ]
    yield Territory("CHANNEL ISLANDS", None, tuple(islands), ("Service areas", "Islands"))
    yield Territory("UNMAPPED", None, ())
    coast = [ring_around(53.4808, -2.2426, _OUTER, range(0, 360, 30))]
    yield Territory("MANCHESTER AREA", "ELECTRICITY", (coast,), ("Northern pilot",), _NEIGHBOUR)


TERRITORIES: Final = tuple(_territories())


def add_regions(world: World) -> None:
    """Fill the tables of regions and their groups."""
    regions: list[Row] = []
    members: dict[str, list[Link]] = {}
    owners: dict[str, str] = {}
    for number, territory in enumerate(TERRITORIES):
        made_at = _BEGAN + timedelta(days=3 * number, minutes=17)
        key = world.chance.uid("regn", made_at, territory.name)
        for group in territory.groups:
            members.setdefault(group, []).append(Link("regions", key))
            owners[group] = territory.organisation
        regions.append({"id": key, "_made_at": write_instant(made_at), "_territory": territory})
    groups: list[Row] = []
    ids: dict[str, str] = {}
    for number, (name, links) in enumerate(members.items()):
        made_at = _BEGAN + timedelta(days=150 + number, minutes=31)
        key = ids[name] = world.chance.uid("rgrp", made_at, name)
        groups.append(_group(key, name, links, owners[name], write_instant(made_at)))
    made = [_made_region(row, ids) for row in regions]
    world.table("regions", "regn", Made.of(made))
    world.table("region_groups", "rgrp", Made.of(groups))


def _made_region(row: Row, ids: dict[str, str]) -> Row:
    territory: Territory = row["_territory"]
    groups = [Link("region_groups", ids[name]) for name in territory.groups]
    return _region(
        row["id"],
        territory.name,
        territory.type,
        groups,
        territory.organisation,
        row["_made_at"],
        territory.polygons,
    )


def _region(
    key: str,
    name: str,
    kind: str | None,
    groups: Sequence[Link],
    organisation: str,
    made_at: str,
    polygons: Sequence[Polygon],
) -> Row:
    return {
        "id": key,
        "name": name,
        "type": kind,
        "region_groups": list(groups),
        "created_at": made_at,
        "updated_at": made_at,
        "_organisation": organisation,
        "_polygons": list(polygons),
    }


def _group(key: str, name: str, regions: Iterable[Link], organisation: str, made_at: str) -> Row:
    return {
        "id": key,
        "name": name,
        "regions": list(regions),
        "regions_collection": Address(f"/regions?region_group_id={key}"),
        "created_at": made_at,
        "_organisation": organisation,
    }


def create_region(
    world: World, given: Row, polygons: Sequence[Polygon], groups: Sequence[Link], owner: str
) -> Row:
    """Keep a region that an organisation made, and make it known to its groups."""
    key, now = world.new_id("regions"), write_instant(world.now)
    row = world.tables["regions"].add(
        _region(key, given["name"], given.get("type"), groups, owner, now, polygons)
    )
    for link in groups:
        group = world.follow(link)
        if group is not None and row["url"] not in group["regions"]:
            world.change(group, regions=[*group["regions"], row["url"]])
    return row


def create_group(world: World, name: str, owner: str) -> Row:
    """Keep a group without regions."""
    key = world.new_id("region_groups")
    return world.tables["region_groups"].add(_group(key, name, (), owner, write_instant(world.now)))


def named(world: World, folder: str, names: Collection[str]) -> dict[str, Row]:
    """Return the regions, or the groups, of some names, whoever made them: names are unique."""
    return {row["name"]: row for row in world.tables[folder] if row["name"] in names}


def geometry(row: Row) -> dict[str, Any] | None:
    """Return what a region covers as GeoJSON, None if nobody drew it."""
    polygons: list[Polygon] = row["_polygons"]
    return {"type": "MultiPolygon", "coordinates": polygons} if polygons else None
