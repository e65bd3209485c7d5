"""The general checks that every request goes through, and the way its answer is sent."""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import attrs
from aiohttp import hdrs, web

from ev_energy.simulator import _problems as problems
from ev_energy.simulator._problems import ProblemError
from ev_energy.simulator._routes import Access, Call, Reply
from ev_energy.simulator._world import Viewer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from ev_energy.simulator._budget import Bucket, Budget
    from ev_energy.simulator._oauth import Authority, Grant
    from ev_energy.simulator._routes import Route, Routes
    from ev_energy.simulator._world import World

_VERSION: Final = "EvEnergy-Version"
_USER: Final = "EvEnergy-User"
_JSON: Final = "application/json"
_WITH_BODY: Final = frozenset({hdrs.METH_POST, hdrs.METH_PATCH, hdrs.METH_PUT})
_FORMS: Final = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})


@attrs.frozen
class _Caller:
    grant: Grant | None
    viewer: Viewer
    bucket: Bucket
    unknown_user: str | None = None


class Desk:
    """Receives requests for operations, checks them, and has them answered."""

    def __init__(
        self,
        world: World,
        authority: Authority,
        budget: Budget,
        clock: Callable[[], datetime],
        routes: Routes,
    ) -> None:
        self._world = world
        self._authority = authority
        self._budget = budget
        self._clock = clock
        self._operations: defaultdict[str, dict[str, Route]] = defaultdict(dict)
        for (method, template), route in routes.items():
            self._operations[template][method] = route

    def install(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Serve all operations, with and without a slash at the end of the path."""
        for template in self._operations:
            handler = functools.partial(self._serve, template)
            router.add_route("*", prefix + template, handler)
            router.add_route("*", f"{prefix}{template}/", handler)
        router.add_route("*", prefix + r"/{rest:[\s\S]*}", functools.partial(self._serve, None))

    async def _serve(self, template: str | None, request: web.Request) -> web.Response:
        headers = {_VERSION: "2"}
        address = request.remote or ""
        try:
            route = self._route(template, request.method)
            caller = self._caller(route, request, address)
            try:
                if route.access is not Access.BROWSER:
                    self._budget.take(caller.bucket)
                reply = await self._answer(template or "", route, caller, request)
            finally:
                address = ""
                headers |= self._budget.headers(caller.bucket)
        except ProblemError as problem:
            if address:  # refused before it was known who asks
                headers |= self._budget.headers(self._budget.bucket(address, "usual"))
            return web.Response(
                text=json.dumps(problem.body),
                status=problem.status,
                content_type="application/problem+json",
                headers=headers | problem.headers,
            )
        headers |= reply.headers
        if reply.body is None:
            return web.Response(status=reply.status, headers=headers)
        return web.json_response(reply.body, status=reply.status, headers=headers)

    def _route(self, template: str | None, method: str) -> Route:
        if template is None:
            raise problems.not_found()
        methods = self._operations[template]
        if method not in methods:
            raise problems.method_not_allowed(", ".join(methods))
        return methods[method]

    def _caller(self, route: Route, request: web.Request, address: str) -> _Caller:
        header = request.headers.get(hdrs.AUTHORIZATION)
        if route.access is Access.BROWSER or (header is None and route.access is Access.PUBLIC):
            limit = route.anonymous_limit
            pool = "few" if limit else "usual"
            bucket = self._budget.bucket(address, pool, at_most=limit)
            return _Caller(None, Viewer(), bucket)
        if header is None:
            raise problems.unauthorized("A token is needed, and there was none.")
        scheme, _, token = header.partition(" ")
        grant = self._authority.grant(token.strip()) if scheme.lower() == "bearer" else None
        if grant is None:
            raise problems.unauthorized("The token is unknown or has expired.")

        client_id = grant.application.client_id
        sent = request.headers.get(_USER)
        user_id = sent and sent.rstrip("/").rpartition("/")[2]  # the id, or the user's URL
        if user_id and self._world.tables["users"].get(user_id) is None:
            return _Caller(grant, Viewer(client_id), self._budget.bucket(client_id, None), user_id)
        viewer = Viewer(client_id, user_id or None)
        return _Caller(grant, viewer, self._budget.bucket(client_id, viewer.user_id))

    async def _answer(
        self, template: str, route: Route, caller: _Caller, request: web.Request
    ) -> Reply:
        scopes = caller.grant.scopes if caller.grant else frozenset[str]()
        if route.access is Access.TOKEN:
            for scope in route.scopes:
                if scope not in scopes:
                    raise problems.forbidden(scope)
        if route.access is not Access.BROWSER:
            _check_accept(request.headers.get(hdrs.ACCEPT, ""))
            version = request.headers.get(_VERSION, "2")
            if version not in {"2", "2.0"}:
                raise problems.unsupported_version(version)
        if any("/" in text for text in request.match_info.values()):
            raise problems.not_found()  # a quoted slash is part of an id, and no id has one
        if caller.unknown_user is not None:
            raise ProblemError(400, "Unknown user", f"{_USER}: no user {caller.unknown_user}")
        query = list(request.query.items())
        return route.answer(
            Call(
                world=self._world,
                now=self._clock(),
                root=f"{request.scheme}://{request.host}/v2",
                template=template,
                params=request.match_info,
                query=query,
                accept_language=request.headers.get(hdrs.ACCEPT_LANGUAGE),
                body=await _body(request) if request.method in _WITH_BODY else None,
                applications=self._authority.applications,
                viewer=caller.viewer,
                expand=route.tree([text for name, text in query if name == "expand"], scopes),
            )
        )


def _check_accept(header: str) -> None:
    if not header.strip():
        return
    for part in header.lower().split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        refused = any(
            p.replace(" ", "").rstrip("0").rstrip(".") in {"q=", "q=0"} for p in parameters
        )
        if media in {"*/*", "application/*", _JSON} and not refused:
            return
    raise problems.not_acceptable()


async def _body(request: web.Request) -> Any:
    if request.content_type in _FORMS:
        form: Mapping[str, Any] = await request.post()
        return dict(form)
    raw = await request.read()
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        raise ProblemError(400, "Malformed request", "The body is not JSON.") from None
