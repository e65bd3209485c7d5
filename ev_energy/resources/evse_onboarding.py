"""Connecting an EVSE in the user's browser or by serial number, and the waiting list."""

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

    The web flow ends by redirecting the user's browser to the redirect URI with ``evse_uid``, the
    id of the new EVSE (and ``evse_id``, a number of the API's first version: ignore it).
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
        """Get a link with which the user connects an EVSE in a browser.

        The API replies with a redirect, which is not followed. The request contains no secret.

        Args:
            user_id: The future owner of the EVSE.
            client_id: Your OAuth application.
            make_id: The make; with neither make nor model, the web page asks the user for the make.
            model_id: The model.
            redirect_uri: The page to return to; scheme and host must match one registered for your
                application. If omitted, the application's own redirect URI is used.

        GET /evse_onboarding, public.
        """
        return OnboardingLink(
            await self._redirect(
                "/evse_onboarding",
                scope=PUBLIC,
                user_id=as_id("user_id", "User", user_id),
                client_id=not_empty("client_id", client_id),
                make_id=as_id("make_id", "EVSEMake", make_id),
                model_id=as_id("model_id", "EVSEModel", model_id),
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
        """Get the same link as JSON, for the web view of a native app; needs make or model.

        GET /evse_onboarding, public.
        """
        require_any(make_id=make_id, model_id=model_id)
        return await self._get(
            EVSEOnboardingJsonResponse,
            "/evse_onboarding",
            scope=PUBLIC,
            user_id=as_id("user_id", "User", user_id),
            client_id=not_empty("client_id", client_id),
            make_id=as_id("make_id", "EVSEMake", make_id),
            model_id=as_id("model_id", "EVSEModel", model_id),
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
        """Connect an EVSE by serial number; its provider looks it up by the user's e-mail address.

        Raises `NotFoundError` if the provider does not find it, and `UnprocessableError` if it is
        already connected or the provider failed.

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
    """The waiting list for EVSE models that are not supported yet."""

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
        """Add a person to the waiting list, to be notified when their EVSE is supported.

        Pass either *evse_model_id*, or *evse_make_name* and *evse_model_name*. The country is that
        of the program, or follows from the client's *language*, or is ``US``.

        POST /evse_waitlist, public.
        """
        body = {
            "email": not_empty("email", email),
            "evse_model_id": as_id("evse_model_id", "EVSEModel", evse_model_id),
            "evse_make_name": evse_make_name,
            "evse_model_name": evse_model_name,
            "program_id": as_id("program_id", "Program", program_id),
        }
        model_id_or_names("evse", body)
        return await self._post(
            EVSEWaitlistResponse, "/evse_waitlist", scope=PUBLIC, json=body, client_id=client_id
        )
