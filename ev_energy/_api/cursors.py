"""Cursors: a page of a listing as a text that is saved, and resumed in another process.

A cursor may come back from a browser or a queue, so nothing in it is believed: it holds a position
and a fingerprint of its listing, and the request is made from the caller's own listing, with its
path, filters, ``expand``, origin and user. A forged cursor leads to another page of that listing at
most. The fingerprint only tells a cursor of another listing, saved by mistake, from one of this.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast
from urllib.parse import unquote, unquote_plus

import attrs
from yarl import URL

from ev_energy._arguments import require_text
from ev_energy.errors import CursorError

_PLACES: Final = ("page", "page_after", "page_before")
#: ``page_size`` belongs to the position, since it decides where page 3 begins.
_POSITION: Final = (*_PLACES, "page_size")
#: The second format. The first one held a whole path, which `Listing.resume` does not follow.
_FORMAT: Final = 2
_LONGEST: Final = 4096
#: What a value in a query consists of (RFC 3986 §3.4), but for the characters that end a value.
#: Values are kept as the server escaped them: a ``+`` that is decoded and sent again is a space.
_VALUE: Final = re.compile(r"(?:[A-Za-z0-9\-._~!$'()*+,:@/?=]|%[0-9A-Fa-f]{2})*")
_PAGE_SIZE: Final = re.compile(r"[1-9][0-9]?|100")


@attrs.frozen
class Listing:
    """A listing as its caller asked for it: what a page and its cursors belong to."""

    start: URL
    """The URL of its first page."""
    user: str | None = None
    """The user that the client acts for."""

    def cursor(self, url: URL) -> str:
        """Return the text that leads back to *url*, a page of this listing.

        `CursorError` where *url* does not name its page by a parameter that the API documents:
        resuming would start again in silence.
        """
        position = _position(map(_split, _raw_pairs(url)))
        if not any(map(position.get, _PLACES)) and _identity(url) != _identity(self.start):
            raise CursorError(
                "the server's link names its page by none of page, page_after and page_before, "
                "so no cursor can lead back to it"
            )
        cursor = _written(self._fingerprint, position)
        if len(cursor) > _LONGEST:
            raise CursorError("the position in the server's link is too long for a cursor")
        return cursor

    def resume(self, cursor: str) -> URL:
        """Return the URL of the page that *cursor* names: of this listing, or `CursorError`."""
        fingerprint, position = _read(require_text("cursor", cursor))
        if fingerprint != self._fingerprint:
            raise CursorError(
                "this cursor belongs to another listing: make the listing with the same filters, "
                "expand, base_url and user as the one it came from"
            )
        own = [pair for pair in _raw_pairs(self.start) if _split(pair)[0] not in _POSITION]
        query = "&".join([*own, *(f"{name}={value}" for name, value in position.items())])
        return URL(f"{self.start.with_query(None)}{'?' if query else ''}{query}", encoded=True)

    @property
    def _fingerprint(self) -> str:
        """All that two listings may differ in, digested: filters may hold personal data."""
        whole = json.dumps([str(self.start.origin()), *_identity(self.start), self.user])
        digest = hashlib.sha256(whole.encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _identity(url: URL) -> tuple[str, list[tuple[str, str]]]:
    """Return the path and the query of *url* without its position, the query in one order."""
    query = sorted(pair for pair in url.query.items() if pair[0] not in _POSITION)
    return url.raw_path.rstrip("/"), query


def _raw_pairs(url: URL) -> list[str]:
    """Return the query of *url*, as it is escaped there, in its pairs."""
    return [pair for pair in url.raw_query_string.split("&") if pair]


def _split(pair: str) -> tuple[str, str]:
    """Return the decoded name of *pair*, and its value as it is escaped."""
    name, _, value = pair.partition("=")
    return unquote_plus(name), value


def _position(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the position among *pairs*; `CursorError` if it is ambiguous or cannot be sent."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in _POSITION:
            continue
        if name in found:
            raise CursorError(f"the position names {name} more than once")
        if not _VALUE.fullmatch(value) or not unquote(value).isprintable():
            raise CursorError(f"the position has a {name} that cannot be sent")
        found[name] = value
    if not _PAGE_SIZE.fullmatch(found.get("page_size", "1")):
        raise CursorError("the position has a page_size that is not 1 to 100")
    return {name: found[name] for name in _POSITION if name in found}


def _written(fingerprint: str, position: Mapping[str, str]) -> str:
    whole = json.dumps([_FORMAT, fingerprint, position], separators=(",", ":"))
    return base64.urlsafe_b64encode(whole.encode()).decode().rstrip("=")


def _read(cursor: str) -> tuple[str, dict[str, str]]:
    """Return the fingerprint and the position in *cursor*, which `_written` must have written."""
    unknown = CursorError("this text is not a cursor of a page")
    if len(cursor) > _LONGEST:
        raise unknown
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        content: object = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        raise unknown from None
    match content:
        case [str(), str()]:
            raise CursorError(
                "this cursor was saved by an earlier version of ev_energy, which put a whole URL "
                "into it; start the listing from its beginning"
            )
        case [int(), str(fingerprint), dict()]:
            given = cast("dict[str, Any]", content[2])
        case _:
            raise unknown
    if not all(isinstance(value, str) for value in given.values()) or not given.keys() <= {
        *_POSITION
    }:
        raise unknown
    position = _position(given.items())
    # One spelling for each cursor: so there is no second value of a name that JSON drops.
    if _written(fingerprint, position) != cursor:
        raise unknown
    return fingerprint, position
