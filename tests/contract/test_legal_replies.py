"""Whatever the description allows an operation to answer, a strict client reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from ev_energy._operations import Operation
from ev_energy.models._base import Model
from ev_energy_sync import Client
from tests.helpers.spec import corrections, legal
from tests.helpers.spec.calls import TABLE, call, described, kind_of_reply
from tests.helpers.spec.description import Described, Description
from tests.helpers.spec.operation_server import OperationServer, success_of
from tests.helpers.spec.wire import Wire

with_results = pytest.mark.parametrize(
    "operation",
    [o for o in TABLE if o.kind in {"one", "list"}],
    ids=[o.call for o in TABLE if o.kind in {"one", "list"}],
)


class Sender(OperationServer):
    """A server that answers every operation with `reply`, also one that sends no JSON."""

    def reply_of(self, operation: Described, *, as_json: bool) -> web.Response:
        success = success_of(operation, as_json=as_json)
        return web.json_response(self.reply, status=success.status, dumps=json.dumps)


@pytest.fixture(scope="module")
def server(spec: Description) -> Iterator[OperationServer]:
    with Sender(spec).in_thread() as running:
        yield running


@pytest.fixture(scope="module")
def client(server: OperationServer) -> Iterator[Client]:
    with Client("a-token", base_url=server.url, strict=True) as made:
        yield made


def schema_of(operation: Operation, there: Described) -> Any:
    success = success_of(there, as_json=operation.name.endswith("_json"))
    reply = there.whole.resolve(there.raw["responses"][str(success.status)])
    return reply["content"]["application/json"]["schema"]


@pytest.mark.matrix("operation", of=kind_of_reply)
@with_results
def test_strict_client_reads_and_writes_every_valid_reply(
    spec: Description, server: Sender, client: Client, operation: Operation
) -> None:
    there = described(spec, operation)
    schema = schema_of(operation, there)
    made = Wire(spec, operation, there)
    arguments = made.arguments(made.least())
    for sent in legal.replies(spec, schema):
        server.reply = sent
        found = call(client, operation, arguments)
        server.requests.clear()
        for one in found if operation.kind == "list" else [found]:
            if isinstance(one, Model):
                assert type(one).from_dict(one.to_dict()) == one


def test_empty_envelope_is_read(server: Sender, client: Client) -> None:
    server.reply = {}
    pages = list(client.carbon_feeds.carbon_intensities("crbf01").pages())
    assert [(page.items, page.envelope) for page in pages] == [([], {})]
    assert client.notifications.update("noti01") is None
    server.reply = {"url": "u", "carbon_feed": "f"}
    (page,) = client.carbon_feeds.carbon_intensities("crbf01").pages()
    assert (page.items, page.envelope) == ([], {"url": "u", "carbon_feed": "f"})
    server.requests.clear()


def test_envelope_keys_are_those_of_the_corrections(spec: Description) -> None:
    assert {o.envelope_key for o in TABLE if o.envelope_key} == set(
        corrections.ENVELOPE_KEYS.values()
    )
