"""Regions on the map, groups of them, and the GeoJSON they are drawn in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import attrs

from ev_energy._unset import UNSET, Unset
from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._types import Instant

#: **Longitude, then latitude**, in degrees (WGS 84): GeoJSON's order, and the reverse of everything
#: else in this API. Just these two numbers; there is no altitude.
Position: TypeAlias = tuple[float, float]


class RegionType(OpenEnum):
    """What a region is for."""

    OTHER = "OTHER"
    ELECTRICITY = "ELECTRICITY"


class RegionValidationResultStatus(OpenEnum):
    """Whether a region could be created; ``problems`` says why not."""

    OK = "OK"
    NAME_EXISTS = "NAME_EXISTS"
    INVALID_GEOMETRY = "INVALID_GEOMETRY"
    INVALID = "INVALID"


class RegionGroupValidationResultGroupStatus(OpenEnum):
    """Whether the name of a group is free."""

    AVAILABLE = "AVAILABLE"
    NAME_EXISTS = "NAME_EXISTS"


@model
class GeoJsonPolygon(Model):
    """A GeoJSON Polygon (RFC 7946): an outline, and the holes in it.

    `from_dict` makes one of a GeoJSON object that was read from a file.
    """

    type: str = "Polygon"
    """Nothing else; nobody has to write it."""
    coordinates: tuple[tuple[Position, ...], ...]
    """Up to 100 rings, the outline first, then its holes.

    A ring is 4 to 25000 positions, **longitude first**, and its last one repeats its first. What
    you make yourself may hold lists instead of tuples: they are sent just the same.
    """


@model
class GeoJsonMultiPolygon(Model):
    """A GeoJSON MultiPolygon (RFC 7946): several polygons as one shape.

    `from_dict` makes one of a GeoJSON object that was read from a file.
    """

    type: str = "MultiPolygon"
    """Nothing else; nobody has to write it."""
    coordinates: tuple[tuple[tuple[Position, ...], ...], ...]
    """Up to 500 polygons, each as in `GeoJsonPolygon.coordinates`: **longitude first**."""


@model
class Region(Model):
    """An area on the map that programs, tariffs, carbon feeds and rewards can be limited to.

    A list has regions without their geometry; `RegionDetail` is what one by itself comes as.
    """

    id: str | None = None
    url: str | None = None
    name: str | None = None
    """No other region has it, whoever made that one; it never changes."""
    type: RegionType | None = None
    """None where its maker did not say."""
    region_groups: tuple[str, ...] | None = None
    """URLs of the groups it is in."""
    created_at: Instant | None = None
    updated_at: Instant | None = None


@model
class RegionDetail(Region):
    """A region with its geometry."""

    geometry: GeoJsonMultiPolygon | None = None
    """The area, all that it was made of united; None where it has none."""


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
    """What the server made of the geometries of a region."""

    geometry_count: int | None = None
    resulting_polygon_count: int | None = None
    """Polygons that are left when all are united."""
    area_sq_km: float | None = None


@model
class RegionValidationResult(Model):
    """What a dry run found out about one region."""

    name: str | None = None
    status: RegionValidationResultStatus | None = None
    problems: tuple[str, ...] | None = None
    """For people."""
    computed: RegionValidationResultComputed | None = None
    existing_region: str | None = None
    """URL of the region that has the name already, with the status ``NAME_EXISTS``."""


@model
class RegionGroupValidationResultGroup(Model):
    """What a dry run found out about the group itself."""

    name: str | None = None
    status: RegionGroupValidationResultGroupStatus | None = None
    problems: tuple[str, ...] | None = None
    """For people."""


@model
class RegionGroupValidationResult(Model):
    """What a dry run of creating a group of regions found out."""

    valid: bool | None = None
    """Whether creating the group, as it was sent, would work now."""
    group: RegionGroupValidationResultGroup | None = None
    regions: tuple[RegionValidationResult, ...] | None = None


@attrs.frozen(kw_only=True)
class RegionGroupEntry:
    """A region to be created together with its group."""

    name: str
    """One that no region has yet, whoever made it."""
    geometries: Sequence[GeoJsonPolygon | GeoJsonMultiPolygon]
    """1 to 1000 of them; the server unites them."""
    type: RegionType | str | Unset | None = UNSET
