"""Requests, replies and pages as values, and what a transport is.

A request and a reply are made for every call, so they are the cheapest kind of frozen class.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import attrs
import msgspec
from multidict import CIMultiDict, MultiMapping
from yarl import URL

from ev_energy._redaction.scrub import printable, scrub, scrub_bytes
from ev_energy._redaction.show import redact_path, redact_url

T = TypeVar("T")

#: Seconds: some thirty years.
_AGES: Final = 1e9
_MAX_COUNT_DIGITS: Final = 11


class Request(msgspec.Struct, frozen=True, eq=False):
    """One call as it will be sent, but for the credentials: a `Request` never holds a secret."""

    method: str
    url: URL
    headers: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    body: bytes | None = None
    authorised: bool = True
    """Whether an access token goes along."""
    template: str = ""
    """The path as the API's documentation has it: ``/evses/{evse_id}``. Empty outside the API."""

    @property
    def operation(self) -> str:
        """Method and path template: what kind of call it is, with nothing personal in it."""
        return f"{self.method} {self.template}".rstrip()

    @property
    def label(self) -> str:
        """Method and path: enough to recognise the call, and free of personal filters."""
        inside = bool(self.template)
        shown = redact_path(self.url) if inside else redact_url(self.url, inside=False)
        return f"{self.method} {shown}"

    @property
    def is_write(self) -> bool:
        """Whether sending it twice could do something twice."""
        return self.method not in {"GET", "HEAD", "OPTIONS"}

    def __repr__(self) -> str:
        shown = redact_url(self.url, inside=bool(self.template))
        size = "" if self.body is None else f" with {len(self.body)} bytes"
        return f"<Request {self.method} {shown}{size}>"


#: What is shown of a content type in a repr: words of small letters, as no token consists of.
_SHOWN_KIND: Final = re.compile(
    r"(?:application|audio|image|multipart|text)/[a-z.+-]{1,40}|no content type"
)


class Response(msgspec.Struct, frozen=True, eq=False):
    """A reply, read to its end."""

    status: int
    reason: str
    headers: Mapping[str, str]
    """By name, in any case. Of a header that was sent twice, this gives the first."""
    body: bytes

    def __repr__(self) -> str:
        return f"<Response {self.status}, {self._media_type}, {len(self.body)} bytes>"

    @property
    def _media_type(self) -> str:
        # A header may repeat the token, and tools print the repr of a traceback's local variables.
        kind = self.headers.get("content-type", "no content type").partition(";")[0].strip()
        return kind if _SHOWN_KIND.fullmatch(kind) else "another content type"

    def __reduce__(self) -> Any:
        # A live reply's headers are a view, which does not pickle; errors and pages should.
        return Response, (self.status, self.reason, CIMultiDict(self.headers), self.body)

    def header(self, name: str) -> str:
        """A header whole: sent twice, joined with commas (RFC 9110 §5.3); empty if not sent."""
        found = self.headers
        if isinstance(found, MultiMapping):
            return ", ".join(found.getall(name, ()))
        return found.get(name, "")

    def without(self, secrets: Sequence[str]) -> Response:
        """This reply with stars for each of *secrets*, however it spells them; or itself.

        A body in which a secret shows only once it is decoded is written anew; see `scrub_bytes`.
        """
        reason, body = scrub(self.reason, secrets), scrub_bytes(self.body, secrets)
        sent = "\n".join(f"{name}\n{value}" for name, value in self.headers.items())
        headers = self.headers
        if scrub(sent, secrets) != sent:
            headers = CIMultiDict(
                (scrub(name, secrets), scrub(value, secrets))
                for name, value in self.headers.items()
            )
        if headers is self.headers and reason == self.reason and body == self.body:
            return self
        return Response(self.status, reason, headers, body)

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait, from ``Retry-After`` or this API's ``RetryAfter``; never negative."""
        for name in ("retry-after", "retryafter"):
            text = self.headers.get(name, "").strip()
            if text.isascii() and text.replace(".", "", 1).isdigit():
                return min(float(text), _AGES)  # which else may be infinite
            if (until := _date(text)) is not None:
                now = _date(self.headers.get("date", "")) or datetime.now(UTC)
                return max(0.0, (until - now).total_seconds())
        return None


def _date(text: str) -> datetime | None:
    if not text:
        return None
    from email.utils import parsedate_to_datetime  # takes its time, and is hardly ever needed

    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _count(text: str) -> int | None:
    """Return the number of requests that *text* states; None if it is not a number."""
    if not text.isdigit():
        text = text.partition(".")[0].strip()
    if len(text) <= _MAX_COUNT_DIGITS and text.isdigit() and text.isascii():
        return int(text)
    return None


class RateLimit(NamedTuple):
    """An allowance of requests per rolling hour, as the API stated it or as a budget knows it."""

    limit: int
    remaining: int
    """How many may be sent now."""
    reserved: int = 0
    """How many are set aside for somebody."""
    waiting: int = 0
    """How many calls of this process wait for their turn."""
    wait: float = 0.0
    """Seconds until the next one may be sent, as far as is known."""

    @staticmethod
    def of(headers: Mapping[str, str]) -> RateLimit | None:
        """Read off a reply's headers; None where they are missing or no numbers."""
        limit = _count(headers.get("x-ratelimit-limit", ""))
        remaining = _count(headers.get("x-ratelimit-remaining", ""))
        return None if limit is None or remaining is None else RateLimit(limit, remaining)


class ConnectionFault(Exception):  # noqa: N818  (the session turns it into a TransportError)
    """No reply. *sent* is False only where the server provably got nothing."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(printable(message))
        self.sent = sent


class LimitFault(Exception):  # noqa: N818  (the session turns it into a LimitError)
    """A reply that was not read on, because it went beyond *limit*; *status* if it had one."""

    def __init__(self, message: str, *, limit: str, status: int | None) -> None:
        super().__init__(message)
        self.limit, self.status = limit, status


#: The body of a request, whole or in pieces.
Body: TypeAlias = bytes | AsyncIterable[bytes]


class Transport(Protocol):
    """What sends requests. It follows no redirects and raises nothing but these two faults."""

    async def send(
        self, request: Request, headers: Mapping[str, str], body: Body | None, timeout: float
    ) -> Response:
        """Send *request* with these headers and this body, which may hold secrets."""
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...


class PageListing(Protocol):
    """The listing that a page belongs to."""

    def cursor(self, url: URL) -> str:
        """Return the text that leads back to *url*, a page of this listing."""
        ...


def _shown(url: URL | None) -> str:
    return "None" if url is None else redact_url(url, inside=True)


@attrs.frozen(kw_only=True, eq=False)
class Page(Generic[T]):
    """One page of a listing."""

    items: Sequence[T]
    url: URL = attrs.field(repr=_shown)
    response: Response = attrs.field(repr=False)
    """The reply it came in: status, headers, raw body."""
    next_url: URL | None = attrs.field(default=None, repr=_shown)
    previous_url: URL | None = attrs.field(default=None, repr=_shown)
    envelope: Mapping[str, Any] = attrs.field(factory=dict[str, Any], repr=False)
    """The other fields of the reply, where the API wraps the items of a listing in an object."""
    listing: PageListing | None = attrs.field(default=None, repr=False)
    """The listing this is a page of, which its cursors belong to; None for a page made by hand."""

    @property
    def cursor(self) -> str:
        """A text that resumes at this page, in another process too: ``listing.resume(cursor)``.

        `CursorError` in the odd case that the server's link names this page by a parameter that
        the API does not document.
        """
        return self._cursor(self.url)

    @property
    def next_cursor(self) -> str | None:
        """A text that resumes at the page after this one; None on the last page.

        Save it once this page is dealt with.
        """
        return self._cursor(self.next_url) if self.next_url else None

    def _cursor(self, url: URL) -> str:
        if self.listing is None:
            raise ValueError("this page belongs to no listing: it was made without listing=")
        return self.listing.cursor(url)

    @property
    def rate_limit(self) -> RateLimit | None:
        """The allowance as this reply stated it."""
        return RateLimit.of(self.response.headers)
