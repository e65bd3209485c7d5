"""Regions, the areas they cover, and groups of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.simulator.clock._instants import ANCHOR, write_instant
from ev_energy.simulator.http._problems import ProblemError, invalid, not_found
from ev_energy.simulator.http._routes import Reply, listing, read_link
from ev_energy.simulator.resources._geojson import (
    area_sq_km,
    contains,
    faults,
    polygons_of,
    ring_around,
    union,
)
from ev_energy.simulator.resources.organisations import HOUSE, organisation_of
from ev_energy.simulator.world._homes import HAMBURG, LEEDS, LONDON, OAKLAND, UTRECHT
from ev_energy.simulator.world._rows import ApiPath, Link
from ev_energy.simulator.world._tables import GeneratedRows, Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence

    from ev_energy.simulator.http._problems import FieldErrors
    from ev_energy.simulator.http._routes import Call, Handler, Routes
    from ev_energy.simulator.resources._geojson import Polygon
    from ev_energy.simulator.world._homes import City
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._tables import Collection
    from ev_energy.simulator.world._world import World


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
        key = world.random.uid("regn", made_at, territory.name)
        for group in territory.groups:
            members.setdefault(group, []).append(Link("regions", key))
            owners[group] = territory.organisation
        regions.append({"id": key, "_made_at": write_instant(made_at), "_territory": territory})
    groups: list[Row] = []
    ids: dict[str, str] = {}
    for number, (name, links) in enumerate(members.items()):
        made_at = _BEGAN + timedelta(days=150 + number, minutes=31)
        key = ids[name] = world.random.uid("rgrp", made_at, name)
        groups.append(_group_row(key, name, links, owners[name], write_instant(made_at)))
    made = [_made_region(row, ids) for row in regions]
    world.table("regions", "regn", GeneratedRows.from_rows(made))
    world.table("region_groups", "rgrp", GeneratedRows.from_rows(groups))


def _made_region(row: Row, ids: dict[str, str]) -> Row:
    territory: Territory = row["_territory"]
    groups = [Link("region_groups", ids[name]) for name in territory.groups]
    return _region_row(
        row["id"],
        territory.name,
        territory.type,
        groups,
        territory.organisation,
        row["_made_at"],
        territory.polygons,
    )


def _region_row(
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


def _group_row(
    key: str, name: str, regions: Iterable[Link], organisation: str, made_at: str
) -> Row:
    return {
        "id": key,
        "name": name,
        "regions": list(regions),
        "regions_collection": ApiPath(f"/regions?region_group_id={key}"),
        "created_at": made_at,
        "_organisation": organisation,
    }


def create_region(
    world: World, given: Row, polygons: Sequence[Polygon], groups: Sequence[Link], owner: str
) -> Row:
    """Keep a region that an organisation made, and make it known to its groups."""
    key, now = world.new_id("regions"), write_instant(world.now)
    row = world.tables["regions"].add(
        _region_row(key, given["name"], given.get("type"), groups, owner, now, polygons)
    )
    for link in groups:
        group = world.follow(link)
        if group is not None and row["url"] not in group["regions"]:
            world.update(group, regions=[*group["regions"], row["url"]])
    return row


def create_group(world: World, name: str, owner: str) -> Row:
    """Keep a group without regions."""
    key = world.new_id("region_groups")
    return world.tables["region_groups"].add(
        _group_row(key, name, (), owner, write_instant(world.now))
    )


def named(world: World, folder: str, names: Container[str]) -> dict[str, Row]:
    """Return the regions, or the groups, of some names, whoever made them: names are unique."""
    return {row["name"]: row for row in world.tables[folder] if row["name"] in names}


def geometry(row: Row) -> dict[str, Any] | None:
    """Return what a region covers as GeoJSON, None if nobody drew it."""
    polygons: list[Polygon] = row["_polygons"]
    return {"type": "MultiPolygon", "coordinates": polygons} if polygons else None


@attrs.frozen
class _Drawn:
    """The geometries of a request as one area."""

    count: int
    polygons: list[Polygon]
    faults: list[str]

    @classmethod
    def of(cls, geometries: Sequence[Row]) -> _Drawn:
        sent = [polygon for one in geometries for polygon in polygons_of(one)]
        wrong = list(faults(sent))
        area = [] if wrong else union(sent)
        if not wrong and not area:
            wrong = ["It encloses no area."]
        return cls(len(geometries), area, wrong)


def _source(folder: str) -> Callable[[Call], Collection]:
    """Return what lists the rows of the caller's organisation."""

    def source(call: Call) -> Collection:
        table = call.world.tables[folder]
        mine = organisation_of(call.world, call.viewer.client_id)
        return Selection(table, (row for row in table if row["_organisation"] == mine))

    return source


def _own(call: Call, folder: str, name: str) -> Row:
    row = call.row(folder, name)
    if row["_organisation"] != organisation_of(call.world, call.viewer.client_id):
        raise not_found()
    return row


def _around(point: str) -> Callable[[Row], bool]:
    latitude, longitude = map(float, point.split(","))
    return lambda row: contains(row["_polygons"], longitude, latitude)


def _in_group(group_id: str) -> Callable[[Row], bool]:
    return lambda row: any(link.key == group_id for link in row["region_groups"])


def _with_geometry(call: Call, row: Row) -> dict[str, Any]:
    return call.serialize(row) | {"geometry": geometry(row)}


def _region(call: Call) -> Reply:
    return Reply(_with_geometry(call, _own(call, "regions", "region_id")))


def _group(call: Call) -> Reply:
    return Reply(call.serialize(_own(call, "region_groups", "region_group_id")))


def _for_organisations(answer: Callable[[Call, str], Reply]) -> Handler:
    """Return a handler that refuses applications which are linked to no organisation."""

    def handler(call: Call) -> Reply:
        organisation = organisation_of(call.world, call.viewer.client_id)
        if organisation is None:
            raise ProblemError(403, "Forbidden", "The application belongs to no organisation.")
        return answer(call, organisation)

    return handler


def _name_faults(name: str, before: Sequence[str] = ()) -> list[str]:
    """Return what is wrong with a name, given those in front of it."""
    if not name.strip():
        return ["A name is needed."]
    return ["This name is there twice."] if name in before else []


def _check_drawn(entries: Sequence[tuple[Row, _Drawn]]) -> None:
    for given, drawn in entries:
        if drawn.faults:
            text = f"{given['name']}: {' '.join(drawn.faults)}"
            raise ProblemError(422, "Invalid geometry", text, slug="invalid-geometry")


def _check_unused(call: Call, names: Sequence[str]) -> None:
    taken = named(call.world, "regions", frozenset(names))
    conflicts = [
        {"name": name, "existing_region": _url(call, taken[name])}
        for name in names
        if name in taken
    ]
    if conflicts:
        text = f"These names are taken: {', '.join(one['name'] for one in conflicts)}"
        problem = ProblemError(409, "Name conflict", text, slug="region-name-conflict")
        problem.body["conflicts"] = conflicts
        raise problem


def _check_group_unused(call: Call, name: str) -> None:
    taken = named(call.world, "region_groups", (name,)).get(name)
    if taken is not None:
        text = f"There is a group of this name: {name}"
        problem = ProblemError(409, "Name conflict", text, slug="region-group-name-conflict")
        problem.body["existing_region_group"] = _url(call, taken)
        raise problem


def _url(call: Call, row: Row) -> str:
    link: Link = row["url"]
    return call.root + link.path


def _create_region(call: Call, organisation: str) -> Reply:
    body, world = call.body, call.world
    errors: FieldErrors = {}
    if wrong := _name_faults(body["name"]):
        errors["name"] = wrong
    groups: list[Link] = []
    for at, url in enumerate(body.get("region_groups", [])):
        link = read_link(world, "region_groups", url)
        group = world.follow(link)
        if link is None or group is None or group["_organisation"] != organisation:
            errors.setdefault("region_groups", {})[str(at)] = ["Not the URL of a group of yours."]
        elif link not in groups:
            groups.append(link)
    if errors:
        raise invalid(errors, status=422)
    drawn = _Drawn.of(body["geometries"])
    _check_drawn([(body, drawn)])
    _check_unused(call, [body["name"]])
    row = create_region(world, body, drawn.polygons, groups, organisation)
    return Reply(_with_geometry(call, row), 201)


def _create_group(call: Call, organisation: str) -> Reply:
    body, world = call.body, call.world
    entries: list[Row] = body["regions"]
    names = [entry["name"] for entry in entries]
    errors: FieldErrors = {}
    if wrong := _name_faults(body["name"]):
        errors["name"] = wrong
    for at, name in enumerate(names):
        if wrong := _name_faults(name, names[:at]):
            errors.setdefault("regions", {})[str(at)] = {"name": wrong}
    if errors:
        raise invalid(errors, status=422)
    drawn = [(entry, _Drawn.of(entry["geometries"])) for entry in entries]
    _check_drawn(drawn)
    _check_group_unused(call, body["name"])
    _check_unused(call, names)
    group = create_group(world, body["name"], organisation)
    for entry, area in drawn:
        create_region(world, entry, area.polygons, [group["url"]], organisation)
    return Reply(call.serialize(call.find("region_groups", group["id"])), 201)


def _validate_group(call: Call, _organisation: str) -> Reply:
    body = call.body
    taken = bool(named(call.world, "region_groups", (body["name"],)))
    group = {
        "name": body["name"],
        "status": "NAME_EXISTS" if taken else "AVAILABLE",
        "problems": ["This name is taken."] if taken else _name_faults(body["name"]),
    }
    names = [entry["name"] for entry in body["regions"]]
    known = named(call.world, "regions", frozenset(names))
    regions = [
        _finding(call, entry, names[:at], known.get(entry["name"]))
        for at, entry in enumerate(body["regions"])
    ]
    valid = not group["problems"] and all(one["status"] == "OK" for one in regions)
    return Reply({"valid": valid, "group": group, "regions": regions})


def _finding(call: Call, entry: Row, names_before: Sequence[str], taken: Row | None) -> Row:
    """Return what would become of one region of a group; the gravest status of several."""
    name: str = entry["name"]
    drawn = _Drawn.of(entry["geometries"])
    wrong = _name_faults(name, names_before)
    status = "OK"
    if wrong:
        status = "INVALID"
    elif drawn.faults:
        status = "INVALID_GEOMETRY"
    elif taken is not None:
        status = "NAME_EXISTS"
    problems = [*wrong, *drawn.faults]
    found: Row = {"name": name, "status": status}
    if taken is not None:
        problems.append("This name is taken.")
    if status == "NAME_EXISTS" and taken is not None:
        found["existing_region"] = _url(call, taken)
    computed = {
        "geometry_count": drawn.count,
        "resulting_polygon_count": len(drawn.polygons),
        "area_sq_km": round(area_sq_km(drawn.polygons), 3),
    }
    return found | {"problems": problems, "computed": None if drawn.faults else computed}


ROUTES: Final[Routes] = {
    ("GET", "/regions"): listing(
        _source("regions"), filters={"contains": _around, "region_group_id": _in_group}
    ),
    ("POST", "/regions"): _for_organisations(_create_region),
    ("GET", "/regions/{region_id}"): _region,
    ("GET", "/region_groups"): listing(_source("region_groups")),
    ("POST", "/region_groups"): _for_organisations(_create_group),
    ("GET", "/region_groups/{region_group_id}"): _group,
    ("POST", "/region_groups:validate"): _for_organisations(_validate_group),
}
