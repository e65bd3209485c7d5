"""Faults of the reply: a body or headers that are not what they should be."""

from __future__ import annotations

import re
from abc import abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import attrs
from aiohttp import hdrs
from yarl import URL

from ev_energy.simulator.faults._kind import Incident, Kind
from ev_energy.simulator.faults._options import Address, Choice, Number, Text
from ev_energy.simulator.faults._reply import http_date

if TYPE_CHECKING:
    from aiohttp import web

    from ev_energy.simulator.faults._reply import Answer


_TEN_YEARS: Final = 3652 * 24 * 3600
_NEXT: Final = re.compile(r'<([^>]*)>(?=; rel="next")')
_PAGING: Final = ("page_after", "page_before", "page")


@attrs.frozen(kw_only=True)
class Spoiler(Kind):
    """Changes a reply that is sent as it should be."""

    handled: ClassVar = True

    @abstractmethod
    def spoil(self, answer: Answer, incident: Incident) -> Answer | None:
        """Return what to send instead; None if there is nothing to spoil."""

    async def strike(self, incident: Incident) -> web.StreamResponse:
        """Answer, but not quite."""
        answer = await incident.answer()
        spoilt = self.spoil(answer, incident)
        if spoilt is None:
            incident.give_back()
        return (spoilt or answer).response()


@attrs.frozen(kw_only=True)
class WrongContentType(Spoiler):
    """The body is right, but said to be something else."""

    content_type: str = attrs.field(default="text/html", validator=Text("what it is said to be"))

    def spoil(self, answer: Answer, incident: Incident) -> Answer | None:  # noqa: ARG002
        """Mislabel it."""
        return answer.with_headers({hdrs.CONTENT_TYPE: self.content_type}) if answer.body else None


@attrs.frozen(kw_only=True)
class NotJson(Spoiler):
    """The body of a success goes wrong at its end: it is no JSON."""

    def spoil(self, answer: Answer, incident: Incident) -> Answer | None:  # noqa: ARG002
        """Close one bracket too many."""
        return attrs.evolve(answer, body=answer.body + b"]") if answer.is_json else None


@attrs.frozen(kw_only=True)
class WrongShape(Spoiler):
    """An object where a list is due, and a list where an object is."""

    def spoil(self, answer: Answer, incident: Incident) -> Answer | None:  # noqa: ARG002
        """Wrap it."""
        if not answer.is_json:
            return None
        body = answer.json()
        return answer.with_json({"results": body} if isinstance(body, list) else [body])


@attrs.frozen(kw_only=True)
class EmptyBody(Spoiler):
    """The headers of the reply, and nothing after them."""

    def spoil(self, answer: Answer, incident: Incident) -> Answer | None:  # noqa: ARG002
        """Leave the body out."""
        return attrs.evolve(answer, body=b"") if answer.body else None


def _next_url(answer: Answer, request: web.Request) -> str:
    """Return where a page says the next one is, or itself if it is the last."""
    found = _NEXT.search(answer.headers.get(hdrs.LINK, ""))
    return str(request.url) if found is None or found[1] == "about:blank" else found[1]


def _with_next(answer: Answer, url: str) -> Answer | None:
    if (links := answer.headers.get(hdrs.LINK)) is None:
        return None
    return answer.with_headers({hdrs.LINK: _NEXT.sub(lambda _: f"<{url}>", links)})


@attrs.frozen(kw_only=True)
class MissingLink(Spoiler):
    """A page of a list without its Link header."""

    def spoil(self, answer: Answer, incident: Incident) -> Answer | None:  # noqa: ARG002
        """Drop it."""
        if hdrs.LINK not in answer.headers:
            return None
        headers = answer.headers.copy()
        del headers[hdrs.LINK]
        return attrs.evolve(answer, headers=headers)


@attrs.frozen(kw_only=True)
class BrokenLink(Spoiler):
    """A page of a list with a Link header that cannot be read."""

    link: str = attrs.field(
        default='<http://[nowhere:x; rel="next, <>;;rel=', validator=Text("the header's text")
    )

    def spoil(self, answer: Answer, incident: Incident) -> Answer | None:  # noqa: ARG002
        """Replace it."""
        if hdrs.LINK not in answer.headers:
            return None
        return answer.with_headers({hdrs.LINK: self.link})


@attrs.frozen(kw_only=True)
class LinkLoop(Spoiler):
    """A page of a list that names a page already seen as the next one."""

    to: Literal["same", "first"] = attrs.field(
        default="same", validator=Choice("whether that is itself or the first", ("same", "first"))
    )

    def spoil(self, answer: Answer, incident: Incident) -> Answer | None:
        """Lead in a circle."""
        url = incident.request.url
        return _with_next(
            answer, str(url if self.to == "same" else url.without_query_params(*_PAGING))
        )


@attrs.frozen(kw_only=True)
class ForeignLink(Spoiler):
    """A page of a list whose next one is on another site."""

    origin: str = attrs.field(default="https://elsewhere.example", validator=Address("that site"))

    def spoil(self, answer: Answer, incident: Incident) -> Answer | None:
        """Lead astray."""
        url = URL(_next_url(answer, incident.request), encoded=True)
        return _with_next(answer, str(URL(self.origin).origin()) + url.raw_path_qs)


@attrs.frozen(kw_only=True)
class HugeHeader(Spoiler):
    """One more header, and a very long one."""

    kilobytes: int = attrs.field(
        default=64, validator=Number("how long it is", least=1, most=100_000, whole=True)
    )

    def spoil(self, answer: Answer, incident: Incident) -> Answer | None:  # noqa: ARG002
        """Add it."""
        return answer.with_headers({"X-Padding": "x" * (1024 * self.kilobytes)})


@attrs.frozen(kw_only=True)
class ManyHeaders(Spoiler):
    """A great many headers more."""

    number: int = attrs.field(
        default=1000, validator=Number("how many", least=1, most=1_000_000, whole=True)
    )

    def spoil(self, answer: Answer, incident: Incident) -> Answer | None:  # noqa: ARG002
        """Add them."""
        return answer.with_headers({f"X-Padding-{n}": str(n) for n in range(self.number)})


@attrs.frozen(kw_only=True)
class ClockSkew(Spoiler):
    """A Date header by a clock that is wrong."""

    seconds: float = attrs.field(
        default=86400.0,
        validator=Number("how far it is ahead", least=-_TEN_YEARS, most=_TEN_YEARS),
    )

    def spoil(self, answer: Answer, incident: Incident) -> Answer | None:
        """Tell the wrong time."""
        wrong = incident.tools.now() + timedelta(seconds=self.seconds)
        return answer.with_headers({hdrs.DATE: http_date(wrong)})
