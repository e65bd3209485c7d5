"""Faults that refuse a request, or reply something else."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import attrs
from aiohttp import hdrs, web

from ev_energy.simulator.faults._kind import FaultKind, FaultRequest
from ev_energy.simulator.faults._options import Address, Choice, Errors, Flag, Number, Text
from ev_energy.simulator.http._date import http_date
from ev_energy.simulator.http._problems import ProblemError, too_many_requests

if TYPE_CHECKING:
    from collections.abc import Mapping


_MAX_RETRY_AFTER = 365 * 24 * 3600


def _problem(problem: ProblemError, headers: Mapping[str, str]) -> web.Response:
    return web.json_response(
        problem.body,
        status=problem.status,
        headers=headers,
        content_type="application/problem+json",
    )


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown Error"


@attrs.frozen(kw_only=True)
class RateLimited(FaultKind):
    """Replies 429 with the problem that the API documents: the hourly limit is used up."""

    handled: ClassVar = False
    header: Literal["Retry-After", "RetryAfter"] | None = attrs.field(
        default="Retry-After",
        validator=Choice(
            "the header with the time to wait", ("Retry-After", "RetryAfter"), optional=True
        ),
    )
    seconds: int = attrs.field(
        default=1,
        validator=Number("the seconds to wait", maximum=_MAX_RETRY_AFTER, whole=True),
    )
    as_date: bool = attrs.field(
        default=False, validator=Flag("whether the header has an HTTP date instead of seconds")
    )
    limit: int = attrs.field(
        default=1000, validator=Number("the limit that is used up", whole=True)
    )

    async def apply(self, target: FaultRequest) -> web.StreamResponse:
        """Reply 429."""
        headers = {"X-RateLimit-Limit": str(self.limit), "X-RateLimit-Remaining": "0"}
        if self.header is not None:
            until = target.tools.now() + timedelta(seconds=self.seconds)
            headers[self.header] = http_date(until) if self.as_date else str(self.seconds)
        return _problem(too_many_requests(self.seconds), headers)


@attrs.frozen(kw_only=True)
class ServerError(FaultKind):
    """Replies a 5xx with an HTML page, as the proxies in front of the API would."""

    handled: ClassVar = False
    status: int = attrs.field(
        default=502, validator=Number("its status", minimum=500, maximum=599, whole=True)
    )
    retry_after: int | None = attrs.field(
        default=None,
        validator=Number(
            "seconds for a Retry-After header", maximum=_MAX_RETRY_AFTER, whole=True, optional=True
        ),
    )

    async def apply(self, target: FaultRequest) -> web.StreamResponse:  # noqa: ARG002 - the same for every request
        """Reply with the page."""
        title = f"{self.status} {_phrase(self.status)}"
        page = (
            f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
            f"<center><h1>{title}</h1></center>\r\n<hr><center>proxy</center>\r\n</body>\r\n</html>"
        )
        wait = self.retry_after
        headers = {} if wait is None else {hdrs.RETRY_AFTER: str(wait)}
        return web.Response(
            status=self.status,
            reason=_phrase(self.status),
            text=page,
            content_type="text/html",
            headers=headers,
        )


@attrs.frozen(kw_only=True)
class Problem(FaultKind):
    """Replies an error of any status, with problem details."""

    handled: ClassVar = False
    status: int = attrs.field(
        default=409, validator=Number("its status", minimum=400, maximum=599, whole=True)
    )
    title: str | None = attrs.field(
        default=None, validator=Text("its title; null for the default", optional=True)
    )
    detail: str = attrs.field(default="This fault was requested.", validator=Text("its detail"))
    slug: str | None = attrs.field(
        default=None, validator=Text("the last part of its type; null for no type", optional=True)
    )
    field_errors: Mapping[str, Any] | None = attrs.field(
        default=None,
        validator=Errors("errors by member of the request", optional=True),
    )

    async def apply(self, target: FaultRequest) -> web.StreamResponse:  # noqa: ARG002 - the same for every request
        """Reply with the problem."""
        title = self.title or _phrase(self.status)
        errors = None if self.field_errors is None else dict(self.field_errors)
        problem = ProblemError(self.status, title, self.detail, slug=self.slug, field_errors=errors)
        return _problem(problem, {})


@attrs.frozen(kw_only=True)
class Redirect(FaultKind):
    """Replies an unexpected redirect to another site."""

    handled: ClassVar = False
    to: str = attrs.field(
        default="https://elsewhere.example/",
        validator=Address("the target"),
    )
    status: int = attrs.field(
        default=302, validator=Number("its status", minimum=300, maximum=399, whole=True)
    )

    async def apply(self, target: FaultRequest) -> web.StreamResponse:  # noqa: ARG002 - the same for every request
        """Reply with the redirect."""
        return web.Response(status=self.status, headers={hdrs.LOCATION: self.to})


@attrs.frozen(kw_only=True)
class TokenRevoked(FaultKind):
    """Revokes the token of the request, which therefore gets 401, as do all later ones."""

    handled: ClassVar = False

    async def apply(self, target: FaultRequest) -> web.StreamResponse:
        """Revoke the token and let the API reply."""
        header = target.request.headers.get(hdrs.AUTHORIZATION, "")
        scheme, _, token = header.partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            target.tools.revoke(token.strip())
        else:
            target.discount()
        return await target.handled()
