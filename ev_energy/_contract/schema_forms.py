"""Schemas in a form that can be compared: references and alternatives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from ev_energy._contract.change import as_list, is_object, key_of
from ev_energy._contract.facts import Facts
from ev_energy._contract.schema_rules import ANNOTATIONS, FORMS, LIMITS, NULL

_COMBINED: Final = ("allOf", "$ref")
#: The further alternatives of a merged schema, as a keyword that is compared as a whole.
_MORE_FORMS: Final = "further forms"


def name_of(schema: Any) -> str | None:
    """Return the name of the schema that a schema refers to, if it does."""
    if isinstance(schema, str):
        return schema
    return schema.get("$ref") if is_object(schema) else None


def without(node: Facts, names: Iterable[str]) -> Facts:
    """Return the other keywords."""
    left_out = set(names)
    return {name: one for name, one in node.items() if name not in left_out}


def merged(
    schema: Any, schemas: Facts, common: Iterable[Any] = (), of_common: Facts | None = None
) -> Facts:
    """Return a schema with all that it refers to and all parts of its ``allOf`` in one object.

    A value must fit all parts, so that of two limits the tighter one counts. The parts that are in
    *common* with another version are resolved with *of_common*, the schemas of that version: how
    they differ is listed for themselves.
    """
    found: Facts = {}
    for part in _Parts(schemas, set(map(key_of, common)), of_common or schemas).of(schema):
        for keyword, value in part.items():
            if keyword in FORMS and any(one in found for one in FORMS):
                _add_forms(found, keyword, value)
            elif keyword in found:
                found[keyword] = _both(keyword, found[keyword], value)
            else:
                found[keyword] = value
    if found.get("type") == []:  # the parts have no type in common, so that no value fits
        found["not"] = {}
    return found


class _Parts:
    """The parts that together make a schema; each schema of the components is one of them once."""

    def __init__(self, schemas: Facts, common: set[str], of_common: Facts) -> None:
        self._schemas, self._common, self._of_common = schemas, common, of_common
        self._known = set[str]()

    def of(self, schema: Any) -> Iterator[Facts]:
        """Yield the parts, those that are referred to first."""
        parts = [*as_list(schema.get("allOf")), schema.get("$ref")] if is_object(schema) else []
        for part in parts:
            is_common = bool(self._common) and key_of(part) in self._common
            yield from self._of(part, self._of_common if is_common else self._schemas)
        if is_object(schema):
            yield without(schema, _COMBINED)
        else:
            yield from self._of(schema, self._schemas)

    def _of(self, schema: Any, schemas: Facts) -> Iterator[Facts]:
        if isinstance(schema, str):
            if schema not in self._known:
                self._known.add(schema)
                yield from self._of(schemas[schema], schemas)
        elif is_object(schema):
            for part in (*as_list(schema.get("allOf")), schema.get("$ref")):
                yield from self._of(part, schemas)
            yield without(schema, _COMBINED)
        elif schema is False:
            yield {"not": {}}


def common_parts(before: Any, after: Any) -> list[Any]:
    """Return the parts of the ``allOf`` of a schema, and its reference, that another has too."""
    old, new = ({key_of(part): part for part in _direct_parts(one)} for one in (before, after))
    return [part for key, part in new.items() if key in old]


def _direct_parts(schema: Any) -> list[Any]:
    if isinstance(schema, str):
        return [schema]
    if not is_object(schema):
        return []
    return [*as_list(schema.get("allOf")), *as_list(schema.get("$ref"))]


def _add_forms(found: Facts, keyword: str, value: Any) -> None:
    """Keep the alternatives of a second part apart: a value must fit one of each."""
    known = {key_of(found[one]) for one in FORMS if one in found}
    if key_of(value) not in known:
        found[_MORE_FORMS] = [*found.get(_MORE_FORMS, ()), {keyword: value}]


def _both(keyword: str, one: Any, other: Any) -> Any:
    """Return the value of a keyword that allows only what both values allow."""
    if keyword in {*ANNOTATIONS, "nullable"} or key_of(one) == key_of(other):
        return other
    if keyword in LIMITS:
        return _tighter(keyword, one, other)
    if keyword in _INTERSECTIONS:
        return _INTERSECTIONS[keyword](as_list(one), as_list(other))
    if keyword == "properties" and is_object(one) and is_object(other):
        shared = {name: {"allOf": [one[name], other[name]]} for name in one.keys() & other.keys()}
        return {**one, **other, **shared}
    return {"allOf": [one, other]}


def _tighter(keyword: str, one: Any, other: Any) -> Any:
    try:
        return other if LIMITS[keyword](other, one) else one
    except TypeError:
        return other


def _all_names(one: list[Any], other: list[Any]) -> list[Any]:
    return [*one, *(name for name in other if name not in one)]


def _common_values(one: list[Any], other: list[Any]) -> list[Any]:
    keys = set(map(key_of, one))
    return [value for value in other if key_of(value) in keys]


def _common_types(one: list[Any], other: list[Any]) -> list[Any]:
    common = [name for name in one if name in other]
    if "integer" not in common and {"integer", "number"} <= {*map(str, one), *map(str, other)}:
        common.append("integer")
    return common


#: What two values of a keyword that has a list allow together.
_INTERSECTIONS: Final[Mapping[str, Callable[[list[Any], list[Any]], list[Any]]]] = {
    "required": _all_names,
    "enum": _common_values,
    "type": _common_types,
}


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
    values = node.get("enum")
    if values is not None and None not in as_list(values):
        return False
    if "type" not in node and forms(node) is None:
        return node.get("nullable") is True or values is not None
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
