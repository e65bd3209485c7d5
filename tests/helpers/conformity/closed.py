"""Schemas that allow the members they declare and no others.

JSON schema allows members that are not declared, so a misspelt name would go unnoticed: the wrong
member is additional, and the right one is seldom required.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OPEN = "--part"
#: Keywords whose schemas constrain an object that another schema describes.
_CONDITIONS = frozenset({"if", "then", "else", "not", "dependentSchemas"})


def components(schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Return all component schemas closed, and open under another name for use as parts."""
    made = {name: closed(schema) for name, schema in schemas.items()}
    return made | {name + _OPEN: closed(schema, part=True) for name, schema in schemas.items()}


def closed(schema: Any, *, part: bool = False) -> Any:
    """Return *schema* with everything in it closed; a *part* of another schema stays open."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    made = {name: _keyword(name, value, part=part) for name, value in schema.items()}
    if not part and ("properties" in made or "allOf" in made):
        made.setdefault("unevaluatedProperties", False)
    return made


def _keyword(name: str, value: Any, *, part: bool) -> Any:
    if name in _CONDITIONS or name in {"example", "examples", "enum", "default"}:
        return value
    if name == "$ref":
        return value + _OPEN if part else value
    if name == "allOf":
        return [closed(one, part=True) for one in value]
    if name == "properties":
        return {member: closed(schema) for member, schema in value.items()}
    if name == "pattern" and not value.startswith("^"):
        return f"^(?:{value})$"  # the pattern of an id must match the whole text
    return closed(value)
