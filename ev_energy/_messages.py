"""Requests, replies and pages as immutable values, and the protocol of a transport.

Every call creates a request and a reply, so these two are msgspec structs, the frozen classes that
are fastest to create.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Final,
    Generic,
    NamedTuple,
    Protocol,
    TypeAlias,
    TypeVar,
)

import attrs
import msgspec
from multidict import CIMultiDict, MultiMapping, istr
from yarl import URL

from ev_energy._misuse import SuggestsNames, refuse
from ev_energy._redaction.brief import counted
from ev_energy._redaction.scrub import printable, scrub, scrub_bytes
from ev_energy._redaction.show import redact_path, redact_url, request_id
from ev_energy._runtime.lazy_pattern import lazy_pattern

T = TypeVar("T")

#: Seconds, about thirty years.
_MAX_RETRY_AFTER: Final = 1e9
_MAX_COUNT_DIGITS: Final = 11
_LIMIT: Final = istr("x-ratelimit-limit")
_REMAINING: Final = istr("x-ratelimit-remaining")


class Request(msgspec.Struct, frozen=True, eq=False):
    """One call as it will be sent, without the credentials: a `Request` never holds a secret."""

    method: str
    """The HTTP method, in upper case."""
    url: URL
    """The URL with its query."""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    """The headers, without the access token."""
    body: bytes | None = None
    """The encoded body; None without one."""
    authorised: bool = True
    """Whether the call is sent with an access token."""
    template: str = ""
    """The path template in the API's documentation, such as ``/evses/{evse_id}``.

    Empty for requests to other servers.
    """

    @property
    def operation(self) -> str:
        """Method and path template, such as ``GET /evses/{evse_id}``: free of personal data."""
        return f"{self.method} {self.template}".rstrip()

    @property
    def label(self) -> str:
        """Method and path, which identify the call without the personal data in filters."""
        is_api_url = bool(self.template)
        path = redact_path(self.url) if is_api_url else redact_url(self.url, inside=False)
        return f"{self.method} {path}"

    @property
    def is_write(self) -> bool:
        """Whether sending the call twice might carry out a change twice."""
        return self.method not in {"GET", "HEAD", "OPTIONS"}

    def __repr__(self) -> str:
        url = redact_url(self.url, inside=bool(self.template))
        size = "" if self.body is None else f" with {len(self.body)} bytes"
        return f"<Request {self.method} {url}{size}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return what rich shows, which would be every field of a struct."""
        return [("label", self.label)]


#: The media types that a repr shows: lower-case letters and few other characters, unlike any token.
_SHOWN_MEDIA_TYPE: Final = lazy_pattern(
    r"(?:application|audio|image|multipart|text)/[a-z.+-]{1,40}|no content type"
)


class _StatedByHeaders:
    """What the headers of a reply state."""

    __slots__ = ()
    headers: Mapping[str, str]

    def header(self, name: str) -> str:
        """Return the values of a header joined with commas (RFC 9110 §5.3); empty if not sent."""
        headers = self.headers
        if isinstance(headers, MultiMapping):
            return ", ".join(headers.getall(name, ()))
        return headers.get(name, "")

    @property
    def request_id(self) -> str | None:
        """The id to quote when you ask ev.energy about this reply; None if it has none.

        The API's description mentions none. This is the first of the headers ``X-Request-ID``,
        ``Request-ID``, ``X-Correlation-ID``, ``X-Amzn-RequestId``, ``X-Amz-Request-Id`` (of the
        storage of uploads), ``X-Amz-Cf-Id`` and ``CF-Ray``.
        """
        return request_id(self.headers)

    @property
    def api_version(self) -> str | None:
        """The version of the API that replied (``EvEnergy-Version``); None if it did not say."""
        return self.headers.get("evenergy-version")

    @property
    def rate_limit(self) -> RateLimit | None:
        """The allowance as this reply stated it; None if it did not."""
        return RateLimit.of(self.headers)

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait, from ``Retry-After`` or this API's ``RetryAfter``; never negative.

        None without either header, or if its value is neither a number nor a date.
        """
        for name in ("retry-after", "retryafter"):
            text = self.headers.get(name, "").strip()
            if text.isascii() and text.replace(".", "", 1).isdigit():
                return min(float(text), _MAX_RETRY_AFTER)  # float() may return infinity
            if (retry_at := parse_date(text)) is not None:
                now = parse_date(self.headers.get("date", "")) or datetime.now(UTC)
                return max(0.0, (retry_at - now).total_seconds())
        return None


class Response(_StatedByHeaders, msgspec.Struct, frozen=True, eq=False):
    """A reply with its complete body."""

    status: int
    """The HTTP status."""
    reason: str
    """The text after the status, such as ``Not Found``; may be empty."""
    headers: Mapping[str, str]
    """The headers by name, in any case. For a repeated header, this has the first value."""
    body: bytes
    """The whole body, decompressed."""
    elapsed: float = 0.0
    """Seconds from the start of the attempt until the whole body was read."""

    def __repr__(self) -> str:
        return f"<Response {self.status}, {self._media_type}, {len(self.body)} bytes>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return what rich shows, which would be every field of a struct."""
        return [("status", self.status), ("media_type", self._media_type)]

    @property
    def _media_type(self) -> str:
        # A header may repeat the token, and tools print the repr of a traceback's local variables.
        media_type = self.headers.get("content-type", "no content type").partition(";")[0].strip()
        return media_type if _SHOWN_MEDIA_TYPE.fullmatch(media_type) else "another content type"

    def __reduce__(self) -> Any:
        # aiohttp's headers are a proxy, which cannot be pickled; errors and pages must be.
        headers = CIMultiDict(self.headers)
        return Response, (self.status, self.reason, headers, self.body, self.elapsed)

    def without(self, secrets: Sequence[str]) -> Response:
        """Return this reply with all spellings of *secrets* masked, or itself if it has none.

        A body in which a secret only appears after decoding is encoded again; see `scrub_bytes`.
        """
        reason, body = scrub(self.reason, secrets), scrub_bytes(self.body, secrets)
        header_text = "\n".join(f"{name}\n{value}" for name, value in self.headers.items())
        headers = self.headers
        if scrub(header_text, secrets) != header_text:
            headers = CIMultiDict(
                (scrub(name, secrets), scrub(value, secrets))
                for name, value in self.headers.items()
            )
        if headers is self.headers and reason == self.reason and body == self.body:
            return self
        return Response(self.status, reason, headers, body, self.elapsed)


class ResponseInfo(_StatedByHeaders, msgspec.Struct, frozen=True, eq=False):
    """A reply without its body, and the request that it answers without its own."""

    request: Request
    """The request that the reply answers."""
    status: int
    """The HTTP status."""
    reason: str
    """The text after the status, such as ``Not Found``; may be empty."""
    headers: Mapping[str, str]
    """The headers by name, in any case. For a repeated header, this has the first value."""
    elapsed: float
    """Seconds from the start of the attempt until the whole body was read."""

    @classmethod
    def of(cls, request: Request, response: Response) -> ResponseInfo:
        """Return what is known of *response*, which answers *request*."""
        if request.body is not None:
            request = msgspec.structs.replace(request, body=None)
        return cls(request, response.status, response.reason, response.headers, response.elapsed)

    def __repr__(self) -> str:
        return f"<ResponseInfo {self.status} of {self.request.label}, {self.elapsed:.3f} s>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return what rich shows, which would be every field of a struct."""
        return [("status", self.status), ("label", self.request.label), ("elapsed", self.elapsed)]

    def __reduce__(self) -> Any:
        # aiohttp's headers are a proxy, which cannot be pickled.
        headers = CIMultiDict(self.headers)
        return ResponseInfo, (self.request, self.status, self.reason, headers, self.elapsed)


def parse_date(text: str) -> datetime | None:
    """Return an HTTP date; None if *text* is not one. A date without a zone is in UTC."""
    if not text:
        return None
    from email.utils import parsedate_to_datetime  # slow to import, and rarely needed

    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _parse_count(text: str) -> int | None:
    """Return the number of requests that *text* states; None if it is not a number."""
    if not text.isdigit():
        text = text.partition(".")[0].strip()
    if len(text) <= _MAX_COUNT_DIGITS and text.isdigit() and text.isascii():
        return int(text)
    return None


#: The limit is the same in nearly every reply.
_parse_limit: Final = functools.lru_cache(16)(_parse_count)


class RateLimit(NamedTuple):
    """An allowance of requests per rolling hour, as the API states it or as a budget counts it."""

    limit: int
    """The number of requests per rolling hour."""
    remaining: int
    """The number of requests that may be sent now."""
    reserved: int = 0
    """The number of requests that are held by reservations."""
    waiting: int = 0
    """The number of calls of this process that wait for the budget."""
    wait: float = 0.0
    """The estimated seconds until the next request may be sent."""

    @staticmethod
    def of(headers: Mapping[str, str]) -> RateLimit | None:
        """Parse the headers of a reply; None if they are missing or are not numbers."""
        limit = _parse_limit(headers.get(_LIMIT, ""))
        remaining = _parse_count(headers.get(_REMAINING, ""))
        return None if limit is None or remaining is None else RateLimit(limit, remaining)


class ConnectionFault(Exception):  # noqa: N818  (translated into the public TransportError)
    """An attempt without a reply. *sent* is False only if the server certainly received nothing."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(printable(message))
        self.sent = sent


class LimitFault(Exception):  # noqa: N818  (translated into the public LimitError)
    """A reply that was abandoned because it exceeded *limit*.

    It has the *status* and the request id of the reply, if these were read before.
    """

    def __init__(
        self, message: str, *, limit: str, status: int | None, request_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.limit, self.status, self.request_id = limit, status, request_id


#: The body of a request, complete or streamed.
Body: TypeAlias = bytes | AsyncIterable[bytes]


class Transport(Protocol):
    """Sends requests. Follows no redirects, and raises only `ConnectionFault` and `LimitFault`."""

    async def send(
        self, request: Request, headers: Mapping[str, str], body: Body | None, timeout: float
    ) -> Response:
        """Send *request* with *headers* and *body*, both of which may contain secrets."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class PageListing(Protocol):
    """The listing that a page belongs to."""

    def cursor(self, url: URL) -> str:
        """Return the cursor of the page at *url*."""
        ...


def _redacted(url: URL | None) -> str:
    return "None" if url is None else redact_url(url, inside=True)


def _counted(items: Sequence[Any]) -> str:
    return f"<{counted(items)}>"


@attrs.frozen(kw_only=True, eq=False)
class Page(SuggestsNames, Generic[T]):
    """One page of a listing."""

    _other_names: ClassVar[Mapping[str, str]] = {
        "data": "items",
        "results": "items",
        "next_page": "next_cursor",
        "has_more": "next_cursor",
    }

    items: Sequence[T] = attrs.field(repr=_counted)
    """The resources on the page, in the order of the server."""
    url: URL = attrs.field(repr=_redacted)
    """The URL that the page was fetched from."""
    response: Response = attrs.field(repr=False)
    """The reply that contained the page: status, headers, raw body."""
    next_url: URL | None = attrs.field(default=None, repr=_redacted)
    """The URL of the page after this one; None on the last page."""
    previous_url: URL | None = attrs.field(default=None, repr=_redacted)
    """The URL of the page before this one; None if the server did not state it."""
    envelope: Mapping[str, Any] = attrs.field(factory=dict[str, Any], repr=False)
    """The other fields of the reply, if the API wraps the items of the listing in an object."""
    listing: PageListing | None = attrs.field(default=None, repr=False)
    """The listing that the page and its cursors belong to; None for a page that your code made."""
    info: ResponseInfo | None = attrs.field(default=None, repr=False)
    """What `response_of` returns for the page; None for a page that your code made."""

    if not TYPE_CHECKING:  # also what iteration falls back to
        __getitem__ = refuse("a page is not a list: use its .items")

    @property
    def cursor(self) -> str:
        """A text to resume at this page, also in another process: ``listing.resume(cursor)``.

        Raises `CursorError` if the server's link identifies this page by a parameter that the API
        does not document.
        """
        return self._cursor(self.url)

    @property
    def next_cursor(self) -> str | None:
        """A text to resume at the page after this one; None on the last page.

        Save it after this page has been processed. Raises `CursorError` as `cursor` does.
        """
        return self._cursor(self.next_url) if self.next_url else None

    def _repr_html_(self) -> str:
        """Return what notebooks show."""
        from ev_energy._html import page_table

        return page_table(self)

    def _cursor(self, url: URL) -> str:
        if self.listing is None:
            raise ValueError("this page has no cursor, because it was made without listing=")
        return self.listing.cursor(url)

    @property
    def rate_limit(self) -> RateLimit | None:
        """The allowance as this reply stated it; None if it did not."""
        return self.response.rate_limit
