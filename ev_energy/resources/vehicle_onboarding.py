"""Connecting a vehicle: in the user's browser, in an app, by e-mail, or not yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yarl import URL

from ev_energy._arguments import require_text
from ev_energy._codec.text import as_id, id_text
from ev_energy._unset import UNSET, Unset
from ev_energy.models._refs import Id
from ev_energy.models._types import Uuid
from ev_energy.models.onboarding import OnboardingLink
from ev_energy.models.vehicle_onboarding import (
    VehicleOnboardingCompleteResponse,
    VehicleOnboardingJsonResponse,
    VehicleWaitlistResponse,
)
from ev_energy.resources._base import PUBLIC, Resource
from ev_energy.resources._constraints import absolute_url, model_id_or_names, not_empty, require_any

if TYPE_CHECKING:
    from ev_energy.models.programs import Program
    from ev_energy.models.users import User
    from ev_energy.models.vehicles import VehicleMake, VehicleModel, VehicleTrim


class VehicleOnboarding(Resource):
    """Ways to connect a vehicle.

    After the web flow the user's browser arrives at the redirect URI with ``vehicle_uid``, the new
    vehicle's id, once for each vehicle that was connected (and as many ``vehicle_id``, numbers of
    the API's first version: ignore them).
    """

    async def get(
        self,
        *,
        user_id: Id[User],
        client_id: str,
        make_id: Id[VehicleMake] | None = None,
        model_id: Id[VehicleModel] | None = None,
        trim_id: Id[VehicleTrim] | None = None,
        redirect_uri: str | URL | None = None,
    ) -> OnboardingLink:
        """Get the link where the user's browser connects a vehicle.

        The API answers with a redirect, which is not followed; nothing secret is sent along.
        `UnprocessableError` is for `get_json` only.

        Args:
            user_id: Whose vehicle it will be.
            client_id: Your OAuth application.
            make_id: Its make; with neither make, model nor trim the user is asked for the make.
            model_id: Its model.
            trim_id: Its trim.
            redirect_uri: Where the browser goes in the end: scheme and host of one registered for
                your application. Left out, the application's own.

        GET /vehicle_onboarding, public.
        """
        return OnboardingLink(
            await self._redirect(
                "/vehicle_onboarding",
                scope=PUBLIC,
                user_id=as_id("user_id", user_id),
                client_id=not_empty("client_id", client_id),
                make_id=as_id("make_id", make_id),
                model_id=as_id("model_id", model_id),
                trim_id=as_id("trim_id", trim_id),
                redirect_uri=absolute_url("redirect_uri", redirect_uri),
            )
        )

    async def get_json(
        self,
        *,
        user_id: Id[User],
        client_id: str,
        make_id: Id[VehicleMake] | None = None,
        model_id: Id[VehicleModel] | None = None,
        trim_id: Id[VehicleTrim] | None = None,
        redirect_uri: str | URL | None = None,
    ) -> VehicleOnboardingJsonResponse:
        """Get what a native app needs for its web view or SDK; give make, model or trim.

        `UnprocessableError`: the make is not supported, or its provider failed.

        GET /vehicle_onboarding, public.
        """
        require_any(make_id=make_id, model_id=model_id, trim_id=trim_id)
        return await self._get(
            VehicleOnboardingJsonResponse,
            "/vehicle_onboarding",
            scope=PUBLIC,
            user_id=as_id("user_id", user_id),
            client_id=not_empty("client_id", client_id),
            make_id=as_id("make_id", make_id),
            model_id=as_id("model_id", model_id),
            trim_id=as_id("trim_id", trim_id),
            response_type="json",
            redirect_uri=absolute_url("redirect_uri", redirect_uri),
        )

    async def complete(
        self,
        *,
        authorization_request_uid: Uuid | str,
        auth_code: str,
        smartcar_user_id: str | Unset | None = UNSET,
    ) -> VehicleOnboardingCompleteResponse:
        """Connect the vehicles that a driver chose in the provider's SDK, after `get_json`.

        An attempt can be completed once: do not repeat this. `NotFoundError`: there is no such
        attempt. `UnprocessableError`: it came too late, the provider did not take the code, or it
        has no vehicles to show.

        Args:
            authorization_request_uid: The ``authorization_request_id`` that `get_json` answered.
            auth_code: What the provider's SDK gave the app.
            smartcar_user_id: The ``userId`` that came with the code from Smartcar, in at most 100
                characters; other providers have none.

        POST /vehicle_onboarding/complete, public.
        """
        return await self._post(
            VehicleOnboardingCompleteResponse,
            "/vehicle_onboarding/complete",
            scope=PUBLIC,
            json={
                "authorization_request_uid": _uid(authorization_request_uid),
                "auth_code": not_empty("auth_code", auth_code),
                "smartcar_user_id": smartcar_user_id,
            },
        )

    async def onboarding_link(self, *, email: str, make: Id[VehicleMake]) -> None:
        """Send a link for connecting a vehicle of *make* to an e-mail address.

        The vehicle will be the user's whom the token stands for, whatever the address.

        POST /vehicle_onboarding/onboarding_link, scope vehicle:write.
        """
        await self._post(
            None,
            "/vehicle_onboarding/onboarding_link",
            scope="vehicle:write",
            json={"email": not_empty("email", email), "make": id_text("make", make)},
        )


class VehicleWaitlist(Resource):
    """People who wait for their vehicle to be supported."""

    async def create(
        self,
        *,
        email: str,
        vehicle_model_id: Id[VehicleModel] | Unset | None = UNSET,
        vehicle_make_name: str | Unset = UNSET,
        vehicle_model_name: str | Unset = UNSET,
        program_id: Id[Program] | Unset | None = UNSET,
        client_id: str | None = None,
    ) -> VehicleWaitlistResponse:
        """Put somebody on the waiting list, to be told when their vehicle is supported.

        Give either *vehicle_model_id*, or *vehicle_make_name* and *vehicle_model_name*. The country
        is the program's, or follows from the client's *language*, or is ``US``. With the
        *client_id* of a sandbox application nothing is kept. What the API refuses is a
        `BadRequestError` of type ``validation-failed-vehicle-waitlist``.

        POST /vehicle_waitlist, public.
        """
        body = {
            "email": not_empty("email", email),
            "vehicle_model_id": as_id("vehicle_model_id", vehicle_model_id),
            "vehicle_make_name": vehicle_make_name,
            "vehicle_model_name": vehicle_model_name,
            "program_id": as_id("program_id", program_id),
        }
        model_id_or_names("vehicle", body)
        return await self._post(
            VehicleWaitlistResponse,
            "/vehicle_waitlist",
            scope=PUBLIC,
            json=body,
            client_id=client_id,
        )


def _uid(value: Uuid | str) -> str:
    """Return the text of a UUID, which the caller may have as text already."""
    return (
        str(value) if isinstance(value, Uuid) else require_text("authorization_request_uid", value)
    )
