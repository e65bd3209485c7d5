"""The general checks that every request goes through, and the way its answer is sent."""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, cast

import attrs
from aiohttp import hdrs, web

from ev_energy.simulator.http import _problems as problems
from ev_energy.simulator.http._contract import CONTRACT
from ev_energy.simulator.http._forms import MULTIPART, URL_ENCODED, read_form
from ev_energy.simulator.http._problems import ProblemError
from ev_energy.simulator.http._routes import Call, Reply
from ev_energy.simulator.http._serialization import ExpandTree
from ev_energy.simulator.http._validation import read_body, read_query, written
from ev_energy.simulator.world._rows import Viewer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ev_energy.simulator.http._contract import BodyFacts, OperationFacts
    from ev_energy.simulator.http._rate_limit import Bucket, RateLimiter
    from ev_energy.simulator.http._routes import Handler, Routes
    from ev_energy.simulator.oauth import AuthorizationServer, TokenInfo
    from ev_energy.simulator.world._world import World


_VERSION: Final = "EvEnergy-Version"
_USER: Final = "EvEnergy-User"
_ROOT: Final = "/v2"
_JSON: Final = "application/json"
_FORMS: Final = frozenset({URL_ENCODED, MULTIPART})
#: It does not declare the header, and has no other way to say whose the EVSE is to be.
_FOR_SOMEBODY: Final = frozenset({"/evse_onboarding/import"})
_MOST_BYTES: Final = 20 * 2**20
#: A form of names and addresses is small; each of its lines takes time to read.
_MOST_BYTES_OF_FORM: Final = 2**20

#: Scopes that expanding a member takes, besides the ones of the operation.
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
    """One operation: what the contract says of it, and what answers it."""

    facts: OperationFacts
    handler: Handler

    @property
    def for_browsers(self) -> bool:
        """Whether people are sent here: then versions, media types and limits do not matter."""
        return self.facts.declares(302) and self.facts.public


@attrs.frozen
class _Caller:
    grant: TokenInfo | None
    viewer: Viewer
    bucket: Bucket


class Dispatcher:
    """Receives requests for operations, checks them, and has them answered."""

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
        for key, handler in routes.items():
            method, template = key
            self._operations[template][method] = Operation(CONTRACT[key], handler)

    def install(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Serve all operations, with and without a slash at the end of the path."""
        # Paths with a fixed word where others have a parameter come first.
        for template in sorted(self._operations, key=lambda path: path.replace("{", "~") + "~"):
            handler = functools.partial(self._serve, template)
            path = prefix + template.rstrip("/")
            router.add_route("*", path, handler)
            router.add_route("*", f"{path}/", handler)
        router.add_route("*", prefix + r"/{rest:[\s\S]*}", functools.partial(self._serve, None))

    async def _serve(self, template: str | None, request: web.Request) -> web.Response:
        headers = {_VERSION: "2"}
        bucket = self._rate_limiter.bucket(request.remote or "", "usual")
        operation: Operation | None = None
        try:
            operation = self._operation(template, request.method)
            caller = self._caller(operation, request)
            bucket = caller.bucket
            if operation.facts.declares(429):
                self._rate_limiter.take(bucket)
            reply = await self._answer(operation, caller, request)
        except ProblemError as problem:
            facts = None if operation is None else operation.facts
            return web.Response(
                text=json.dumps(_typed(problem, facts)),
                status=problem.status,
                content_type="application/problem+json",
                headers=headers | self._rate_limiter.headers(bucket) | problem.headers,
            )
        headers |= self._rate_limiter.headers(bucket) | dict(reply.headers)
        if reply.body is None:
            return web.Response(status=reply.status, headers=headers)
        return web.json_response(reply.body, status=reply.status, headers=headers)

    def _operation(self, template: str | None, method: str) -> Operation:
        if template is None:
            raise problems.not_found()
        methods = self._operations[template]
        if method not in methods:
            raise problems.method_not_allowed(", ".join(methods))
        return methods[method]

    def _caller(self, operation: Operation, request: web.Request) -> _Caller:
        facts, address = operation.facts, request.remote or ""
        header = request.headers.get(hdrs.AUTHORIZATION)
        if operation.for_browsers or (header is None and facts.public):
            limit = facts.anonymous_limit
            pool = "few" if limit else "usual"
            return _Caller(None, Viewer(), self._rate_limiter.bucket(address, pool, at_most=limit))
        if header is None:
            raise problems.unauthorized("A token is needed, and there was none.")
        scheme, _, token = header.partition(" ")
        grant = self._auth_server.introspect(token.strip()) if scheme.lower() == "bearer" else None
        if grant is None:
            raise problems.unauthorized("The token is unknown or has expired.")
        client_id = grant.application.client_id
        viewer = Viewer(client_id, grant.user_id)
        return _Caller(grant, viewer, self._rate_limiter.bucket(client_id, grant.user_id))

    async def _answer(self, operation: Operation, caller: _Caller, request: web.Request) -> Reply:
        facts, grant = operation.facts, caller.grant
        scopes = grant.scopes if grant else frozenset[str]()
        if not facts.public:
            _check_scopes(facts.scopes, scopes)
        _check_headers(facts, request)
        params, viewer = self._place(facts, caller, request)
        pairs = list(request.query.items())
        query = _query(facts, pairs)
        names: list[str] = query.get("expand", [])
        _check_scopes([_EXPAND_SCOPES[name] for name in names if name in _EXPAND_SCOPES], scopes)
        body = await _body(facts, request)
        if facts.user_header == "required" and grant is not None and viewer.user_id is None:
            named = isinstance(body, dict) and "user" in cast("dict[str, Any]", body)
            if not named:
                raise ProblemError(400, "Who is it for?", f"{_USER} is needed with this token.")
        origin = f"{request.scheme}://{request.host}"
        return operation.handler(
            Call(
                world=self._world,
                facts=facts,
                now=self._world.now,
                root=f"{origin}{_ROOT}",
                url=origin + request.rel_url.raw_path.rstrip("/"),
                params=params,
                query=query,
                pairs=pairs,
                body=body,
                language=request.headers.get(hdrs.ACCEPT_LANGUAGE),
                applications=self._auth_server.applications,
                viewer=viewer,
                by_user=grant is not None and grant.user_id is not None,
                expand=ExpandTree.from_names(names),
            )
        )

    def _place(
        self, facts: OperationFacts, caller: _Caller, request: web.Request
    ) -> tuple[dict[str, str], Viewer]:
        """Return the parameters of the path, and who looks."""
        params, viewer = dict(request.match_info), caller.viewer
        if any("/" in text for text in params.values()):
            raise problems.not_found()  # a quoted slash is part of an id, and no id has one
        myself = params.get("user_id") == "me"
        if caller.grant is not None and caller.grant.user_id is None:
            viewer = self._for_user(facts, viewer, request, me=myself)
        if myself:
            if viewer.user_id is None:
                raise problems.not_found()
            params["user_id"] = viewer.user_id
        return params, viewer

    def _for_user(
        self, facts: OperationFacts, viewer: Viewer, request: web.Request, *, me: bool
    ) -> Viewer:
        """Return the viewer whom the application acts for, if the operation looks at that."""
        sent = request.headers.get(_USER)
        looked_at = me or facts.user_header is not None or facts.path in _FOR_SOMEBODY
        if sent is None or not looked_at:
            return viewer
        user_id = sent.rstrip("/").rpartition("/")[2]  # the id, or the user's URL
        if self._world.tables["users"].get(user_id) is None:
            raise ProblemError(400, "Unknown user", f"{_USER}: no user {user_id}")
        return attrs.evolve(viewer, user_id=user_id)


def _typed(problem: ProblemError, facts: OperationFacts | None) -> dict[str, Any]:
    """Return a problem's body, with the type the operation has for a request it refuses."""
    body = problem.body
    slug = facts.problem if facts else None
    if slug and "field_errors" in body and "type" not in body and problem.status in {400, 422}:
        return {"type": problems.type_of(slug), **body}
    return body


def _check_scopes(needed: Iterable[str], scopes: frozenset[str]) -> None:
    for scope in needed:
        if scope not in scopes:
            raise problems.forbidden(scope)


def _check_headers(facts: OperationFacts, request: web.Request) -> None:
    if facts.declares(406):
        _check_accept(request.headers.get(hdrs.ACCEPT, ""))
    version = request.headers.get(_VERSION, "2")
    if facts.version_header and version not in {"2", "2.0"}:
        raise problems.unsupported_version(version)


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


def _query(facts: OperationFacts, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    query, errors = read_query(facts, pairs)
    if not errors:
        return query
    paging = [name for name in errors if name in facts.paging_parameters]
    if paging:
        raise problems.bad_paging(paging[0])
    if facts.refusal_status is None:  # nothing is documented for it, so nothing is refused
        return query
    raise problems.invalid(errors, status=facts.refusal_status)


async def _body(facts: OperationFacts, request: web.Request) -> Any:
    """Return what a body holds; an operation that takes none does not look at one."""
    declared = facts.body
    if declared is None:
        return {}
    status = facts.body_refusal_status or 400
    if (request.content_length or 0) > _MOST_BYTES:
        raise problems.too_large()
    raw = await request.content.read(_MOST_BYTES + 1)
    while not request.content.at_eof() and len(raw) <= _MOST_BYTES:
        raw += await request.content.read(_MOST_BYTES + 1 - len(raw))
    if len(raw) > _MOST_BYTES:
        raise problems.too_large()
    if not raw:
        if declared.required:
            raise ProblemError(status, "Malformed request", "A body is needed.")
        return _checked(facts, {}, status)
    if hdrs.CONTENT_TYPE in request.headers and request.content_type not in declared.media:
        raise problems.unsupported_media_type(declared.media)
    if request.content_type in _FORMS:
        return _checked(facts, _form(facts, declared, request, raw), status)
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise ProblemError(status, "Malformed request", "The body is not JSON.") from None
    return _checked(facts, value, status)


def _form(
    facts: OperationFacts, declared: BodyFacts, request: web.Request, raw: bytes
) -> dict[str, Any]:
    if len(raw) > _MOST_BYTES_OF_FORM:
        raise problems.too_large()
    header = request.headers[hdrs.CONTENT_TYPE]
    try:
        return read_form(raw, header, CONTRACT.shape(declared.shape))
    except ValueError as error:
        status = facts.body_refusal_status or 400
        detail = f"The body is not a form: {error}."
        raise ProblemError(status, "Malformed request", detail) from None


def _checked(facts: OperationFacts, value: Any, status: int) -> Any:
    errors = read_body(facts, value)
    if errors:
        raise problems.invalid(errors, status=status)
    return written(facts, value)
