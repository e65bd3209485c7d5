"""One request is a straight line: fill, authorise, send, decide, raise, decode."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar, cast

import attrs
from yarl import URL

from ev_energy import _capture, _policy
from ev_energy._convert import Unreadable, decode
from ev_energy._drift import Deviation, Reporter
from ev_energy._encode import encode
from ev_energy._http import ConnectionFault, RateLimit, Request, Response, Transport
from ev_energy._links import links
from ev_energy._model import Model
from ev_energy._pages import Page, Pager, scope_of
from ev_energy._tokens import TokenKeeper
from ev_energy._url import fill, join, page_size
from ev_energy.auth import Auth, Grant, Token, read_token
from ev_energy.errors import (
    ApiError,
    ClientClosedError,
    DeadlineError,
    DecodeError,
    ForeignOriginError,
    NotSentError,
    TransportError,
    UnconfirmedWriteError,
)

M = TypeVar("M", bound=Model)
_log: Final = logging.getLogger("ev_energy")


@attrs.frozen(kw_only=True)
class Options:
    """What a call may be told besides its arguments."""

    timeout: float = 30.0
    deadline: float = 120.0
    retries: int = 2
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    user: str | None = None

    def __attrs_post_init__(self) -> None:
        for name in ("timeout", "deadline"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0 seconds, not {getattr(self, name)}")
        if self.retries < 0:
            raise ValueError(f"retries must be 0 or more, not {self.retries}")


@attrs.define
class Core:
    """What every view of a client shares: connections, token, what was learnt."""

    root: URL
    token_url: URL
    transport: Transport
    auth: Auth | None
    report: Reporter
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    rate_limit: RateLimit | None = None
    closed: bool = False
    tokens: TokenKeeper | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        if self.auth is not None:
            self.tokens = TokenKeeper(self.auth, Session(self, Options()).fetch_token, self.clock)

    def secrets(self) -> list[str]:
        """What must not be seen in any error, log or capture."""
        known = [] if self.auth is None else self.auth.secrets()
        if self.tokens is not None and self.tokens.current is not None:
            known.append(self.tokens.current)
        # A text this short is no secret, and would be found everywhere.
        return [text for text in known if len(text) >= 8]  # noqa: PLR2004


@attrs.frozen
class Session:
    """One view of a client: the shared core, and how its calls are to be made."""

    core: Core
    options: Options

    async def call(
        self,
        method: str,
        into: type[M] | None,
        path: str,
        ids: tuple[object, ...],
        *,
        scope: str | None,
        query: Mapping[str, object],
        body: Mapping[str, object] | None = None,
    ) -> M | None:
        """One operation, to a model; to None where *into* is None and the reply has no body."""
        request = self._request(method, fill(path, ids), query, body, scope)
        response = await self._answer(request)
        return None if into is None else self._decode(request, response, into)

    def pager(
        self,
        of: type[M],
        path: str,
        ids: tuple[object, ...],
        *,
        scope: str | None,
        query: Mapping[str, object],
    ) -> Pager[M]:
        """One listing. Nothing is sent until it is walked."""
        if "page_size" in query:
            query = {**query, "page_size": page_size(query["page_size"])}  # type: ignore[arg-type]  # page_size looks
        start = self._request("GET", fill(path, ids), query, None, scope)
        within = scope_of(start.url, self.options.user)

        async def fetch(url: URL) -> Page[M]:
            request = attrs.evolve(start, url=self._trusted(url))
            response = await self._answer(request)
            items = self._decode(request, response, of, many=True)
            found = links(response.headers.get("link", ""), url)
            return Page(
                items=items,
                url=url,
                response=response,
                next_url=found.get("next"),
                previous_url=found.get("previous") or found.get("prev"),
                scope=within,
            )

        return Pager(fetch, start.url, within)

    async def redirect(self, path: str, query: Mapping[str, object]) -> str:
        """Where a public operation redirects to. It is not followed, and gets no token."""
        request = self._request("GET", path, query, None, None)
        plain = {"User-Agent": request.headers["User-Agent"]}
        request = attrs.evolve(request, headers=plain, authorised=False)
        response = await self._answer(request, redirects=True)
        location = response.headers.get("location")
        if response.status not in {302, 303, 307} or not location:
            raise DecodeError("expected a redirect with a Location", request, self._scrub(response))
        return location

    async def fetch(self, url: str, into: type[M]) -> M:
        """The resource at *url*, which must be on this API."""
        request = Request("GET", self._trusted(URL(url, encoded=True)), self._headers())
        return cast(M, self._decode(request, await self._answer(request), into))

    async def fetch_token(self, grant: Grant) -> Token:
        """A token from the token endpoint."""
        request = Request("POST", self.core.token_url, authorised=False)
        response = await self._send(request, grant=grant)
        if response.status == 429 or response.status >= 500:  # noqa: PLR2004  (not about credentials)
            raise ApiError.of(request, self._scrub(response))
        if response.status != 200:  # noqa: PLR2004  (RFC 6749 §5.1)
            response = self._scrub(response)
        return read_token(response.status, response.body)

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        body: Mapping[str, object] | None,
        scope: str | None,
    ) -> Request:
        if scope is not None and self.core.auth is None:
            raise ValueError(
                f"{method} {path} needs an access token"
                f"{f' with the scope {scope}' if scope else ''}: make the client with auth="
            )
        headers = self._headers()
        content = None
        if body is not None:
            content = encode(body, str(self.core.root))
            headers["Content-Type"] = "application/json"
        url = join(self.core.root, path, query)
        return Request(method, url, headers, content, authorised=self.core.auth is not None)

    def _headers(self) -> dict[str, str]:
        return {"Accept": "application/json", **self.options.headers}

    def _trusted(self, url: URL) -> URL:
        """*url*, if the token may go there: links come from the wire."""
        root = self.core.root
        if url.raw_authority == root.raw_authority and url.scheme == root.scheme:
            return url
        if not url.absolute or url.origin() != root.origin():  # another spelling of ours, perhaps
            raise ForeignOriginError(str(url), str(root.origin()))
        return url

    async def _answer(self, request: Request, *, redirects: bool = False) -> Response:
        """The reply, if it is no error, and a redirect only where *redirects* are the answer."""
        response = await self._send(request)
        core = self.core
        core.rate_limit = RateLimit.of(response) or core.rate_limit
        if response.status >= 400:  # noqa: PLR2004  (the class of status codes, RFC 9110)
            raise ApiError.of(request, self._scrub(response))
        if response.status >= 300 and not redirects:  # noqa: PLR2004
            where = response.headers.get("location", "nowhere")
            raise DecodeError(
                f"redirected to {where}, which is not followed", request, self._scrub(response)
            )
        return response

    async def _send(self, request: Request, grant: Grant | None = None) -> Response:
        """The last reply that the retry policy leads to."""
        core, options = self.core, self.options
        over = core.clock() + options.deadline
        call = _capture.begin(core, request) if grant is None else None
        attempt, renewed = 0, False
        while True:
            attempt += 1
            token = await self._token(request)
            came = await self._attempt(request, token, grant, over - core.clock())
            if call is not None:
                call.attempts.append(self._scrub(came) if isinstance(came, Response) else came)
            if isinstance(came, Response) and came.status < 400:  # noqa: PLR2004
                return came
            outcome = _policy.Outcome(sent=isinstance(came, ConnectionFault) and came.sent)
            if isinstance(came, Response):
                if came.status == 401 and token and not renewed and self._renewable(token):  # noqa: PLR2004
                    attempt, renewed = attempt - 1, True  # an old token is no failure of the API
                    continue
                outcome = _policy.Outcome(came.status, retry_after=came.retry_after)
            pause = _policy.pause_before_retry(
                attempt,
                outcome,
                is_write=request.is_write and grant is None,
                retries=options.retries,
                chance=random.random(),  # noqa: S311  (jitter, no secret)
            )
            if pause is not None and core.clock() + pause < over:
                _log.debug("%s: trying again in %.2f s", request.label, pause)
                await core.sleep(pause)
                continue
            if isinstance(came, Response):
                return came
            raise self._fault(request, came, grant) from came

    async def _attempt(
        self, request: Request, token: str | None, grant: Grant | None, left: float
    ) -> Response | ConnectionFault:
        if self.core.closed:
            raise ClientClosedError
        if left <= 0:
            raise DeadlineError(f"not done within {self.options.deadline:g} s", request)
        headers, body = dict(request.headers), request.body
        if grant is not None:
            headers, body = {**headers, **grant.headers}, grant.body
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        timeout = min(self.options.timeout, left)
        try:
            response = await self.core.transport.send(request, headers, body, timeout)
        except ConnectionFault as fault:
            _log.debug("%s: %s", request.label, fault)
            return fault
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s: %s", request.label, response.status)
        return response

    async def _token(self, request: Request) -> str | None:
        if self.core.closed:
            raise ClientClosedError
        if not request.authorised or self.core.tokens is None:
            return None
        self._trusted(request.url)
        return await self.core.tokens.get()

    def _renewable(self, token: str) -> bool:
        return self.core.tokens is not None and self.core.tokens.drop(token)

    def _fault(
        self, request: Request, fault: ConnectionFault, grant: Grant | None
    ) -> TransportError:
        if not fault.sent:
            return NotSentError(str(fault), request)
        if request.is_write and grant is None:
            return UnconfirmedWriteError(
                f"{fault}; it may or may not have been carried out", request
            )
        return TransportError(str(fault), request)

    def _decode(
        self, request: Request, response: Response, into: type[M], *, many: Any = False
    ) -> Any:
        try:
            return decode(response.body, into, self.core.report, many=many)
        except Unreadable as error:
            kind = response.headers.get("content-type", "no content type")
            expected = f"a list of {into.__name__}" if many else into.__name__
            raise DecodeError(
                f"expected {expected}: {error} ({kind})",
                request,
                self._scrub(response),
                error.path,
            ) from None
        except Deviation as error:
            raise DecodeError(
                str(error), request, self._scrub(response), error.drift.path
            ) from None

    def _scrub(self, response: Response) -> Response:
        """*response* without our secrets, should the server have sent one back."""
        headers, body = dict(response.headers), response.body
        for secret in self.core.secrets():
            headers = {name: value.replace(secret, "***") for name, value in headers.items()}
            body = body.replace(secret.encode(), b"***")
        return attrs.evolve(response, headers=headers, body=body)
