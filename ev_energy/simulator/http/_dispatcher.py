"""The dispatcher: checks each request against the contract and calls the operation's handler."""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

import attrs
from aiohttp import hdrs, web

from ev_energy._contract.facts import MissingFactsError
from ev_energy.simulator.http import _problems as problems
from ev_energy.simulator.http._body import read_request_body
from ev_energy.simulator.http._contract import CONTRACT
from ev_energy.simulator.http._path_index import PathIndex
from ev_energy.simulator.http._problems import ProblemError, missing_user
from ev_energy.simulator.http._routes import Call
from ev_energy.simulator.http._serialization import ExpandTree
from ev_energy.simulator.http._validation import parse_query
from ev_energy.simulator.world._rows import Viewer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ev_energy.simulator.http._contract import OperationFacts
    from ev_energy.simulator.http._rate_limit import Allowance, RateLimiter
    from ev_energy.simulator.http._routes import Handler, Routes
    from ev_energy.simulator.oauth import AuthorizationServer, TokenInfo
    from ev_energy.simulator.world._world import World


_VERSION_HEADER: Final = "EvEnergy-Version"
_USER_HEADER: Final = "EvEnergy-User"
_VERSION: Final = "2"
_ROOT: Final = "/v2"
_JSON: Final = "application/json"
#: Operations that read EvEnergy-User although the contract does not declare it: it is the only
#: way to name the user whom the EVSE will belong to.
_UNDECLARED_USER_HEADER: Final = frozenset({"/evse_onboarding/import"})
#: Statuses to which the problem type of the operation applies.
_INVALID: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})

#: The scopes that expanding a member requires besides those of the operation.
_EXPAND_SCOPES: Final = {
    "prices": "tariff:prices:read",
    "assessment": "debug:read",
    "debug_metadata": "debug:read",
    "tariff": "tariff:read",
    "tariff.supplier": "tariff:read",
    "carbon_feed": "carbon:read",
    "grid_feeds": "grid:read",
}


@attrs.frozen
class Operation:
    """One operation: its facts in the contract and its handler."""

    method: str
    path: str
    handler: Handler

    @functools.cached_property
    def facts(self) -> OperationFacts:
        """Its facts, which are derived when a request needs them."""
        return CONTRACT[self.method, self.path]

    @property
    def is_browser_redirect(self) -> bool:
        """Whether browsers are sent here: version, media types and limits do not apply then."""
        return self.facts.declares(HTTPStatus.FOUND) and self.facts.public


@attrs.frozen
class _Caller:
    token: TokenInfo | None
    viewer: Viewer
    allowance: Allowance


class Dispatcher:
    """Checks each request for an operation and calls the operation's handler.

    Raises `MissingFactsError` for a route that is not in the contract. An operation of the contract
    without a route is served as a 501 that names the missing route.
    """

    def __init__(
        self,
        world: World,
        auth_server: AuthorizationServer,
        rate_limiter: RateLimiter,
        routes: Routes,
    ) -> None:
        self._world = world
        self._auth_server = auth_server
        self._rate_limiter = rate_limiter
        self._operations: defaultdict[str, dict[str, Operation]] = defaultdict(dict)
        declared = dict.fromkeys(CONTRACT)
        for key in dict.fromkeys((*routes, *declared)):
            if key not in declared:
                raise MissingFactsError(" ".join(key))
            method, template = key
            handler = routes.get(key, _without_route)
            self._operations[template][method] = Operation(method, template, handler)

    def install(self, app: web.Application, prefix: str) -> None:
        """Serve all operations, with and without a slash at the end of the path."""
        app[_DISPATCHER] = self
        app.router.register_resource(_api_paths(prefix, tuple(self._operations)))

    async def serve(self, template: str | None, request: web.Request) -> web.Response:
        """Return the reply to a request for a path; None is a path that no operation has."""
        headers = {_VERSION_HEADER: _VERSION}
        limiter = self._rate_limiter
        allowance = limiter.allowance(request.remote or "", "usual")
        operation: Operation | None = None
        try:
            operation = self._find_operation(template, request.method)
            caller = self._authenticate(operation, request)
            allowance = caller.allowance
            if operation.facts.declares(HTTPStatus.TOO_MANY_REQUESTS):
                limiter.count(allowance)
            reply = operation.handler(await self._check(operation.facts, caller, request))
        except ProblemError as problem:
            facts = None if operation is None else operation.facts
            return web.Response(
                text=json.dumps(_problem_body(problem, facts)),
                status=problem.status,
                content_type="application/problem+json",
                headers=headers | limiter.headers(allowance) | problem.headers,
            )
        headers |= limiter.headers(allowance) | dict(reply.headers)
        if reply.body is None:
            return web.Response(status=reply.status, headers=headers)
        return web.json_response(reply.body, status=reply.status, headers=headers)

    def _find_operation(self, template: str | None, method: str) -> Operation:
        if template is None:
            raise problems.not_found()
        operations = self._operations[template]
        if method not in operations:
            raise problems.method_not_allowed(", ".join(operations))
        return operations[method]

    def _authenticate(self, operation: Operation, request: web.Request) -> _Caller:
        """Return the caller that the bearer token stands for; an address without a token."""
        facts, address = operation.facts, request.remote or ""
        header = request.headers.get(hdrs.AUTHORIZATION)
        if operation.is_browser_redirect or (header is None and facts.public):
            limit = facts.anonymous_limit
            pool = "few" if limit else "usual"
            allowance = self._rate_limiter.allowance(address, pool, at_most=limit)
            return _Caller(None, Viewer(), allowance)
        if header is None:
            raise problems.unauthorized("Send an access token: Authorization: Bearer TOKEN.")
        scheme, _, text = header.partition(" ")
        token = self._auth_server.introspect(text.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            raise problems.unauthorized("The access token is unknown or has expired.")
        client_id = token.application.client_id
        allowance = self._rate_limiter.allowance(client_id, token.user_id)
        return _Caller(token, Viewer(client_id, token.user_id), allowance)

    async def _check(self, facts: OperationFacts, caller: _Caller, request: web.Request) -> Call:
        """Return the call of a request that passes every check, or raise `ProblemError`."""
        token = caller.token
        scopes = token.scopes if token else frozenset[str]()
        if not facts.public:
            _check_scopes(facts.scopes, scopes)
        _check_headers(facts, request)
        params, viewer = self._resolve_path(facts, caller, request)
        raw_query = list(request.query.items())
        query = _parse_query(facts, raw_query)
        expand: list[str] = query.get("expand", [])
        _check_scopes([_EXPAND_SCOPES[name] for name in expand if name in _EXPAND_SCOPES], scopes)
        body = await read_request_body(facts, request)
        if facts.user_header == "required" and token is not None and viewer.user_id is None:
            user_in_body = isinstance(body, dict) and "user" in cast("dict[str, Any]", body)
            if not user_in_body:
                raise missing_user()
        origin = f"{request.scheme}://{request.host}"
        return Call(
            world=self._world,
            facts=facts,
            now=self._world.now,
            root=f"{origin}{_ROOT}",
            url=origin + request.rel_url.raw_path.rstrip("/"),
            params=params,
            query=query,
            raw_query=raw_query,
            body=body,
            language=request.headers.get(hdrs.ACCEPT_LANGUAGE),
            applications=self._auth_server.applications,
            viewer=viewer,
            by_user=token is not None and token.user_id is not None,
            expand=ExpandTree.from_names(expand),
        )

    def _resolve_path(
        self, facts: OperationFacts, caller: _Caller, request: web.Request
    ) -> tuple[dict[str, str], Viewer]:
        """Return the path parameters, with ``me`` replaced, and the viewer of the world."""
        params, viewer = dict(request.match_info), caller.viewer
        if any("/" in text for text in params.values()):
            raise problems.not_found()  # a percent-encoded slash: no id contains one
        is_me = params.get("user_id") == "me"
        if caller.token is not None and caller.token.user_id is None:
            viewer = self._apply_user_header(facts, viewer, request, is_me=is_me)
        if is_me:
            if viewer.user_id is None:
                raise problems.not_found()
            params["user_id"] = viewer.user_id
        return params, viewer

    def _apply_user_header(
        self, facts: OperationFacts, viewer: Viewer, request: web.Request, *, is_me: bool
    ) -> Viewer:
        """Return the viewer that EvEnergy-User selects, if the operation reads that header."""
        value = request.headers.get(_USER_HEADER)
        reads_header = (
            is_me or facts.user_header is not None or facts.path in _UNDECLARED_USER_HEADER
        )
        if value is None or not reads_header:
            return viewer
        user_id = value.rstrip("/").rpartition("/")[2]  # the value is an id or the user's URL
        if self._world.tables["users"].get(user_id) is None:
            detail = f"{_USER_HEADER}: there is no user {user_id}."
            raise ProblemError(HTTPStatus.BAD_REQUEST, "Unknown user", detail)
        return attrs.evolve(viewer, user_id=user_id)


_DISPATCHER: Final = web.AppKey("_DISPATCHER", Dispatcher)


class _ApiPaths(web.PlainResource):
    """The paths of all operations, and all other paths below the prefix.

    A resource for each operation would take longer to make than all the rest of the simulator, and
    aiohttp would try up to 30 of them for a request.
    """

    def __init__(self, prefix: str, templates: Iterable[str]) -> None:
        super().__init__(prefix)
        self._prefix = prefix
        self._index = PathIndex(templates)
        self._routes_by_template: dict[str | None, web.AbstractRoute] = {}

    async def resolve(self, request: web.Request) -> tuple[web.UrlMappingMatchInfo, set[str]]:
        """Return the route of the request's path; the methods are checked later."""
        path = request.rel_url.path_safe.removeprefix(self._prefix)
        template, parameters = self._index.find(path) or (None, {})
        return web.UrlMappingMatchInfo(parameters, self._route(template)), set()

    def _route(self, template: str | None) -> web.AbstractRoute:
        route = self._routes_by_template.get(template)
        if route is None:
            path = self._prefix + ("/*" if template is None else template.rstrip("/"))
            handler = functools.partial(_serve, template)
            route = web.PlainResource(path).add_route("*", handler)
            self._routes_by_template[template] = route
        return route


@functools.cache
def _api_paths(prefix: str, templates: tuple[str, ...]) -> _ApiPaths:
    """Return the paths of an API, which all simulators of a process share."""
    return _ApiPaths(prefix, templates)


async def _serve(template: str | None, request: web.Request) -> web.Response:
    return await request.app[_DISPATCHER].serve(template, request)


def _without_route(call: Call) -> NoReturn:
    operation = f"{call.facts.method} {call.facts.path}"
    raise ProblemError(
        HTTPStatus.NOT_IMPLEMENTED,
        "Not simulated",
        f"{operation} is in the contract but has no route: add it to ROUTES in "
        "ev_energy/simulator/resources/<family>.py.",
    )


def _problem_body(problem: ProblemError, facts: OperationFacts | None) -> dict[str, Any]:
    """Return the body of a problem; an invalid request gets the operation's own problem type."""
    body = problem.body
    slug = facts.problem if facts else None
    if slug and "field_errors" in body and "type" not in body and problem.status in _INVALID:
        return {"type": problems.type_url(slug), **body}
    return body


def _check_scopes(required: Iterable[str], scopes: frozenset[str]) -> None:
    for scope in required:
        if scope not in scopes:
            raise problems.forbidden(scope)


def _check_headers(facts: OperationFacts, request: web.Request) -> None:
    if facts.declares(HTTPStatus.NOT_ACCEPTABLE):
        _check_accept(request.headers.get(hdrs.ACCEPT, ""))
    version = request.headers.get(_VERSION_HEADER, _VERSION)
    if facts.version_header and version not in {_VERSION, "2.0"}:
        raise problems.unsupported_version(version)


def _check_accept(header: str) -> None:
    if not header.strip():
        return
    for media_range in header.lower().split(","):
        media_type, *parameters = (text.strip() for text in media_range.split(";"))
        # A weight of 0 means "not acceptable" (RFC 9110, section 12.4.2).
        excluded = any(
            parameter.replace(" ", "").rstrip("0").rstrip(".") in {"q=", "q=0"}
            for parameter in parameters
        )
        if media_type in {"*/*", "application/*", _JSON} and not excluded:
            return
    raise problems.not_acceptable()


def _parse_query(facts: OperationFacts, raw_query: Sequence[tuple[str, str]]) -> dict[str, Any]:
    query, errors = parse_query(facts, raw_query)
    if not errors:
        return query
    paging = [name for name in errors if name in facts.paging_parameters]
    if paging:
        raise problems.invalid_paging(paging[0])
    if facts.refusal_status is None:  # the contract declares no status for a bad query
        return query
    raise problems.invalid(errors, status=facts.refusal_status)
