"""Faults of the reply: a wrong body or wrong headers."""

from __future__ import annotations

import re
from abc import abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import attrs
from aiohttp import hdrs
from yarl import URL

from ev_energy.simulator.faults._kind import FaultKind, FaultRequest
from ev_energy.simulator.faults._options import Address, Choice, Number, Text
from ev_energy.simulator.http._date import http_date

if TYPE_CHECKING:
    from aiohttp import web

    from ev_energy.simulator.faults._reply import BufferedReply


_MAX_SKEW: Final = 3652 * 24 * 3600
_NEXT: Final = re.compile(r'<([^>]*)>(?=; rel="next")')
_PAGING: Final = ("page_after", "page_before", "page")


@attrs.frozen(kw_only=True)
class ReplyCorruption(FaultKind):
    """A fault that changes the reply and sends it properly."""

    handled: ClassVar = True

    @abstractmethod
    def corrupt(self, reply: BufferedReply, target: FaultRequest) -> BufferedReply | None:
        """Return the reply to send instead, or None if it has nothing to corrupt."""

    async def apply(self, target: FaultRequest) -> web.StreamResponse:
        """Send the corrupted reply."""
        reply = await target.reply()
        corrupted = self.corrupt(reply, target)
        if corrupted is None:
            target.discount()
        return (corrupted or reply).response()


@attrs.frozen(kw_only=True)
class WrongContentType(ReplyCorruption):
    """Sends the correct body with a wrong content type."""

    content_type: str = attrs.field(default="text/html", validator=Text("the content type"))

    def corrupt(self, reply: BufferedReply, target: FaultRequest) -> BufferedReply | None:  # noqa: ARG002
        """Replace the content type."""
        return reply.with_headers({hdrs.CONTENT_TYPE: self.content_type}) if reply.body else None


@attrs.frozen(kw_only=True)
class NotJson(ReplyCorruption):
    """Sends a body of a success that is not JSON: its end is wrong."""

    def corrupt(self, reply: BufferedReply, target: FaultRequest) -> BufferedReply | None:  # noqa: ARG002
        """Add a bracket at the end."""
        return attrs.evolve(reply, body=reply.body + b"]") if reply.is_json else None


@attrs.frozen(kw_only=True)
class WrongShape(ReplyCorruption):
    """Sends an object instead of a list, and a list instead of an object."""

    def corrupt(self, reply: BufferedReply, target: FaultRequest) -> BufferedReply | None:  # noqa: ARG002
        """Wrap the body."""
        if not reply.is_json:
            return None
        body = reply.json()
        return reply.with_json({"results": body} if isinstance(body, list) else [body])


@attrs.frozen(kw_only=True)
class EmptyBody(ReplyCorruption):
    """Sends the headers of the reply without its body."""

    def corrupt(self, reply: BufferedReply, target: FaultRequest) -> BufferedReply | None:  # noqa: ARG002
        """Remove the body."""
        return attrs.evolve(reply, body=b"") if reply.body else None


def _next_url(reply: BufferedReply, request: web.Request) -> str:
    """Return the URL of the next page, or of this page if it is the last."""
    found = _NEXT.search(reply.headers.get(hdrs.LINK, ""))
    return str(request.url) if found is None or found[1] == "about:blank" else found[1]


def _with_next(reply: BufferedReply, url: str) -> BufferedReply | None:
    if (links := reply.headers.get(hdrs.LINK)) is None:
        return None
    return reply.with_headers({hdrs.LINK: _NEXT.sub(lambda _: f"<{url}>", links)})


@attrs.frozen(kw_only=True)
class MissingLink(ReplyCorruption):
    """Sends a page of a list without its Link header."""

    def corrupt(self, reply: BufferedReply, target: FaultRequest) -> BufferedReply | None:  # noqa: ARG002
        """Remove the header."""
        if hdrs.LINK not in reply.headers:
            return None
        headers = reply.headers.copy()
        del headers[hdrs.LINK]
        return attrs.evolve(reply, headers=headers)


@attrs.frozen(kw_only=True)
class BrokenLink(ReplyCorruption):
    """Sends a page of a list with a malformed Link header."""

    link: str = attrs.field(
        default='<http://[nowhere:x; rel="next, <>;;rel=', validator=Text("the value of the header")
    )

    def corrupt(self, reply: BufferedReply, target: FaultRequest) -> BufferedReply | None:  # noqa: ARG002
        """Replace the header."""
        if hdrs.LINK not in reply.headers:
            return None
        return reply.with_headers({hdrs.LINK: self.link})


@attrs.frozen(kw_only=True)
class LinkLoop(ReplyCorruption):
    """Sends a page of a list whose next page is one that the client has seen."""

    to: Literal["same", "first"] = attrs.field(
        default="same",
        validator=Choice("the next page: this page or the first page", ("same", "first")),
    )

    def corrupt(self, reply: BufferedReply, target: FaultRequest) -> BufferedReply | None:
        """Replace the URL of the next page."""
        url = target.request.url
        return _with_next(
            reply, str(url if self.to == "same" else url.without_query_params(*_PAGING))
        )


@attrs.frozen(kw_only=True)
class ForeignLink(ReplyCorruption):
    """Sends a page of a list whose next page is on another site."""

    origin: str = attrs.field(
        default="https://elsewhere.example", validator=Address("the other site")
    )

    def corrupt(self, reply: BufferedReply, target: FaultRequest) -> BufferedReply | None:
        """Replace the origin of the next page."""
        url = URL(_next_url(reply, target.request), encoded=True)
        return _with_next(reply, str(URL(self.origin).origin()) + url.raw_path_qs)


@attrs.frozen(kw_only=True)
class HugeHeader(ReplyCorruption):
    """Adds a very long header."""

    kilobytes: int = attrs.field(
        default=64,
        validator=Number("its length in kilobytes", minimum=1, maximum=100_000, whole=True),
    )

    def corrupt(self, reply: BufferedReply, target: FaultRequest) -> BufferedReply | None:  # noqa: ARG002
        """Add the header."""
        return reply.with_headers({"X-Padding": "x" * (1024 * self.kilobytes)})


@attrs.frozen(kw_only=True)
class ManyHeaders(ReplyCorruption):
    """Adds a great number of headers."""

    number: int = attrs.field(
        default=1000,
        validator=Number("the number of headers", minimum=1, maximum=1_000_000, whole=True),
    )

    def corrupt(self, reply: BufferedReply, target: FaultRequest) -> BufferedReply | None:  # noqa: ARG002
        """Add the headers."""
        return reply.with_headers({f"X-Padding-{n}": str(n) for n in range(self.number)})


@attrs.frozen(kw_only=True)
class ClockSkew(ReplyCorruption):
    """Sends a Date header of a wrong clock."""

    seconds: float = attrs.field(
        default=86400.0,
        validator=Number("seconds that the clock is ahead", minimum=-_MAX_SKEW, maximum=_MAX_SKEW),
    )

    def corrupt(self, reply: BufferedReply, target: FaultRequest) -> BufferedReply | None:
        """Replace the date."""
        wrong = target.tools.now() + timedelta(seconds=self.seconds)
        return reply.with_headers({hdrs.DATE: http_date(wrong)})
