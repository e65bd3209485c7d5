"""The simulator's contract accepts what the corrected facts of the description accept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from ev_energy._contract.corrections import OF_REQUESTS, Correction, OfOperation
from ev_energy._contract.facts import MissingFactsError
from ev_energy.simulator.http._contract import (
    CONTRACT,
    Contract,
    OperationFacts,
    Shape,
    UnsupportedSchemaError,
)
from ev_energy.simulator.http._validation import clean_body, parse_query, validate_body
from tests.helpers.names import assert_same_names
from tests.helpers.spec import description
from tests.helpers.spec.calls import TABLE
from tests.helpers.spec.contract_values import Around
from tests.helpers.spec.description import CURSORS, Description
from tests.helpers.spec.openapi import requests_document
from tests.helpers.tiers import examples

METHODS = {(operation.method, operation.path): operation for operation in TABLE}
#: The operations that answer a bad body with 422.
IS_422 = {
    one.operation
    for one in OF_REQUESTS
    if isinstance(one, OfOperation) and "body_refusal" in one.patch
}
BODIES = [key for key, facts in CONTRACT.items() if facts.body is not None]
#: Of parameters that are declared alike, the first.
PARAMETERS = {
    (name in CURSORS, repr(shape)): (key, name)
    for key, facts in reversed(list(CONTRACT.items()))
    for name, shape in facts.query.items()
}.values()

some = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
)
body = pytest.mark.parametrize("key", BODIES, ids=" ".join)
parameter = pytest.mark.parametrize(
    ("key", "name"), PARAMETERS, ids=[f"{key[1]}?{name}" for key, name in PARAMETERS]
)


@pytest.fixture(scope="module")
def corrected() -> Description:
    """The facts of what may be sent, corrected."""
    return Description(requests_document())


def test_operations_are_those_of_the_client() -> None:
    assert_same_names(
        map(" ".join, CONTRACT),
        map(" ".join, METHODS),
        missing="run `python tests/contract/write_facts.py DESCRIPTION`",
        unexpected="add a method to ev_energy/resources/ (see CONTRIBUTING.md)",
    )
    for key, operation in METHODS.items():
        facts = CONTRACT[key]
        assert facts.public == (operation.scope is None)
        assert set(facts.scopes) == set((operation.scope or "").split())
        assert set(operation.query) <= facts.query.keys()
        assert set(operation.expand) <= set(facts.expand)
        assert not operation.paginated or facts.paging, key
        assert (operation.json is not None) <= (facts.body is not None), key


def test_kinds_of_facts_apply_to_some_operations_but_not_to_all() -> None:
    kinds: dict[str, Callable[[OperationFacts], bool]] = {
        "public": lambda facts: facts.public,
        "anonymous_limit": lambda facts: facts.anonymous_limit is not None,
        "user_header, optional": lambda facts: facts.user_header == "optional",
        "no version_header": lambda facts: not facts.version_header,
        "language_header": lambda facts: facts.language_header,
        "expand": lambda facts: bool(facts.expand),
        "paging by number": lambda facts: facts.paging == "page",
        "cursors that are instants": lambda facts: facts.cursor == "time",
        "cursors that are ids": lambda facts: facts.cursor == "id",
        "status 406": lambda facts: facts.declares(406),
        "status 429": lambda facts: facts.declares(429),
    }
    for kind, has in kinds.items():
        count = sum(map(has, CONTRACT.values()))
        assert 0 < count < len(CONTRACT), f"{kind}: read for {count} of {len(CONTRACT)} operations"
    assert {facts.anonymous_limit for facts in CONTRACT.values()} == {None, 50}
    assert {key for key, facts in CONTRACT.items() if facts.user_header == "required"} == {
        ("POST", "/vehicles"),
        ("GET", "/incentive_schemes"),
    }


def test_operation_without_a_refusal_status_has_no_required_parameters() -> None:
    without = {key for key, facts in CONTRACT.items() if facts.refusal_status is None}
    assert without
    assert [key for key in without if CONTRACT[key].required or CONTRACT[key].body] == []


def test_invalid_body_is_refused_with_a_declared_status() -> None:
    assert {(k, f.body_refusal_status) for k, f in CONTRACT.items() if f.body} == {
        (key, 422 if " ".join(key) in IS_422 | {"POST /auth/password_reset"} else 400)
        for key in BODIES
    }
    assert [
        key for key in BODIES if not CONTRACT[key].declares(CONTRACT[key].body_refusal_status)
    ] == []


def resolved(contract: Contract, shape: Shape | str) -> dict[str, Any]:
    """A shape with all that it refers to."""
    shape = contract.shape(shape)
    return {
        **attrs.asdict(shape, recurse=False),
        "any_of": [resolved(contract, one) for one in shape.any_of],
        "items": None if shape.items is None else resolved(contract, shape.items),
        "properties": {n: resolved(contract, s) for n, s in (shape.properties or {}).items()},
    }


def everything(contract: Contract) -> dict[tuple[str, str], Any]:
    """All that a contract holds, in a form to compare."""
    return {
        key: (facts, facts.body and resolved(contract, facts.body.shape))
        for key, facts in contract.items()
    }


@pytest.mark.parametrize("correction", OF_REQUESTS, ids=lambda c: f"{c[:2]} {list(c.patch)}")
def test_each_correction_of_requests_is_needed(correction: Correction) -> None:
    try:
        without = everything(Contract([one for one in OF_REQUESTS if one is not correction]))
    except UnsupportedSchemaError:
        return
    assert without != everything(CONTRACT)


def test_operation_without_facts_is_named_with_the_remedy() -> None:
    with pytest.raises(MissingFactsError, match=r"no facts about GET /x\. If .*write_facts\.py"):
        CONTRACT["GET", "/x"]
    assert ("GET", "/x") not in CONTRACT


def is_address(text: str) -> bool:
    """Return whether an address has a host with a dot, as the API requires."""
    return bool(re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text))


def validator(whole: Description, schema: description.Schema) -> Draft202012Validator:
    within = json.dumps({**schema, "components": whole.data["components"]})
    # Its patterns are for Python, whose $ also matches before a line break at the end.
    return Draft202012Validator(
        json.loads(within.replace(r"\\Z", "$")),
        validate_formats=True,
        formats={"email": is_address},
    )


def has_time_that_python_has_not(value: Any) -> bool:
    """RFC 3339 permits leap seconds and the year 0, which the simulator refuses."""
    text = json.dumps(value)
    return ":60" in text or "0000-" in text


@pytest.mark.matrix("key", of=lambda key: key[0])  # the first of each method
@body
def test_body_is_accepted_if_and_only_if_its_schema_accepts_it(
    corrected: Description, key: tuple[str, str]
) -> None:
    schema = corrected.operation(*key).body
    assert schema is not None
    judge = validator(corrected, schema)
    seen: set[tuple[bool, bool]] = set()

    @settings(some, max_examples=40)
    @given(value=Around(corrected).of(schema))
    def compare(value: Any) -> None:
        assume(not has_time_that_python_has_not(value))
        good = judge.is_valid(value)
        errors = validate_body(CONTRACT[key], value)
        assert (errors == {}) == good, errors
        assert json.dumps(errors)
        if good:
            tidied = clean_body(CONTRACT[key], value)
            assert judge.is_valid(tidied)
            assert clean_body(CONTRACT[key], tidied) == tidied
        seen.add((good, isinstance(value, dict)))

    compare()
    # There was something to compare: good bodies, and objects that are none.
    can_be_wrong = corrected.object(schema)[0] or "additionalProperties" in schema
    assert seen >= {(True, True), (False, bool(can_be_wrong))}


def test_length_of_a_list_of_regions_is_limited_as_declared() -> None:
    ring = [[0.5, 51.5], [0.5, 52.5], [1.5, 52.5], [0.5, 51.5]]
    region = {"name": "x", "geometries": [{"type": "Polygon", "coordinates": [ring]}]}
    facts = CONTRACT["POST", "/region_groups"]
    assert validate_body(facts, {"name": "x", "regions": [region] * 500}) == {}
    assert validate_body(facts, {"name": "x", "regions": [region] * 501}) == {
        "regions": ["Must be a list of 1 to 500 items."]
    }


def texts_of(value: Any) -> str:
    """How a value goes into a query."""
    return value if isinstance(value, str) else json.dumps(value)


def as_json(schema: description.Schema, text: str, *, anyhow: bool = False) -> Any:
    """What a text of a query is in JSON, by the type that is declared; itself if it is not one.

    ``anyhow`` reads a whole number however it is written: 1.0 is one, too.
    """
    if schema.get("type") == "boolean" and text in {"true", "false"}:
        return text == "true"
    if schema.get("type") == "integer" and re.fullmatch("-?[0-9]+", text):
        return int(text)
    if anyhow and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([Ee][+-]?[0-9]+)?", text):
        return float(text)
    return text


@examples(fast=4, slow=40)
@parameter
def test_parameter_is_accepted_if_and_only_if_its_schema_accepts_it(
    corrected: Description, key: tuple[str, str], name: str, examples: int
) -> None:
    schema = corrected.resolve(corrected.operation(*key).parameters["query", name].schema)
    many = schema["type"] == "array"
    one = corrected.resolve(schema["items"]) if many else schema
    judge = validator(corrected, schema)
    seen: set[bool] = set()

    @settings(some, max_examples=examples)
    @given(st.lists(Around(corrected).of(one).map(texts_of), min_size=1, max_size=1 + many))
    def compare(texts: list[str]) -> None:
        assume(not has_time_that_python_has_not(texts))
        sent = [as_json(one, text, anyhow=name == "page") for text in texts]
        good = judge.is_valid(sent if many else sent[0])
        values, errors = parse_query(CONTRACT[key], [(name, text) for text in texts])
        assert (name not in errors) == good, errors
        assert set(errors) - {name} == set(CONTRACT[key].required) - {name}
        if good and one.get("format") != "date-time":
            assert values[name] == (sent if many else sent[0])
        seen.add(good)

    compare()
    assert seen == (
        {True}
        if one.keys() - {"description", "example"} == {"type"} and one["type"] == "string"
        else {True, False}
    )


def test_facts_of_an_operation_include_its_replies() -> None:
    facts: OperationFacts = CONTRACT["GET", "/users"]
    assert facts.statuses[200].media == "application/json"
    assert "Link" in facts.statuses[200].headers
    assert facts.statuses[429].media == "application/problem+json"
    assert "Retry-After" in facts.statuses[429].headers
    assert CONTRACT["DELETE", "/evses/{evse_id}"].statuses[204].media is None
    assert not facts.declares(404)
