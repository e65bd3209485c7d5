"""The catalogue of EVSEs: makes, models, firmware versions and compatibility.

Calls without a token are limited to 50 per hour and IP address. Firmware versions need a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from ev_energy._api.paging import Pager
from ev_energy._api.urls import expand_values
from ev_energy._codec.text import as_id
from ev_energy.models._refs import Id
from ev_energy.models.evse_onboarding import EVSECompatibilityCheckResult
from ev_energy.models.evses import EVSEFirmwareVersion, EVSEMake, EVSEModel
from ev_energy.resources._base import PUBLIC, Resource

if TYPE_CHECKING:
    from ev_energy.models.programs import Program
    from ev_energy.models.users import User

EVSEModelExpand: TypeAlias = Literal["make"]


class EvseMakes(Resource):
    """Manufacturers of EVSEs."""

    def list(
        self, *, available_for_user_id: Id[User] | None = None, page_size: int = 100
    ) -> Pager[EVSEMake]:
        """List makes; with *available_for_user_id*, those for that user's region and program.

        ``onboarding_url`` includes the user that the client acts for (`acting_for`).

        GET /evse_makes, public.
        """
        return self._list(
            EVSEMake,
            "/evse_makes",
            scope=PUBLIC,
            available_for_user_id=as_id("available_for_user_id", "User", available_for_user_id),
            page_size=page_size,
        )

    async def get(self, evse_make_id: Id[EVSEMake]) -> EVSEMake:
        """Retrieve one make.

        GET /evse_makes/{evse_make_id}, public.
        """
        return await self._get(EVSEMake, "/evse_makes/{evse_make_id}", evse_make_id, scope=PUBLIC)


class EvseModels(Resource):
    """Models of EVSEs."""

    def list(
        self,
        *,
        make_id: Id[EVSEMake] | None = None,
        available_for_user_id: Id[User] | None = None,
        page_size: int = 100,
        expand: Sequence[EVSEModelExpand] = (),
    ) -> Pager[EVSEModel]:
        """List models, optionally of one make, and for one user's region and program.

        ``onboarding_url`` includes the user that the client acts for (`acting_for`).

        GET /evse_models, public.
        """
        return self._list(
            EVSEModel,
            "/evse_models",
            scope=PUBLIC,
            make_id=as_id("make_id", "EVSEMake", make_id),
            available_for_user_id=as_id("available_for_user_id", "User", available_for_user_id),
            page_size=page_size,
            expand=expand_values(EVSEModelExpand, expand),
        )

    async def get(
        self, evse_model_id: Id[EVSEModel], *, expand: Sequence[EVSEModelExpand] = ()
    ) -> EVSEModel:
        """Retrieve one model.

        GET /evse_models/{evse_model_id}, public.
        """
        return await self._get(
            EVSEModel,
            "/evse_models/{evse_model_id}",
            evse_model_id,
            scope=PUBLIC,
            expand=expand_values(EVSEModelExpand, expand),
        )


class EvseFirmwareVersions(Resource):
    """Firmware releases that are meant for all users."""

    def list(self, *, page_size: int = 100) -> Pager[EVSEFirmwareVersion]:
        """List firmware releases.

        GET /evse_firmware_versions, scope evse:read.
        """
        return self._list(
            EVSEFirmwareVersion, "/evse_firmware_versions", scope="evse:read", page_size=page_size
        )

    async def get(self, evse_firmware_version_id: Id[EVSEFirmwareVersion]) -> EVSEFirmwareVersion:
        """Retrieve one firmware release.

        GET /evse_firmware_versions/{evse_firmware_version_id}, scope evse:read.
        """
        return await self._get(
            EVSEFirmwareVersion,
            "/evse_firmware_versions/{evse_firmware_version_id}",
            evse_firmware_version_id,
            scope="evse:read",
        )


class EvseCompatibility(Resource):
    """Whether a model can be used; for people who have no account yet."""

    async def check(
        self,
        *,
        evse_model_id: Id[EVSEModel],
        country: str | None = None,
        program_id: Id[Program] | None = None,
        client_id: str | None = None,
    ) -> EVSECompatibilityCheckResult:
        """Check whether a model can be used in a country, or in a program.

        Args:
            evse_model_id: The model.
            country: Two-letter code (ISO 3166-1). If omitted, it follows from the client's
                *language*, or is ``US``. Ignored with *program_id*.
            program_id: A program; its own list of models is then checked too.
            client_id: Your application; a sandbox application gets a fixed reply.

        Raises `NotFoundError` of type ``evse-model-not-found`` or ``program-not-found``.

        GET /evse_compatibility/check, public.
        """
        return await self._get(
            EVSECompatibilityCheckResult,
            "/evse_compatibility/check",
            scope=PUBLIC,
            evse_model_id=as_id("evse_model_id", "EVSEModel", evse_model_id),
            country=country,
            program_id=as_id("program_id", "Program", program_id),
            client_id=client_id,
        )
