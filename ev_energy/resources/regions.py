"""Regions on the map, and groups of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ev_energy._api.paging import Pager
from ev_energy._api.urls import comma_separated
from ev_energy._codec.encode import as_links
from ev_energy._codec.text import as_id
from ev_energy._unset import UNSET, Unset
from ev_energy.models._refs import Id
from ev_energy.models.regions import (
    GeoJsonMultiPolygon,
    GeoJsonPolygon,
    Region,
    RegionDetail,
    RegionGroup,
    RegionGroupEntry,
    RegionGroupValidationResult,
    RegionType,
)
from ev_energy.resources._base import Resource
from ev_energy.resources._constraints import lat_lng_text, not_empty
from ev_energy.resources._geojson import boundary, region_entries

if TYPE_CHECKING:
    from ev_energy.models.common import LatLong


class Regions(Resource):
    """Areas on the map. You see those that your own organisation created.

    They can be created, and neither changed nor deleted after that.
    """

    def list(
        self,
        *,
        name: str | None = None,
        name__in: Sequence[str] | None = None,
        region_group_id: Id[RegionGroup] | None = None,
        type: RegionType | str | None = None,
        contains: LatLong | str | None = None,
        page_size: int = 100,
    ) -> Pager[Region]:
        """List the regions of your organisation, without their geometry.

        *name* and *name__in* are whole names; one that holds a comma can be asked for by *name*
        only. With *contains*, only regions around that point: on the boundary is not inside. As
        text it is latitude, comma, longitude, unlike GeoJSON.

        GET /regions, scope region:read.
        """
        return self._list(
            Region,
            "/regions",
            scope="region:read",
            name=name,
            name__in=comma_separated("name__in", name__in),
            region_group_id=as_id("region_group_id", region_group_id),
            type=type,
            contains=lat_lng_text("contains", contains),
            page_size=page_size,
        )

    async def create(
        self,
        *,
        name: str,
        geometries: Sequence[GeoJsonPolygon | GeoJsonMultiPolygon],
        type: RegionType | str | Unset | None = UNSET,
        region_groups: Sequence[Id[RegionGroup]] | Unset = UNSET,
    ) -> RegionDetail:
        """Create a region.

        `ConflictError` of type ``region-name-conflict``: the name is taken, perhaps by another
        organisation; ``extensions["conflicts"]`` names the region that has it. `ApiError` with the
        status 413 and the type ``payload-too-large``: more than 20 MB. `UnprocessableError`: a
        shape that cannot be repaired (``invalid-geometry``), or another member that is wrong
        (``validation-failed-regions``). `ForbiddenError`: your application has no organisation.
        In none of these cases is anything created.

        Args:
            name: One that no region has yet.
            geometries: 1 to 1000 polygons or multipolygons, which the server unites. Positions
                are **longitude first**. What breaks a limit of `GeoJsonPolygon` is a `ValueError`
                that names the place.
            type: What it is for.
            region_groups: Groups of your organisation to put it in.

        POST /regions, scope region:write.
        """
        return await self._post(
            RegionDetail,
            "/regions",
            scope="region:write",
            json={
                "name": not_empty("name", name),
                "type": type,
                "geometries": boundary("geometries", geometries),
                "region_groups": as_links("region_groups", "/region_groups", region_groups),
            },
        )

    async def get(self, region_id: Id[Region]) -> RegionDetail:
        """Retrieve one region with its geometry.

        GET /regions/{region_id}, scope region:read.
        """
        return await self._get(RegionDetail, "/regions/{region_id}", region_id, scope="region:read")


class RegionGroups(Resource):
    """Regions that belong together. You see those that your own organisation created."""

    def list(self, *, name: str | None = None, page_size: int = 100) -> Pager[RegionGroup]:
        """List the groups of your organisation; with *name*, the one of that whole name.

        GET /region_groups, scope region:read.
        """
        return self._list(
            RegionGroup, "/region_groups", scope="region:read", name=name, page_size=page_size
        )

    async def create(self, *, name: str, regions: Sequence[RegionGroupEntry]) -> RegionGroup:
        """Create a group and all its regions, or nothing at all.

        `validate` tells beforehand what is wrong with the same arguments. `ConflictError`: of type
        ``region-group-name-conflict``, the group's name is taken, by what is in
        ``extensions["existing_region_group"]``; of type ``region-name-conflict``, names of regions
        are, which ``extensions["conflicts"]`` lists. Other organisations' names count too. The
        other errors are those of `Regions.create`; two regions of the same name are an
        `UnprocessableError`.

        Args:
            name: One that no group has yet.
            regions: 1 to 500 new regions; the same limits hold for their geometries as in
                `Regions.create`, and are checked in the same way.

        POST /region_groups, scope region:write.
        """
        return await self._post(
            RegionGroup,
            "/region_groups",
            scope="region:write",
            json={"name": not_empty("name", name), "regions": region_entries("regions", regions)},
        )

    async def get(self, region_group_id: Id[RegionGroup]) -> RegionGroup:
        """Retrieve one group.

        GET /region_groups/{region_group_id}, scope region:read.
        """
        return await self._get(
            RegionGroup, "/region_groups/{region_group_id}", region_group_id, scope="region:read"
        )

    async def validate(
        self, *, name: str, regions: Sequence[RegionGroupEntry]
    ) -> RegionGroupValidationResult:
        """Find out what `create` would say to the same arguments, without creating anything.

        Findings are no errors here: look whether ``valid`` is true. Only what the API cannot read
        at all is an `UnprocessableError`, more than 20 MB an `ApiError` with the status 413, and
        what breaks a limit a `ValueError`, as in `create`. It may be repeated. A name that is free
        now may be taken when you come to create.

        POST /region_groups:validate, scope region:write.
        """
        return await self._post(
            RegionGroupValidationResult,
            "/region_groups:validate",
            scope="region:write",
            json={"name": not_empty("name", name), "regions": region_entries("regions", regions)},
        )
