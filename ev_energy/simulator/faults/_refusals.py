"""Faults that refuse a request, or answer something else in its place."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import attrs
from aiohttp import hdrs, web

from ev_energy.simulator.faults._kind import Incident, Kind
from ev_energy.simulator.faults._options import Address, Choice, Errors, Flag, Number, Text
from ev_energy.simulator.faults._reply import http_date
from ev_energy.simulator.http._problems import ProblemError, too_many_requests

if TYPE_CHECKING:
    from collections.abc import Mapping


_YEAR = 365 * 24 * 3600


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
class RateLimited(Kind):
    """429 with the problem the API documents: the hourly limit is used up."""

    handled: ClassVar = False
    header: Literal["Retry-After", "RetryAfter"] | None = attrs.field(
        default="Retry-After",
        validator=Choice(
            "where it says how long to wait", ("Retry-After", "RetryAfter"), optional=True
        ),
    )
    seconds: int = attrs.field(
        default=1, validator=Number("how long it says to wait", most=_YEAR, whole=True)
    )
    as_date: bool = attrs.field(
        default=False, validator=Flag("whether it says so as an HTTP date instead of seconds")
    )
    limit: int = attrs.field(
        default=1000, validator=Number("the limit that is used up", whole=True)
    )

    async def strike(self, incident: Incident) -> web.StreamResponse:
        """Refuse."""
        headers = {"X-RateLimit-Limit": str(self.limit), "X-RateLimit-Remaining": "0"}
        if self.header is not None:
            until = incident.tools.now() + timedelta(seconds=self.seconds)
            headers[self.header] = http_date(until) if self.as_date else str(self.seconds)
        return _problem(too_many_requests(self.seconds), headers)


@attrs.frozen(kw_only=True)
class ServerError(Kind):
    """A 5xx with a page of HTML, as the proxies in front of the API would send it."""

    handled: ClassVar = False
    status: int = attrs.field(
        default=502, validator=Number("its status", least=500, most=599, whole=True)
    )
    retry_after: int | None = attrs.field(
        default=None,
        validator=Number("seconds for a Retry-After header", most=_YEAR, whole=True, optional=True),
    )

    async def strike(self, incident: Incident) -> web.StreamResponse:  # noqa: ARG002 - no matter
        """Answer with the page."""
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
class Problem(Kind):
    """An error of any status, with a body of problem details."""

    handled: ClassVar = False
    status: int = attrs.field(
        default=409, validator=Number("its status", least=400, most=599, whole=True)
    )
    title: str | None = attrs.field(
        default=None, validator=Text("its title; null for the usual one", optional=True)
    )
    detail: str = attrs.field(
        default="This fault was asked for.", validator=Text("what it says went wrong")
    )
    slug: str | None = attrs.field(
        default=None, validator=Text("the last part of its type; null for no type", optional=True)
    )
    field_errors: Mapping[str, Any] | None = attrs.field(
        default=None,
        validator=Errors("what is wrong with which member of the request", optional=True),
    )

    async def strike(self, incident: Incident) -> web.StreamResponse:  # noqa: ARG002 - no matter
        """Answer with the problem."""
        title = self.title or _phrase(self.status)
        errors = None if self.field_errors is None else dict(self.field_errors)
        problem = ProblemError(self.status, title, self.detail, slug=self.slug, field_errors=errors)
        return _problem(problem, {})


@attrs.frozen(kw_only=True)
class Redirect(Kind):
    """A redirect to another site, where none is due."""

    handled: ClassVar = False
    to: str = attrs.field(
        default="https://elsewhere.example/",
        validator=Address("where it leads"),
    )
    status: int = attrs.field(
        default=302, validator=Number("its status", least=300, most=399, whole=True)
    )

    async def strike(self, incident: Incident) -> web.StreamResponse:  # noqa: ARG002 - no matter
        """Send the client away."""
        return web.Response(status=self.status, headers={hdrs.LOCATION: self.to})


@attrs.frozen(kw_only=True)
class TokenRevoked(Kind):
    """The token of the request is revoked first: it gets 401, now and ever after."""

    handled: ClassVar = False

    async def strike(self, incident: Incident) -> web.StreamResponse:
        """Revoke, and let the API say what comes of it."""
        header = incident.request.headers.get(hdrs.AUTHORIZATION, "")
        scheme, _, token = header.partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            incident.tools.revoke(token.strip())
        else:
            incident.give_back()
        return await incident.handled()
