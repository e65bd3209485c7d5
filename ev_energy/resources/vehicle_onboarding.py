"""Connecting a vehicle in a browser, in an app or by e-mail, and the waiting list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yarl import URL

from ev_energy._arguments import require_text
from ev_energy._codec.id_check import kind_of
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

    The web flow ends by redirecting the user's browser to the redirect URI with one
    ``vehicle_uid``, the id of the vehicle, for each connected vehicle (and as many ``vehicle_id``,
    numbers of the API's first version: ignore them).
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
        """Get a link with which the user connects a vehicle in a browser.

        The API replies with a redirect, which is not followed. The request contains no secret.
        Only `get_json` raises `UnprocessableError`.

        Args:
            user_id: The future owner of the vehicle.
            client_id: Your OAuth application.
            make_id: The make; without make, model and trim, the web page asks the user for it.
            model_id: The model.
            trim_id: The trim.
            redirect_uri: The page to return to; scheme and host must match one registered for your
                application. If omitted, the application's own redirect URI is used.

        GET /vehicle_onboarding, public.
        """
        return OnboardingLink(
            await self._redirect(
                "/vehicle_onboarding",
                scope=PUBLIC,
                user_id=as_id("user_id", "User", user_id),
                client_id=not_empty("client_id", client_id),
                make_id=as_id("make_id", "VehicleMake", make_id),
                model_id=as_id("model_id", "VehicleModel", model_id),
                trim_id=as_id("trim_id", "VehicleTrim", trim_id),
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
        """Get the data for a native app's web view or SDK; needs make, model or trim.

        Raises `UnprocessableError` if the make is not supported or its provider failed.

        GET /vehicle_onboarding, public.
        """
        require_any(make_id=make_id, model_id=model_id, trim_id=trim_id)
        return await self._get(
            VehicleOnboardingJsonResponse,
            "/vehicle_onboarding",
            scope=PUBLIC,
            user_id=as_id("user_id", "User", user_id),
            client_id=not_empty("client_id", client_id),
            make_id=as_id("make_id", "VehicleMake", make_id),
            model_id=as_id("model_id", "VehicleModel", model_id),
            trim_id=as_id("trim_id", "VehicleTrim", trim_id),
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

        An attempt can be completed only once, so do not repeat this call. Raises `NotFoundError` if
        there is no such attempt, and `UnprocessableError` if it has expired, the provider rejected
        the code, or the provider has no vehicles.

        Args:
            authorization_request_uid: The ``authorization_request_id`` from `get_json`.
            auth_code: The code that the provider's SDK returned to the app.
            smartcar_user_id: The ``userId`` that Smartcar returned with the code, at most 100
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

        The vehicle will belong to the owner of the token, whatever the address.

        POST /vehicle_onboarding/onboarding_link, scope vehicle:write.
        """
        await self._post(
            None,
            "/vehicle_onboarding/onboarding_link",
            scope="vehicle:write",
            json={
                "email": not_empty("email", email),
                "make": id_text("make", make, kind_of("VehicleMake")),
            },
        )


class VehicleWaitlist(Resource):
    """The waiting list for vehicle models that are not supported yet."""

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
        """Add a person to the waiting list, to be notified when their vehicle is supported.

        Pass either *vehicle_model_id*, or *vehicle_make_name* and *vehicle_model_name*. The country
        is that of the program, or follows from the client's *language*, or is ``US``. With the
        *client_id* of a sandbox application nothing is stored. Raises `BadRequestError` of type
        ``validation-failed-vehicle-waitlist`` for values that the API rejects.

        POST /vehicle_waitlist, public.
        """
        body = {
            "email": not_empty("email", email),
            "vehicle_model_id": as_id("vehicle_model_id", "VehicleModel", vehicle_model_id),
            "vehicle_make_name": vehicle_make_name,
            "vehicle_model_name": vehicle_model_name,
            "program_id": as_id("program_id", "Program", program_id),
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
    """Return the text of a UUID, which may be passed as text."""
    return (
        str(value) if isinstance(value, Uuid) else require_text("authorization_request_uid", value)
    )
