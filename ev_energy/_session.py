"""One request is a straight line: fill the path, send, raise, decode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast, overload

import attrs
from msgspec.structs import replace
from yarl import URL

from ev_energy._convert import Unreadable, decode
from ev_energy._drift import Deviation
from ev_energy._encode import encode
from ev_energy._http import Request, Response
from ev_energy._links import links
from ev_energy._model import Model
from ev_energy._pages import Page, Pager, scope_of
from ev_energy._sending import Core, Options, send
from ev_energy._url import fill, join, page_size
from ev_energy.errors import ApiError, DecodeError

M = TypeVar("M", bound=Model)


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
    ) -> M | None:
        """One operation, to a model; to None where *into* is None and the reply has no body."""
        request = self._request(method, fill(path, ids), query, body, scope)
        response = self._checked(request, await send(self.core, self.options, request))
        if into is None:
            return None
        return cast(M, self._decode(request, response, into, links=bool(query.get("expand"))))

    def pager(
        self,
        of: type[M],
        path: str,
        ids: tuple[object, ...],
        scope: str | None,
        query: Mapping[str, object],
    ) -> Pager[M]:
        """One listing. Nothing is sent until it is walked."""
        if "page_size" in query:
            query = {**query, "page_size": page_size(query["page_size"])}
        start = self._request("GET", fill(path, ids), query, None, scope)
        within = scope_of(start.url, self.options.user)
        links_too = bool(query.get("expand"))

        async def fetch(url: URL) -> Page[M]:
            request = replace(start, url=self.core.trusted(url))
            response = self._checked(request, await send(self.core, self.options, request))
            items = self._decode(request, response, of, many=True, links=links_too)
            found = links(response.header("link"), url)
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
        request = replace(request, headers=plain, authorised=False)
        response = await send(self.core, self.options, request)
        self._checked(request, response, redirects=True)
        location = response.headers.get("location")
        if response.status not in {302, 303, 307} or not location:
            raise self._unfit("expected a redirect with a Location", request, response)
        return location

    async def fetch(self, url: str, into: type[M]) -> M:
        """The resource at *url*, which must be on this API."""
        target = self.core.trusted(URL(url, encoded=True))
        request = Request("GET", target, self.options.headers)
        response = self._checked(request, await send(self.core, self.options, request))
        return cast(M, self._decode(request, response, into, links=False))

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        body: Mapping[str, object] | None,
        scope: str | None,
    ) -> Request:
        core = self.core
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
        return Request(method, url, headers, content, core.auth is not None)

    def _checked(
        self, request: Request, response: Response, *, redirects: bool = False
    ) -> Response:
        """The reply, if it is no error, and a redirect only where *redirects* are the answer."""
        core = self.core
        if "x-ratelimit-remaining" in response.headers:
            core.rate_limit_headers = response.headers
        if response.status >= 400:  # noqa: PLR2004  (the class of status codes, RFC 9110)
            raise ApiError.of(request, core.scrub(response))
        if response.status >= 300 and not redirects:  # noqa: PLR2004
            where = response.headers.get("location", "nowhere")
            raise self._unfit(f"redirected to {where}, which is not followed", request, response)
        return response

    def _decode(
        self,
        request: Request,
        response: Response,
        into: type[M],
        *,
        links: bool,
        many: Any = False,
    ) -> Any:
        try:
            return decode(response.body, into, self.core.report, many=many, links=links)
        except Unreadable as error:
            kind = response.headers.get("content-type", "no content type")
            expected = f"a list of {into.__name__}" if many else into.__name__
            message = f"expected {expected}: {error} ({kind})"
            raise self._unfit(message, request, response, error.path) from None
        except Deviation as error:
            raise self._unfit(str(error), request, response, error.drift.path) from None

    def _unfit(
        self, message: str, request: Request, response: Response, path: str = "$"
    ) -> DecodeError:
        return DecodeError(message, request, self.core.scrub(response), path)
