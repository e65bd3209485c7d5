"""Programs: what users join to be rewarded for charging at the right time."""

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
    """Programs, their tiers, what their members agree to, and which vehicles they support."""

    def list(
        self,
        *,
        coordinates: LatLong | str | None = None,
        postal_code: str | None = None,
        country_code: CountryCode | str | None = None,
    ) -> Pager[Program]:
        """List programs.

        With a token that stands for a user, or a client that acts for one (`acting_for`), only
        those which that user's location may make eligible.

        Args:
            coordinates: Only what is open to people who charge there. Text is latitude before
                longitude, with a comma. Not together with *postal_code*.
            postal_code: Only what is open to people who charge there, written as the country
                writes it.
            country_code: The country of *postal_code*, which needs it.

        GET /programs, public.
        """
        _one_place(coordinates, postal_code, country_code)
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
        """List the vehicle models that a program supports, all in one page.

        With `acting_for`, asked as that user.

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
        """Send what tells the utility which of its customers a user is.

        The user is the one the token stands for, or that the client acts for (`acting_for`). What
        was sent cannot be read back.

        Args:
            program_id: Whose utility it is.
            details: A JSON object, sent as it is. Each program has its own rules for it:
                ``{"account_number": "12345678-A"}`` for one, ``{"pin": "abcde-12345"}`` for
                another. What does not fit them is a `BadRequestError`.

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
        """Send what a program wants to know of a user who has joined.

        The user is the one the token stands for, or that the client acts for (`acting_for`).
        *details* is a JSON object as in `user_verification`, by other rules of the program.

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
        """Enrol a user in a program, in its default tier; they leave any other program.

        The user is the one the token stands for, or that the client acts for (`acting_for`). To
        join again changes nothing, so the call may be repeated. `NotFoundError`: there is no such
        program, or it has no default tier.

        POST /programs/{program_id}/join, scope utility_account:write.
        """
        return await self._post(
            Program, "/programs/{program_id}/join", program_id, scope="utility_account:write"
        )

    def tiers(self, program_id: Id[Program], *, page_size: int = 100) -> Pager[ProgramTier]:
        """List the tiers of a program that can be chosen.

        Only for a user is ``eligible`` known: the one the token stands for, or that the client
        acts for (`acting_for`).

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
        """Retrieve one tier; ``eligible`` needs a user here too (`acting_for`).

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

        `NotFoundError`: none was ever published.

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
        """Note that the user agrees to this version of a program's participation agreement.

        The token must be the user's own: nobody else can agree, so client credentials are refused.
        The call may be repeated; the version stays accepted once.

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
    """Rules by which a user earns money."""

    def list(self) -> Pager[IncentiveScheme]:
        """List the schemes that a user is eligible for.

        The user is the one the token stands for. With client credentials there is none: unless the
        client acts for one (`acting_for`), it is a `BadRequestError`.

        GET /incentive_schemes, any scope.
        """
        return self._list(IncentiveScheme, "/incentive_schemes", scope=ANY_SCOPE)


def _one_place(coordinates: object, postal_code: object, country_code: object) -> None:
    """A point or a postal code, not both; and a postal code means nothing without its country."""
    if coordinates is not None and postal_code is not None:
        raise ValueError("give either coordinates or postal_code, not both")
    if postal_code is not None and country_code is None:
        raise ValueError("postal_code needs country_code, the country it is in")
