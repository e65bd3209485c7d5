"""Every operation, called over a socket with values made from its schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args, get_origin
from urllib.parse import quote, urlencode

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema_rs import Draft202012Validator
from multidict import CIMultiDict

from ev_energy import Ref
from ev_energy._operations import AS_GIVEN, Operation
from ev_energy.models import User
from ev_energy.models._base import Model
from ev_energy_sync import Client
from tests.helpers.names import assert_same_names
from tests.helpers.recording_server import RecordedRequest
from tests.helpers.spec.calls import TABLE, call, described
from tests.helpers.spec.description import Described, Description
from tests.helpers.spec.operation_server import OperationServer
from tests.helpers.spec.wire import RULES, Wire, hints_of, least
from tests.helpers.tiers import examples

ids = pytest.mark.parametrize("operation", TABLE, ids=[o.call for o in TABLE])
TOKEN, USER = "token-of-a-test", "user01HN2NJ9NMRZBXT1H6FT9N7735"

#: What the transport adds to any request.
TRANSPORT = {"Host", "Accept-Encoding", "User-Agent"}
some = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def server(spec: Description) -> Iterator[OperationServer]:
    with OperationServer(spec).in_thread() as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_asked_yet(request: pytest.FixtureRequest) -> None:
    if "server" in request.fixturenames:
        recorder = request.getfixturevalue("server")
        recorder.reply = None
        recorder.requests.clear()


@pytest.fixture(scope="module")
def client(server: OperationServer) -> Iterator[Client]:
    with Client(TOKEN, base_url=server.url, strict=True) as made:
        yield made


def expected_path(operation: Operation, wire: Mapping[str, Any]) -> str:
    path = operation.path
    for name in operation.ids:
        path = path.replace(f"{{{name}}}", quote(wire[name], safe=":"))
    return f"/v2{path}"


def expected_query(operation: Operation, wire: Mapping[str, Any]) -> list[tuple[str, str]]:
    fixed = {"page_size": 100, "response_type": "json"}
    pairs = []
    for name in operation.query:
        value = wire.get(name, fixed.get(name))
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                pairs.append((name, json.dumps(one) if isinstance(one, bool) else str(one)))
    return sorted(pairs)


def expected_body(operation: Operation, wire: Mapping[str, Any]) -> Any:
    if operation.json == AS_GIVEN:
        (body,) = [v for n, v in wire.items() if n not in {*operation.ids, *operation.query}]
        return body
    return {name: wire[name] for name in operation.json or () if name in wire}


def own_headers(request: RecordedRequest) -> dict[str, str]:
    """Without those of the transport, and of the body."""
    left_out = {*TRANSPORT, "Content-Length", "Content-Type"}
    return {n: v for n, v in request.headers.items() if n.title() not in left_out}


def expected_headers(operation: Operation, *, token: bool = True) -> dict[str, str]:
    if operation.kind == "redirect" and operation.scope is None:
        return {"Accept": "*/*"}
    headers = {"Accept": "application/json", "EvEnergy-Version": "2"}
    if token:
        headers["Authorization"] = f"Bearer {TOKEN}"
    return headers


@cache
def _validator(spec: Description, key: tuple[str, str], not_needed: frozenset[str]) -> Any:
    """A validator of the body of an operation."""
    (there,) = [operation for operation in spec.operations if operation.key == key]
    schema = dict(spec.resolve(there.body or {}))
    # Of a body that is the model of the reply, what is read-only is not to be sent.
    schema["required"] = [n for n in schema.get("required", ()) if n not in not_needed]
    whole = {"components": spec.data["components"], **schema}
    return Draft202012Validator(whole, validate_formats=True)


def complaints(spec: Description, schema: Any, value: Any) -> list[str]:
    """What an independent validator says against *value*."""
    validator = Draft202012Validator(spec.resolve(schema), validate_formats=True)
    return [error.message for error in validator.iter_errors(value)]


def assert_valid(spec: Description, there: Described, request: RecordedRequest) -> None:
    """What was request is what the schemas allow; an independent validator says so."""
    sent: dict[str, list[str]] = {}
    for name, text in request.query:
        sent.setdefault(name, []).append(text)
    for name, texts in sent.items():
        schema = spec.resolve(there.parameters["query", name].schema)
        assert schema["type"] == "array" or len(texts) == 1, name
        value: Any = texts if schema["type"] == "array" else texts[-1]
        if schema["type"] in {"integer", "boolean", "number"}:
            value = json.loads(texts[0])
        assert complaints(spec, schema, value) == [], name
    assert {n for n, p in _query(there) if p.required} <= sent.keys()
    segments = request.raw_path.removeprefix("/v2").split("/")
    for word, segment in zip(there.path.split("/"), segments, strict=True):
        if word.startswith("{"):
            name, _, verb = word.partition("}")
            schema = there.parameters["path", name.strip("{")].schema
            assert complaints(spec, schema, segment.removesuffix(verb)) == [], word
    if request.body:
        _, required = spec.object(there.body or {})
        members = spec.object(there.body or {})[0]
        read_only = frozenset(n for n in required if members[n].get("readOnly"))
        found = _validator(spec, there.key, read_only).iter_errors(json.loads(request.body))
        assert [error.message for error in found] == []


def _query(there: Described) -> list[tuple[str, Any]]:
    return [(name, p) for (place, name), p in there.parameters.items() if place == "query"]


@examples(fast=3, slow=8)
@ids
def test_call_sends_exactly_the_described_request(
    spec: Description,
    server: OperationServer,
    client: Client,
    operation: Operation,
    examples: int,
) -> None:
    there = described(spec, operation)
    made = Wire(spec, operation, there)

    @settings(some, max_examples=examples)
    @given(made.values())
    def check(wire: dict[str, Any]) -> None:
        answer = call(client, operation, made.arguments(wire))
        request = server.take_request()
        assert request.method == operation.method
        assert request.raw_path == expected_path(operation, wire)
        assert sorted(request.query) == expected_query(operation, wire)
        assert own_headers(request) == expected_headers(operation)
        if operation.json is None:
            assert request.body == b""
            assert "Content-Type" not in request.headers
        else:
            assert request.headers["Content-Type"] == "application/json"
            assert json.loads(request.body) == expected_body(operation, wire)
        assert_valid(spec, there, request)
        assert_answer(spec, operation, answer)

    check()


def assert_answer(spec: Description, operation: Operation, answer: Any) -> None:
    """The answer is what the table says comes back, holding what the server sent."""
    if operation.kind == "none":
        assert answer is None
    elif operation.kind == "redirect":
        assert str(answer) == "https://go.example/"
    elif operation.model == "Counts":
        assert answer == {}
    else:
        sent = least(spec, spec.schemas[str(operation.model)])
        for item in answer if operation.kind == "list" else [answer]:
            assert isinstance(item, Model)
            assert type(item).__name__ == operation.model
            # Null or left out: the round trips of models have tests of their own.
            assert without_nulls(item.to_dict()) == without_nulls(sent)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(one) for name, one in value.items() if one is not None}
    return value


def model_of(hint: Any) -> Any:
    """Return the model of ``Id[Model]``, which may be one of several types of an argument."""
    if get_origin(hint) is Ref:
        [linked] = get_args(hint)
        return next(iter(get_args(linked)), linked)  # the first one of a union
    return next((found for arg in get_args(hint) if (found := model_of(arg)) is not None), None)


@ids
def test_id_is_accepted_as_url_or_link(
    spec: Description, server: OperationServer, client: Client, operation: Operation
) -> None:
    made = Wire(spec, operation, described(spec, operation))
    wire = made.least()
    named = [n for n in made.signature if n in operation.ids or n.endswith("_id")]
    given = {n: wire.get(n, "thing0123456789") for n in named if "Ref" in str(made.hints[n])}
    legal = RULES.get(operation.call, dict)({**wire, **given})
    found = {name: legal[name] for name in given if name in legal}
    urls = {n: f"https://api.ev.energy/v2/things/{quote(i, safe=':')}" for n, i in found.items()}
    fitting = made.arguments({n: v for n, v in legal.items() if n not in found})
    seen = []
    links = {name: Ref(url, model_of(made.hints[name])) for name, url in urls.items()}
    for form in (urls, links, found):
        call(client, operation, {**fitting, **form})
        request = server.take_request()
        seen.append((request.raw_path, request.query, request.body))
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][0] == expected_path(operation, {**wire, **found})


@pytest.mark.parametrize(
    "operation", [o for o in TABLE if o.expand], ids=[o.call for o in TABLE if o.expand]
)
def test_several_links_are_expanded_only_by_operations_that_accept_a_list(
    spec: Description, server: OperationServer, client: Client, operation: Operation
) -> None:
    there = described(spec, operation)
    made = Wire(spec, operation, there)
    given = {**made.arguments(made.least()), "expand": [operation.expand[0]] * 2}
    if spec.resolve(there.parameters["query", "expand"].schema)["type"] == "array":
        call(client, operation, given)
        sent = [text for name, text in server.take_request().query if name == "expand"]
        assert sent == given["expand"]
    else:
        with pytest.raises(ValueError, match="expand takes one value here"):
            call(client, operation, given)
        assert server.requests == []


def test_filter_described_as_a_url_accepts_every_form_of_an_id(
    spec: Description, server: OperationServer, client: Client
) -> None:
    asked_for = {
        (operation.call, name)
        for operation in TABLE
        for name in operation.query
        if "Ref[" in str(hints_of(operation).get(name))
        and described(spec, operation).parameters["query", name].schema.get("format") == "uri"
    }
    assert asked_for == {("support_tickets.list", "user")}
    own, there = f"{server.url}/users/{USER}", f"https://api.ev.energy/v2/users/{USER}"
    forms: list[tuple[Any, str]] = [
        (USER, own),
        (there, there),
        (Ref(there, User), there),
        (User.from_dict({"id": USER, "url": there}), there),
        (User.from_dict({"id": USER}).id, own),
    ]
    for form, expected in forms:
        assert list(client.support_tickets.list(user=form))
        assert ("user", expected) in server.take_request().query


def _links() -> Iterator[tuple[Operation, str]]:
    """The members of bodies that the API wants as URLs and callers may give as ids."""
    for operation in TABLE:
        hints = hints_of(operation)
        for name in operation.json or ():
            if "Ref[" in str(hints.get(name)) and not name.endswith("_id"):
                yield operation, name


#: Of the bodies that want URLs: of which collection. One of them wants the bare id.
COLLECTIONS = {
    "evidence_type": "rebate_evidence_types",
    "preferred_vehicle": "vehicles",
    "rebate_evidence_type": "rebate_evidence_types",
    "rebate_type": "rebate_types",
    "region_groups": "region_groups",
    "user": "users",
    ("inverters.create", "model"): "inverter_models",
    ("vehicles.create", "model"): "vehicle_models",
    ("vehicle_trims.create", "model"): "vehicle_models",
    ("vehicle_models.create", "make"): "vehicle_makes",
    ("vehicle_onboarding.onboarding_link", "make"): None,
}


@pytest.mark.parametrize(("operation", "name"), list(_links()), ids=lambda v: getattr(v, "call", v))
def test_url_in_a_body_is_accepted_as_id_link_or_model(
    spec: Description, server: OperationServer, client: Client, operation: Operation, name: str
) -> None:
    made = Wire(spec, operation, described(spec, operation))
    given = made.arguments(made.least())
    collection = COLLECTIONS[name if name in COLLECTIONS else (operation.call, name)]
    id_ = "thing0123456789"
    own = f"{server.url}/{collection}/{id_}" if collection else id_
    there = f"https://api.ev.energy/v2/things/{id_}" if collection else id_
    url = "https://api.ev.energy/v2/things/thing0123456789"
    cls = model_of(made.hints[name])
    model = cls.from_dict({"id": id_, "url": url})
    for form, expected in ((id_, own), (url, there), (Ref(url, cls), there), (model, there)):
        many = name == "region_groups"
        call(client, operation, {**given, name: [form] if many else form})
        sent = json.loads(server.take_request().body)[name]
        assert sent == ([expected] if many else expected)


@ids
def test_settings_of_the_client_become_headers_of_the_operations_that_take_them(
    spec: Description, server: OperationServer, client: Client, operation: Operation
) -> None:
    made = Wire(spec, operation, described(spec, operation))
    setting = client.with_options(api_version="3", language="en-GB").acting_for(USER)
    call(setting, operation, made.arguments(made.least()))
    expected = expected_headers(operation)
    if "Authorization" in expected:
        expected |= {"EvEnergy-Version": "3", "Accept-Language": "en-GB", "EvEnergy-User": USER}
    request = server.take_request()
    assert own_headers(request) == expected
    known = {name.title() for name in described(spec, operation).names("header")}
    settings_sent = {name.title() for name in expected} - {"Accept", "Authorization"}
    assert known <= settings_sent


@ids
def test_public_operations_need_no_token_and_others_do(
    spec: Description, server: OperationServer, operation: Operation
) -> None:
    made = Wire(spec, operation, described(spec, operation))
    given = made.arguments(made.least())
    with Client(base_url=server.url) as anonymous:
        if operation.scope is None:
            call(anonymous, operation, given)
            assert own_headers(server.take_request()) == expected_headers(operation, token=False)
        else:
            wanted = f"the scope {operation.scope}" if operation.scope else "an access token"
            with pytest.raises(ValueError, match=wanted):
                call(anonymous, operation, given)
    assert server.requests == []


def test_operations_of_the_description_are_all_tested(spec: Description) -> None:
    assert_same_names(
        {f"{o.method} {o.path}" for o in TABLE},
        {" ".join(o.key) for o in spec.operations},
        missing="add a method to ev_energy/resources/ (see CONTRIBUTING.md)",
        unexpected="the description has no such operation; correct the path of the method",
    )


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ([], {"smart_charging_enabled": 1}),
        ([], {"maximum_charge_limit_percentage": 101}),
        ([], {"maximum_charge_limit_percentage": None}),
        ([("expand", "everything")], {}),
    ],
)
def test_validator_refuses_invalid_requests(spec: Description, query: Any, body: Any) -> None:
    (there,) = [o for o in spec.operations if o.key == ("PATCH", "/vehicles/{vehicle_id}")]
    path = "/v2/vehicles/vhcl01HN2NJ9NMRZBXT1H6FT9N7735"
    right = RecordedRequest("PATCH", path, CIMultiDict(), b"{}")
    assert_valid(spec, there, right)
    target = f"{path}?{urlencode(query)}" if query else path
    with pytest.raises(AssertionError):
        assert_valid(
            spec, there, attrs.evolve(right, target=target, body=json.dumps(body).encode())
        )
    with pytest.raises(AssertionError):
        assert_valid(spec, there, attrs.evolve(right, target="/v2/vehicles/1"))
