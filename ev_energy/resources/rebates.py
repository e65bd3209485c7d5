"""Rebates, users' applications for them, and evidence files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from ev_energy._api.paging import Pager
from ev_energy._api.urls import expand_values
from ev_energy._arguments import require_list
from ev_energy._codec.encode import as_link
from ev_energy._codec.text import as_id
from ev_energy._unset import UNSET, Unset
from ev_energy.models._refs import Id
from ev_energy.models.rebates import (
    EvidenceDataWrite,
    RebateEvidenceFile,
    RebateEvidenceType,
    RebateEvidenceUpload,
    RebateType,
    UserRebate,
    UserRebateCreated,
)
from ev_energy.resources._base import ANY_SCOPE, Resource

RebateTypeExpand: TypeAlias = Literal["required_evidence"]
UserRebateExpand: TypeAlias = Literal["rebate_type", "rebate_type.required_evidence"]
RebateEvidenceFileExpand: TypeAlias = Literal["rebate_evidence_type"]


class RebateTypes(Resource):
    """Rebates that users can apply for. The vendor marks these operations as internal.

    Lists are not paged.
    """

    def list(self, *, expand: Sequence[RebateTypeExpand] = ()) -> Pager[RebateType]:
        """List the rebates that the user can apply for.

        GET /rebate_types, any scope.
        """
        return self._list(
            RebateType,
            "/rebate_types",
            scope=ANY_SCOPE,
            expand=expand_values(RebateTypeExpand, expand),
        )

    async def get(
        self, rebate_type_id: Id[RebateType], *, expand: Sequence[RebateTypeExpand] = ()
    ) -> RebateType:
        """Retrieve one rebate, with texts in the client's *language*.

        GET /rebate_types/{rebate_type_id}, any scope.
        """
        return await self._get(
            RebateType,
            "/rebate_types/{rebate_type_id}",
            rebate_type_id,
            scope=ANY_SCOPE,
            expand=expand_values(RebateTypeExpand, expand),
        )


class RebateEvidenceTypes(Resource):
    """Types of evidence, and the evidence of each type that the user has submitted.

    Lists are not paged.

    The vendor marks `get` as internal.
    """

    def list(self) -> Pager[RebateEvidenceType]:
        """List the types of evidence that the user may have to submit.

        GET /rebate_evidence_types, any scope.
        """
        return self._list(RebateEvidenceType, "/rebate_evidence_types", scope=ANY_SCOPE)

    async def get(self, rebate_evidence_type_id: Id[RebateEvidenceType]) -> RebateEvidenceType:
        """Retrieve one type of evidence, with texts in the client's *language*.

        GET /rebate_evidence_types/{rebate_evidence_type_id}, any scope.
        """
        return await self._get(
            RebateEvidenceType,
            "/rebate_evidence_types/{rebate_evidence_type_id}",
            rebate_evidence_type_id,
            scope=ANY_SCOPE,
        )


class UserRebates(Resource):
    """Users' applications for rebates. Lists are not paged.

    A user's own token gives access to that user's applications; with client credentials, use a
    client that acts for a user (`Client.acting_for`).

    To apply: `create` an application, `update` the data and upload the file
    (`RebateEvidenceFiles`) of each type of evidence, then `submit`. The vendor marks `create` and
    `list` as internal.
    """

    async def create(self, *, rebate_type: Id[RebateType]) -> UserRebateCreated:
        """Create an application for the user that the client acts for (`acting_for`).

        The reply contains only its id and URL.

        POST /user_rebates, any scope.
        """
        return await self._post(
            UserRebateCreated,
            "/user_rebates",
            scope=ANY_SCOPE,
            json={"rebate_type": as_link("/rebate_types", rebate_type)},
        )

    def list(self, *, expand: Sequence[UserRebateExpand] = ()) -> Pager[UserRebate]:
        """List the applications of the user that the client acts for (`acting_for`).

        GET /user_rebates, any scope.
        """
        return self._list(
            UserRebate,
            "/user_rebates",
            scope=ANY_SCOPE,
            expand=expand_values(UserRebateExpand, expand),
        )

    async def get(
        self,
        user_rebate_id: Id[UserRebate | UserRebateCreated],
        *,
        expand: Sequence[UserRebateExpand] = (),
    ) -> UserRebate:
        """Retrieve one application of the user that the client acts for (`acting_for`).

        GET /user_rebates/{user_rebate_id}, any scope.
        """
        return await self._get(
            UserRebate,
            "/user_rebates/{user_rebate_id}",
            user_rebate_id,
            scope=ANY_SCOPE,
            expand=expand_values(UserRebateExpand, expand),
        )

    async def update(
        self,
        user_rebate_id: Id[UserRebate | UserRebateCreated],
        *,
        rebate_type: Id[RebateType],
        evidence_type: Id[RebateEvidenceType],
        evidence_data: Sequence[EvidenceDataWrite],
    ) -> UserRebateCreated:
        """Set the data of one type of evidence, for the user the client acts for (`acting_for`).

        All three keyword arguments are always required. The reply contains only the id and URL of
        the application.

        Args:
            user_rebate_id: The application.
            rebate_type: The rebate that it is for.
            evidence_type: The type of evidence that the data belong to.
            evidence_data: One entry per field. A field is identified by a number that no reply
                contains; see `EvidenceDataWrite`.

        PATCH /user_rebates/{user_rebate_id}, any scope.
        """
        return await self._patch(
            UserRebateCreated,
            "/user_rebates/{user_rebate_id}",
            user_rebate_id,
            scope=ANY_SCOPE,
            json={
                "rebate_type": as_link("/rebate_types", rebate_type),
                "evidence_type": as_link("/rebate_evidence_types", evidence_type),
                "evidence_data": require_list("evidence_data", evidence_data),
            },
        )

    async def submit(self, user_rebate_id: Id[UserRebate | UserRebateCreated]) -> None:
        """Submit an application for review, for the user that the client acts for (`acting_for`).

        All its data and files must have been uploaded.

        POST /user_rebates/{user_rebate_id}:submit, any scope.
        """
        await self._post(
            None, "/user_rebates/{user_rebate_id}:submit", user_rebate_id, scope=ANY_SCOPE
        )


class RebateEvidenceFiles(Resource):
    """Evidence files. Lists are not paged.

    The user is determined as in `UserRebates`, by the token or `Client.acting_for`.

    An upload takes three steps: `start_upload`; ``PUT`` the bytes to the ``presigned_url`` of the
    reply, which is on another host and must not receive the access token; `finish_upload`.
    `Rebates.upload_evidence` performs all three.
    """

    def list(
        self,
        *,
        user_rebate: Id[UserRebate | UserRebateCreated] | None = None,
        expand: Sequence[RebateEvidenceFileExpand] = (),
    ) -> Pager[RebateEvidenceFile]:
        """List the files of the user that the client acts for (`acting_for`).

        With *user_rebate*, only those of that application.

        GET /rebate_evidence_files, any scope.
        """
        return self._list(
            RebateEvidenceFile,
            "/rebate_evidence_files",
            scope=ANY_SCOPE,
            user_rebate=as_id("user_rebate", "UserRebate", user_rebate),
            expand=expand_values(RebateEvidenceFileExpand, expand),
        )

    async def get(
        self,
        rebate_evidence_file_id: Id[RebateEvidenceFile | RebateEvidenceUpload],
        *,
        expand: Sequence[RebateEvidenceFileExpand] = (),
    ) -> RebateEvidenceFile:
        """Retrieve the details of one file of the user that the client acts for (`acting_for`).

        GET /rebate_evidence_files/{rebate_evidence_file_id}, any scope.
        """
        return await self._get(
            RebateEvidenceFile,
            "/rebate_evidence_files/{rebate_evidence_file_id}",
            rebate_evidence_file_id,
            scope=ANY_SCOPE,
            expand=expand_values(RebateEvidenceFileExpand, expand),
        )

    async def start_upload(
        self,
        *,
        user_rebate: Id[UserRebate | UserRebateCreated] | None = None,
        file_name: str | Unset = UNSET,
        rebate_evidence_type: Id[RebateEvidenceType] | Unset = UNSET,
    ) -> RebateEvidenceUpload:
        """Start the upload of a file, and get the URL to ``PUT`` its bytes to.

        The file belongs to the user that the client acts for (`acting_for`).

        Args:
            user_rebate: The application that the file is for.
            file_name: The name of the file with its extension.
            rebate_evidence_type: The type of evidence.

        POST /rebate_evidence_files:start_upload, any scope.
        """
        return await self._post(
            RebateEvidenceUpload,
            "/rebate_evidence_files:start_upload",
            scope=ANY_SCOPE,
            json={
                "file_name": file_name,
                "rebate_evidence_type": as_link("/rebate_evidence_types", rebate_evidence_type),
            },
            user_rebate=as_id("user_rebate", "UserRebate", user_rebate),
        )

    async def finish_upload(
        self, rebate_evidence_file_id: Id[RebateEvidenceFile | RebateEvidenceUpload]
    ) -> RebateEvidenceFile:
        """Finish the upload of a file, after all bytes have been sent.

        For the user that the client acts for (`acting_for`). The reply contains only the file's id
        and URL.

        POST /rebate_evidence_files/{rebate_evidence_file_id}:finish_upload, any scope.
        """
        return await self._post(
            RebateEvidenceFile,
            "/rebate_evidence_files/{rebate_evidence_file_id}:finish_upload",
            rebate_evidence_file_id,
            scope=ANY_SCOPE,
        )
