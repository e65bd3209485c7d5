"""One request is a straight line: fill the path, send, raise, decode."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar, cast, overload

import attrs
from msgspec.structs import replace
from yarl import URL

from ev_energy._api.cursors import Listing
from ev_energy._api.link_header import links
from ev_energy._api.paging import Pager
from ev_energy._api.send import send
from ev_energy._api.state import Core, Options
from ev_energy._api.urls import at_place, fill, join, page_size
from ev_energy._codec.decode import Expected, decode_in_steps
from ev_energy._codec.drift import DriftDetected
from ev_energy._codec.encode import encode
from ev_energy._codec.raw_json import DecodeFailure
from ev_energy._http.slash_redirects import other_slash_form
from ev_energy._messages import Page, Request, Response
from ev_energy._redaction.scrub import printable
from ev_energy._redaction.show import redact_link
from ev_energy._redaction.tracebacks import Secret, trim_traceback
from ev_energy.errors import (
    ApiError,
    DeadlineError,
    DecodeError,
    ForeignOriginError,
    LimitError,
    PagingError,
)
from ev_energy.models._base import Model
from ev_energy.models._json import LimitReached, Steps, is_confirmation
from ev_energy.models._types import Counts, name_of

M = TypeVar("M", bound=Model)
T = TypeVar("T")
#: The statuses of a whole reply where all is well; 203 is a success that a proxy changed.
_SUCCESSES: Final = frozenset(
    {
        HTTPStatus.OK,
        HTTPStatus.CREATED,
        HTTPStatus.ACCEPTED,
        HTTPStatus.NON_AUTHORITATIVE_INFORMATION,
        HTTPStatus.NO_CONTENT,
    }
)
#: The media type of an error (RFC 9457), whatever the status beside it says.
_PROBLEM: Final = "application/problem+json"


@attrs.frozen(eq=False, repr=False)
class Session:
    """One view of a client: the shared core, and how its calls are to be made."""

    core: Core
    options: Options

    @overload
    async def call(
        self,
        method: str,
        into: type[M],
        path: str,
        ids: tuple[object, ...],
        scope: str | None,
        query: Mapping[str, object],
        body: Mapping[str, object] | None = None,
        *,
        inside: str,
    ) -> M | None: ...
    @overload
    async def call(
        self,
        method: str,
        into: type[M],
        path: str,
        ids: tuple[object, ...],
        scope: str | None,
        query: Mapping[str, object],
        body: Mapping[str, object] | None = None,
        inside: None = None,
    ) -> M: ...
    @overload
    async def call(
        self,
        method: str,
        into: None,
        path: str,
        ids: tuple[object, ...],
        scope: str | None,
        query: Mapping[str, object],
        body: Mapping[str, object] | None = None,
        inside: None = None,
    ) -> None: ...
    async def call(
        self,
        method: str,
        into: type[M] | None,
        path: str,
        ids: tuple[object, ...],
        scope: str | None,
        query: Mapping[str, object],
        body: Mapping[str, object] | None = None,
        inside: str | None = None,
    ) -> M | None:
        """Call one operation. The result is None where it has none, or left *inside* out."""
        request = self._request(method, path, ids, query, body, scope)
        deadline = self._deadline()
        response = self._checked(request, await send(self.core, self.options, request))
        if into is None:
            if not is_confirmation(response.body):
                message = f"expected no result, got {self._media_type(response)}"
                raise self._no_answer(message, request, response)
            return None
        expected = Expected(into, expanded=bool(query.get("expand")), envelope_key=inside)
        found, _ = await self._decode(request, response, expected, deadline)
        return cast("M | None", found)

    async def delete_counting(
        self, path: str, ids: tuple[object, ...], scope: str | None
    ) -> Counts:
        """A deletion that may answer with numbers; without any where the reply has no body."""
        request = self._request("DELETE", path, ids, {}, None, scope)
        deadline = self._deadline()
        response = self._checked(request, await send(self.core, self.options, request))
        if not response.body.strip():
            return {}
        expected = Expected(cast("type[Any]", Counts), expanded=False)
        found, _ = await self._decode(request, response, expected, deadline)
        return cast(Counts, found)

    def pager(
        self,
        of: type[M],
        path: str,
        ids: tuple[object, ...],
        scope: str | None,
        query: Mapping[str, object],
        inside: str | None = None,
    ) -> Pager[M]:
        """One listing. Nothing is sent until it is walked."""
        if query.get("page_size") is not None:
            query = {**query, "page_size": page_size(query["page_size"])}
        start = self._request("GET", path, ids, query, None, scope)
        listing = Listing(start.url, self.options.user)
        expected = Expected(
            of, as_list=True, expanded=bool(query.get("expand")), envelope_key=inside
        )

        async def fetch(url: URL) -> Page[M]:
            request = replace(start, url=self.core.trusted(url))
            deadline = self._deadline()
            response = self._checked(request, await send(self.core, self.options, request))
            items, around = await self._decode(request, response, expected, deadline)
            page = Page(items=items, around=around, url=url, response=response, listing=listing)
            try:
                with trim_traceback():  # the frames in there hold the header
                    found = links(response.header("link"), self.core.in_slash_form(request).url)
            except ValueError as error:  # to take it for the last page would lose the others
                message = f"the Link header cannot be read: {error}"
                page = attrs.evolve(page, response=self.core.scrub(response))
                raise PagingError(message, request, page) from None
            return attrs.evolve(
                page,
                next_url=found.get("next"),
                previous_url=found.get("previous") or found.get("prev"),
            )

        most = self.options.max_pages
        return Pager(fetch, start.url, listing.user, template=path, max_pages=most)

    async def redirect(self, path: str, scope: str | None, query: Mapping[str, object]) -> str:
        """Where an operation redirects to. It is not followed; a public one gets no token."""
        request = self._request("GET", path, (), query, None, scope)
        if scope is None:  # what it is told, a browser could be told
            plain = {"User-Agent": request.headers["User-Agent"]}
            request = replace(request, headers=plain, authorised=False)
        response = await send(self.core, self.options, request)
        self._checked(request, response, redirects=True)
        location = response.headers.get("location")
        if response.status not in {302, 303, 307} or not location:
            raise self._unfit("expected a redirect with a Location", request, response)
        return location

    async def fetch(self, url: str, place: str, into: type[M]) -> M:
        """The resource that *url* names, which must be on this API, from its *place* there."""
        try:
            named = self.core.trusted(URL(url, encoded=True))
        except ValueError:
            raise ForeignOriginError(self.core.hide(url), str(self.core.root.origin())) from None
        target = join(self.core.root, at_place(place, named), named.query)
        request = Request("GET", target, self.options.headers, template=place)
        deadline = self._deadline()
        response = self._checked(request, await send(self.core, self.options, request))
        expected = Expected(into, expanded=False)
        found, _ = await self._decode(request, response, expected, deadline)
        return cast(M, found)

    def _request(
        self,
        method: str,
        template: str,
        ids: tuple[object, ...],
        query: Mapping[str, object],
        body: Mapping[str, object] | None,
        scope: str | None,
    ) -> Request:
        core, path = self.core, fill(template, ids)
        if scope is not None and core.auth is None:
            raise ValueError(
                f"{method} {path} needs an access token"
                f"{f' with the scope {scope}' if scope else ''}: make the client with auth="
            )
        headers, content = self.options.headers, None
        if body is not None:
            content = encode(body, str(core.root))
            headers = {**headers, "Content-Type": "application/json"}
        url = join(core.root, path, query)
        return Request(method, url, headers, content, core.auth is not None, template)

    def _checked(
        self, request: Request, response: Response, *, redirects: bool = False
    ) -> Response:
        """The reply, if it is no error, and a redirect only where *redirects* are the answer."""
        core = self.core
        if "x-ratelimit-remaining" in response.headers:
            core.rate_limit_headers = response.headers
        if response.status >= 400:  # noqa: PLR2004  (the class of status codes, RFC 9110)
            core.note_repair("ProblemDetail", response.body)
            raise ApiError.of(request, core.scrub(response))
        if response.status < 200:  # noqa: PLR2004
            raise self._unfit("expected an answer", request, response)
        if response.status >= 300 and not redirects:  # noqa: PLR2004
            raise self._redirected(request, response)
        if response.status < 300 and not _is_success(response):  # noqa: PLR2004
            message = f"no operation answers {response.status} with {self._media_type(response)}"
            raise self._no_answer(message, request, response)
        return response

    def _deadline(self) -> float:
        """When a call that begins now has to be over."""
        return self.core.clock() + self.options.deadline

    async def _decode(
        self, request: Request, response: Response, expected: Expected, deadline: float
    ) -> tuple[Any, dict[str, Any]]:
        """Decode *response* to what is expected, and to what the API put around it."""
        core = self.core
        steps = decode_in_steps(response.body, expected, core.report, core.limits)
        try:
            with trim_traceback():  # the frames in there hold the body
                return await self._in_slices(request, steps, deadline)
        except DecodeFailure as error:
            name = name_of(expected.model)
            message = (
                f"expected {f'a list of {name}' if expected.as_list else name}: {error} "
                f"({self._media_type(response)})"
            )
            raise self._no_answer(message, request, response, error.path) from None
        except DriftDetected as error:
            raise self._unfit(str(error), request, response, error.drift.path) from None
        except LimitReached as error:
            message = core.hide(str(error))
            raise LimitError(message, request, error.limit, response.status) from None

    async def _in_slices(self, request: Request, steps: Steps[T], deadline: float) -> T:
        """Run *steps*, with a turn of the event loop between them."""
        while True:
            try:
                next(steps)
            except StopIteration as done:
                return cast(T, done.value)
            await asyncio.sleep(0)
            if self.core.clock() >= deadline:
                raise DeadlineError(
                    f"the reply was not decoded within {self.options.deadline:g} s", request
                )

    def _no_answer(
        self, message: str, request: Request, response: Response, path: str = "$"
    ) -> DecodeError:
        """Return the error for a success that cannot be the operation's."""
        if request.is_write:
            message += "; it may or may not have been carried out"
        return self._unfit(message, request, response, path)

    def _redirected(self, request: Request, response: Response) -> DecodeError:
        # No local variable: it may repeat the token, and tools print those of a traceback.
        message = Secret(_redirection(request, response))
        return self._unfit(message.value, request, response)

    def _unfit(
        self, message: str, request: Request, response: Response, path: str = "$"
    ) -> DecodeError:
        hide = self.core.hide
        return DecodeError(hide(message), request, self.core.scrub(response), hide(path))

    def _media_type(self, response: Response) -> str:
        return printable(self.core.hide(response.headers.get("content-type", "no content type")))


def _redirection(request: Request, response: Response) -> str:
    """Return what there is to say of a redirect that is not followed."""
    where = redact_link(response.headers.get("location", "nowhere"))
    if request.is_write and other_slash_form(request.url, response) is not None:
        return (
            f"not carried out, but redirected to {where}: a write is never sent again by "
            "itself. Call the method again; this client sends it there from now on"
        )
    return f"redirected to {where}, which is not followed"


def _is_success(response: Response) -> bool:
    """Return whether a reply below 300 can be the success of an operation."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return response.status in _SUCCESSES and kind != _PROBLEM
