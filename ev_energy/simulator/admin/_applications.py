"""Applications and their tokens, from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator.admin._endpoint import Door, refused
from ev_energy.simulator.http._problems import not_found
from ev_energy.simulator.resources.regions import DEFAULT_ORGANISATION, organisation_of

if TYPE_CHECKING:
    from ev_energy.simulator.admin._endpoint import Ask
    from ev_energy.simulator.oauth import Application


def _shown(ask: Ask, application: Application) -> dict[str, Any]:
    return {
        "client_id": application.client_id,
        "client_secret": application.client_secret or None,
        "name": application.name,
        "scopes": sorted(application.scopes),
        "redirect_uris": list(application.redirect_uris),
        "public": application.public,
        "onboarding_redirect_url": application.onboarding_redirect_url,
        "organisation": organisation_of(ask.world, application.client_id),
    }


def _applications(ask: Ask) -> Any:
    return [_shown(ask, application) for application in ask.auth_server.applications.values()]


def _add_application(ask: Ask) -> Any:
    try:
        client_id, _ = ask.simulator.add_application(
            scopes=ask.get("scopes", list[str]),
            redirect_uris=ask.get("redirect_uris", list[str], []),
            public=ask.get("public", bool, usual=False),
            name=ask.get("name", str),
            onboarding_redirect_url=ask.get("onboarding_redirect_url", str),
            organisation=ask.get("organisation", str)
            if "organisation" in ask.body
            else DEFAULT_ORGANISATION,
        )
    except ValueError as error:
        raise refused(error, "redirect_uris", "onboarding_redirect_url", "scopes") from None
    return _shown(ask, ask.auth_server.applications[client_id])


def _sign_in(ask: Ask) -> Any:
    try:
        return ask.simulator.sign_in(
            ask.get("user_id", str),
            client_id=ask.get("client_id", str),
            scopes=ask.get("scopes", list[str]),
        )
    except ValueError as error:
        raise refused(error, "user_id", "client_id", "scopes") from None


def _expire(ask: Ask) -> None:
    ask.simulator.expire_tokens()


def _revoke(ask: Ask) -> None:
    if not ask.simulator.revoke_token(ask.need("token", str)):
        raise not_found("No such token")


ACCESS: Final = (
    Door(
        method="GET",
        path="/applications",
        about="All applications, with their secrets.",
        answer=_applications,
    ),
    Door(
        method="POST",
        path="/applications",
        about="Register an application.",
        answer=_add_application,
        made=True,
        takes={
            "scopes": "a list of what it may ask for; all there are if left out",
            "redirect_uris": "a list of where a login may lead back to",
            "public": "true if it can keep no secret and uses PKCE",
            "name": "what drivers read when they are asked for consent",
            "onboarding_redirect_url": "where drivers go after onboarding if a link does not say",
            "organisation": f"whose it is, null for nobody's; {DEFAULT_ORGANISATION} if left out",
        },
    ),
    Door(
        method="POST",
        path="/tokens",
        about="The tokens of a user who went through login and consent.",
        answer=_sign_in,
        made=True,
        takes={
            "user_id": "the user; the first one if left out",
            "client_id": "the application; the first one if left out",
            "scopes": "a list of scopes; all that the application may have if left out",
        },
    ),
    Door(
        method="POST",
        path="/tokens/expire",
        about="Make all access tokens invalid; refresh tokens stay good.",
        answer=_expire,
    ),
    Door(
        method="POST",
        path="/tokens/revoke",
        about="Make one token invalid.",
        answer=_revoke,
        takes={"token": "an access or a refresh token"},
    ),
)
