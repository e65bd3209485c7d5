"""What of a request and a reply may be read by whoever reads logs: an allow-list.

What a value may look like is part of it: links come from the wire, and may hold anything anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ev_energy._redaction.scrub import MASK, printable

if TYPE_CHECKING:
    from yarl import URL


#: Characters of a path that are shown.
_LONGEST_PATH: Final = 400

_WORDS: Final = re.compile(r"-?[A-Za-z_]+(?:[,.]-?[A-Za-z_]+)*")
_NUMBER: Final = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,6})?")
_TIMES: Final = re.compile(r"[0-9]{4}-[0-9T:.,+Z -]{1,80}")
_TOKEN: Final = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,127}")

# Query parameters that say which part of what is asked for, and never whose.
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

#: Headers of a reply that help to find out what happened, and say nothing of anybody.
_HEADERS: Final[Mapping[str, re.Pattern[str]]] = {
    "content-type": _TOKEN,
    "content-length": _NUMBER,
    "retry-after": _TOKEN,
    "retryafter": _TOKEN,
    "x-ratelimit-limit": _NUMBER,
    "x-ratelimit-remaining": _NUMBER,
    "x-request-id": _TOKEN,
    "x-correlation-id": _TOKEN,
    "x-amzn-requestid": _TOKEN,
    "x-amz-cf-id": _TOKEN,
    "cf-ray": _TOKEN,
    "traceparent": _TOKEN,
}


def redact_query(url: URL, mask: str = MASK) -> str:
    """The query with every name, and the values that are on the list; empty without one."""
    if not url.raw_query_string:
        return ""
    return "&".join(
        f"{_name(name)}={value if _fits(_QUERY.get(name), value) else mask}"
        for name, value in url.query.items()
    )


def redact_path(url: URL, mask: str = MASK) -> str:
    """The path, without whatever in it may be an e-mail address."""
    # Cut first: a link leads anywhere, and its path may be as long as the server likes.
    path = url.raw_path[: 2 * _LONGEST_PATH]
    if "@" in path or "%40" in path:
        words = path.split("/")
        path = "/".join(mask if "@" in word or "%40" in word else word for word in words)
    return printable(path, _LONGEST_PATH)


def redact_origin(url: URL) -> str:
    """Scheme, host and port; never who logs in there."""
    return printable(url.origin()) if url.absolute else ""


def redact_url(url: URL, *, inside: bool, mask: str = MASK) -> str:
    """*url* as it may be shown: of one that is not *inside* the API, no more than its origin.

    A presigned URL is a secret as a whole: the permission is in it.
    """
    if not inside:
        return f"{redact_origin(url)}/{mask}"
    query = redact_query(url, mask)
    return f"{redact_origin(url)}{redact_path(url, mask)}{f'?{query}' if query else ''}"


def redact_link(text: str) -> str:
    """A link from the wire, wherever it leads: its query by the list, as that of any URL."""
    from yarl import URL

    try:
        return redact_url(URL(text, encoded=True), inside=True) or MASK
    except ValueError:
        return MASK


def redact_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a reply that are on the list, by their names in small letters."""
    found = {name: headers.get(name) for name in _HEADERS}
    return {n: v for n, v in found.items() if v is not None and _fits(_HEADERS[n], v)}


def _fits(pattern: re.Pattern[str] | None, value: str) -> bool:
    return pattern is not None and len(value) <= 200 and bool(pattern.fullmatch(value))  # noqa: PLR2004


def _name(name: str) -> str:
    return name if _fits(_WORDS, name) else MASK
