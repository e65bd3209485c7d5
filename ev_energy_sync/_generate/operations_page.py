"""The documentation's table of operations, made from the operation table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from ev_energy._operations import Operation

_HEAD = """\
# Operations

This page lists every operation of the API, by [family](families.md), with the method that calls it.
`python -m ev_energy operations` prints the same table, and with `--json` a JSON array.

- *Scope* is the scope that the access token needs. *public* operations need no token; *any* means
  that a token is needed, but no particular scope.
- *pages* means that the method returns a [listing](paging.md), which fetches page by page.
- *expand* lists the links that the operation can expand.
"""


def operations_page(table: Sequence[Operation]) -> str:
    """``docs/operations.md``."""
    parts = [_HEAD]
    for family, operations in groupby(table, key=lambda operation: operation.family):
        rows = "".join(map(_row, operations))
        parts.append(f"## {family}\n\n| method | operation | scope | |\n|---|---|---|---|\n{rows}")
    return "\n".join(parts)


def _row(operation: Operation) -> str:
    scope = {None: "*public*", "": "*any*"}.get(operation.scope, f"`{operation.scope}`")
    notes = ["pages"] if operation.paginated else []
    if operation.expand:
        notes.append("expand: " + ", ".join(f"`{value}`" for value in operation.expand))
    what = f"`{operation.method} {operation.path}`"
    return f"| `{operation.name}` | {what} | {scope} | {'; '.join(notes)} |\n"
