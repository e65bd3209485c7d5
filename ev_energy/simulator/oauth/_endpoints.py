"""The endpoints that applications talk to, and the way to the pages that drivers see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import hdrs, web

from ev_energy.simulator.oauth._consent import Consent
from ev_energy.simulator.oauth._errors import TokenRefusedError
from ev_energy.simulator.pages import read_form

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ev_energy.simulator.oauth._authorization_server import AuthorizationServer
    from ev_energy.simulator.oauth._user_directory import UserDirectory
    from ev_energy.simulator.pages import BrowserSessions

    Answer = Callable[[str | None, Mapping[str, str]], Any]

_UNAUTHORIZED: Final = 401
_NOT_STORED: Final = {hdrs.CACHE_CONTROL: "no-store", hdrs.PRAGMA: "no-cache"}


def install(
    app: web.Application,
    auth_server: AuthorizationServer,
    directory: UserDirectory,
    browser_sessions: BrowserSessions,
) -> None:
    """Serve tokens, revocation and the pages for login and consent, all below ``/o``."""
    _Endpoints(auth_server).install(app.router)
    Consent(auth_server, directory, browser_sessions).install(app.router)


class _Endpoints:
    def __init__(self, auth_server: AuthorizationServer) -> None:
        self._auth_server = auth_server

    def install(self, router: web.UrlDispatcher) -> None:
        router.add_post("/o/token/", self._token)
        router.add_post("/o/token", self._token)
        router.add_post("/o/revoke_token/", self._revoke)
        router.add_route("*", "/o/revoke_token", _slash_missing)

    async def _token(self, request: web.Request) -> web.Response:
        return await _answer(request, self._auth_server.issue)

    async def _revoke(self, request: web.Request) -> web.Response:
        return await _answer(request, self._auth_server.revoke)


async def _answer(request: web.Request, answer: Answer) -> web.Response:
    try:
        form = await _fields(request)
        body = answer(request.headers.get(hdrs.AUTHORIZATION), form)
    except TokenRefusedError as refused:
        headers = dict(_NOT_STORED)
        if refused.status == _UNAUTHORIZED:
            headers[hdrs.WWW_AUTHENTICATE] = 'Basic realm="ev.energy simulator"'
        return web.json_response(refused.body, status=refused.status, headers=headers)
    if body is None:
        return web.Response(headers=_NOT_STORED)
    return web.json_response(body, headers=_NOT_STORED)


async def _fields(request: web.Request) -> dict[str, str]:
    """Return what was sent, without what was left empty: RFC 6749 §3.2 calls that absent."""
    if request.query_string:
        # Secrets in URLs end in logs.
        raise TokenRefusedError("invalid_request", "Parameters belong in the body, not in the URL")
    try:
        pairs = await read_form(request)
    except ValueError as error:
        raise TokenRefusedError("invalid_request", str(error)) from None
    form = dict(pairs)
    if len(form) < len(pairs):
        raise TokenRefusedError("invalid_request", "A parameter was sent more than once")
    return {name: text for name, text in form.items() if text}


async def _slash_missing(request: web.Request) -> web.Response:
    """Refuse every method, as the real server does at this address."""
    raise web.HTTPMethodNotAllowed(request.method, [])
