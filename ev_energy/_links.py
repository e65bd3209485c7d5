"""The ``Link`` header (RFC 8288), as far as paging needs it."""

from __future__ import annotations

import re
from typing import Final

from yarl import URL

# A target may hold commas and semicolons, a quoted parameter too: so neither can be split on.
_LINK: Final = re.compile(r'<([^<>]*)>((?:\s*;\s*[^\s=;,"]+\s*(?:=\s*(?:"[^"]*"|[^\s;,"]*))?)*)')
_REL: Final = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]*))', re.IGNORECASE)


def links(header: str, base: URL) -> dict[str, URL]:
    """Relation to absolute URL. The first link of a relation counts; ``about:blank`` is none."""
    found: dict[str, URL] = {}
    for target, parameters in _LINK.findall(header):
        match = _REL.search(parameters)
        if match is None or target.strip().lower() in {"", "about:blank"}:
            continue
        try:
            # As the server wrote it: a requoted `+` in a cursor would become a space.
            url = URL(target.strip(), encoded=True)
        except ValueError:
            continue
        url = url if url.absolute else base.join(url)
        for relation in (match[1] or match[2] or "").lower().split():
            found.setdefault(relation, url)
    return found
