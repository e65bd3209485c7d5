"""Boundary meters: the catalogue, the meters of users, and their measurements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypeAlias

from ev_energy._api.paging import Pager
from ev_energy._api.urls import expand_values
from ev_energy._changes.log_pager import LogPager
from ev_energy._codec.text import as_id
from ev_energy.models._refs import Id, Key
from ev_energy.models.boundary_meters import (
    BoundaryMeter,
    BoundaryMeterMake,
    BoundaryMeterModel,
    BoundaryMeterStatusLog,
)
from ev_energy.resources._base import Resource

BoundaryMeterExpand: TypeAlias = Literal["model", "model.make", "latest_status_log"]
BoundaryMeterStatusLogExpand: TypeAlias = Literal[
    "boundary_meter", "boundary_meter.model", "boundary_meter.model.make"
]
BoundaryMeterModelExpand: TypeAlias = Literal["make"]


class BoundaryMeters(Resource):
    """Meters between homes and the grid, and their measurements.

    Log entries are listed newest first. An entry is identified by its meter and ``sampled_at``. To
    retrieve one, pass the entry itself, its `Ref` or its URL if you have it: a datetime may not
    reproduce the server's spelling.
    """

    def list(
        self, *, page_size: int = 100, expand: Sequence[BoundaryMeterExpand] = ()
    ) -> Pager[BoundaryMeter]:
        """List the meters you may see; with `acting_for`, those of that user.

        GET /boundary_meters, scope boundary_meter:read.
        """
        return self._list(
            BoundaryMeter,
            "/boundary_meters",
            scope="boundary_meter:read",
            page_size=page_size,
            expand=expand_values(BoundaryMeterExpand, expand),
        )

    async def get(
        self, boundary_meter_id: Id[BoundaryMeter], *, expand: Sequence[BoundaryMeterExpand] = ()
    ) -> BoundaryMeter:
        """Retrieve one meter; with `acting_for`, one that the user may see.

        GET /boundary_meters/{boundary_meter_id}, scope boundary_meter:read.
        """
        return await self._get(
            BoundaryMeter,
            "/boundary_meters/{boundary_meter_id}",
            boundary_meter_id,
            scope="boundary_meter:read",
            expand=expand_values(BoundaryMeterExpand, expand),
        )

    def status_logs(
        self,
        boundary_meter_id: Id[BoundaryMeter],
        *,
        sampled_at__gte: datetime | None = None,
        sampled_at__lte: datetime | None = None,
        page_size: int = 100,
        expand: Sequence[BoundaryMeterStatusLogExpand] = (),
    ) -> LogPager[BoundaryMeterStatusLog]:
        """List the measurements of a meter.

        GET /boundary_meters/{boundary_meter_id}/status_logs, scope boundary_meter:read.
        """
        return self._list_log(
            BoundaryMeterStatusLog,
            "/boundary_meters/{boundary_meter_id}/status_logs",
            boundary_meter_id,
            scope="boundary_meter:read",
            sampled_at__gte=sampled_at__gte,
            sampled_at__lte=sampled_at__lte,
            page_size=page_size,
            expand=expand_values(BoundaryMeterStatusLogExpand, expand),
        )

    async def status_log(
        self,
        boundary_meter_id: Id[BoundaryMeter],
        sampled_at: Key[BoundaryMeterStatusLog],
        *,
        expand: Sequence[BoundaryMeterStatusLogExpand] = (),
    ) -> BoundaryMeterStatusLog:
        """Retrieve one measurement.

        GET /boundary_meters/{boundary_meter_id}/status_logs/{sampled_at}, scope boundary_meter:read.
        """  # noqa: E501  (the operation stays on one line)
        return await self._get(
            BoundaryMeterStatusLog,
            "/boundary_meters/{boundary_meter_id}/status_logs/{sampled_at}",
            boundary_meter_id,
            sampled_at,
            scope="boundary_meter:read",
            expand=expand_values(BoundaryMeterStatusLogExpand, expand),
        )


class BoundaryMeterMakes(Resource):
    """Manufacturers of boundary meters."""

    def list(self, *, page_size: int = 100) -> Pager[BoundaryMeterMake]:
        """List the makes.

        GET /boundary_meter_makes, scope boundary_meter:read.
        """
        return self._list(
            BoundaryMeterMake,
            "/boundary_meter_makes",
            scope="boundary_meter:read",
            page_size=page_size,
        )

    async def get(self, boundary_meter_make_id: Id[BoundaryMeterMake]) -> BoundaryMeterMake:
        """Retrieve one make.

        GET /boundary_meter_makes/{boundary_meter_make_id}, scope boundary_meter:read.
        """
        return await self._get(
            BoundaryMeterMake,
            "/boundary_meter_makes/{boundary_meter_make_id}",
            boundary_meter_make_id,
            scope="boundary_meter:read",
        )


class BoundaryMeterModels(Resource):
    """Models of boundary meters."""

    def list(
        self,
        *,
        make_id: Id[BoundaryMeterMake] | None = None,
        page_size: int = 100,
        expand: Sequence[BoundaryMeterModelExpand] = (),
    ) -> Pager[BoundaryMeterModel]:
        """List models, of one make or of all.

        GET /boundary_meter_models, scope boundary_meter:read.
        """
        return self._list(
            BoundaryMeterModel,
            "/boundary_meter_models",
            scope="boundary_meter:read",
            make_id=as_id("make_id", "BoundaryMeterMake", make_id),
            page_size=page_size,
            expand=expand_values(BoundaryMeterModelExpand, expand),
        )

    async def get(
        self,
        boundary_meter_model_id: Id[BoundaryMeterModel],
        *,
        expand: Sequence[BoundaryMeterModelExpand] = (),
    ) -> BoundaryMeterModel:
        """Retrieve one model.

        GET /boundary_meter_models/{boundary_meter_model_id}, scope boundary_meter:read.
        """
        return await self._get(
            BoundaryMeterModel,
            "/boundary_meter_models/{boundary_meter_model_id}",
            boundary_meter_model_id,
            scope="boundary_meter:read",
            expand=expand_values(BoundaryMeterModelExpand, expand),
        )
