"""Cursors: the position of a page in a listing, as a text that another process can resume from.

A cursor may come back from a browser or a queue, so its content is not trusted. It holds a position
and a fingerprint of its listing; the request itself is made from the caller's own listing, with its
path, filters, ``expand``, origin and user. At worst, a forged cursor leads to another page of that
listing. The fingerprint only detects that a cursor was saved from another listing by mistake.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast
from urllib.parse import unquote, unquote_plus

import attrs
from yarl import URL

from ev_energy._arguments import require_text
from ev_energy._runtime.lazy_pattern import lazy_pattern
from ev_energy.errors import CursorError

_PAGE_PARAMETERS: Final = ("page", "page_after", "page_before")
#: ``page_size`` belongs to the position, since it decides where page 3 begins.
_POSITION_PARAMETERS: Final = (*_PAGE_PARAMETERS, "page_size")
#: The second format. The first one held a whole path, which `Listing.resume` does not follow.
_FORMAT: Final = 2
_MAX_LENGTH: Final = 4096
#: The characters of a query (RFC 3986 §3.4), except those that end a value. Values are kept as the
#: server escaped them: a ``+`` that is decoded and sent again would become a space.
_ESCAPED_VALUE: Final = lazy_pattern(r"(?:[A-Za-z0-9\-._~!$'()*+,:@/?=]|%[0-9A-Fa-f]{2})*")
_PAGE_SIZE: Final = lazy_pattern(r"[1-9][0-9]?|100")


@attrs.frozen
class Listing:
    """The listing that a page and its cursors belong to."""

    start: URL
    """The URL of the first page, with the caller's filters."""
    user: str | None = None
    """The user that the client acts for."""

    def cursor(self, url: URL) -> str:
        """Return the cursor of the page at *url*.

        `CursorError` if *url* does not identify its page by a parameter that the API documents:
        such a cursor would silently resume at the first page.
        """
        position = _position(map(_split, _raw_pairs(url)))
        if not any(map(position.get, _PAGE_PARAMETERS)) and _identity(url) != _identity(self.start):
            raise CursorError(
                "the server's link has none of the parameters page, page_after and page_before, so "
                "there is no cursor for its page"
            )
        cursor = _encode(self._fingerprint, position)
        if len(cursor) > _MAX_LENGTH:
            raise CursorError(
                f"the cursor would have {len(cursor)} characters, more than {_MAX_LENGTH}: the "
                "position in the server's link is too long"
            )
        return cursor

    def resume(self, cursor: str) -> URL:
        """Return the URL of the page of *cursor*, or raise `CursorError` for another listing."""
        fingerprint, position = _decode(require_text("cursor", cursor))
        if fingerprint != self._fingerprint:
            raise CursorError(
                "this cursor belongs to another listing; to resume it, create the listing with the "
                "same filters, expand, base_url and user"
            )
        filters = [
            pair for pair in _raw_pairs(self.start) if _split(pair)[0] not in _POSITION_PARAMETERS
        ]
        query = "&".join([*filters, *(f"{name}={value}" for name, value in position.items())])
        return URL(f"{self.start.with_query(None)}{'?' if query else ''}{query}", encoded=True)

    @property
    def _fingerprint(self) -> str:
        """A digest of everything that distinguishes listings; filters may hold personal data."""
        content = json.dumps([str(self.start.origin()), *_identity(self.start), self.user])
        digest = hashlib.sha256(content.encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _identity(url: URL) -> tuple[str, list[tuple[str, str]]]:
    """Return the path and the sorted query of *url*, without the position."""
    query = sorted(pair for pair in url.query.items() if pair[0] not in _POSITION_PARAMETERS)
    return url.raw_path.rstrip("/"), query


def _raw_pairs(url: URL) -> list[str]:
    """Return the parameters in the query of *url*, still escaped."""
    return [pair for pair in url.raw_query_string.split("&") if pair]


def _split(pair: str) -> tuple[str, str]:
    """Return the decoded name of *pair*, and its value, still escaped."""
    name, _, value = pair.partition("=")
    return unquote_plus(name), value


def _position(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the position in *pairs*; `CursorError` if it is ambiguous or cannot be sent."""
    position: dict[str, str] = {}
    for name, value in pairs:
        if name not in _POSITION_PARAMETERS:
            continue
        if name in position:
            raise CursorError(f"the position has the parameter {name} more than once")
        if not _ESCAPED_VALUE.fullmatch(value) or not unquote(value).isprintable():
            raise CursorError(f"the value of {name} in the position cannot be sent in a query")
        position[name] = value
    if not _PAGE_SIZE.fullmatch(position.get("page_size", "1")):
        raise CursorError("the page_size in the position is not 1 to 100")
    return {name: position[name] for name in _POSITION_PARAMETERS if name in position}


def _encode(fingerprint: str, position: Mapping[str, str]) -> str:
    content = json.dumps([_FORMAT, fingerprint, position], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[str, dict[str, str]]:
    """Return the fingerprint and the position in *cursor*; `CursorError` unless `_encode` made it.

    The message does not repeat the text: it may be a secret that was passed by mistake.
    """
    invalid = CursorError(
        "this text is not a cursor; pass the cursor or next_cursor of a page, unchanged"
    )
    if len(cursor) > _MAX_LENGTH:
        raise invalid
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        content: object = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        raise invalid from None
    match content:
        case [str(), str()]:
            raise CursorError(
                "this cursor was saved by an earlier version of ev_energy, in a format that is no "
                "longer supported; start the listing from its beginning"
            )
        case [int(), str(fingerprint), dict()]:
            members = cast("dict[str, Any]", content[2])
        case _:
            raise invalid
    if not all(isinstance(value, str) for value in members.values()) or not members.keys() <= {
        *_POSITION_PARAMETERS
    }:
        raise invalid
    position = _position(members.items())
    # A cursor has exactly one spelling. This also refuses a repeated name, which JSON drops.
    if _encode(fingerprint, position) != cursor:
        raise invalid
    return fingerprint, position
