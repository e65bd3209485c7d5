"""Regions with their areas, groups of regions, and the organisations that own them.

An application belongs to at most one organisation and sees the regions of that organisation only.
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.simulator.clock._instants import ANCHOR, write_instant
from ev_energy.simulator.http._problems import ProblemError, invalid, not_found
from ev_energy.simulator.http._routes import Reply, listing, read_link
from ev_energy.simulator.resources._geojson import (
    area_sq_km,
    contains_point,
    geometry_errors,
    polygons_of,
    ring_around,
    union,
)
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


#: The organisation of applications that are registered without one.
DEFAULT_ORGANISATION: Final = "Simulated Energy"
_OTHER_ORGANISATION: Final = "Harbourside Networks"
_ORGANISATIONS: Final = "organisations"

_FIRST_CREATED: Final = ANCHOR - timedelta(days=420)
#: The radius of the areas around a city.
_SERVICE_AREA_KM: Final = 28
_CENTER_KM: Final = 5
_CITIES: Final = (LONDON, LEEDS, UTRECHT, HAMBURG, OAKLAND)
_NAME_EXISTS: Final = "This name already exists."
_QUARTER_BEARINGS: Final = {"NORTH": 0, "EAST": 90, "SOUTH": 180, "WEST": 270}


@attrs.frozen
class SeedRegion:
    """A region of the seeded world."""

    name: str
    type: str | None
    polygons: tuple[Polygon, ...]
    groups: tuple[str, ...] = ()
    organisation: str = DEFAULT_ORGANISATION


def service_area_of(city: City) -> SeedRegion:
    """Return the region around a city."""
    bearings = range(0, 360, 30)
    ring = ring_around(city.latitude, city.longitude, _SERVICE_AREA_KM, bearings)
    return SeedRegion(f"{city.name.upper()} AREA", "ELECTRICITY", ([ring],), ("Service areas",))


def _districts_of(city: City) -> Iterator[SeedRegion]:
    center = (city.latitude, city.longitude)
    center_position = [city.longitude, city.latitude]
    name, group = city.name.upper(), f"{city.name} districts"
    inner = ring_around(*center, _CENTER_KM, range(0, 360, 60))
    outer = ring_around(*center, _SERVICE_AREA_KM, range(0, 360, 45))
    yield SeedRegion(f"{name} CENTRE", "OTHER", ([inner],))
    yield SeedRegion(f"{name} OUTSKIRTS", None, ([outer, inner[::-1]],))
    for quarter, bearing in _QUARTER_BEARINGS.items():
        arc = ring_around(*center, _SERVICE_AREA_KM, (bearing - 45, bearing, bearing + 45))[:-1]
        sector = [center_position, *arc, center_position]
        yield SeedRegion(f"{name} {quarter}", "OTHER", ([sector],), (group,))


def _seed_regions() -> Iterator[SeedRegion]:
    for city in _CITIES:
        yield service_area_of(city)
        yield from _districts_of(city)
    islands = [
        [ring_around(latitude, longitude, kilometres, range(0, 360, 40))]
        for latitude, longitude, kilometres in ((49.21, -2.13, 8), (49.45, -2.58, 6))
    ]
    yield SeedRegion("CHANNEL ISLANDS", None, tuple(islands), ("Service areas", "Islands"))
    yield SeedRegion("UNMAPPED", None, ())
    coast = [ring_around(53.4808, -2.2426, _SERVICE_AREA_KM, range(0, 360, 30))]
    yield SeedRegion(
        "MANCHESTER AREA", "ELECTRICITY", (coast,), ("Northern pilot",), _OTHER_ORGANISATION
    )


SEED_REGIONS: Final = tuple(_seed_regions())


def organisation_of(world: World, client_id: str | None) -> str | None:
    """Return the organisation of an application, or None if it belongs to none."""
    organisations: dict[str, str | None] = world.extra_state.get(_ORGANISATIONS, {})
    if client_id is None:
        return DEFAULT_ORGANISATION
    return organisations.get(client_id, DEFAULT_ORGANISATION)


def link_organisation(world: World, client_id: str, name: str | None) -> None:
    """Assign an application to an organisation, or to none."""
    world.extra_state.setdefault(_ORGANISATIONS, {})[client_id] = name


def add_regions(world: World) -> None:
    """Fill the tables of regions and region groups."""
    created = [
        _FIRST_CREATED + timedelta(days=3 * number, minutes=17)
        for number in range(len(SEED_REGIONS))
    ]
    region_ids = [
        world.random.uid("regn", instant, region.name)
        for instant, region in zip(created, SEED_REGIONS, strict=True)
    ]
    regions_by_group: dict[str, list[Link]] = {}
    organisations: dict[str, str] = {}
    for region_id, region in zip(region_ids, SEED_REGIONS, strict=True):
        for group in region.groups:
            regions_by_group.setdefault(group, []).append(Link("regions", region_id))
            organisations[group] = region.organisation
    group_rows: list[Row] = []
    group_links: dict[str, Link] = {}
    for number, (name, links) in enumerate(regions_by_group.items()):
        instant = _FIRST_CREATED + timedelta(days=150 + number, minutes=31)
        group_id = world.random.uid("rgrp", instant, name)
        group_links[name] = Link("region_groups", group_id)
        group_rows.append(
            _group_row(group_id, name, links, organisations[name], write_instant(instant))
        )
    region_rows = [
        _region_row(
            region_id,
            region.name,
            region.type,
            [group_links[name] for name in region.groups],
            region.organisation,
            write_instant(instant),
            region.polygons,
        )
        for region_id, instant, region in zip(region_ids, created, SEED_REGIONS, strict=True)
    ]
    world.table("regions", "regn", GeneratedRows.from_rows(region_rows))
    world.table("region_groups", "rgrp", GeneratedRows.from_rows(group_rows))


def _region_row(
    region_id: str,
    name: str,
    region_type: str | None,
    groups: Sequence[Link],
    organisation: str,
    created_at: str,
    polygons: Sequence[Polygon],
) -> Row:
    return {
        "id": region_id,
        "name": name,
        "type": region_type,
        "region_groups": list(groups),
        "created_at": created_at,
        "updated_at": created_at,
        "_organisation": organisation,
        "_polygons": list(polygons),
    }


def _group_row(
    group_id: str, name: str, regions: Iterable[Link], organisation: str, created_at: str
) -> Row:
    return {
        "id": group_id,
        "name": name,
        "regions": list(regions),
        "regions_collection": ApiPath(f"/regions?region_group_id={group_id}"),
        "created_at": created_at,
        "_organisation": organisation,
    }


def _add_region(
    world: World, body: Row, polygons: Sequence[Polygon], groups: Sequence[Link], organisation: str
) -> Row:
    """Add the region that a request creates, also to the rows of its groups."""
    region_id, now = world.new_id("regions"), write_instant(world.now)
    row = world.tables["regions"].add(
        _region_row(region_id, body["name"], body.get("type"), groups, organisation, now, polygons)
    )
    for link in groups:
        group = world.follow(link)
        if group is not None and row["url"] not in group["regions"]:
            world.update(group, regions=[*group["regions"], row["url"]])
    return row


def _add_group(world: World, name: str, organisation: str) -> Row:
    """Add a group without regions."""
    group_id = world.new_id("region_groups")
    return world.tables["region_groups"].add(
        _group_row(group_id, name, (), organisation, write_instant(world.now))
    )


def _rows_by_name(world: World, folder: str, names: Container[str]) -> dict[str, Row]:
    """Return the regions or groups with these names; names are unique across organisations."""
    return {row["name"]: row for row in world.tables[folder] if row["name"] in names}


@attrs.frozen
class _Area:
    """The geometries of a request, combined."""

    geometry_count: int
    polygons: list[Polygon]
    """Polygons that do not overlap; empty if there are errors."""
    errors: list[str]

    @classmethod
    def of(cls, geometries: Sequence[Row]) -> _Area:
        polygons = [polygon for geometry in geometries for polygon in polygons_of(geometry)]
        errors = list(geometry_errors(polygons))
        combined = [] if errors else union(polygons)
        if not errors and not combined:
            errors = ["The geometries enclose no area."]
        return cls(len(geometries), combined, errors)


def _own_rows(folder: str) -> Callable[[Call], Collection]:
    """Return the source of a list: the rows of the caller's organisation."""

    def source(call: Call) -> Collection:
        table = call.world.tables[folder]
        organisation = organisation_of(call.world, call.viewer.client_id)
        return Selection(table, (row for row in table if row["_organisation"] == organisation))

    return source


def _own_row(call: Call, folder: str, parameter: str) -> Row:
    row = call.row(folder, parameter)
    if row["_organisation"] != organisation_of(call.world, call.viewer.client_id):
        raise not_found()
    return row


def _contains(point: str) -> Callable[[Row], bool]:
    latitude, longitude = map(float, point.split(","))
    return lambda row: contains_point(row["_polygons"], longitude, latitude)


def _in_group(group_id: str) -> Callable[[Row], bool]:
    return lambda row: any(link.key == group_id for link in row["region_groups"])


def _with_geometry(call: Call, row: Row) -> dict[str, Any]:
    """Return a region's JSON with its area, which is null if the region has no geometry."""
    polygons: list[Polygon] = row["_polygons"]
    geometry = {"type": "MultiPolygon", "coordinates": polygons} if polygons else None
    return call.serialize(row) | {"geometry": geometry}


def _region(call: Call) -> Reply:
    return Reply(_with_geometry(call, _own_row(call, "regions", "region_id")))


def _group(call: Call) -> Reply:
    return Reply(call.serialize(_own_row(call, "region_groups", "region_group_id")))


def _with_organisation(handler: Callable[[Call, str], Reply]) -> Handler:
    """Return a handler that refuses applications without an organisation."""

    def wrapper(call: Call) -> Reply:
        organisation = organisation_of(call.world, call.viewer.client_id)
        if organisation is None:
            text = "The application belongs to no organisation."
            raise ProblemError(HTTPStatus.FORBIDDEN, "Forbidden", text)
        return handler(call, organisation)

    return wrapper


def _name_errors(name: str, previous_names: Sequence[str] = ()) -> list[str]:
    if not name.strip():
        return ["The name must not be empty."]
    return ["Another region of this request has the same name."] if name in previous_names else []


def _require_valid_areas(entries: Sequence[tuple[Row, _Area]]) -> None:
    """Raise the 422 if an area has errors; *entries* pairs the body of a region with its area."""
    for body, area in entries:
        if area.errors:
            text = f"{body['name']}: {' '.join(area.errors)}"
            raise ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid geometry", text, slug="invalid-geometry"
            )


def _require_unused_names(call: Call, names: Sequence[str]) -> None:
    """Raise the 409 if regions with some of these names exist."""
    existing = _rows_by_name(call.world, "regions", frozenset(names))
    conflicts = [
        {"name": name, "existing_region": _url(call, existing[name])}
        for name in names
        if name in existing
    ]
    if conflicts:
        taken = ", ".join(conflict["name"] for conflict in conflicts)
        text = f"Regions with these names already exist: {taken}"
        problem = ProblemError(
            HTTPStatus.CONFLICT, "Name conflict", text, slug="region-name-conflict"
        )
        problem.body["conflicts"] = conflicts
        raise problem


def _require_unused_group_name(call: Call, name: str) -> None:
    """Raise the 409 if a group with this name exists."""
    existing = _rows_by_name(call.world, "region_groups", (name,)).get(name)
    if existing is not None:
        text = f"A group with this name already exists: {name}"
        problem = ProblemError(
            HTTPStatus.CONFLICT, "Name conflict", text, slug="region-group-name-conflict"
        )
        problem.body["existing_region_group"] = _url(call, existing)
        raise problem


def _url(call: Call, row: Row) -> str:
    link: Link = row["url"]
    return call.root + link.path


def _post_region(call: Call, organisation: str) -> Reply:
    body, world = call.body, call.world
    errors: FieldErrors = {}
    if name_errors := _name_errors(body["name"]):
        errors["name"] = name_errors
    groups: list[Link] = []
    for index, url in enumerate(body.get("region_groups", [])):
        link = read_link(world, "region_groups", url)
        group = world.follow(link)
        if link is None or group is None or group["_organisation"] != organisation:
            text = "Must be the URL of a group of your organisation."
            errors.setdefault("region_groups", {})[str(index)] = [text]
        elif link not in groups:
            groups.append(link)
    if errors:
        raise invalid(errors, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    area = _Area.of(body["geometries"])
    _require_valid_areas([(body, area)])
    _require_unused_names(call, [body["name"]])
    row = _add_region(world, body, area.polygons, groups, organisation)
    return Reply(_with_geometry(call, row), HTTPStatus.CREATED)


def _post_group(call: Call, organisation: str) -> Reply:
    body, world = call.body, call.world
    entries: list[Row] = body["regions"]
    names = [entry["name"] for entry in entries]
    errors: FieldErrors = {}
    if name_errors := _name_errors(body["name"]):
        errors["name"] = name_errors
    for index, name in enumerate(names):
        if name_errors := _name_errors(name, names[:index]):
            errors.setdefault("regions", {})[str(index)] = {"name": name_errors}
    if errors:
        raise invalid(errors, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    areas = [(entry, _Area.of(entry["geometries"])) for entry in entries]
    _require_valid_areas(areas)
    _require_unused_group_name(call, body["name"])
    _require_unused_names(call, names)
    group = _add_group(world, body["name"], organisation)
    for entry, area in areas:
        _add_region(world, entry, area.polygons, [group["url"]], organisation)
    row = call.find("region_groups", group["id"])
    return Reply(call.serialize(row), HTTPStatus.CREATED)


def _validate_group(call: Call, _organisation: str) -> Reply:
    body = call.body
    is_taken = bool(_rows_by_name(call.world, "region_groups", (body["name"],)))
    group = {
        "name": body["name"],
        "status": "NAME_EXISTS" if is_taken else "AVAILABLE",
        "problems": [_NAME_EXISTS] if is_taken else _name_errors(body["name"]),
    }
    names = [entry["name"] for entry in body["regions"]]
    existing = _rows_by_name(call.world, "regions", frozenset(names))
    regions = [
        _validate_region(call, entry, names[:index], existing.get(entry["name"]))
        for index, entry in enumerate(body["regions"])
    ]
    is_valid = not group["problems"] and all(region["status"] == "OK" for region in regions)
    return Reply({"valid": is_valid, "group": group, "regions": regions})


def _validate_region(
    call: Call, entry: Row, previous_names: Sequence[str], existing: Row | None
) -> Row:
    """Return the validation of one region; of several errors, the status names the worst."""
    name: str = entry["name"]
    area = _Area.of(entry["geometries"])
    name_errors = _name_errors(name, previous_names)
    problems = [*name_errors, *area.errors]
    status = "OK"
    if name_errors:
        status = "INVALID"
    elif area.errors:
        status = "INVALID_GEOMETRY"
    elif existing is not None:
        status = "NAME_EXISTS"
    validation: Row = {"name": name, "status": status}
    if existing is not None:
        problems.append(_NAME_EXISTS)
        if status == "NAME_EXISTS":
            validation["existing_region"] = _url(call, existing)
    computed = {
        "geometry_count": area.geometry_count,
        "resulting_polygon_count": len(area.polygons),
        "area_sq_km": round(area_sq_km(area.polygons), 3),
    }
    return validation | {"problems": problems, "computed": None if area.errors else computed}


ROUTES: Final[Routes] = {
    ("GET", "/regions"): listing(
        _own_rows("regions"), filters={"contains": _contains, "region_group_id": _in_group}
    ),
    ("POST", "/regions"): _with_organisation(_post_region),
    ("GET", "/regions/{region_id}"): _region,
    ("GET", "/region_groups"): listing(_own_rows("region_groups")),
    ("POST", "/region_groups"): _with_organisation(_post_group),
    ("GET", "/region_groups/{region_group_id}"): _group,
    ("POST", "/region_groups:validate"): _with_organisation(_validate_group),
}
