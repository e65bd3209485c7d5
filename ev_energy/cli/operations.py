"""List every operation of the API, and the method that calls it."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from ev_energy._operations import Operation, operation_table
from ev_energy.cli._table import table as columns


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--json``."""
    parser.add_argument("--json", action="store_true", help="print a JSON array")


def run(arguments: argparse.Namespace) -> int:
    """Print the operations and return the exit status."""
    as_json: bool = arguments.json
    listed = operations()
    sys.stdout.write(json.dumps(listed, indent=2) if as_json else _as_text(listed))
    sys.stdout.write("\n")
    return 0


def operations() -> list[dict[str, Any]]:
    """Return one object per operation. If two methods call one operation, it has the first."""
    first: dict[tuple[str, str], Operation] = {}
    for operation in operation_table():
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
    ]


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
    return f"{columns(head, rows)}\n\n{len(listed)} operations"
