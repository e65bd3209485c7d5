"""A call of the API from start to end: build the request, send it, raise or decode."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Final, TypeVar, cast, overload

import msgspec
from msgspec.structs import replace
from yarl import URL

from ev_energy._api import capture
from ev_energy._api.authorize import authorized
from ev_energy._api.cursors import Listing
from ev_energy._api.link_header import parse_link_header
from ev_energy._api.options import CallOptions
from ev_energy._api.paging import Pager
from ev_energy._api.state import ClientState
from ev_energy._api.unexpected import (
    decode_error,
    is_redirect,
    media_type,
    unexpected,
    unexpected_success,
)
from ev_energy._api.urls import NO_QUERY, build_url, fill_path, path_from_url, valid_page_size
from ev_energy._codec.decode import JSON, Expected, decode_at_once, decode_in_steps
from ev_energy._codec.drift import DriftDetected
from ev_energy._codec.encode import AsGiven, encode
from ev_energy._codec.problems import api_error, report_repair
from ev_energy._codec.raw_json import DecodeFailure
from ev_energy._codec.text import check_instants
from ev_energy._http.attempt import attempt
from ev_energy._http.outgoing import Outgoing
from ev_energy._http.retry import retry
from ev_energy._messages import Page, Request, Response, ResponseInfo
from ev_energy._redaction.show import Unshown
from ev_energy._redaction.tracebacks import trim, trim_traceback
from ev_energy.errors import (
    DeadlineError,
    LimitError,
    PagingError,
)
from ev_energy.models._base import Model
from ev_energy.models._json import LimitReached, Steps, is_confirmation
from ev_energy.models._responses import mark, replace_info
from ev_energy.models._types import Counts, name_of

M = TypeVar("M", bound=Model)
T = TypeVar("T")
#: The statuses of a complete success; 203 is one that a proxy modified.
_SUCCESSES: Final = frozenset(
    {
        HTTPStatus.OK,
        HTTPStatus.CREATED,
        HTTPStatus.ACCEPTED,
        HTTPStatus.NON_AUTHORITATIVE_INFORMATION,
        HTTPStatus.NO_CONTENT,
    }
)
_REDIRECTS: Final = frozenset(
    {HTTPStatus.FOUND, HTTPStatus.SEE_OTHER, HTTPStatus.TEMPORARY_REDIRECT}
)
#: The media type of an error (RFC 9457), whatever the status beside it says.
_PROBLEM: Final = "application/problem+json"
_JSON_TYPE: Final = "application/json"
#: Returns what was made before: making a named tuple takes longer.
_expected: Final[Callable[..., Expected]] = functools.lru_cache(1024)(Expected)


class ApiCaller(Unshown, msgspec.Struct, frozen=True, eq=False):
    """Makes the calls of one view of a client, with its options."""

    state: ClientState
    options: CallOptions

    @overload
    async def call(
        self,
        method: str,
        model: type[M],
        path: str,
        ids: tuple[object, ...],
        scope: str | None,
        query: Mapping[str, object],
        body: Mapping[str, object] | None = None,
        *,
        envelope_key: str,
    ) -> M | None: ...
    @overload
    async def call(
        self,
        method: str,
        model: type[M],
        path: str,
        ids: tuple[object, ...],
        scope: str | None,
        query: Mapping[str, object],
        body: Mapping[str, object] | None = None,
        envelope_key: None = None,
    ) -> M: ...
    @overload
    async def call(
        self,
        method: str,
        model: None,
        path: str,
        ids: tuple[object, ...],
        scope: str | None,
        query: Mapping[str, object],
        body: Mapping[str, object] | None = None,
        envelope_key: None = None,
    ) -> None: ...
    async def call(
        self,
        method: str,
        model: type[M] | None,
        path: str,
        ids: tuple[object, ...],
        scope: str | None,
        query: Mapping[str, object],
        body: Mapping[str, object] | None = None,
        envelope_key: str | None = None,
    ) -> M | None:
        """Call one operation. None if it has no result, or if the reply omits *envelope_key*."""
        request = self._request(method, path, ids, query, body, scope)
        out, response = await self._send(request)
        if model is None:
            if not is_confirmation(response.body):
                http = self.state.http
                message = f"expected no result, got {media_type(http, out, response)}"
                raise unexpected_success(http, message, out, response)
            return None
        expected = _expected(model, False, bool(query.get("expand")), envelope_key)
        result, _, _ = await self._decode(out, response, expected)
        return cast("M | None", result)

    async def exchange(self, request: Request, expected: Expected) -> Any:
        """Send *request* and return what its reply is decoded to.

        None for a reply without a body, if no model is expected.
        """
        out, response = await self._send(request)
        if expected.model is JSON and not response.body.strip():
            return None
        result, _, _ = await self._decode(out, response, expected)
        return result

    async def delete_counting(
        self, path: str, ids: tuple[object, ...], scope: str | None
    ) -> Counts:
        """Call a deletion that may return counts; an empty mapping if the reply has no body."""
        request = self._request("DELETE", path, ids, {}, None, scope)
        out, response = await self._send(request)
        if not response.body.strip():
            return {}
        expected = Expected(cast("type[Any]", Counts), expanded=False)
        counts, _, _ = await self._decode(out, response, expected)
        return cast(Counts, counts)

    def pager(
        self,
        model: type[M],
        path: str,
        ids: tuple[object, ...],
        scope: str | None,
        query: Mapping[str, object],
        envelope_key: str | None = None,
    ) -> Pager[M]:
        """Return a listing. Nothing is sent until it is iterated."""
        if query.get("page_size") is not None:
            query = {**query, "page_size": valid_page_size(query["page_size"])}
        first_request = self._request("GET", path, ids, query, None, scope)
        expanded = bool(query.get("expand"))
        return self.pages(first_request, Expected(model, True, expanded, envelope_key))

    def pages(self, first_request: Request, expected: Expected) -> Pager[Any]:
        """Return the listing that starts with *first_request*."""
        listing = Listing(first_request.url, self.options.user)

        async def fetch(url: URL) -> Page[Any]:
            request = replace(first_request, url=self.state.require_own_origin(url))
            return await self._page(request, expected, listing)

        return Pager(
            fetch,
            first_request.url,
            listing.user,
            template=first_request.template,
            max_pages=self.options.max_pages,
            item=name_of(expected.model),
        )

    async def redirect(self, path: str, scope: str | None, query: Mapping[str, object]) -> str:
        """Return where an operation redirects to, without following it.

        A public operation is called without token and headers, as a browser would.
        """
        request = self._request("GET", path, (), query, None, scope)
        if scope is None:
            public_headers = {"User-Agent": request.headers["User-Agent"]}
            request = replace(request, headers=public_headers, authorised=False)
        out, response = await self._send(request, redirects=True)
        location = response.headers.get("location")
        if response.status not in _REDIRECTS or not location:
            raise decode_error(
                self.state.http, "expected a redirect with a Location", out, response
            )
        return location

    async def fetch(self, url: str, template: str, model: type[M]) -> M:
        """Return the resource that *url* names, from its canonical path *template* on this API."""
        state = self.state
        named = state.require_own_link(url)
        target = build_url(state.base_url, path_from_url(template, named), named.query)
        request = Request("GET", target, self.options.headers, template=template)
        return cast(M, await self.exchange(request, Expected(model, expanded=False)))

    def _request(
        self,
        method: str,
        template: str,
        ids: tuple[object, ...],
        query: Mapping[str, object],
        body: Mapping[str, object] | None,
        scope: str | None,
    ) -> Request:
        state, path = self.state, fill_path(template, ids)
        if scope is not None and state.auth is None:
            raise ValueError(
                f"{method} {path} needs an access token"
                f"{f' with the scope {scope}' if scope else ''}: make the client with auth="
            )
        headers, content = self.options.headers, None
        if query == NO_QUERY:  # nothing to check or to send
            query = {}
        else:
            check_instants(query)
        if body is not None:
            if not isinstance(body, AsGiven):
                check_instants(body)
            content = encode(body, str(state.base_url))
            headers = {**headers, "Content-Type": "application/json"}
        url = build_url(state.base_url, path, query)
        return Request(method, url, headers, content, state.auth is not None, template)

    async def _send(
        self, request: Request, *, redirects: bool = False
    ) -> tuple[Outgoing, Response]:
        """Send *request* and return the reply: a success, or a redirect if *redirects* are wanted.

        Everything else is raised as an error.
        """
        state, options = self.state, self.options
        redirected = state.slash_redirects
        with state.http.call_span(request):
            out = Outgoing(
                request=redirected.apply(request) if redirected.ends_in_slash else request,
                headers=request.headers,
                body=request.body,
                policy=options.retries,
                timeout=options.timeout,
                deadline=state.http.clock() + options.deadline,
                time_limit=options.deadline,
                is_write=request.is_write,
                recording=capture.begin_call(state, request),
            )
            send_once = (
                partial(authorized, state, state.tokens, options)
                if request.authorised and state.tokens is not None
                else partial(attempt, state.http)
            )
            response = await retry(state.http, out, send_once)
            if response.status not in _SUCCESSES and self._should_follow(out, response):
                out.request = redirected.apply(request)
                out.number -= 1  # a redirect is not a failed attempt
                response = await retry(state.http, out, send_once)
        out.request = request  # errors name the request as the caller made it
        # No local variable for the headers: they may repeat the token, and tools print locals.
        if "x-ratelimit-remaining" in response.headers:
            state.rate_limit_headers = response.headers
        if response.status in _SUCCESSES:
            content_type = response.headers.get("content-type", "")
            if (
                content_type == _JSON_TYPE
                or content_type.partition(";")[0].strip().lower() != _PROBLEM
            ):
                return out, response
        elif redirects and is_redirect(response):
            return out, response
        if response.status >= HTTPStatus.BAD_REQUEST:
            report_repair(state.report, "ProblemDetail", response.body)
            raise api_error(request, state.http.redact(out, response))
        raise unexpected(state.http, out, response)

    def _should_follow(self, out: Outgoing, response: Response) -> bool:
        """Return whether to repeat *out* where *response* redirects to: the other slash form.

        Never for a write: RFC 9110 §15.4 leaves open what 301 and 302 mean for one.
        """
        return self.state.slash_redirects.learn(out.request, response) and not out.is_write

    async def _page(self, request: Request, expected: Expected, listing: Listing) -> Page[Any]:
        """Fetch one page of *listing*, with the links to its neighbours."""
        state = self.state
        out, response = await self._send(request)
        items, envelope, info = await self._decode(out, response, expected)
        make_page = partial(
            Page[Any], items=items, envelope=envelope, url=request.url, listing=listing
        )
        try:
            with trim_traceback():  # the frames inside hold the header
                base_url = state.slash_redirects.apply(request).url
                urls = parse_link_header(response.header("link"), base_url)
        except ValueError as error:  # treating it as the last page would lose the others
            message = f"the Link header cannot be read: {error}"
            redacted = state.http.redact(out, response)
            info = ResponseInfo.of(request, redacted)
            replace_info(items, info)
            page = make_page(response=redacted, info=info)
            raise PagingError(message, request, page) from None
        return make_page(
            response=_shown(out, response),
            info=info,
            next_url=urls.get("next"),
            previous_url=urls.get("previous") or urls.get("prev"),
        )

    async def _decode(
        self, out: Outgoing, response: Response, expected: Expected
    ) -> tuple[Any, dict[str, Any], ResponseInfo]:
        """Decode *response* to what is expected, and let its models tell their reply.

        Return the result, the other members of the object that the API wraps a list into, and what
        the models tell.
        """
        state, request = self.state, out.request
        envelope: dict[str, Any] = {}
        handled = sys.exception()
        try:
            try:
                result = decode_at_once(response.body, expected, state.limits)
                if result is None:
                    steps = decode_in_steps(response.body, expected, state.report, state.limits)
                    result, envelope = await self._run(steps, out)
            except BaseException as error:
                trim(error, handled)  # the frames inside hold the body
                raise
        except DecodeFailure as error:
            message = f"{_describe(expected)}{error} ({media_type(state.http, out, response)})"
            raise unexpected_success(state.http, message, out, response, error.path) from None
        except DriftDetected as error:
            raise decode_error(state.http, str(error), out, response, error.drift.path) from None
        except LimitReached as error:
            message = state.http.redactor_of(out).redact(str(error))
            limit_error = LimitError(message, request, error.limit, response.status)
            limit_error.request_id = _shown(out, response).request_id
            raise limit_error from None
        info = ResponseInfo.of(request, _shown(out, response))
        if expected.as_list and expected.model is not JSON:
            mark(result, info)
        elif isinstance(result, Model):
            mark((result,), info)
        return result, envelope, info

    async def _run(self, steps: Steps[T], out: Outgoing) -> T:
        """Run *steps* until the deadline of *out*; the event loop runs between them."""
        clock = self.state.http.clock
        while True:
            try:
                next(steps)
            except StopIteration as done:
                return cast("T", done.value)
            await asyncio.sleep(0)
            if clock() >= out.deadline:
                message = f"the reply was not decoded within {out.time_limit:g} s"
                raise DeadlineError(message, out.request, was_sent=True)


def _shown(out: Outgoing, response: Response) -> Response:
    """Return a successful *response* to *out* as models and pages tell it.

    Its body is theirs in any case, so the token is only searched for if the rest repeats it.
    """
    if out.access_token is None:
        return response
    # No local variables for these: tools print those of a traceback.
    if out.access_token not in "\n".join((response.reason, *response.headers.values())):
        return response
    return response.without([out.access_token])


def _describe(expected: Expected) -> str:
    """Return the start of the message about a reply that cannot be decoded to *expected*."""
    if expected.model is JSON:
        return ""
    name = name_of(expected.model)
    return f"expected {f'a list of {name}' if expected.as_list else name}: "
