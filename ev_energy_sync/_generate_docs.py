"""The documentation's table of operations, made from the operation table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from ev_energy._operations import Operation

_HEAD = """\
# Operations

Every operation of the API, and the method of the client that stands for it; `await` it, or call it
on the blocking client. *Scope* is what the token needs: *public* for none, *any* for any token.
Where it says *pages*, the method gives a listing that fetches page by page. The same is printed by
`python -m ev_energy operations`, and with `--json` for programs.
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
