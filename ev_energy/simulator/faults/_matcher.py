"""Which requests a fault is for."""

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
#: What is no operation of the API, by its path: only a fault for that name strikes there.
_BESIDE: Final = {
    "/o/token": "token",
    "/o/revoke_token": "token",
    "/uploads/{file_id}": "upload",
}
_HOW: Final = (
    "'*' for all operations, 'token' for the OAuth endpoints, 'upload' for where files are put, "
    "a method as in 'POST *', "
    "a path template as in '/evses/{evse_id}', or both"
)


def operation_of(request: web.Request, table: Collection[Operation]) -> Operation | None:
    """Return the operation a request is for, None if for none."""
    resource = request.match_info.route.resource
    path = "" if resource is None else resource.canonical.rstrip("/")
    if path in _BESIDE:
        return request.method, _BESIDE[path]
    operation = request.method, path.removeprefix(_ROOT) or "/"
    return operation if path.startswith(_ROOT) and operation in table else None


@attrs.frozen
class Where:
    """Some operations."""

    method: str
    template: str

    @classmethod
    def read(cls, text: object, table: Collection[Operation]) -> Self:
        """Return what a text means; `ValueError` if it means nothing."""
        words = str(text).split()
        if len(words) == 1 and words[0] in _BESIDE.values():
            return cls(_ANY, words[0])
        if len(words) == 1:
            words = [_ANY, *words] if words[0].startswith(("/", _ANY)) else [*words, _ANY]
        if len(words) == 2:  # noqa: PLR2004 - a method and a path
            where = cls(words[0].upper(), words[1].rstrip("/") or "/")
            if any(where.covers(operation) for operation in table):
                return where
        there = [" ".join(operation) for operation in sorted(table)]
        close = difflib.get_close_matches(str(text), there, n=5, cutoff=0.3) or there
        raise ValueError(
            f"operation: there is no {text!r}; it can be {_HOW}: {', '.join(close)}, ..."
        )

    def covers(self, operation: Operation) -> bool:
        """Whether an operation is one of them; what is beside the API only by its name."""
        method, template = operation
        if template in _BESIDE.values():
            return self.template == template
        return self.method in {_ANY, method} and self.template in {_ANY, template}

    def __str__(self) -> str:
        """Return the shortest text that means the same."""
        if self.method == _ANY:
            return self.template
        return f"{self.method} {self.template}"
