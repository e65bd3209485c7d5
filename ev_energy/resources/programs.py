"""Programs that users join to be rewarded for charging at the right time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from ev_energy._api.paging import Pager
from ev_energy._api.urls import expand_values
from ev_energy._codec.encode import as_given
from ev_energy.models._refs import Id
from ev_energy.models.programs import (
    IncentiveScheme,
    ParticipationAgreementVersion,
    Program,
    ProgramTier,
    ProgramVehicleCompatibility,
)
from ev_energy.resources._base import ANY_SCOPE, PUBLIC, Resource
from ev_energy.resources._constraints import lat_lng_text

if TYPE_CHECKING:
    from ev_energy.models.common import LatLong
    from ev_energy.models.countries import CountryCode

ProgramVehicleCompatibilityExpand: TypeAlias = Literal["model"]


class Programs(Resource):
    """Programs, with their tiers, participation agreements and supported vehicles."""

    def list(
        self,
        *,
        coordinates: LatLong | str | None = None,
        postal_code: str | None = None,
        country_code: CountryCode | str | None = None,
    ) -> Pager[Program]:
        """List programs.

        With a user's token, or if the client acts for a user (`acting_for`), only programs for
        which the user's location may be eligible.

        Args:
            coordinates: Only programs for people who charge there. As text: latitude, comma,
                longitude. Not allowed together with *postal_code*.
            postal_code: Only programs for people who charge there, in the country's usual
                spelling.
            country_code: The country of *postal_code*; required with it.

        GET /programs, public.
        """
        _check_location(coordinates, postal_code, country_code)
        return self._list(
            Program,
            "/programs",
            scope=PUBLIC,
            coordinates=lat_lng_text("coordinates", coordinates),
            postal_code=postal_code,
            country_code=country_code,
        )

    async def get(self, program_id: Id[Program]) -> Program:
        """Retrieve one program.

        GET /programs/{program_id}, public.
        """
        return await self._get(Program, "/programs/{program_id}", program_id, scope=PUBLIC)

    def vehicle_compatibility(
        self, program_id: Id[Program], *, expand: Sequence[ProgramVehicleCompatibilityExpand] = ()
    ) -> Pager[ProgramVehicleCompatibility]:
        """List the vehicle models that a program supports, on a single page.

        With `acting_for`, the call is made as that user.

        GET /programs/{program_id}/vehicle_compatibility, scope vehicle:read.
        """
        return self._list(
            ProgramVehicleCompatibility,
            "/programs/{program_id}/vehicle_compatibility",
            program_id,
            scope="vehicle:read",
            expand=expand_values(ProgramVehicleCompatibilityExpand, expand),
        )

    async def user_verification(
        self, program_id: Id[Program], *, details: Mapping[str, object]
    ) -> None:
        """Send details by which the utility recognises the user as one of its customers.

        The user is the owner of the token, or the user that the client acts for (`acting_for`). The
        details cannot be read back.

        Args:
            program_id: The program of the utility.
            details: A JSON object, sent unchanged. Each program has its own rules for it, such as
                ``{"account_number": "12345678-A"}`` or ``{"pin": "abcde-12345"}``. Details that
                break them raise `BadRequestError`.

        POST /programs/{program_id}/user_verification, any scope.
        """
        await self._post(
            None,
            "/programs/{program_id}/user_verification",
            program_id,
            scope=ANY_SCOPE,
            json=as_given("details", details),
        )

    async def post_enrollment_verification(
        self, program_id: Id[Program], *, details: Mapping[str, object]
    ) -> None:
        """Send details that a program requires of a user after joining.

        The user is the owner of the token, or the user that the client acts for (`acting_for`).
        *details* is a JSON object as in `user_verification`, with other rules of the program.

        POST /programs/{program_id}/post-enrollment-verification, any scope.
        """
        await self._post(
            None,
            "/programs/{program_id}/post-enrollment-verification",
            program_id,
            scope=ANY_SCOPE,
            json=as_given("details", details),
        )

    async def join(self, program_id: Id[Program]) -> Program:
        """Enrol a user in the default tier of a program. The user leaves any other program.

        The user is the owner of the token, or the user that the client acts for (`acting_for`).
        Joining again changes nothing, so the call may be repeated. Raises `NotFoundError` for an
        unknown program, or one without a default tier.

        POST /programs/{program_id}/join, scope utility_account:write.
        """
        return await self._post(
            Program, "/programs/{program_id}/join", program_id, scope="utility_account:write"
        )

    def tiers(self, program_id: Id[Program], *, page_size: int = 100) -> Pager[ProgramTier]:
        """List the tiers of a program that can be chosen.

        ``eligible`` is known only if there is a user: the owner of the token, or the user that the
        client acts for (`acting_for`).

        GET /programs/{program_id}/tiers, public.
        """
        return self._list(
            ProgramTier,
            "/programs/{program_id}/tiers",
            program_id,
            scope=PUBLIC,
            page_size=page_size,
        )

    async def tier(self, program_id: Id[Program], tier_id: Id[ProgramTier]) -> ProgramTier:
        """Retrieve one tier. As in `tiers`, ``eligible`` needs a user (`acting_for`).

        GET /programs/{program_id}/tiers/{tier_id}, public.
        """
        return await self._get(
            ProgramTier, "/programs/{program_id}/tiers/{tier_id}", program_id, tier_id, scope=PUBLIC
        )

    def participation_agreement_versions(
        self, program_id: Id[Program], *, page_size: int = 100
    ) -> Pager[ParticipationAgreementVersion]:
        """List the versions of a program's participation agreement.

        GET /programs/{program_id}/participation_agreement_versions, public.
        """
        return self._list(
            ParticipationAgreementVersion,
            "/programs/{program_id}/participation_agreement_versions",
            program_id,
            scope=PUBLIC,
            page_size=page_size,
        )

    async def participation_agreement_version(
        self,
        program_id: Id[Program],
        participation_agreement_version_id: Id[ParticipationAgreementVersion],
    ) -> ParticipationAgreementVersion:
        """Retrieve one version of a program's participation agreement.

        GET /programs/{program_id}/participation_agreement_versions/{participation_agreement_version_id}, public.
        """  # noqa: E501  (the operation stays on one line)
        return await self._get(
            ParticipationAgreementVersion,
            "/programs/{program_id}/participation_agreement_versions/{participation_agreement_version_id}",
            program_id,
            participation_agreement_version_id,
            scope=PUBLIC,
        )

    async def current_participation_agreement_version(
        self, program_id: Id[Program]
    ) -> ParticipationAgreementVersion:
        """Retrieve the version of a program's participation agreement that is in force.

        Raises `NotFoundError` if no version was ever published.

        GET /programs/{program_id}/participation_agreement_versions/current, public.
        """
        return await self._get(
            ParticipationAgreementVersion,
            "/programs/{program_id}/participation_agreement_versions/current",
            program_id,
            scope=PUBLIC,
        )

    async def accept_participation_agreement_version(
        self,
        program_id: Id[Program],
        participation_agreement_version_id: Id[ParticipationAgreementVersion],
    ) -> None:
        """Record that the user agrees to this version of a program's participation agreement.

        Only the user can agree, so the token must be the user's own; the API rejects client
        credentials. The call may be repeated; the version is accepted once.

        POST /programs/{program_id}/participation_agreement_versions/{participation_agreement_version_id}/accept, scope programs:write.
        """  # noqa: E501  (the operation stays on one line)
        await self._post(
            None,
            "/programs/{program_id}/participation_agreement_versions/{participation_agreement_version_id}/accept",
            program_id,
            participation_agreement_version_id,
            scope="programs:write",
            json={},
        )


class IncentiveSchemes(Resource):
    """Rules according to which a user earns money."""

    def list(self) -> Pager[IncentiveScheme]:
        """List the schemes that a user is eligible for.

        The user is the owner of the token. With client credentials there is no such user: raises
        `BadRequestError` unless the client acts for one (`acting_for`).

        GET /incentive_schemes, any scope.
        """
        return self._list(IncentiveScheme, "/incentive_schemes", scope=ANY_SCOPE)


def _check_location(coordinates: object, postal_code: object, country_code: object) -> None:
    """Raise `ValueError` for both a point and a postal code, or a code without its country."""
    if coordinates is not None and postal_code is not None:
        raise ValueError("give either coordinates or postal_code, not both")
    if postal_code is not None and country_code is None:
        raise ValueError("postal_code needs country_code, the country it is in")
