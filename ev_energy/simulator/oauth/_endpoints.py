"""The token and revocation endpoints over HTTP, and the installation of the consent pages."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aiohttp import hdrs, web

from ev_energy.simulator.oauth._authorization_server import TokenRefusedError
from ev_energy.simulator.oauth._consent import ConsentPages
from ev_energy.simulator.pages import read_form

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ev_energy.simulator.oauth._authorization_server import AuthorizationServer
    from ev_energy.simulator.oauth._user_directory import UserDirectory
    from ev_energy.simulator.pages import BrowserSessions

    #: Takes the Authorization header and the form of a request; returns the JSON of the reply.
    _Handler = Callable[[str | None, Mapping[str, str]], Any]

#: RFC 6749, section 5.1: replies with tokens must not be cached.
_NO_STORE: Final = {hdrs.CACHE_CONTROL: "no-store", hdrs.PRAGMA: "no-cache"}


def install(
    app: web.Application,
    auth_server: AuthorizationServer,
    directory: UserDirectory,
    browser_sessions: BrowserSessions,
) -> None:
    """Serve tokens, revocation and the pages for login and consent, all below ``/o``."""

    async def token(request: web.Request) -> web.Response:
        return await _reply(request, auth_server.issue)

    async def revoke(request: web.Request) -> web.Response:
        return await _reply(request, auth_server.revoke)

    router = app.router
    router.add_post("/o/token/", token)
    router.add_post("/o/token", token)
    router.add_post("/o/revoke_token/", revoke)
    router.add_route("*", "/o/revoke_token", _slash_missing)
    ConsentPages(auth_server, directory, browser_sessions).install(router)


async def _reply(request: web.Request, handler: _Handler) -> web.Response:
    try:
        form = await _read_parameters(request)
        body = handler(request.headers.get(hdrs.AUTHORIZATION), form)
    except TokenRefusedError as error:
        headers = dict(_NO_STORE)
        if error.status == HTTPStatus.UNAUTHORIZED:
            headers[hdrs.WWW_AUTHENTICATE] = 'Basic realm="ev.energy simulator"'
        return web.json_response(error.body, status=error.status, headers=headers)
    if body is None:
        return web.Response(headers=_NO_STORE)
    return web.json_response(body, headers=_NO_STORE)


async def _read_parameters(request: web.Request) -> dict[str, str]:
    """Return the parameters with a value: empty is absent (RFC 6749, section 3.2)."""
    if request.query_string:
        # Secrets in URLs end up in logs.
        raise TokenRefusedError("invalid_request", "Send parameters in the body, not in the URL")
    try:
        pairs = await read_form(request)
    except ValueError as error:
        raise TokenRefusedError("invalid_request", str(error)) from None
    form = dict(pairs)
    if len(form) < len(pairs):
        raise TokenRefusedError("invalid_request", "A parameter was sent more than once")
    return {name: text for name, text in form.items() if text}


async def _slash_missing(request: web.Request) -> web.Response:
    """Refuse every method, as the real server does at this URL."""
    raise web.HTTPMethodNotAllowed(request.method, [])
