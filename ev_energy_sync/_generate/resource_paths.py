"""Where single resources are found, made from the operation table."""

from __future__ import annotations

from collections.abc import Sequence

from ev_energy._operations import Operation


def places(table: Sequence[Operation]) -> str:
    """``ev_energy/_api/resource_paths.py``."""
    lines = "\n".join(" ".join(line) for line in _found(table))
    return f'''\
"""Where a resource of each class is found: the path, and the class of what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

_TABLE: Final = """
{lines}
"""


class Place(NamedTuple):
    """The path of an operation, and the class of what it answers."""

    path: str
    into: str


PLACES: Final[Mapping[str, Place]] = {{
    name: Place(path, *(into or [name]))
    for name, path, *into in map(str.split, _TABLE.strip().splitlines())
}}
'''


def _found(table: Sequence[Operation]) -> list[list[str]]:
    """By class: the one operation that gets one of them. Of a listing, one of its items."""
    found: dict[str, set[tuple[str, str]]] = {}
    listed = {operation.path: operation.into for operation in table if operation.kind == "list"}
    for operation in table:
        if operation.method != "GET" or operation.kind != "one" or not operation.ids:
            continue
        collection, _, last = operation.path.rpartition("/")
        item = listed.get(collection) if last.startswith("{") else None
        for name in {str(operation.into), item or str(operation.into)}:
            found.setdefault(name, set()).add((operation.path, str(operation.into)))
    # Where several operations answer with a class, each is about something else.
    single = {name: next(iter(at)) for name, at in found.items() if len(at) == 1}
    return sorted(
        [name, path] if into == name else [name, path, into]
        for name, (path, into) in single.items()
    )
