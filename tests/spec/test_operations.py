from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Literal, get_args, get_origin, get_type_hints

import attrs
import corrections
import pytest
from description import CURSORS, Described, Description, ref_name

from ev_energy._operations import Operation, table
from ev_energy._unset import UNSET

TABLE = table()
ids = pytest.mark.parametrize("operation", TABLE, ids=[o.call for o in TABLE])


def differences(
    spec: Description, found: tuple[Operation, ...], fixes: Any = corrections
) -> Iterator[str]:
    """What the table says and the description does not, or the other way round."""
    there = {operation.key: operation for operation in spec.operations}
    missing = set(there)
    first: dict[tuple[str, str], str] = {}
    for operation in found:
        key = (operation.method, operation.path)
        described = there.get(key)
        if described is None:
            yield f"{operation.call}: no {' '.join(key)} among the families that are covered"
            continue
        missing.discard(key)
        if operation.call not in fixes.SECOND_FORMS and key in first:
            yield f"{operation.call}: {first[key]} is {' '.join(key)} already"
        first.setdefault(key, operation.call)
        for what in _differences(spec, operation, described, fixes):
            yield f"{operation.call}: {what}"
    for method, path in sorted(missing):
        yield f"{method} {path} has no method"


def _differences(
    spec: Description, operation: Operation, described: Described, fixes: Any
) -> Iterator[str]:
    def same(what: str, ours: Any, theirs: Any) -> Iterator[str]:
        if ours != theirs:
            yield f"{what} {ours!r}, described as {theirs!r}"

    left_out = {name for call, name in fixes.QUERY_LEFT_OUT if call == operation.call}
    query = described.names("query") - CURSORS
    yield from same("path parameters", set(operation.ids), described.names("path"))
    yield from same("query", set(operation.query) | left_out, query)
    yield from same("expand", operation.expand, described.expand)
    yield from same("scope", operation.scope, described.scope)
    yield from same("paginated", operation.paginated, "page_size" in query)
    for name in set(operation.query) & left_out:
        yield f"{name} is corrected away, and sent"

    unwritten = {name for call, name in fixes.BODY_LEFT_OUT if call == operation.call}
    members = writable(spec, described)
    body = None if operation.json is None else set(operation.json)
    yield from same("body", body, (set(members) - unwritten) if members else None)

    success = expected_success(operation, described, fixes)
    yield from same(
        "answers", (operation.kind, operation.into), (success.kind, success.schema_name)
    )


def writable(spec: Description, described: Described) -> dict[str, Any]:
    """The members of the body that are not read-only."""
    members = spec.object(described.body)[0] if described.body else {}
    return {name: member for name, member in members.items() if not member.get("readOnly")}


def expected_success(operation: Operation, described: Described, fixes: Any) -> Any:
    """The success of an operation; of one with two forms, that of this method."""
    successes = described.successes
    if len(successes) > 1:
        second = operation.call in fixes.SECOND_FORMS
        (successes,) = [[s] for s in successes if (s.kind == "redirect") != second]
    return successes[0]


def test_the_table_and_the_description_agree_both_ways(spec: Description) -> None:
    assert list(differences(spec, TABLE)) == []


def test_every_operation_of_the_families_has_one_method(spec: Description) -> None:
    calls = [o for o in TABLE if o.call not in corrections.SECOND_FORMS]
    assert len(calls) == len(spec.operations)
    assert len(calls) >= 33


def _without(operation: Operation, field: str, name: str) -> Operation:
    return operation._replace(**{field: tuple(n for n in getattr(operation, field) if n != name)})


def _changes() -> Iterator[tuple[str, Operation, Operation]]:
    """Every way to get one line of the table wrong."""
    for operation in TABLE:
        for field in ("query", "json", "expand", "ids"):
            for name in getattr(operation, field) or ():
                misspelt = tuple(f"{n}x" if n == name else n for n in getattr(operation, field))
                where = f"{operation.call} {field} {name}"
                yield f"{where} dropped", operation, _without(operation, field, name)
                yield f"{where} misspelt", operation, operation._replace(**{field: misspelt})
        other = "POST" if operation.method == "PATCH" else "PATCH"
        for change in (
            {"scope": "evse:admin"},
            {"scope": "any" if operation.scope is None else None},
            {"method": other},
            {"path": f"{operation.path}s"},
            {"into": "Vehicle"},
            {"kind": "one" if operation.kind == "list" else "list"},
            {"paginated": not operation.paginated},
            {"query": (*operation.query, "invented")},
            {"expand": (*operation.expand, "invented")},
            {"json": (*(operation.json or ()), "invented")},
        ):
            yield f"{operation.call} {change}", operation, operation._replace(**change)


def test_any_slip_in_any_line_of_the_table_is_noticed(spec: Description) -> None:
    unnoticed = [
        name
        for name, before, after in _changes()
        if not list(differences(spec, tuple(after if o is before else o for o in TABLE)))
    ]
    assert unnoticed == []
    assert len(list(_changes())) > 400


def test_a_method_that_is_missing_or_doubled_is_noticed(spec: Description) -> None:
    for operation in TABLE:
        rest = tuple(o for o in TABLE if (o.method, o.path) != (operation.method, operation.path))
        assert list(differences(spec, rest))
        assert list(differences(spec, (*TABLE, operation._replace(name="again"))))


class _Fixes:
    """The corrections, without one entry."""

    def __init__(self, table_name: str, without: Any) -> None:
        for name in dir(corrections):
            if name.isupper():
                kept = dict(getattr(corrections, name))
                if name == table_name:
                    del kept[without]
                setattr(self, name, kept)


def test_every_correction_of_what_is_needed_is_needed(spec: Description) -> None:
    for call, name in corrections.NOT_NEEDED:
        (operation,) = [o for o in TABLE if o.call == call]
        assert name in spec.object(_described(spec, operation).body or {})[1]


@pytest.mark.parametrize("name", ["SECOND_FORMS", "QUERY_LEFT_OUT", "BODY_LEFT_OUT"])
def test_every_correction_of_an_operation_is_needed(spec: Description, name: str) -> None:
    for entry in getattr(corrections, name):
        assert list(differences(spec, TABLE, _Fixes(name, entry))), f"{name} {entry} is stale"


def _function(operation: Operation) -> Any:
    module = import_module(f"ev_energy.resources.{operation.module}")
    return getattr(getattr(module, operation.owner), operation.name)


def _described(spec: Description, operation: Operation) -> Described:
    (found,) = [o for o in spec.operations if o.key == (operation.method, operation.path)]
    return found


@ids
def test_an_argument_can_be_left_out_just_where_the_parameter_can(
    spec: Description, operation: Operation
) -> None:
    described = _described(spec, operation)
    arguments = inspect.signature(_function(operation)).parameters
    needed = {p.name for p in described.parameters.values() if p.required and p.place != "header"}
    if described.body:
        required = spec.object(described.body)[1]
        needed |= {n for n in required if (operation.call, n) not in corrections.NOT_NEEDED}
    without_default = {
        name
        for name, argument in arguments.items()
        if argument.default is argument.empty and name != "self"
    }
    assert without_default == needed


@ids
def test_arguments_are_keywords_but_for_the_ids_and_named_as_they_are_sent(
    operation: Operation,
) -> None:
    arguments = [
        p for n, p in inspect.signature(_function(operation)).parameters.items() if n != "self"
    ]
    positional = tuple(p.name for p in arguments if p.kind is p.POSITIONAL_OR_KEYWORD)
    keywords = {p.name for p in arguments if p.kind is p.KEYWORD_ONLY}
    sent = {*operation.query, *(operation.json or ())} - {"response_type"}
    assert positional == operation.ids
    assert keywords == sent


@ids
def test_members_of_a_body_default_to_unset_and_parameters_to_none(operation: Operation) -> None:
    for name, argument in inspect.signature(_function(operation)).parameters.items():
        if argument.default is not argument.empty:
            expected = {"page_size": 100, "expand": ()}.get(name)
            assert argument.default is (UNSET if name in (operation.json or ()) else expected)


def _texts(hint: Any) -> list[str]:
    """The texts that an annotation lists, in a Literal or an enum."""
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    if isinstance(hint, type) and issubclass(hint, enum.Enum) and hint is not type(UNSET):
        return [member.value for member in hint]
    return [text for arm in get_args(hint) for text in _texts(arm)]


@ids
def test_an_argument_lists_the_texts_that_its_parameter_lists(
    spec: Description, operation: Operation
) -> None:
    described = _described(spec, operation)
    hints = get_type_hints(_function(operation))
    schemas = {p.name: p.schema for p in described.parameters.values() if p.place == "query"}
    for name, schema in {**schemas, **writable(spec, described)}.items():
        listed = schema.get("items", schema).get("enum")
        if listed and name in hints:
            assert sorted(set(_texts(hints[name]))) == sorted(listed), name


def _classes(hint: Any) -> list[type]:
    if isinstance(hint, type) and attrs.has(hint):
        return [hint]
    return [cls for arm in get_args(hint) for cls in _classes(arm)]


@ids
def test_a_nested_body_has_the_members_of_its_schema(
    spec: Description, operation: Operation
) -> None:
    hints = get_type_hints(_function(operation))
    for name, schema in writable(spec, _described(spec, operation)).items():
        arms = [schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())]
        members = {member for arm in arms for member in spec.object(arm)[0]}
        if not members:
            continue
        (cls,) = _classes(hints[name])
        left_out = {n for owner, n in corrections.NESTED_LEFT_OUT if owner == cls.__name__}
        assert left_out <= members
        assert {field.name for field in attrs.fields(cls)} == members - left_out


@ids
def test_the_family_is_the_first_word_of_the_path(operation: Operation) -> None:
    first = re.split(r"[/:]", operation.path.strip("/"))[0]
    assert operation.family == first.replace("-", "_")


@ids
def test_the_method_is_named_after_verb_or_last_word_of_the_path(operation: Operation) -> None:
    words = operation.path.strip("/").split("/")[1:]
    plain = [word for word in words if not word.startswith("{")]
    verbs = {"POST": "create", "PATCH": "update", "DELETE": "delete"}
    if plain:
        expected = plain[-1].removesuffix("s") if words[-1].startswith("{") else plain[-1]
    elif operation.method == "GET":
        expected = "list" if operation.kind == "list" else "get"
    else:
        expected = verbs[operation.method]
    assert operation.name.rstrip("_").removesuffix("_json") == expected


def test_the_schema_names_at_the_ends_of_references_are_read() -> None:
    assert ref_name({"$ref": "#/components/schemas/EVSE"}) == "EVSE"
    assert ref_name({}) is None


def test_every_scope_is_one_that_the_credentials_can_ask_for(spec: Description) -> None:
    flows = spec.data["components"]["securitySchemes"]["oauth2"]["flows"]
    known: Mapping[str, str] = flows["clientCredentials"]["scopes"]
    assert {o.scope for o in TABLE if o.scope} <= set(known)
