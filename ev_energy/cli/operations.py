"""List the operations of the API, and the method that calls each of them."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from typing import Any, Final

from ev_energy._operations import Operation, operation_table
from ev_energy.cli._exit import UsageError, near_miss
from ev_energy.cli._table import table as columns

#: More characters than any text of the table has.
_WHOLE: Final = 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="WORD",
        help="list the operations with all of these words in method, path, scope or description",
    )
    parser.add_argument("--family", help="list the operations of one family, such as vehicles")
    parser.add_argument("--json", action="store_true", help="print a JSON array")


def run(arguments: argparse.Namespace) -> int:
    """Print the operations and return the exit status."""
    as_json: bool = arguments.json
    listed = operations(arguments.words, arguments.family)
    sys.stdout.write(json.dumps(listed, indent=2) if as_json else _as_text(listed))
    sys.stdout.write("\n")
    return 0


def operations(words: list[str], family: str | None = None) -> list[dict[str, Any]]:
    """Return one object per operation. If two methods call one operation, it has the first."""
    table = operation_table()
    families = list(dict.fromkeys(operation.family for operation in table))
    if family is not None and family not in families:
        raise UsageError(f"--family: there is no family {family!r}", near_miss(family, families))
    first: dict[tuple[str, str], Operation] = {}
    for operation in table:
        first.setdefault((operation.method, operation.path), operation)
    return [
        {
            "operation_id": operation.operation_id,
            "method": operation.method,
            "path": operation.path,
            "call": operation.call,
            "scopes": (operation.scope or "").split(),
            "public": operation.scope is None,
            "paginated": operation.paginated,
            "expand": list(operation.expand),
        }
        for operation in first.values()
        if family in {None, operation.family} and _matches(operation, words)
    ]


def _matches(operation: Operation, words: list[str]) -> bool:
    # The first line of the docstring: the other ones mention related operations.
    summary = operation.doc.partition("\n")[0]
    text = f"{operation.call} {operation.summary} {summary}".lower()
    return all(word.lower() in text for word in words)


def _as_text(listed: list[dict[str, Any]]) -> str:
    head = ("call", "operation", "scope", "paged", "expand")
    rows = [
        (
            operation["call"],
            f"{operation['method']} {operation['path']}",
            "public" if operation["public"] else " ".join(operation["scopes"]) or "any",
            "yes" if operation["paginated"] else "",
            " ".join(operation["expand"]),
        )
        for operation in listed
    ]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    count = f"{len(listed)} operation{'' if len(listed) == 1 else 's'}"
    return f"{columns(head, rows, width, max_cell=_WHOLE)}\n\n{count}" if listed else count
