"""Every operation of the API, and the method that stands for it. Read off the source."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from ev_energy._operations import Operation, table
from ev_energy.cli._table import table as columns


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``--json``."""
    parser.add_argument("--json", action="store_true", help="as a JSON array, for programs")


def run(arguments: argparse.Namespace) -> int:
    """Print them."""
    as_json: bool = arguments.json
    found = operations()
    sys.stdout.write(json.dumps(found, indent=2) if as_json else _for_people(found))
    sys.stdout.write("\n")
    return 0


def operations() -> list[dict[str, Any]]:
    """One object an operation. Of two methods for one operation, the first is named."""
    first: dict[tuple[str, str], Operation] = {}
    for operation in table():
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


def _for_people(found: list[dict[str, Any]]) -> str:
    head = ("call", "operation", "scope", "paged", "expand")
    rows = [
        (
            one["call"],
            f"{one['method']} {one['path']}",
            "public" if one["public"] else " ".join(one["scopes"]) or "any",
            "yes" if one["paginated"] else "",
            " ".join(one["expand"]),
        )
        for one in found
    ]
    return f"{columns(head, rows)}\n\n{len(found)} operations"
