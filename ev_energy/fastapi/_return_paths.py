"""The paths to which a browser may return: paths of the application on a list, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ev_energy._arguments import require_list, require_text
from ev_energy._redaction.scrub import printable

#: The characters that a path and a query may have in a URL (RFC 3986 §3.3, §3.4). There is no
#: backslash, which browsers take for a slash, and nothing that they remove or that ends a header.
_PATH: Final = re.compile(r"/(?!/)[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
_QUERY: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")
#: Segments that browsers resolve, and escapes that servers may decode to other segments.
_MISLEADING: Final = re.compile(
    r"/(?:\.|%2e){1,2}(?:[/;]|$)|%(?:2f|5c|25|[01][0-9a-f]|7f|(?![0-9a-f]{2}))", re.IGNORECASE
)
#: Characters of the longest path, with its query.
_MAX_LENGTH: Final = 1000


class ReturnPaths:
    """The paths to which a browser may return after it has left the application.

    An entry is a path such as ``/chargers``, or ends in ``/*`` and then stands for every path below
    it. A query is not part of an entry; browsers may return with any.
    """

    def __init__(self, default: str, allowed: Sequence[str]) -> None:
        self.default: Final = local_path("after", default)
        entries = [require_text("an item of return_paths", entry)
                   for entry in require_list("return_paths", allowed)]  # fmt: skip
        self._below = tuple(
            local_path("return_paths", entry[:-1]) for entry in entries if entry.endswith("/*")
        )
        exact = [local_path("return_paths", entry) for entry in entries if not entry.endswith("/*")]
        self._exact = {path.partition("?")[0] for path in (self.default, *exact)}

    def choose(self, requested: str | None) -> str | None:
        """Return *requested* if it is allowed, else None; without a request, the default."""
        if requested is None:
            return self.default
        if not is_local_path(requested):
            return None
        path = requested.partition("?")[0]
        return requested if path in self._exact or path.startswith(self._below) else None


def is_local_path(text: str) -> bool:
    """Whether *text* is a path, with or without a query, that leads nowhere but to this host."""
    path, _, query = text.partition("?")
    return (
        len(text) <= _MAX_LENGTH
        and _PATH.fullmatch(path) is not None
        and _QUERY.fullmatch(query) is not None
        and _MISLEADING.search(path) is None
    )


def local_path(name: str, path: str) -> str:
    """Return *path*, the argument *name*; ``ValueError`` if it is not a path of this host."""
    if not is_local_path(require_text(name, path)):
        raise ValueError(
            f"{name}: {printable(path, 100)!r} is not a path of this application, such as "
            "'/chargers'"
        )
    return path
