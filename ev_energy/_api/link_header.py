"""The ``Link`` header (RFC 8288), as far as paging needs it."""

from __future__ import annotations

import re
from typing import Final

from yarl import URL

# A target may hold commas and semicolons, a quoted parameter too: so neither can be split on.
_TARGET: Final = re.compile(r"[\s,]*+<([^<>]*+)>")
_PARAMETER: Final = re.compile(
    r"""\s*;\s*(?:([^\s=;,"<>]+)\s*(?:=\s*(?:"((?:[^"\\]++|\\.)*+)"|([^\s;,"]*)))?)?"""
)
_END: Final = re.compile(r"\s*(?:,|\Z)")
_NO_URL: Final = "a link leads to what is no URL"
#: More than any page needs, which has two links: what a header may cost is bounded.
_LONGEST: Final = 32_768
_MOST_LINKS: Final = 100
_MORE: Final = re.compile(r"[ \t,]*+[^ \t,]")
_NONE: Final = frozenset({"", "about:blank"})


def links(header: str, base: URL) -> dict[str, URL]:
    """Relation to absolute URL. The first link of a relation counts; ``about:blank`` is none.

    `ValueError` where the header cannot be read: what it would have said, nobody knows.
    """
    if len(header) > _LONGEST:
        raise ValueError(f"it has more than {_LONGEST} characters")
    found: dict[str, URL] = {}
    at = number = 0
    while _MORE.match(header, at):
        number += 1
        if number > _MOST_LINKS:
            raise ValueError(f"it has more than {_MOST_LINKS} links")
        target = _TARGET.match(header, at)
        if target is None:
            raise ValueError(f"no link at position {at}")
        at, relations = _parameters(header, target.end())
        if target[1].strip().lower() not in _NONE:
            url = _url(target[1].strip(), base)
            for relation in relations:
                found.setdefault(relation, url)
    return found


def _parameters(header: str, at: int) -> tuple[int, list[str]]:
    """Where the parameters from *at* on end, and the relations among them."""
    relations: list[str] | None = None
    while found := _PARAMETER.match(header, at):
        at = found.end()
        name, quoted, bare = found.groups()
        if name and name.lower() == "rel" and relations is None:  # RFC 8288 §3.3: the first counts
            relations = (quoted or bare or "").lower().split()
    end = _END.match(header, at)
    if end is None:
        raise ValueError(f"a link goes wrong at position {at}")
    return end.end(), relations or []


def _url(target: str, base: URL) -> URL:
    if not target.isascii() or not target.isprintable() or " " in target:
        raise ValueError(_NO_URL)
    # As the server wrote it: a requoted `+` in a cursor would become a space.
    url = URL(target, encoded=True)
    if not url.scheme:
        url = base.join(url)
    if not url.absolute or url.port is None:  # it is asking for the port that finds out about it
        raise ValueError(_NO_URL)
    return url
