"""Which requests a fault matches."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final, Self

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection

    from aiohttp import web


#: A method and a path template below the API's root.
Operation = tuple[str, str]

_ROOT: Final = "/v2"
_ANY: Final = "*"
#: Endpoints outside of the API: a fault matches them only by this name.
_OUTSIDE_THE_API: Final = {
    "/o/token": "token",
    "/o/revoke_token": "token",
    "/uploads/{file_id}": "upload",
}
_SYNTAX: Final = (
    "'*' for all operations, 'token' for the OAuth endpoints, 'upload' for uploads of files, "
    "a method as in 'POST *', "
    "a path template as in '/evses/{evse_id}', or both"
)


def operation_of(request: web.Request, table: Collection[Operation]) -> Operation | None:
    """Return the operation that a request calls, or None."""
    resource = request.match_info.route.resource
    path = "" if resource is None else resource.canonical.rstrip("/")
    if path in _OUTSIDE_THE_API:
        return request.method, _OUTSIDE_THE_API[path]
    operation = request.method, path.removeprefix(_ROOT) or "/"
    return operation if path.startswith(_ROOT) and operation in table else None


@attrs.frozen
class Matcher:
    """A set of operations: a method and a path template, each of which may be ``*``.

    The template may also be ``token`` or ``upload``, for endpoints outside of the API.
    """

    method: str
    template: str

    @classmethod
    def parse(cls, text: object, table: Collection[Operation]) -> Self:
        """Parse the text of a matcher; `ValueError` if it matches no operation."""
        words = str(text).split()
        if len(words) == 1 and words[0] in _OUTSIDE_THE_API.values():
            return cls(_ANY, words[0])
        if len(words) == 1:
            words = [_ANY, *words] if words[0].startswith(("/", _ANY)) else [*words, _ANY]
        if len(words) == 2:  # noqa: PLR2004 - a method and a path
            matcher = cls(words[0].upper(), words[1].rstrip("/") or "/")
            if any(matcher.matches(operation) for operation in table):
                return matcher
        known = [" ".join(operation) for operation in sorted(table)]
        close = difflib.get_close_matches(str(text), known, n=5, cutoff=0.3) or known
        raise ValueError(
            f"operation: {text!r} matches no operation; use {_SYNTAX}: {', '.join(close)}, ..."
        )

    def matches(self, operation: Operation) -> bool:
        """Return whether an operation matches; endpoints outside of the API do by name only."""
        method, template = operation
        if template in _OUTSIDE_THE_API.values():
            return self.template == template
        return self.method in {_ANY, method} and self.template in {_ANY, template}

    def __str__(self) -> str:
        """Return the shortest text of this matcher."""
        if self.method == _ANY:
            return self.template
        return f"{self.method} {self.template}"
