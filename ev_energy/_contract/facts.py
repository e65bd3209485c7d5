"""Read and write the file of facts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

import msgspec

FILE: Final = Path(__file__).with_name("api.json")

#: The methods of operations, in the order of the file.
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")

Facts: TypeAlias = dict[str, Any]


class MissingFactsError(KeyError):
    """The file has no facts about an operation, or about something that others refer to."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"ev_energy/_contract/{FILE.name} has no facts about {name}. If the API's description "
            "has it, run `python tests/contract/write_facts.py DESCRIPTION`. If not, add a line to "
            "the file by hand, like the line of something similar."
        )

    def __str__(self) -> str:
        """Return the message; a `KeyError` would show its repr."""
        return str(self.args[0])


def facts() -> Facts:
    """Return the facts, read anew; callers may change what they get."""
    found: Facts = msgspec.json.decode(FILE.read_bytes())
    return found


def lookup(facts: Mapping[str, Any], section: str, name: str) -> Any:
    """Return an item of a section by its name.

    Raises:
        MissingFactsError: The file has no such item.
    """
    if name not in facts[section]:
        raise MissingFactsError(name if section == "operations" else f"{name} ({section})")
    return facts[section][name]


def _order(name: str) -> tuple[str, int]:
    """Return the sort key of an item: of an operation, its path and then its method."""
    method, _, path = name.partition(" ")
    return (path, METHODS.index(method)) if method in METHODS else (name, 0)


def to_text(facts: Mapping[str, Any]) -> str:
    """Return *facts* as the file has them: one line for each item of a section, in order."""
    lines: list[str] = []
    for name, section in facts.items():
        if isinstance(section, dict):
            items = cast("Facts", section)
            inner = ",\n".join(
                f"{json.dumps(item)}: {json.dumps(items[item])}"
                for item in sorted(items, key=_order)
            )
            lines.append(f"{json.dumps(name)}: {{\n{inner}\n}}")
        else:
            lines.append(f"{json.dumps(name)}: {json.dumps(section)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"
