"""Every reply of every operation, in five forms, over a socket: read, written, read again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ev_energy import Drift, DriftKind
from ev_energy._operations import Operation
from ev_energy.models._base import Model
from ev_energy_sync import Client
from tests.helpers.spec import corrections
from tests.helpers.spec.calls import TABLE, call, described, kind_of_reply
from tests.helpers.spec.compare import same, tree
from tests.helpers.spec.description import Description
from tests.helpers.spec.operation_server import OperationServer, success_of, wrapped
from tests.helpers.spec.replies import Replies, Style
from tests.helpers.spec.wire import Wire

FORMS = {
    "required": Style(members="required"),
    "all": Style(members="all", nulls="no"),
    "nulls": Style(members="all", nulls="all"),
    "news": Style(members="all", news=True),
}
answering = [o for o in TABLE if o.kind in {"one", "list"}]
#: The fast tier tests the first operation of each kind of reply.
one_of_each_kind = pytest.mark.matrix("operation", of=kind_of_reply)
operations = pytest.mark.parametrize("operation", answering, ids=[o.call for o in answering])
few = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
# Generated replies are large, and are printed after a failure only.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


@pytest.fixture(scope="module")
def server(spec: Description) -> Iterator[OperationServer]:
    with OperationServer(spec).in_thread() as running:
        yield running


@pytest.fixture(scope="module")
def strict(server: OperationServer) -> Iterator[Client]:
    with Client("token", base_url=server.url, strict=True) as made:
        yield made


@cache
def _replies(spec: Description, form: str) -> Replies:
    return Replies(spec, FORMS[form])


def replies(spec: Description, operation: Operation, form: str) -> st.SearchStrategy[Any]:
    """What the operation may answer, wrapped where it is wrapped."""
    there = described(spec, operation)
    success = success_of(there, as_json=operation.call in corrections.SECOND_FORMS)
    if success.schema_name == "Counts":
        return st.dictionaries(st.text(max_size=5), st.integers(0, 2**40), max_size=3)
    made: Any = _replies(spec, form).of(str(success.schema_name), depth=1)
    made = st.lists(made, min_size=1, max_size=2) if success.kind == "list" else made
    return made.map(lambda reply: wrapped(there, reply))


def items(answer: Any) -> list[Any]:
    return [answer] if isinstance(answer, Model | dict) else list(answer)


def sent_items(operation: Operation, reply: Any) -> list[Any]:
    reply = reply[operation.envelope_key] if operation.envelope_key else reply
    return reply if isinstance(reply, list) else [reply]


def assert_read_whole(operation: Operation, reply: Any, answer: Any) -> None:
    """Nothing of *reply* is lost, and what is written of it reads the same."""
    sent, found = sent_items(operation, reply), items(answer)
    assert len(sent) == len(found)
    for one, read in zip(sent, found, strict=True):
        written = read.to_dict() if isinstance(read, Model) else read
        assert same(one, written)
        if isinstance(read, Model):
            again = type(read).from_dict(json.loads(json.dumps(written)))
            assert tree(again) == tree(read)
            assert again == read


@one_of_each_kind
@operations
@pytest.mark.parametrize("form", ["required", "all", "nulls"])
def test_valid_reply_is_read_completely_in_strict_mode(
    spec: Description, server: OperationServer, strict: Client, operation: Operation, form: str
) -> None:
    made = Wire(spec, operation, described(spec, operation))
    arguments = made.arguments(made.least())

    @few
    @given(replies(spec, operation, form))
    def check(reply: Any) -> None:
        server.reply = reply
        assert_read_whole(operation, reply, call(strict, operation, arguments))

    check()


@one_of_each_kind
@operations
def test_reply_with_unknown_fields_is_read_completely_and_reported(
    spec: Description, server: OperationServer, operation: Operation
) -> None:
    made = Wire(spec, operation, described(spec, operation))
    arguments, drifts = made.arguments(made.least()), list[Drift]()

    @few
    @given(replies(spec, operation, "news"))
    def check(reply: Any) -> None:
        server.reply = reply
        assert_read_whole(operation, reply, call(client, operation, arguments))

    with Client("token", base_url=server.url, on_drift=drifts.append) as client:
        check()
    assert {drift.kind for drift in drifts} <= {
        DriftKind.UNKNOWN_MEMBER,
        DriftKind.UNKNOWN_ENUM_TEXT,
    }
    assert bool(drifts) == (operation.model != "Counts")


@pytest.mark.description
@operations
def test_examples_of_replies_are_read_in_strict_mode_except_the_known_faulty_ones(
    vendor: Description, server: OperationServer, operation: Operation
) -> None:
    spec, there = vendor, described(vendor, operation)
    made = Wire(spec, operation, there)
    arguments = made.arguments(made.least())
    success = success_of(there, as_json=operation.call in corrections.SECOND_FORMS)
    for name, reply in success.examples.items():
        where = f"{operation.method} {operation.path} {success.status} {name}"
        drifts: list[Drift] = []
        server.reply = reply
        with Client("token", base_url=server.url, on_drift=drifts.append) as client:
            assert_read_whole(operation, reply, call(client, operation, arguments))
        assert bool(drifts) == (where in corrections.FAULTY_EXAMPLES), (where, drifts)
