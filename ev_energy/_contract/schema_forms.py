"""Schemas in a form that can be compared: references and alternatives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ev_energy._contract.change import as_list, is_object, key_of
from ev_energy._contract.facts import Facts
from ev_energy._contract.schema_rules import ANNOTATIONS, FORMS, NULL

_COMBINED: Final = ("allOf", "$ref")


def name_of(schema: Any) -> str | None:
    """Return the name of the schema that a schema refers to, if it does."""
    if isinstance(schema, str):
        return schema
    return schema.get("$ref") if is_object(schema) else None


def siblings(schema: Any) -> Facts:
    """Return the keywords beside a reference."""
    return {} if isinstance(schema, str) else without(schema, ("$ref",))


def without(node: Facts, names: Iterable[str]) -> Facts:
    """Return the other keywords."""
    left_out = set(names)
    return {name: one for name, one in node.items() if name not in left_out}


def merged(schema: Any, schemas: Facts, within: tuple[str, ...]) -> Facts:
    """Return a schema with all that it refers to and all parts of its ``allOf`` in one object."""
    if isinstance(schema, bool) or schema is None:
        return {"not": {}} if schema is False else {}
    if isinstance(schema, str):
        return merged(schemas[schema], schemas, (*within, schema)) if schema not in within else {}
    found: Facts = {}
    parts = [*(as_list(schema.get("allOf"))), schema.get("$ref"), without(schema, _COMBINED)]
    for part in parts[:-1]:
        if part is not None:
            _add(found, merged(part, schemas, within))
    _add(found, parts[-1])
    return found


def without_common_parts(before: Any, after: Any) -> tuple[Any, Any]:
    """Return two schemas without the parts that the ``allOf`` of both have."""
    if not (is_object(before) and is_object(after)):
        return before, after
    lists = [as_list(one.get("allOf")) for one in (before, after)]
    common = set[str].intersection(*(set(map(key_of, parts)) for parts in lists))
    old, new = ([part for part in parts if key_of(part) not in common] for parts in lists)
    return {**before, "allOf": old}, {**after, "allOf": new}


def _add(found: Facts, part: Facts) -> None:
    for keyword, value in part.items():
        if keyword == "properties":
            found[keyword] = {**found.get(keyword, {}), **value}
        elif keyword == "required":
            known = as_list(found.get(keyword))
            found[keyword] = [*known, *(one for one in as_list(value) if one not in known)]
        else:
            found[keyword] = value


def forms(node: Facts) -> list[Any] | None:
    """Return the alternatives of a schema without null, or None if it has no alternatives."""
    if not any(keyword in node for keyword in FORMS):
        return None
    return [one for one in _with_null(node) if one != NULL]


def _with_null(node: Facts) -> list[Any]:
    return [one for keyword in FORMS for one in as_list(node.get(keyword))]


def as_form(node: Facts) -> Facts:
    """Return a schema as an alternative of itself and null."""
    form = without(node, (*ANNOTATIONS, "nullable"))
    if "type" in form:
        types = [one for one in as_list(form["type"]) if one != "null"]
        form["type"] = types[0] if len(types) == 1 else types
    return form


def is_nullable(node: Facts) -> bool:
    """Return whether a value may be null."""
    is_type = "null" in as_list(node.get("type"))
    return node.get("nullable") is True or is_type or NULL in _with_null(node)


def types_of(node: Facts) -> set[str]:
    """Return the types of a value that is not null; a number may be an integer."""
    found = set(map(str, as_list(node.get("type")))) - {"null"}
    return found | {"integer"} if "number" in found else found


def labelled(forms: list[Any], others: list[Any]) -> dict[str, Any]:
    """Return the forms that *others* lacks by short names of their own."""
    known = set(map(key_of, others))
    found: dict[str, Any] = {}
    for form in forms:
        if key_of(form) not in known:
            label = base = label_of(form)
            number = 1
            while label in found:
                number += 1
                label = f"{base} {number}"
            found[label] = form
    return found


def label_of(form: Any) -> str:
    """Return a short name of an alternative: ``EVSE``, ``string uri``, ``array of Price``."""
    if name := name_of(form):
        return name
    node: Facts = form if is_object(form) else {}
    types = " or ".join(map(str, as_list(node.get("type")))) or "any"
    if "items" in node:
        return f"{types} of {label_of(node['items'])}"
    return f"{types} {node['format']}" if "format" in node else types
