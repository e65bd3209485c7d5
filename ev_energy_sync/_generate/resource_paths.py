"""The module ``ev_energy/_api/resource_paths.py``, written from the operation table."""

from __future__ import annotations

from collections.abc import Sequence

from ev_energy._operations import Operation


def resource_paths_module(operations: Sequence[Operation]) -> str:
    """Return the text of ``ev_energy/_api/resource_paths.py``."""
    lines = "\n".join(" ".join(row) for row in _rows(operations))
    return f'''\
"""For each model: the path template that gets one such resource, and the model of the reply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

_TABLE: Final = """
{lines}
"""


class ResourcePath(NamedTuple):
    """A path template, and the name of the model of its reply."""

    path: str
    model: str


RESOURCE_PATHS: Final[Mapping[str, ResourcePath]] = {{
    name: ResourcePath(path, *(model or [name]))
    for name, path, *model in map(str.split, _TABLE.strip().splitlines())
}}
'''


def _rows(operations: Sequence[Operation]) -> list[list[str]]:
    """Return rows of model and path, and of the reply's model where that is another one.

    An item of a listing may have less detail, and a model of its own; a link to it leads to the
    operation that gets the resource alone.
    """
    candidates: dict[str, set[tuple[str, str]]] = {}
    listed = {
        operation.path: operation.model for operation in operations if operation.kind == "list"
    }
    for operation in operations:
        if operation.method != "GET" or operation.kind != "one" or not operation.ids:
            continue
        collection, _, last = operation.path.rpartition("/")
        item = listed.get(collection) if last.startswith("{") else None
        for name in {str(operation.model), item or str(operation.model)}:
            candidates.setdefault(name, set()).add((operation.path, str(operation.model)))
    # Several operations that reply with the same model are about different resources.
    unique = {name: next(iter(paths)) for name, paths in candidates.items() if len(paths) == 1}
    return sorted(
        [name, path] if model == name else [name, path, model]
        for name, (path, model) in unique.items()
    )
