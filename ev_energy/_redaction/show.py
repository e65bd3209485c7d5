"""The parts of requests and replies that logs and errors may show: allow-lists of names and forms.

The form of a value is restricted too: links come from the wire and may hold anything anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ev_energy._redaction.scrub import MASK, printable
from ev_energy._runtime.lazy_pattern import lazy_pattern

if TYPE_CHECKING:
    from yarl import URL

#: Characters of a path that are shown.
_MAX_PATH: Final = 400
#: Characters of a query value or header that is shown. A longer one is masked.
_MAX_VALUE: Final = 200

_WORDS: Final = lazy_pattern(r"-?[A-Za-z_]+(?:[,.]-?[A-Za-z_]+)*")
_NUMBER: Final = lazy_pattern(r"-?[0-9]{1,12}(?:\.[0-9]{1,6})?")
_TIMES: Final = lazy_pattern(r"[0-9]{4}-[0-9T:.,+Z -]{1,80}")
_TOKEN: Final = lazy_pattern(r"[\x21-\x7e][\x20-\x7e]{0,127}")

#: Query parameters that select a part of a result and never name a person.
_QUERY: Final[Mapping[str, re.Pattern[str]]] = {
    **dict.fromkeys(["page", "page_size", "limit", "resolution"], _NUMBER),
    **dict.fromkeys(
        [
            "expand",
            "ordering",
            "group_by",
            "direction",
            "mode",
            "status",
            "status__in",
            "action",
            "action__in",
            "message_type",
            "message_type__in",
            "is_finished",
            "include_optional",
            "merge_consecutive_intervals",
            "only_most_recently_created",
            "country_code",
            "response_type",
        ],
        _WORDS,
    ),
    **{
        f"{name}{suffix}": _TIMES
        for name in (
            *("start", "end", "created_at", "logged_at", "sampled_at", "started_at"),
            *("resolved_at", "ticket_updated_at"),
        )
        for suffix in ("", "__gt", "__gte", "__lt", "__lte", "__range")
    },
}

#: Response headers that identify a reply, those of the API's own servers before those of proxies.
_REQUEST_ID_HEADERS: Final = (
    "x-request-id",
    "request-id",
    "x-correlation-id",
    "x-amzn-requestid",
    "x-amz-request-id",
    "x-amz-cf-id",
    "cf-ray",
)

#: Response headers that help with debugging and hold no personal data.
_HEADERS: Final[Mapping[str, re.Pattern[str]]] = {
    "content-type": _TOKEN,
    "content-length": _NUMBER,
    "retry-after": _TOKEN,
    "retryafter": _TOKEN,
    "x-ratelimit-limit": _NUMBER,
    "x-ratelimit-remaining": _NUMBER,
    **dict.fromkeys(_REQUEST_ID_HEADERS, _TOKEN),
    "traceparent": _TOKEN,
}


class Unshown:
    """A base of structs that have secrets inside: neither `repr` nor rich shows their fields."""

    __slots__ = ()

    def __repr__(self) -> str:
        return object.__repr__(self)

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return what rich shows, which would be every field of a struct."""
        return []


def redact_query(url: URL, mask: str = MASK) -> str:
    """Return the query with all names, but only allow-listed values; empty if there is none."""
    if not url.raw_query_string:
        return ""
    return "&".join(
        f"{_redact_name(name)}={value if _is_allowed(_QUERY.get(name), value) else mask}"
        for name, value in url.query.items()
    )


def redact_path(url: URL, mask: str = MASK) -> str:
    """Return the path, with segments that may be an e-mail address masked."""
    # Truncate first: the path of a link may be as long as the server likes.
    path = url.raw_path[: 2 * _MAX_PATH]
    if "@" in path or "%40" in path:
        segments = path.split("/")
        path = "/".join(mask if "@" in part or "%40" in part else part for part in segments)
    return printable(path, _MAX_PATH)


def redact_url(url: URL, *, inside: bool, mask: str = MASK) -> str:
    """Return *url* as logs and errors show it; only the origin if it is not *inside* the API.

    A presigned URL is a secret as a whole: it carries the permission.
    """
    origin = printable(url.origin()) if url.absolute else ""  # without a user name and password
    if not inside:
        return f"{origin}/{mask}"
    query = redact_query(url, mask)
    return f"{origin}{redact_path(url, mask)}{f'?{query}' if query else ''}"


def redact_link(text: str) -> str:
    """Return a link from the wire with its query redacted, wherever it leads."""
    from yarl import URL

    try:
        return redact_url(URL(text, encoded=True), inside=True) or MASK
    except ValueError:
        return MASK


def redact_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the allow-listed response headers, by their names in lower case."""
    found = {name: headers.get(name) for name in _HEADERS}
    return {n: v for n, v in found.items() if v is not None and _is_allowed(_HEADERS[n], v)}


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return the id that identifies a reply to the server's operators; None if there is none.

    It is one line of visible characters: other values of these headers are no ids.
    """
    for name in _REQUEST_ID_HEADERS:
        value = headers.get(name)
        if value is not None and _is_allowed(_TOKEN, value):
            return value
    return None


def _is_allowed(pattern: re.Pattern[str] | None, value: str) -> bool:
    return pattern is not None and len(value) <= _MAX_VALUE and bool(pattern.fullmatch(value))


def _redact_name(name: str) -> str:
    return name if _is_allowed(_WORDS, name) else MASK
