"""Regions on the map, and region groups."""

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
from ev_energy.resources._geojson import valid_boundary, valid_regions

if TYPE_CHECKING:
    from ev_energy.models.common import LatLong


class Regions(Resource):
    """Areas on the map. Only those that your own organisation created are visible.

    Regions can be created, but not changed or deleted.
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

        *name* and *name__in* match whole names; a name with a comma works only with *name*.
        *contains* selects the regions around a point; a point on the boundary is outside. As text,
        a point is latitude, comma, longitude, unlike in GeoJSON.

        GET /regions, scope region:read.
        """
        return self._list(
            Region,
            "/regions",
            scope="region:read",
            name=name,
            name__in=comma_separated("name__in", name__in),
            region_group_id=as_id("region_group_id", "RegionGroup", region_group_id),
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

        Raises an error in these cases, and creates nothing then:

        - `ConflictError` of type ``region-name-conflict``: the name is taken, perhaps by another
          organisation. ``extensions["conflicts"]`` has the region with that name.
        - `ApiError` with status 413 and type ``payload-too-large``: the request exceeds 20 MB.
        - `UnprocessableError`: a shape that cannot be repaired (``invalid-geometry``), or another
          invalid member (``validation-failed-regions``).
        - `ForbiddenError`: your application has no organisation.

        Args:
            name: A name that no region has yet.
            geometries: 1 to 1000 polygons or multipolygons, which the server merges. Positions
                are **longitude first**. A shape that exceeds a limit of `GeoJsonPolygon` raises
                `ValueError` with its position.
            type: The purpose of the region.
            region_groups: Groups of your organisation that the region will belong to.

        POST /regions, scope region:write.
        """
        return await self._post(
            RegionDetail,
            "/regions",
            scope="region:write",
            json={
                "name": not_empty("name", name),
                "type": type,
                "geometries": valid_boundary("geometries", geometries),
                "region_groups": as_links("region_groups", "/region_groups", region_groups),
            },
        )

    async def get(self, region_id: Id[Region]) -> RegionDetail:
        """Retrieve one region with its geometry.

        GET /regions/{region_id}, scope region:read.
        """
        return await self._get(RegionDetail, "/regions/{region_id}", region_id, scope="region:read")


class RegionGroups(Resource):
    """Groups of regions. Only those that your own organisation created are visible."""

    def list(self, *, name: str | None = None, page_size: int = 100) -> Pager[RegionGroup]:
        """List the groups of your organisation; with *name*, the one with exactly that name.

        GET /region_groups, scope region:read.
        """
        return self._list(
            RegionGroup, "/region_groups", scope="region:read", name=name, page_size=page_size
        )

    async def create(self, *, name: str, regions: Sequence[RegionGroupEntry]) -> RegionGroup:
        """Create a group and all its regions, or nothing if there is an error.

        `validate` checks the same arguments in advance. Raises `ConflictError` of type
        ``region-group-name-conflict`` if the group's name is taken, by the group in
        ``extensions["existing_region_group"]``, and of type ``region-name-conflict`` if names of
        regions are taken, by the regions in ``extensions["conflicts"]``. Names of other
        organisations count too. The other errors are those of `Regions.create`; two regions with
        the same name raise `UnprocessableError`.

        Args:
            name: A name that no group has yet.
            regions: 1 to 500 new regions. Their geometries have the same limits and checks as in
                `Regions.create`.

        POST /region_groups, scope region:write.
        """
        return await self._post(
            RegionGroup,
            "/region_groups",
            scope="region:write",
            json={"name": not_empty("name", name), "regions": valid_regions("regions", regions)},
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
        """Validate the arguments of `create` without creating anything.

        Problems are part of the reply, not errors: check whether ``valid`` is true. As in `create`,
        a request that the API cannot parse raises `UnprocessableError`, more than 20 MB raise
        `ApiError` with status 413, and an exceeded limit raises `ValueError`. The call may be
        repeated. A name that is free now may be taken by the time of `create`.

        POST /region_groups:validate, scope region:write.
        """
        return await self._post(
            RegionGroupValidationResult,
            "/region_groups:validate",
            scope="region:write",
            json={"name": not_empty("name", name), "regions": valid_regions("regions", regions)},
        )
