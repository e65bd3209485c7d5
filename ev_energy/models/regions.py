"""Regions on the map, groups of regions, and their GeoJSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import attrs

from ev_energy._unset import UNSET, Unset
from ev_energy.models._base import Model, PlainValue, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._types import Instant

#: **Longitude, then latitude**, in degrees (WGS 84): GeoJSON's order, and the reverse of everything
#: else in this API. Just these two numbers; there is no altitude.
Position: TypeAlias = tuple[float, float]


class RegionType(OpenEnum):
    """The purpose of a region."""

    OTHER = "OTHER"
    ELECTRICITY = "ELECTRICITY"


class RegionValidationResultStatus(OpenEnum):
    """Whether a region could be created; ``problems`` has the reasons if not."""

    OK = "OK"
    """It could be created."""
    NAME_EXISTS = "NAME_EXISTS"
    """Another region has the name."""
    INVALID_GEOMETRY = "INVALID_GEOMETRY"
    """The boundary is not valid."""
    INVALID = "INVALID"
    """Something else is not valid."""


class RegionGroupValidationResultGroupStatus(OpenEnum):
    """Whether the name of a group is available."""

    AVAILABLE = "AVAILABLE"
    """No group has the name."""
    NAME_EXISTS = "NAME_EXISTS"
    """Another group has the name."""


@model
class GeoJsonPolygon(Model):
    """A GeoJSON Polygon (RFC 7946): an outline and its holes.

    `from_dict` accepts a GeoJSON object, for example from a file.
    """

    type: str = "Polygon"
    """The only value; it can be omitted."""
    coordinates: tuple[tuple[Position, ...], ...]
    """Up to 100 rings, the outline first, then its holes.

    A ring is 4 to 25000 positions, **longitude first**, and its last one repeats its first. In
    a request, lists are accepted in place of tuples.
    """


@model
class GeoJsonMultiPolygon(Model):
    """A GeoJSON MultiPolygon (RFC 7946): several polygons as one shape.

    `from_dict` accepts a GeoJSON object, for example from a file.
    """

    type: str = "MultiPolygon"
    """The only value; it can be omitted."""
    coordinates: tuple[tuple[tuple[Position, ...], ...], ...]
    """Up to 500 polygons, each as in `GeoJsonPolygon.coordinates`: **longitude first**."""


@model
class Region(Model):
    """An area on the map that programs, tariffs, carbon feeds and rewards can be limited to.

    Lists contain regions without their geometry; a single region is a `RegionDetail`.
    """

    id: str | None = None
    url: str | None = None
    name: str | None = None
    """Unique among all regions, also those of other owners; it never changes."""
    type: RegionType | None = None
    """None if it was created without a type."""
    region_groups: tuple[str, ...] | None = None
    """URLs of the groups it is in."""
    created_at: Instant | None = None
    updated_at: Instant | None = None


@model
class RegionDetail(Region):
    """A region with its geometry."""

    geometry: GeoJsonMultiPolygon | None = None
    """The area, as the union of all geometries that it was created with; None if it has none."""


@model
class RegionGroup(Model):
    """Regions that were created together."""

    id: str | None = None
    url: str | None = None
    name: str | None = None
    regions: tuple[str, ...] | None = None
    """URLs of its regions."""
    regions_collection: str | None = None
    """URL of the list of its regions."""
    created_at: Instant | None = None


@model
class RegionValidationResultComputed(Model):
    """The result of uniting the geometries of a region."""

    geometry_count: int | None = None
    resulting_polygon_count: int | None = None
    """Number of polygons in the union."""
    area_sq_km: float | None = None


@model
class RegionValidationResult(Model):
    """The result of a dry run for one region."""

    name: str | None = None
    status: RegionValidationResultStatus | None = None
    problems: tuple[str, ...] | None = None
    """Texts for people to read."""
    computed: RegionValidationResultComputed | None = None
    existing_region: str | None = None
    """URL of the region that already has the name, with the status ``NAME_EXISTS``."""


@model
class RegionGroupValidationResultGroup(Model):
    """The result of a dry run for the group itself."""

    name: str | None = None
    status: RegionGroupValidationResultGroupStatus | None = None
    problems: tuple[str, ...] | None = None
    """Texts for people to read."""


@model
class RegionGroupValidationResult(Model):
    """The result of a dry run of creating a group of regions."""

    valid: bool | None = None
    """Whether the group could be created now as it was sent."""
    group: RegionGroupValidationResultGroup | None = None
    regions: tuple[RegionValidationResult, ...] | None = None


@attrs.frozen(kw_only=True)
class RegionGroupEntry(PlainValue):
    """A region to be created together with its group."""

    name: str
    """Must be unique among all regions, also those of other owners."""
    geometries: Sequence[GeoJsonPolygon | GeoJsonMultiPolygon]
    """1 to 1000 geometries, which the server unites."""
    type: RegionType | str | Unset | None = UNSET
    """The purpose of the region."""
