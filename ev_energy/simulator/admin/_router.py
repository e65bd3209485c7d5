"""The routes of the admin endpoints: checks of requests, and replies."""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from aiohttp import hdrs, web

from ev_energy.simulator.admin._applications import APPLICATIONS
from ev_energy.simulator.admin._clock import CLOCK
from ev_energy.simulator.admin._endpoint import AdminEndpoint, AdminRequest
from ev_energy.simulator.admin._faults import FAULTS
from ev_energy.simulator.admin._history import HISTORY
from ev_energy.simulator.admin._unreliable_data import UNRELIABLE_DATA
from ev_energy.simulator.admin._webhooks import WEBHOOKS
from ev_energy.simulator.http._problems import (
    ProblemError,
    invalid,
    method_not_allowed,
    not_found,
    unsupported_media_type,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ev_energy.simulator._simulator import Simulator
    from ev_energy.simulator.oauth import AuthorizationServer
    from ev_energy.simulator.world._world import World


ROOT: Final = "/__sim"
_JSON: Final = "application/json"


def _index(request: AdminRequest) -> Any:
    del request
    return {
        "about": "Observes and controls the simulator. Bodies are JSON, sent as application/json.",
        "endpoints": [
            {
                "method": endpoint.method,
                "path": ROOT + endpoint.path,
                "about": endpoint.about,
                "body": None if endpoint.body is None else dict(endpoint.body),
                "query": dict(endpoint.query),
            }
            for endpoint in ENDPOINTS
        ],
    }


ENDPOINTS: Final = (
    AdminEndpoint(method="GET", path="/", about="All admin endpoints.", handler=_index),
    *CLOCK,
    *FAULTS,
    *UNRELIABLE_DATA,
    *WEBHOOKS,
    *APPLICATIONS,
    *HISTORY,
)


def install(
    app: web.Application, simulator: Simulator, world: World, auth_server: AuthorizationServer
) -> None:
    """Serve all admin endpoints."""
    _Router(functools.partial(AdminRequest, simulator, world, auth_server)).install(app.router)


class _Router:
    def __init__(self, make_request: Callable[..., AdminRequest]) -> None:
        self._make_request = make_request
        self._endpoints: defaultdict[str, dict[str, AdminEndpoint]] = defaultdict(dict)
        for endpoint in ENDPOINTS:
            self._endpoints[endpoint.path][endpoint.method] = endpoint

    def install(self, router: web.UrlDispatcher) -> None:
        for path in sorted(self._endpoints, key=lambda path: path.replace("{", "~")):
            handler = functools.partial(self._serve, path)
            router.add_route("*", ROOT + path, handler)
        router.add_route("*", ROOT, functools.partial(self._serve, "/"))
        router.add_route("*", ROOT + r"/{rest:[\s\S]*}", functools.partial(self._serve, None))

    async def _serve(self, path: str | None, request: web.Request) -> web.Response:
        try:
            endpoint = self._endpoint(path, request.method)
            body = await _body(request, endpoint)
            _check_names("body", body, endpoint.body)
            _check_names("query", request.query, endpoint.query)
            answer = endpoint.handler(self._make_request(request.match_info, request.query, body))
        except ProblemError as problem:
            return web.Response(
                text=json.dumps(problem.body),
                status=problem.status,
                content_type="application/problem+json",
                headers=problem.headers,
            )
        if answer is None:
            return web.Response(status=HTTPStatus.NO_CONTENT)
        text = json.dumps(answer, indent=2, allow_nan=False)
        return web.Response(
            text=f"{text}\n",
            status=HTTPStatus.CREATED if endpoint.creates else HTTPStatus.OK,
            content_type=_JSON,
            headers={hdrs.CACHE_CONTROL: "no-store"},
        )

    def _endpoint(self, path: str | None, method: str) -> AdminEndpoint:
        if path is None:
            raise not_found()
        endpoints = self._endpoints[path]
        if method not in endpoints:
            raise method_not_allowed(", ".join(endpoints))
        return endpoints[method]


def _check_names(what: str, given: Iterable[str], known: Iterable[str] | None) -> None:
    if known is None:
        return
    names = list(known)
    message = f"Unknown; known: {', '.join(names)}." if names else f"The endpoint takes no {what}."
    if unknown := [name for name in given if name not in names]:
        raise invalid({name: [message] for name in unknown})


async def _body(request: web.Request, endpoint: AdminEndpoint) -> dict[str, Any]:
    if endpoint.method != hdrs.METH_POST:
        return {}
    # A page of another site can have a browser post forms and plain text, but not JSON (CORS).
    if request.content_type != _JSON:
        raise unsupported_media_type([_JSON])
    raw = await request.read()
    try:
        value: Any = msgspec.json.decode(raw) if raw.strip() else {}
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, "Malformed request", f"The body is not JSON: {error}"
        ) from None
    if not isinstance(value, dict):
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, "Malformed request", "The body is not a JSON object."
        )
    return cast("dict[str, Any]", value)
