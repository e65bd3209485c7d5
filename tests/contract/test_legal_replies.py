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
from tests.helpers.spec.calls import TABLE, call, described
from tests.helpers.spec.description import Described, Description
from tests.helpers.spec.recorder import Recorder, recording, success_of
from tests.helpers.spec.wire import Wire

with_results = pytest.mark.parametrize(
    "operation",
    [o for o in TABLE if o.kind in {"one", "list"}],
    ids=[o.call for o in TABLE if o.kind in {"one", "list"}],
)


class Sender(Recorder):
    """A recorder that answers just the JSON it is told to, with the status that is declared."""

    sent: Any = None

    def _reply(self, operation: Described, query: set[str]) -> web.Response:
        success = success_of(operation, as_json="response_type" in query)
        return web.json_response(self.sent, status=success.status, dumps=json.dumps)


@pytest.fixture(scope="module")
def server(spec: Description) -> Iterator[Recorder]:
    with recording(spec, Sender) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Recorder) -> Iterator[Client]:
    with Client("a-token", base_url=server.base_url, strict=True) as made:
        yield made


def schema_of(operation: Operation, there: Described) -> Any:
    success = success_of(there, as_json=operation.name.endswith("_json"))
    reply = there.whole.resolve(there.raw["responses"][str(success.status)])
    return reply["content"]["application/json"]["schema"]


@with_results
def test_a_strict_client_reads_every_legal_reply_and_writes_it_again(
    spec: Description, server: Sender, client: Client, operation: Operation
) -> None:
    there = described(spec, operation)
    schema = schema_of(operation, there)
    made = Wire(spec, operation, there)
    arguments = made.arguments(made.least())
    for sent in legal.replies(spec, schema):
        server.sent = sent
        found = call(client, operation, arguments)
        server.asked.clear()
        for one in found if operation.kind == "list" else [found]:
            if isinstance(one, Model):
                assert type(one).from_dict(one.to_dict()) == one


def test_a_wrapper_that_holds_nothing_is_read(server: Sender, client: Client) -> None:
    server.sent = {}
    pages = list(client.carbon_feeds.carbon_intensities("crbf01").pages())
    assert [(page.items, page.envelope) for page in pages] == [([], {})]
    assert client.notifications.update("noti01") is None
    server.sent = {"url": "u", "carbon_feed": "f"}
    (page,) = client.carbon_feeds.carbon_intensities("crbf01").pages()
    assert (page.items, page.envelope) == ([], {"url": "u", "carbon_feed": "f"})
    server.asked.clear()


def test_corrections_of_inside_are_all_of_them(spec: Description) -> None:
    assert {o.envelope_key for o in TABLE if o.envelope_key} == set(
        corrections.ENVELOPE_KEYS.values()
    )
