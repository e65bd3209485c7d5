"""Connecting an EVSE: in the user's browser, by serial number, or not yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from yarl import URL

from ev_energy._api.urls import expand_values
from ev_energy._codec.text import as_id
from ev_energy._unset import UNSET, Unset
from ev_energy.models._refs import Id
from ev_energy.models.evse_onboarding import (
    EVSEImportRequestProvider,
    EVSEOnboardingJsonResponse,
    EVSEWaitlistResponse,
)
from ev_energy.models.evses import EVSE, EVSEMake, EVSEModel
from ev_energy.models.onboarding import OnboardingLink
from ev_energy.resources._base import PUBLIC, Resource
from ev_energy.resources._constraints import absolute_url, model_id_or_names, not_empty, require_any
from ev_energy.resources.evses import EVSEExpand

if TYPE_CHECKING:
    from ev_energy.models.programs import Program
    from ev_energy.models.users import User


class EvseOnboarding(Resource):
    """Ways to connect an EVSE.

    After the web flow the user's browser arrives at the redirect URI with ``evse_uid``, the new
    EVSE's id (and ``evse_id``, a number of the API's first version: ignore it).
    """

    async def get(
        self,
        *,
        user_id: Id[User],
        client_id: str,
        make_id: Id[EVSEMake] | None = None,
        model_id: Id[EVSEModel] | None = None,
        redirect_uri: str | URL | None = None,
    ) -> OnboardingLink:
        """Get the link where the user's browser connects an EVSE.

        The API answers with a redirect, which is not followed; nothing secret is sent along.

        Args:
            user_id: Whose EVSE it will be.
            client_id: Your OAuth application.
            make_id: Its make; with neither make nor model the user is asked for it.
            model_id: Its model.
            redirect_uri: Where the browser goes in the end: scheme and host of one registered for
                your application. Left out, the application's own.

        GET /evse_onboarding, public.
        """
        return OnboardingLink(
            await self._redirect(
                "/evse_onboarding",
                scope=PUBLIC,
                user_id=as_id("user_id", user_id),
                client_id=not_empty("client_id", client_id),
                make_id=as_id("make_id", make_id),
                model_id=as_id("model_id", model_id),
                redirect_uri=absolute_url("redirect_uri", redirect_uri),
            )
        )

    async def get_json(
        self,
        *,
        user_id: Id[User],
        client_id: str,
        make_id: Id[EVSEMake] | None = None,
        model_id: Id[EVSEModel] | None = None,
        redirect_uri: str | URL | None = None,
    ) -> EVSEOnboardingJsonResponse:
        """Get the same link as JSON, for a native app's web view; it needs make or model.

        GET /evse_onboarding, public.
        """
        require_any(make_id=make_id, model_id=model_id)
        return await self._get(
            EVSEOnboardingJsonResponse,
            "/evse_onboarding",
            scope=PUBLIC,
            user_id=as_id("user_id", user_id),
            client_id=not_empty("client_id", client_id),
            make_id=as_id("make_id", make_id),
            model_id=as_id("model_id", model_id),
            response_type="json",
            redirect_uri=absolute_url("redirect_uri", redirect_uri),
        )

    async def import_(
        self,
        *,
        provider: EVSEImportRequestProvider | str,
        serial_number: str,
        expand: Sequence[EVSEExpand] = (),
    ) -> EVSE:
        """Connect an EVSE by its serial number, looked up at its provider by the user's e-mail.

        `NotFoundError`: the provider does not know it. `UnprocessableError`: it is connected
        already, or the provider failed.

        POST /evse_onboarding/import, scope evse:write.
        """
        return await self._post(
            EVSE,
            "/evse_onboarding/import",
            scope="evse:write",
            json={
                "provider": provider,
                "serial_number": not_empty("serial_number", serial_number),
            },
            expand=expand_values(EVSEExpand, expand),
        )


class EvseWaitlist(Resource):
    """People who wait for their EVSE to be supported."""

    async def create(
        self,
        *,
        email: str,
        evse_model_id: Id[EVSEModel] | Unset | None = UNSET,
        evse_make_name: str | Unset = UNSET,
        evse_model_name: str | Unset = UNSET,
        program_id: Id[Program] | Unset | None = UNSET,
        client_id: str | None = None,
    ) -> EVSEWaitlistResponse:
        """Put somebody on the waiting list, to be told when their EVSE is supported.

        Give either *evse_model_id*, or *evse_make_name* and *evse_model_name*. The country is the
        program's, or follows from the client's *language*, or is ``US``.

        POST /evse_waitlist, public.
        """
        body = {
            "email": not_empty("email", email),
            "evse_model_id": as_id("evse_model_id", evse_model_id),
            "evse_make_name": evse_make_name,
            "evse_model_name": evse_model_name,
            "program_id": as_id("program_id", program_id),
        }
        model_id_or_names("evse", body)
        return await self._post(
            EVSEWaitlistResponse, "/evse_waitlist", scope=PUBLIC, json=body, client_id=client_id
        )
