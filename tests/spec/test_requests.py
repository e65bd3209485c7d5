from __future__ import annotations

import datetime as dt
import inspect
import json
from collections.abc import AsyncIterator, Mapping
from importlib import import_module
from typing import Any, get_args, get_type_hints
from urllib.parse import quote

import attrs
import corrections
import pytest
from description import CURSORS, Described, Description
from jsonschema import Draft202012Validator
from recorder import Asked, Recorder, least_of, recording

from ev_energy import Client, Pager, models
from ev_energy._model import Model
from ev_energy._operations import Operation, table
from ev_energy.models.users import LocationWrite

TABLE = table()
ids = pytest.mark.parametrize("operation", TABLE, ids=[o.call for o in TABLE])
TOKEN, USER = "token-of-a-test", "user01HN2NJ9NMRZBXT1H6FT9N7735"

#: What the transport adds to any request.
TRANSPORT = {"Host", "Accept-Encoding", "User-Agent"}

#: Nested bodies: what to pass, and what must arrive for it.
NESTED: dict[str, tuple[Any, Any]] = {
    "location": (
        models.LatLong(latitude=51.5, longitude=-0.25),
        {"latitude": 51.5, "longitude": -0.25},
    ),
    "default_location": (
        LocationWrite(
            address_1="1 The Hill",
            address_2=None,
            city="Hobbiton",
            state="Westfarthing",
            postal_code="SH1 1RE",
            country_code="GB",
            coordinates=models.LatLong(latitude=51.5, longitude=-0.25),
            tariff="tari01HN2NJ9NMRZBXT1H6FT9N7735",
            evse_site="site01JX2SZ0WAFTDYVYY0JRAYREY7",
        ),
        {
            "address_1": "1 The Hill",
            "address_2": None,
            "city": "Hobbiton",
            "state": "Westfarthing",
            "postal_code": "SH1 1RE",
            "country_code": "GB",
            "coordinates": {"latitude": 51.5, "longitude": -0.25},
            "tariff": "{root}/tariffs/tari01HN2NJ9NMRZBXT1H6FT9N7735",
            "evse_site": "{root}/evse_sites/site01JX2SZ0WAFTDYVYY0JRAYREY7",
        },
    ),
}

#: Arguments that exclude each other: calls that together give every argument.
FORMS: dict[str, list[set[str]]] = {
    "evse_waitlist.create": [{"evse_model_id"}, {"evse_make_name", "evse_model_name"}],
}

#: Arguments that may be left out each, but not all together.
ONE_IS_NEEDED = {
    "evse_onboarding.get_json": {"make_id"},
    "evse_waitlist.create": {"evse_model_id"},
}


def forms(operation: Operation) -> list[set[str]]:
    """For each call to make: the arguments to leave out."""
    exclusive = FORMS.get(operation.call, [set()])
    return [set().union(*exclusive) - form for form in exclusive]


@pytest.fixture
async def server(spec: Description) -> AsyncIterator[Recorder]:
    async with recording(spec) as recorder:
        yield recorder


@pytest.fixture
async def client(server: Recorder) -> AsyncIterator[Client]:
    async with Client(TOKEN, base_url=server.base_url, strict=True) as made:
        yield made


def described(spec: Description, operation: Operation) -> Described:
    (found,) = [o for o in spec.operations if o.key == (operation.method, operation.path)]
    return found


def values(spec: Description, operation: Operation) -> dict[str, Any]:
    """A value as JSON has it for every argument, from the examples of the description."""
    there = described(spec, operation)
    found: dict[str, Any] = {}
    for parameter in there.parameters.values():
        if parameter.place == "header" or parameter.name in CURSORS:
            continue
        schema = parameter.schema
        shown = [*schema.get("examples", ()), *schema.get("enum", ())]
        for source in (parameter.raw, schema):
            shown = [source["example"], *shown] if "example" in source else shown
        if parameter.name == "expand":
            shown = [schema["items"]["enum"]]
        if parameter.name in corrections.PARAMETER_VALUES:
            shown = [corrections.PARAMETER_VALUES[parameter.name][0]]
        found[parameter.name] = shown[0] if shown else _elsewhere(spec, parameter.name)
    if operation.json is not None:
        members = spec.object(there.body or {})[0]
        shown = spec.composed(there.body or {})
        for name in operation.json:
            found[name] = NESTED[name][1] if name in NESTED else shown.get(name, "user@example.com")
            assert name in members
    return found


def _elsewhere(spec: Description, name: str) -> Any:
    """An example that another operation, or a schema, has for *name*."""
    for operation in spec.operations:
        for place in ("path", "query"):
            parameter = operation.parameters.get((place, name))
            if parameter and "example" in parameter.schema:
                return parameter.schema["example"]
    raise AssertionError(f"no example of {name}: give one in corrections.PARAMETER_VALUES")


def arguments(operation: Operation, wire: Mapping[str, Any], left_out: set[str]) -> dict[str, Any]:
    """What to call the method with, so that *wire* arrives."""
    made: dict[str, Any] = {}
    function = inspect.signature(_unbound(operation)).parameters
    hints = get_type_hints(_unbound(operation))
    for name in function:
        if name == "self" or name in left_out:
            continue
        value = wire[name]
        if name in NESTED:
            value = NESTED[name][0]
        elif dt.datetime in get_args(hints[name]):
            value = dt.datetime.fromisoformat(value)
        elif name.endswith("__in"):
            value = value.split(",")
        made[name] = value
    return made


def _unbound(operation: Operation) -> Any:
    module = import_module(f"ev_energy.resources.{operation.module}")
    return getattr(getattr(module, operation.owner), operation.name)


async def call(client: Client, operation: Operation, given: dict[str, Any]) -> Any:
    """Call the method; of a listing, fetch its first page."""
    positional = [given.pop(name) for name in operation.ids]
    method = getattr(getattr(client, operation.family), operation.name)
    answer = method(*positional, **given)
    return (await answer.page()).items if isinstance(answer, Pager) else await answer


def expected_query(operation: Operation, wire: Mapping[str, Any], left_out: set[str]) -> Any:
    pairs = []
    for name in operation.query:
        value = "json" if name == "response_type" else wire[name]
        if name not in left_out:
            many = value if isinstance(value, list) else [value]
            pairs += [(name, str(one)) for one in many]
    return sorted(pairs)


def own_headers(asked: Asked) -> dict[str, str]:
    return {n: v for n, v in asked.headers.items() if n.title() not in TRANSPORT}


def expected_headers(operation: Operation, *, token: bool = True) -> dict[str, str]:
    if operation.kind == "redirect":
        return {"Accept": "*/*"}
    headers = {"Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {TOKEN}"
    return headers


def without_length(headers: dict[str, str]) -> dict[str, str]:
    return {n: v for n, v in headers.items() if n not in {"Content-Length", "Content-Type"}}


def complaints(spec: Description, schema: Any, value: Any) -> list[str]:
    """What jsonschema says against *value*."""
    whole = {"components": spec.data["components"], **schema}
    checker = Draft202012Validator.FORMAT_CHECKER
    return [
        e.message for e in Draft202012Validator(whole, format_checker=checker).iter_errors(value)
    ]


@ids
def test_no_two_values_of_a_call_are_alike_so_that_none_can_be_taken_for_another(
    spec: Description, operation: Operation
) -> None:
    texts = [json.dumps(value) for value in values(spec, operation).values()]
    assert len(texts) == len(set(texts))


@ids
async def test_a_call_sends_just_what_the_description_says(
    spec: Description, server: Recorder, client: Client, operation: Operation
) -> None:
    wire = values(spec, operation)
    for left_out in forms(operation):
        answer = await call(client, operation, arguments(operation, wire, left_out))
        asked = server.asked.pop()
        assert server.asked == []
        assert asked.method == operation.method
        path = operation.path
        for name in operation.ids:
            path = path.replace(f"{{{name}}}", quote(wire[name], safe=":"))
        assert asked.raw_path == f"/v2{path}"
        assert sorted(asked.query) == expected_query(operation, wire, left_out)
        assert without_length(own_headers(asked)) == expected_headers(operation)
        if operation.json is None:
            assert asked.body == b""
            assert "Content-Type" not in asked.headers
        else:
            assert asked.headers["Content-Type"] == "application/json"
            body = {name: wire[name] for name in operation.json if name not in left_out}
            text = json.dumps(body).replace("{root}", server.base_url)
            assert json.loads(asked.body) == json.loads(text)
        assert_answer(spec, operation, answer)


def assert_answer(spec: Description, operation: Operation, answer: Any) -> None:
    """The answer is what the table says comes back, holding what the server sent."""
    if operation.kind == "none":
        assert answer is None
    elif operation.kind == "redirect":
        assert str(answer) == "https://go.example/"
    else:
        least = least_of(spec, str(operation.into))
        for item in answer if operation.kind == "list" else [answer]:
            assert isinstance(item, Model)
            assert type(item).__name__ == operation.into
            assert item.to_dict() == {n: v for n, v in least.items() if v is not None}


@ids
async def test_what_is_sent_is_valid_by_the_schemas(
    spec: Description, server: Recorder, client: Client, operation: Operation
) -> None:
    there = described(spec, operation)
    wire = values(spec, operation)
    for left_out in forms(operation):
        await call(client, operation, arguments(operation, wire, left_out))
        asked = server.asked.pop()
        sent: dict[str, list[str]] = {}
        for name, text in asked.query:
            sent.setdefault(name, []).append(text)
        for name, texts in sent.items():
            schema = there.parameters["query", name].schema
            value: Any = texts if schema["type"] == "array" else texts[0]
            value = int(texts[0]) if schema["type"] == "integer" else value
            assert complaints(spec, schema, value) == [], name
        segments = asked.raw_path.removeprefix("/v2").split("/")
        for word, segment in zip(operation.path.split("/"), segments, strict=True):
            if word.startswith("{"):
                schema = there.parameters["path", word.strip("{}")].schema
                assert complaints(spec, schema, segment) == [], word
        if there.body and operation.json is not None:
            assert (
                complaints(spec, body_schema(spec, operation, there), json.loads(asked.body)) == []
            )


def body_schema(spec: Description, operation: Operation, there: Described) -> dict[str, Any]:
    """The schema of a body without the members that are required of a reply only."""
    schema = dict(spec.resolve(there.body or {}))
    not_needed = {name for call, name in corrections.NOT_NEEDED if call == operation.call}
    schema["required"] = [n for n in schema.get("required", ()) if n not in not_needed]
    return schema


@ids
async def test_only_what_is_set_is_sent(
    spec: Description, server: Recorder, client: Client, operation: Operation
) -> None:
    wire = values(spec, operation)
    function = inspect.signature(_unbound(operation)).parameters
    optional = {n for n, p in function.items() if p.default is not p.empty}
    kept = ONE_IS_NEEDED.get(operation.call, set())
    await call(client, operation, arguments(operation, wire, optional - kept))
    asked = server.asked.pop()
    mandatory = {name for name in operation.query if name not in optional} | kept
    fixed = {"page_size": "100", "response_type": "json"}
    assert {name for name, _ in asked.query} == (mandatory | fixed.keys()) & set(operation.query)
    assert all(fixed.get(name, value) == value for name, value in asked.query)
    if operation.json is not None:
        names = {name for name in operation.json if name not in optional or name in kept}
        assert set(json.loads(asked.body)) == names


@ids
async def test_settings_of_the_client_become_headers_where_they_belong(
    spec: Description, server: Recorder, client: Client, operation: Operation
) -> None:
    wire = values(spec, operation)
    setting = client.with_options(version="2", language="en-GB").acting_for(USER)
    await call(setting, operation, arguments(operation, wire, forms(operation)[0]))
    expected = expected_headers(operation)
    if operation.kind != "redirect":
        expected |= {"EvEnergy-Version": "2", "Accept-Language": "en-GB", "EvEnergy-User": USER}
    assert without_length(own_headers(server.asked.pop())) == expected


@ids
async def test_without_a_token_public_operations_are_called_and_others_are_not(
    spec: Description, server: Recorder, operation: Operation
) -> None:
    given = arguments(operation, values(spec, operation), forms(operation)[0])
    async with Client(base_url=server.base_url) as anonymous:
        if operation.scope is None:
            await call(anonymous, operation, given)
            asked = server.asked.pop()
            expected = expected_headers(operation, token=False)
            assert without_length(own_headers(asked)) == expected
        else:
            with pytest.raises(ValueError, match=operation.scope):
                await call(anonymous, operation, given)
    assert server.asked == []


async def test_every_operation_of_the_table_can_be_exercised(
    spec: Description, server: Recorder, client: Client
) -> None:
    called: set[tuple[str, str]] = set()
    for operation in TABLE:
        wire = values(spec, operation)
        for left_out in forms(operation):
            given = arguments(operation, wire, left_out)
            await call(client, operation, given)
            path = server.asked[-1].raw_path.removeprefix("/v2")
            called |= {
                o.key
                for o in spec.operations
                if o.method == server.asked[-1].method
                and path.split("/") == _filled(o.path, wire).split("/")
            }
    assert called == {operation.key for operation in spec.operations}
    every = {name for form in FORMS.values() for one in form for name in one}
    assert every <= {name for o in TABLE for name in [*o.query, *(o.json or ())]}


def _filled(path: str, wire: Mapping[str, Any]) -> str:
    for name, value in wire.items():
        path = path.replace(f"{{{name}}}", str(value))
    return path


def test_a_nested_body_is_given_whole() -> None:
    for given, sent in NESTED.values():
        assert {field.name for field in attrs.fields(type(given))} == set(sent)
