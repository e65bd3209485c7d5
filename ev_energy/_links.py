"""The ``Link`` header (RFC 8288), as far as paging needs it."""

from __future__ import annotations

import re
from typing import Final

from yarl import URL

# A target may hold commas and semicolons, a quoted parameter too: so neither can be split on.
_LINK: Final = re.compile(r'<([^<>]*)>((?:\s*;\s*[^\s=;,"]+\s*(?:=\s*(?:"[^"]*"|[^\s;,"]*))?)*)')
_PARAMETER: Final = re.compile(r';\s*([^\s=;,"]+)\s*(?:=\s*(?:"([^"]*)"|([^\s;,"]*)))?')


def links(header: str, base: URL) -> dict[str, URL]:
    """Relation to absolute URL. The first link of a relation counts; ``about:blank`` is none."""
    found: dict[str, URL] = {}
    for target, parameters in _LINK.findall(header):
        if target.strip().lower() in {"", "about:blank"}:
            continue
        try:
            # As the server wrote it: a requoted `+` in a cursor would become a space.
            url = URL(target.strip(), encoded=True)
        except ValueError:
            continue
        url = url if url.absolute else base.join(url)
        for name, quoted, bare in _PARAMETER.findall(parameters):
            if name.lower() == "rel":
                for relation in (quoted or bare).lower().split():
                    found.setdefault(relation, url)
                break  # RFC 8288 §3.3: the first one counts
    return found
