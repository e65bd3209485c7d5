"""Admin endpoints of applications and their tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator.admin._endpoint import AdminEndpoint, bad_request
from ev_energy.simulator.http._problems import not_found
from ev_energy.simulator.resources.regions import DEFAULT_ORGANISATION, organisation_of

if TYPE_CHECKING:
    from ev_energy.simulator.admin._endpoint import AdminRequest
    from ev_energy.simulator.oauth import Application


def _shown(request: AdminRequest, application: Application) -> dict[str, Any]:
    return {
        "client_id": application.client_id,
        "client_secret": application.client_secret or None,
        "name": application.name,
        "scopes": sorted(application.scopes),
        "redirect_uris": list(application.redirect_uris),
        "public": application.public,
        "onboarding_redirect_url": application.onboarding_redirect_url,
        "organisation": organisation_of(request.world, application.client_id),
    }


def _applications(request: AdminRequest) -> Any:
    return [
        _shown(request, application) for application in request.auth_server.applications.values()
    ]


def _add_application(request: AdminRequest) -> Any:
    try:
        client_id, _ = request.simulator.add_application(
            scopes=request.get("scopes", list[str]),
            redirect_uris=request.get("redirect_uris", list[str], []),
            public=request.get("public", bool, default=False),
            name=request.get("name", str),
            onboarding_redirect_url=request.get("onboarding_redirect_url", str),
            organisation=request.get("organisation", str)
            if "organisation" in request.body
            else DEFAULT_ORGANISATION,
        )
    except ValueError as error:
        raise bad_request(error, "redirect_uris", "onboarding_redirect_url") from None
    return _shown(request, request.auth_server.applications[client_id])


def _sign_in(request: AdminRequest) -> Any:
    try:
        return request.simulator.token_reply(
            request.get("user_id", str),
            client_id=request.get("client_id", str),
            scopes=request.get("scopes", list[str]),
        )
    except ValueError as error:
        raise bad_request(error, "user_id", "client_id", "scopes") from None


def _expire_tokens(request: AdminRequest) -> None:
    request.simulator.expire_tokens()


def _revoke_token(request: AdminRequest) -> None:
    if not request.simulator.revoke_token(request.require("token", str)):
        raise not_found("No such token exists.")


APPLICATIONS: Final = (
    AdminEndpoint(
        method="GET",
        path="/applications",
        about="All applications, with their secrets.",
        handler=_applications,
    ),
    AdminEndpoint(
        method="POST",
        path="/applications",
        about="Register an application.",
        handler=_add_application,
        creates=True,
        body={
            "scopes": "a list of scopes that it may request; all scopes if left out",
            "redirect_uris": "a list of URLs to which a login may redirect",
            "public": "true if it has no secret and uses PKCE",
            "name": "the name on the consent page",
            "onboarding_redirect_url": "the URL after onboarding, for links without one",
            "organisation": f"its organisation, null for none; {DEFAULT_ORGANISATION} if left out",
        },
    ),
    AdminEndpoint(
        method="POST",
        path="/tokens",
        about="The tokens of a user, as after login and consent.",
        handler=_sign_in,
        creates=True,
        body={
            "user_id": "the user; the first one if left out",
            "client_id": "the application; the first one if left out",
            "scopes": "a list of scopes; all that the application may have if left out",
        },
    ),
    AdminEndpoint(
        method="POST",
        path="/tokens/expire",
        about="Make all access tokens invalid; refresh tokens stay valid.",
        handler=_expire_tokens,
    ),
    AdminEndpoint(
        method="POST",
        path="/tokens/revoke",
        about="Make one token invalid.",
        handler=_revoke_token,
        body={"token": "an access or a refresh token"},
    ),
)
