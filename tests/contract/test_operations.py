from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

import attrs
import pytest

from ev_energy._contract.facts import MissingFactsError
from ev_energy._operations import AS_GIVEN, Operation
from ev_energy._unset import UNSET
from tests.helpers.names import assert_no_problems
from tests.helpers.spec import corrections
from tests.helpers.spec.calls import TABLE
from tests.helpers.spec.description import (
    CURSORS,
    Described,
    Description,
    forms_of,
    nullable,
    ref_name,
)
from tests.helpers.spec.wire import function_of, hints_of

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
            yield f"{operation.call}: {MissingFactsError(' '.join(key))}"
            continue
        missing.discard(key)
        if operation.call not in fixes.SECOND_FORMS and key in first:
            yield f"{operation.call}: {first[key]} is {' '.join(key)} already"
        first.setdefault(key, operation.call)
        for what in _differences(spec, operation, described, fixes):
            yield f"{operation.call}: {what}"
    for method, path in sorted(missing):
        yield _without_method(method, path)


def _without_method(method: str, path: str) -> str:
    return f"{method} {path} has no method: add one to ev_energy/resources/<family>.py"


def _differences(
    spec: Description, operation: Operation, described: Described, fixes: Any
) -> Iterator[str]:
    def same(what: str, ours: Any, theirs: Any) -> Iterator[str]:
        if ours != theirs:
            yield f"{what} {ours!r}, described as {theirs!r}"

    left_out = {name for call, name in fixes.QUERY_LEFT_OUT if call == operation.call}
    query = described.names("query") - CURSORS
    expand = expected_expand(operation, described, fixes)
    if described.expand and not expand:
        query.discard("expand")
    yield from same("path parameters", set(operation.ids), described.names("path"))
    yield from same("query", set(operation.query) | left_out, query)
    yield from same("expand", operation.expand, expand)
    yield from same("scope", operation.scope, described.scope)
    yield from same("paginated", operation.paginated, bool(described.names("query") & CURSORS))
    yield from same("operation_id", operation.operation_id, described.raw["operationId"])
    for name in set(operation.query) & left_out:
        yield f"{name} is corrected away, and sent"

    body = None if operation.json is None else set(operation.json)
    yield from same("body", body, expected_body(spec, operation, described, fixes))

    success = expected_success(operation, described, fixes)
    yield from same(
        "answers", (operation.kind, operation.model), (success.kind, success.schema_name)
    )
    yield from same("envelope key", operation.envelope_key, fixes.ENVELOPE_KEYS.get(described.key))


def writable(spec: Description, described: Described) -> dict[str, Any]:
    """The members of the body that are not read-only."""
    members = spec.object(described.body)[0] if described.body else {}
    return {name: member for name, member in members.items() if not member.get("readOnly")}


def expected_expand(operation: Operation, described: Described, fixes: Any) -> tuple[str, ...]:
    """The values of ``expand`` that have a home in what comes back."""
    left_out = {value for call, value in fixes.EXPAND_LEFT_OUT if call == operation.call}
    assert left_out <= set(described.expand) or fixes is not corrections
    like = fixes.EXPAND_LIKE.get(operation.call)
    if like and "expand" in described.names("query"):
        (model,) = [o for o in TABLE if o.call == like[0]]
        return model.expand
    return tuple(value for value in described.expand if value not in left_out)


def expected_body(
    spec: Description, operation: Operation, described: Described, fixes: Any
) -> set[str] | None:
    """The members that are sent; `AS_GIVEN` where any may be; None where there is no body."""
    if described.body is None:
        return None
    members = writable(spec, described)
    if not members and described.body.get("additionalProperties") is False:
        return set()
    if not spec.object(described.body)[0]:
        return set(AS_GIVEN)
    return set(members) - {n for call, n in fixes.BODY_LEFT_OUT if call == operation.call} or None


def expected_success(operation: Operation, described: Described, fixes: Any) -> Any:
    """The success of an operation; of one with two forms, that of this method."""
    successes = described.successes
    if operation.call in fixes.TWO_SUCCESSES:
        successes = [s for s in successes if s.status == fixes.TWO_SUCCESSES[operation.call][0]]
    elif "redirect" in {s.kind for s in successes}:
        second = operation.call in fixes.SECOND_FORMS
        successes = [s for s in successes if (s.kind == "redirect") != second]
    (success, *others) = successes
    return success._replace(kind="several") if others else success


def test_table_and_description_agree(spec: Description) -> None:
    assert_no_problems(
        differences(spec, TABLE),
        "Correct the method; or, if it is right, the facts (tests/contract/write_facts.py) or the "
        "corrections. See CONTRIBUTING.md, 'Add an operation' and 'Corrections'.",
    )


def test_operations_have_one_method_each(spec: Description) -> None:
    calls = [o for o in TABLE if o.call not in corrections.SECOND_FORMS]
    assert len(calls) == len(spec.operations), "a method is missing, doubled or not in the API"


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
            {"model": f"{operation.model}Like"},
            {"kind": "one" if operation.kind == "list" else "list"},
            {"paginated": not operation.paginated},
            {"query": (*operation.query, "invented")},
            {"expand": (*operation.expand, "invented")},
            {"json": (*(operation.json or ()), "invented")},
        ):
            yield f"{operation.call} {change}", operation, operation._replace(**change)


def test_change_of_any_line_of_the_table_is_detected(spec: Description) -> None:
    # Of one line at a time: of the others, the comparison says that they have no method.
    absent = {_without_method(o.method, o.path) for o in TABLE}
    unnoticed = [
        name
        for name, before, after in _changes()
        if set(differences(spec, (after,)))
        == absent - {_without_method(before.method, before.path)}
    ]
    assert unnoticed == []
    assert len(list(_changes())) > 10 * len(TABLE)


def test_missing_or_duplicate_method_is_detected(spec: Description) -> None:
    for operation in TABLE:
        rest = tuple(o for o in TABLE if (o.method, o.path) != (operation.method, operation.path))
        assert _without_method(operation.method, operation.path) in differences(spec, rest)
        twice = (operation, operation._replace(name="again"))
        assert any("already" in what for what in differences(spec, twice))


class _Fixes:
    """The corrections, without one entry."""

    def __init__(self, table_name: str, without: Any) -> None:
        for name in dir(corrections):
            if name.isupper():
                kept = dict(getattr(corrections, name))
                if name == table_name:
                    del kept[without]
                setattr(self, name, kept)


def test_corrections_of_required_members_are_needed(spec: Description) -> None:
    for call, name in corrections.NOT_NEEDED:
        (operation,) = [o for o in TABLE if o.call == call]
        assert name in spec.object(_described(spec, operation).body or {})[1]


@pytest.mark.parametrize(
    "name",
    [
        "SECOND_FORMS",
        "TWO_SUCCESSES",
        "QUERY_LEFT_OUT",
        "BODY_LEFT_OUT",
        "EXPAND_LEFT_OUT",
        "EXPAND_LIKE",
        "ENVELOPE_KEYS",
    ],
)
def test_corrections_of_operations_are_needed(spec: Description, name: str) -> None:
    for entry in getattr(corrections, name):
        assert list(differences(spec, TABLE, _Fixes(name, entry))), f"{name} {entry} is stale"


def _described(spec: Description, operation: Operation) -> Described:
    return spec.operation(operation.method, operation.path)


@ids
def test_argument_is_optional_if_and_only_if_its_parameter_is(
    spec: Description, operation: Operation
) -> None:
    described = _described(spec, operation)
    arguments = inspect.signature(function_of(operation)).parameters
    needed = {p.name for p in described.parameters.values() if p.required and p.place != "header"}
    if described.body:
        required = spec.object(described.body)[1]
        needed |= {n for n in required if (operation.call, n) not in corrections.NOT_NEEDED}
    if operation.json == AS_GIVEN:
        needed |= arguments.keys() - {"self", *operation.ids, *operation.query}
    without_default = {
        name
        for name, argument in arguments.items()
        if argument.default is argument.empty and name != "self"
    }
    assert without_default == needed


@ids
def test_arguments_except_ids_are_keywords_named_as_they_are_sent(
    operation: Operation,
) -> None:
    arguments = [
        p for n, p in inspect.signature(function_of(operation)).parameters.items() if n != "self"
    ]
    positional = tuple(p.name for p in arguments if p.kind is p.POSITIONAL_OR_KEYWORD)
    keywords = {p.name for p in arguments if p.kind is p.KEYWORD_ONLY}
    sent = {*operation.query, *(operation.json or ())} - {"response_type"}
    assert positional == operation.ids
    if operation.json == AS_GIVEN:
        assert len(keywords) == 1
    else:
        assert keywords == sent


@ids
def test_body_members_default_to_unset_and_parameters_to_none(operation: Operation) -> None:
    for name, argument in inspect.signature(function_of(operation)).parameters.items():
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
def test_literal_of_an_argument_equals_the_enum_of_its_parameter(
    spec: Description, operation: Operation
) -> None:
    described = _described(spec, operation)
    hints = hints_of(operation)
    schemas = {p.name: p.schema for p in described.parameters.values() if p.place == "query"}
    for name, schema in {**schemas, **writable(spec, described)}.items():
        listed = schema.get("items", schema).get("enum")
        if listed and name in hints:
            left_out = {v for call, v in corrections.EXPAND_LEFT_OUT if call == operation.call}
            assert set(_texts(hints[name])) == {*listed} - {None, *left_out}, name


def _classes(hint: Any) -> list[type]:
    if isinstance(hint, type) and attrs.has(hint):
        return [hint]
    return [cls for arm in get_args(hint) for cls in _classes(arm)]


@ids
def test_nested_body_has_the_members_of_its_schema(spec: Description, operation: Operation) -> None:
    hints = hints_of(operation)
    for name, schema in writable(spec, _described(spec, operation)).items():
        members = {member for arm, _ in forms_of(schema) for member in spec.object(arm)[0]}
        if not members:
            continue
        classes = _classes(hints[name])
        assert classes
        for cls in classes:
            left_out = {n for owner, n in corrections.NESTED_LEFT_OUT if owner == cls.__name__}
            assert left_out <= members
            names = {field.name for field in attrs.fields(cls)} - {"_extra"}
            assert names == members - left_out


@ids
def test_family_is_the_first_word_of_the_path(operation: Operation) -> None:
    first = re.split(r"[/:]", operation.path.strip("/"))[0]
    assert operation.family == (first.replace("-", "_") or "root")


def _one_of(words: str) -> str:
    return words.removesuffix("ies") + "y" if words.endswith("ies") else words.removesuffix("s")


def expected_name(operation: Operation) -> str:
    """What the rules of the house call a method.

    ``list get create update delete`` on the family itself; below it the last word of the path, with
    the verb before it where it changes or makes such a thing; what is done to one of them has both.
    """
    words = [w.replace("-", "_") for w in re.split(r"[/:]", operation.path.strip("/"))[1:]]
    plain = [word for word in words if not word.startswith("{")]
    reads = {"list": "list"}.get(operation.kind, "get")
    verb = {"POST": "create", "PATCH": "update", "DELETE": "delete"}.get(operation.method, reads)
    if not plain:
        return verb
    if len(plain) > 1:
        return f"{plain[-1]}_{_one_of(plain[-2])}"
    noun = _one_of(plain[0]) if words[-1].startswith("{") else plain[0]
    if verb in {"update", "delete"}:
        return f"{verb}_{noun}"
    holds_items = any(o.path.startswith(f"{operation.path}/{{") for o in TABLE)
    return f"create_{_one_of(noun)}" if verb == "create" and holds_items else noun


@ids
def test_method_is_named_by_verb_and_path(operation: Operation) -> None:
    assert operation.name.rstrip("_").removesuffix("_json") == expected_name(operation)


@ids
def test_docstring_mentions_acting_for_if_the_operation_depends_on_it(
    spec: Description, operation: Operation
) -> None:
    declared = "EvEnergy-User" in _described(spec, operation).names("header")
    assert ("acting_for" in operation.doc) == declared


@ids
def test_docstring_names_the_problems_specific_to_the_operation(
    spec: Description, operation: Operation
) -> None:
    described = _described(spec, operation)
    for slug in described.problem_types - corrections.COMMON_PROBLEMS.keys():
        assert f"``{slug}``" in operation.doc


@ids
def test_docstring_names_the_errors_of_rare_statuses(
    spec: Description, operation: Operation
) -> None:
    named = {"409": "ConflictError", "422": "UnprocessableError", "503": "ServerError"}
    for status in named.keys() & _described(spec, operation).raw["responses"].keys():
        assert f"`{named[status]}`" in operation.doc, status


def test_names_of_schemas_are_read_from_references() -> None:
    assert ref_name({"$ref": "#/components/schemas/EVSE"}) == "EVSE"
    assert ref_name({}) is None


def test_scopes_can_be_requested_by_the_credentials(spec: Description) -> None:
    flows = spec.data["components"]["securitySchemes"]["oauth2"]["flows"]
    known: Mapping[str, str] = flows["clientCredentials"]["scopes"]
    wanted = {scope for o in TABLE if o.scope for scope in o.scope.split()}
    assert wanted - known.keys() == corrections.UNDECLARED_SCOPES.keys()


@ids
def test_none_is_accepted_if_and_only_if_null_is_valid(
    spec: Description, operation: Operation
) -> None:
    hints = hints_of(operation)
    for name, schema in writable(spec, _described(spec, operation)).items():
        if name in hints:
            left_out = (operation.call, name) in corrections.NULL_LEFT_OUT
            assert (type(None) in get_args(hints[name])) == (nullable(schema) != left_out), name
