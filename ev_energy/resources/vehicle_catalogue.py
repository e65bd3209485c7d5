"""The catalogue of vehicles: makes, models, trims and compatibility."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from ev_energy._api.paging import Pager
from ev_energy._api.urls import expand_values
from ev_energy._codec.encode import as_link
from ev_energy._codec.text import as_id
from ev_energy._unset import UNSET, Unset
from ev_energy.models._refs import Id
from ev_energy.models.vehicle_onboarding import VehicleCompatibilityCheckResult
from ev_energy.models.vehicles import (
    ConnectorType,
    VehicleMake,
    VehicleModel,
    VehicleModelConnector,
    VehicleModelConnectorConfidence,
    VehicleModelConnectorRegion,
    VehicleModelConnectorSource,
    VehicleModelConnectorType,
    VehicleTrim,
)
from ev_energy.resources._base import PUBLIC, Resource
from ev_energy.resources._constraints import in_range, not_empty, one_of

if TYPE_CHECKING:
    from ev_energy.models.programs import Program
    from ev_energy.models.users import User

VehicleModelExpand: TypeAlias = Literal["make"]
VehicleTrimExpand: TypeAlias = Literal["model", "model.make"]
VehicleOrdering: TypeAlias = Literal["name", "-name"]


class VehicleMakes(Resource):
    """Manufacturers of vehicles.

    Calls without a token are limited to 50 per hour and IP address. Lists are in order of creation
    unless *ordering* is ``name`` or, in reverse, ``-name``.
    """

    def list(
        self,
        *,
        available_for_user_id: Id[User] | None = None,
        ordering: VehicleOrdering | None = None,
        page_size: int = 100,
    ) -> Pager[VehicleMake]:
        """List makes; with *available_for_user_id*, those for that user's region and program.

        ``onboarding_url`` includes the user that the client acts for (`acting_for`).

        GET /vehicle_makes, public.
        """
        return self._list(
            VehicleMake,
            "/vehicle_makes",
            scope=PUBLIC,
            available_for_user_id=as_id("available_for_user_id", "User", available_for_user_id),
            ordering=one_of("ordering", ordering, VehicleOrdering),
            page_size=page_size,
        )

    async def get(self, vehicle_make_id: Id[VehicleMake]) -> VehicleMake:
        """Retrieve one make.

        GET /vehicle_makes/{vehicle_make_id}, public.
        """
        return await self._get(
            VehicleMake, "/vehicle_makes/{vehicle_make_id}", vehicle_make_id, scope=PUBLIC
        )


class VehicleModels(Resource):
    """Models of vehicles, and their connectors for DC charging.

    Calls for models without a token are limited to 50 per hour and IP address. Lists are in order
    of creation unless *ordering* is ``name`` or, in reverse, ``-name``. The scope
    ``vehicle_catalogue:write`` is for maintainers of the catalogue, not for usual applications.
    """

    def list(
        self,
        *,
        make_id: Id[VehicleMake] | None = None,
        available_for_user_id: Id[User] | None = None,
        ordering: VehicleOrdering | None = None,
        page_size: int = 100,
        expand: Sequence[VehicleModelExpand] = (),
    ) -> Pager[VehicleModel]:
        """List models, optionally of one make, and for one user's region and program.

        ``onboarding_url`` includes the user that the client acts for (`acting_for`).

        GET /vehicle_models, public.
        """
        return self._list(
            VehicleModel,
            "/vehicle_models",
            scope=PUBLIC,
            make_id=as_id("make_id", "VehicleMake", make_id),
            available_for_user_id=as_id("available_for_user_id", "User", available_for_user_id),
            ordering=one_of("ordering", ordering, VehicleOrdering),
            page_size=page_size,
            expand=expand_values(VehicleModelExpand, expand),
        )

    async def create(self, *, name: str, make: Id[VehicleMake]) -> VehicleModel:
        """Add a missing model. It stays hidden until it has been reviewed.

        With `acting_for`, it is created in the name of that user.

        POST /vehicle_models, scope vehicle:write.
        """
        return await self._post(
            VehicleModel,
            "/vehicle_models",
            scope="vehicle:write",
            json={"name": not_empty("name", name), "make": as_link("/vehicle_makes", make)},
        )

    async def get(
        self, vehicle_model_id: Id[VehicleModel], *, expand: Sequence[VehicleModelExpand] = ()
    ) -> VehicleModel:
        """Retrieve one model.

        GET /vehicle_models/{vehicle_model_id}, public.
        """
        return await self._get(
            VehicleModel,
            "/vehicle_models/{vehicle_model_id}",
            vehicle_model_id,
            scope=PUBLIC,
            expand=expand_values(VehicleModelExpand, expand),
        )

    async def update(
        self,
        vehicle_model_id: Id[VehicleModel],
        *,
        default_connector_type: ConnectorType | str | Unset | None = UNSET,
    ) -> VehicleModel:
        """Change a model's default connector; None makes it unknown. Nothing else can be changed.

        This also changes the vehicles that have no connector of their own.

        PATCH /vehicle_models/{vehicle_model_id}, scope vehicle_catalogue:write.
        """
        return await self._patch(
            VehicleModel,
            "/vehicle_models/{vehicle_model_id}",
            vehicle_model_id,
            scope="vehicle_catalogue:write",
            json={"default_connector_type": default_connector_type},
        )

    def connectors(
        self, vehicle_model_id: Id[VehicleModel], *, page_size: int = 100
    ) -> Pager[VehicleModelConnector]:
        """List the connectors of a model, one per region.

        GET /vehicle_models/{vehicle_model_id}/connectors, public.
        """
        return self._list(
            VehicleModelConnector,
            "/vehicle_models/{vehicle_model_id}/connectors",
            vehicle_model_id,
            scope=PUBLIC,
            page_size=page_size,
        )

    async def create_connector(
        self,
        vehicle_model_id: Id[VehicleModel],
        *,
        region: VehicleModelConnectorRegion | str,
        connector_type: VehicleModelConnectorType | str,
        source: VehicleModelConnectorSource | str | Unset | None = UNSET,
        confidence: VehicleModelConnectorConfidence | str | Unset | None = UNSET,
        verified_at: datetime | Unset | None = UNSET,
    ) -> VehicleModelConnector:
        """Set the connector of a model in a region that has none yet.

        Raises `BadRequestError` of type ``validation-failed-create-vehicle-model-connector`` for a
        region that already has one.

        POST /vehicle_models/{vehicle_model_id}/connectors, scope vehicle_catalogue:write.
        """
        return await self._post(
            VehicleModelConnector,
            "/vehicle_models/{vehicle_model_id}/connectors",
            vehicle_model_id,
            scope="vehicle_catalogue:write",
            json={
                "region": region,
                "connector_type": connector_type,
                "source": source,
                "confidence": confidence,
                "verified_at": verified_at,
            },
        )

    async def connector(
        self, vehicle_model_id: Id[VehicleModel], region: VehicleModelConnectorRegion | str
    ) -> VehicleModelConnector:
        """Retrieve the connector of a model in one region.

        GET /vehicle_models/{vehicle_model_id}/connectors/{region}, public.
        """
        return await self._get(
            VehicleModelConnector,
            "/vehicle_models/{vehicle_model_id}/connectors/{region}",
            vehicle_model_id,
            region,
            scope=PUBLIC,
        )

    async def update_connector(
        self,
        vehicle_model_id: Id[VehicleModel],
        region: VehicleModelConnectorRegion | str,
        *,
        connector_type: VehicleModelConnectorType | str | Unset = UNSET,
        source: VehicleModelConnectorSource | str | Unset | None = UNSET,
        confidence: VehicleModelConnectorConfidence | str | Unset | None = UNSET,
        verified_at: datetime | Unset | None = UNSET,
    ) -> VehicleModelConnector:
        """Change the connector of a model in one region. Omitted members are unchanged.

        Raises `BadRequestError` of type ``validation-failed-create-vehicle-model-connector``, as
        `create_connector` does, for values that the API rejects.

        PATCH /vehicle_models/{vehicle_model_id}/connectors/{region}, scope vehicle_catalogue:write.
        """
        return await self._patch(
            VehicleModelConnector,
            "/vehicle_models/{vehicle_model_id}/connectors/{region}",
            vehicle_model_id,
            region,
            scope="vehicle_catalogue:write",
            json={
                "connector_type": connector_type,
                "source": source,
                "confidence": confidence,
                "verified_at": verified_at,
            },
        )


class VehicleTrims(Resource):
    """Variants of models. Unlike makes and models, they are not public.

    Lists are in order of creation unless *ordering* is ``name`` or, in reverse, ``-name``.
    """

    def list(
        self,
        *,
        model_id: Id[VehicleModel] | None = None,
        ordering: VehicleOrdering | None = None,
        page_size: int = 100,
        expand: Sequence[VehicleTrimExpand] = (),
    ) -> Pager[VehicleTrim]:
        """List trims, optionally of one model, without those added by `create`.

        ``onboarding_url`` includes the user that the client acts for (`acting_for`).

        GET /vehicle_trims, scope vehicle:read.
        """
        return self._list(
            VehicleTrim,
            "/vehicle_trims",
            scope="vehicle:read",
            model_id=as_id("model_id", "VehicleModel", model_id),
            ordering=one_of("ordering", ordering, VehicleOrdering),
            page_size=page_size,
            expand=expand_values(VehicleTrimExpand, expand),
        )

    async def create(
        self, *, name: str, model: Id[VehicleModel], battery_size_watt_hours: int
    ) -> VehicleTrim:
        """Add a missing trim, with a battery of 1000 to 300000 Wh.

        It is never part of `list`, so keep its id.

        POST /vehicle_trims, scope vehicle:write.
        """
        return await self._post(
            VehicleTrim,
            "/vehicle_trims",
            scope="vehicle:write",
            json={
                "name": not_empty("name", name),
                "model": as_link("/vehicle_models", model),
                "battery_size_watt_hours": in_range(
                    "battery_size_watt_hours", battery_size_watt_hours, 1_000, 300_000
                ),
            },
        )

    async def get(
        self, vehicle_trim_id: Id[VehicleTrim], *, expand: Sequence[VehicleTrimExpand] = ()
    ) -> VehicleTrim:
        """Retrieve one trim.

        GET /vehicle_trims/{vehicle_trim_id}, scope vehicle:read.
        """
        return await self._get(
            VehicleTrim,
            "/vehicle_trims/{vehicle_trim_id}",
            vehicle_trim_id,
            scope="vehicle:read",
            expand=expand_values(VehicleTrimExpand, expand),
        )


class VehicleCompatibility(Resource):
    """Whether a model can be used; for people who have no account yet."""

    async def check(
        self,
        *,
        vehicle_model_id: Id[VehicleModel],
        country: str | None = None,
        client_id: str | None = None,
        program_id: Id[Program] | None = None,
    ) -> VehicleCompatibilityCheckResult:
        """Check whether a model can be used in a country, or in a program.

        Args:
            vehicle_model_id: The model.
            country: Two-letter code (ISO 3166-1). If omitted, it follows from the client's
                *language*, or is ``US``. Ignored with *program_id*.
            client_id: Your application; a sandbox application gets a fixed reply.
            program_id: A program; its country and its own list of models then apply.

        Raises `BadRequestError` of type ``validation-failed-vehicle-compatibility-check``, or
        `NotFoundError` of type ``vehicle-model-not-found`` or
        ``program-not-found-vehicle-compatibility``.

        GET /vehicle_compatibility/check, public.
        """
        return await self._get(
            VehicleCompatibilityCheckResult,
            "/vehicle_compatibility/check",
            scope=PUBLIC,
            vehicle_model_id=as_id("vehicle_model_id", "VehicleModel", vehicle_model_id),
            country=country,
            client_id=client_id,
            program_id=as_id("program_id", "Program", program_id),
        )
