"""Parsing of the ``Link`` header (RFC 8288), as far as paging needs it."""

from __future__ import annotations

from typing import Final

from yarl import URL

from ev_energy._runtime.lazy_pattern import lazy_pattern

# Both the target and a quoted parameter may contain commas and semicolons, so the header cannot be
# split at those.
_TARGET: Final = lazy_pattern(r"[\s,]*+<([^<>]*+)>")
_PARAMETER: Final = lazy_pattern(
    r"""\s*;\s*(?:([^\s=;,"<>]+)\s*(?:=\s*(?:"((?:[^"\\]++|\\.)*+)"|([^\s;,"]*)))?)?"""
)
_END_OF_LINK: Final = lazy_pattern(r"\s*(?:,|\Z)")
_INVALID_URL: Final = "the target of a link is not a URL"
#: Bounds on the work for one header. A page of this API has two links.
_MAX_LENGTH: Final = 32_768
_MAX_LINKS: Final = 100
_NEXT_LINK: Final = lazy_pattern(r"[ \t,]*+[^ \t,]")
#: Targets that stand for the absence of a page.
_EMPTY_TARGETS: Final = frozenset({"", "about:blank"})


def parse_link_header(header: str, base_url: URL) -> dict[str, URL]:
    """Return the absolute URL of each relation in *header*; the first link of a relation counts.

    Links to ``about:blank`` are ignored. `ValueError` if the header cannot be parsed: a link that
    is skipped might be the one to the next page.
    """
    if len(header) > _MAX_LENGTH:
        raise ValueError(f"it has more than {_MAX_LENGTH} characters")
    urls: dict[str, URL] = {}
    position = count = 0
    while _NEXT_LINK.match(header, position):
        count += 1
        if count > _MAX_LINKS:
            raise ValueError(f"it has more than {_MAX_LINKS} links")
        target = _TARGET.match(header, position)
        if target is None:
            raise ValueError(f"expected a link at position {position}")
        position, relations = _parse_parameters(header, target.end())
        if target[1].strip().lower() not in _EMPTY_TARGETS:
            url = _resolve(target[1].strip(), base_url)
            for relation in relations:
                urls.setdefault(relation, url)
    return urls


def _parse_parameters(header: str, position: int) -> tuple[int, list[str]]:
    """Return where the link whose parameters start at *position* ends, and its relations."""
    relations: list[str] | None = None
    while parameter := _PARAMETER.match(header, position):
        position = parameter.end()
        name, quoted, unquoted = parameter.groups()
        if name and name.lower() == "rel" and relations is None:  # RFC 8288 §3.3: the first counts
            relations = (quoted or unquoted or "").lower().split()
    end = _END_OF_LINK.match(header, position)
    if end is None:
        raise ValueError(f"expected the end of a link at position {position}")
    return end.end(), relations or []


def _resolve(target: str, base_url: URL) -> URL:
    if not target.isascii() or not target.isprintable() or " " in target:
        raise ValueError(_INVALID_URL)
    # Not requoted: a `+` in the server's cursor would become a space.
    url = URL(target, encoded=True)
    if not url.scheme:
        url = base_url.join(url)
    # Reading the port raises ValueError if it is invalid.
    if not url.absolute or url.port is None:
        raise ValueError(_INVALID_URL)
    return url
