"""Deeply nested JSON is an error, not a model that fails later when it is copied or printed."""

from __future__ import annotations

import copy
import json
import pickle
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web

import ev_energy.models as m
from ev_energy import errors, webhooks
from ev_energy.models._json import MAX_DEPTH
from tests.helpers.raw_replies import EVSE, EVSE_REPLY, json_reply, reply
from tests.helpers.support import TOKEN

TOO_DEEP = 300


def lists(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth - 1):
        found = [found]
    return found


def objects(depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(depth - 1):
        found = {"a": found}
    return found


def deep_text(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + closing * depth).encode()


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 900, 2000, 15_000])
@pytest.mark.parametrize(
    ("before", "opening", "after"),
    [
        ("", "[", ""),
        ("", '{"a":', ""),
        ('{"id":', "[", "}"),
        ('{"unknown":', "[", "}"),
        ('{"unknown":', '{"a":', "}"),
        ('{"model":{"unknown":', "[", "}}"),
        ('{"id":"e","url":"u","cpid":"c","model":', '{"make":', "}"),
        ('{"user":', '{"unknown":', "}"),
    ],
)
async def test_deeply_nested_resource_is_a_decode_error(
    raw_server, before: str, opening: str, after: str, depth: int
) -> None:
    closing = {"[": "]"}.get(opening, "}")
    inner = "1" if opening.endswith(":") else ""
    body = f"{before}{opening * depth}{inner}{closing * depth}{after}".encode()
    server = await raw_server(reply(body), reply(b"[" + body + b"]"), EVSE_REPLY)
    async with server.client() as client:
        with pytest.raises(errors.DecodeError) as caught:
            await client.evses.get("evse01")
        assert caught.value.body == body
        assert "nested too deeply" in str(caught.value)
        with pytest.raises(errors.DecodeError, match="nested too deeply") as caught:
            await client.evses.list().page()
        assert caught.value.cursor is not None
        assert (await client.evses.get("evse01")).id == "evse01"


@pytest.mark.parametrize("make", [lists, objects])
async def test_nesting_up_to_the_limit_is_read_copied_and_written(raw_server, make: Any) -> None:
    server = await raw_server(json_reply({**EVSE, "unknown": make(MAX_DEPTH - 1)}))
    async with server.client() as client:
        evse = await client.evses.get("evse01")
    assert evse.extra["unknown"] == make(MAX_DEPTH - 1)
    assert evse.to_dict() == {**EVSE, "unknown": make(MAX_DEPTH - 1)}
    assert m.EVSE.from_dict(evse.to_dict()) == evse
    assert copy.deepcopy(evse) == pickle.loads(pickle.dumps(evse)) == evse
    assert "unknown" in repr(evse)
    assert json.loads(json.dumps(evse.to_dict())) == evse.to_dict()


FREE_FORM = {
    "an OCPP payload": (m.EVSEOCPPLog, "payload"),
    "the fields of a ticket": (m.SupportTicket, "custom_fields"),
    "the data of an unknown event": (m.UnknownEvent, "data"),
}


@pytest.mark.parametrize(("model", "member"), FREE_FORM.values(), ids=FREE_FORM)
def test_free_form_fields_have_the_same_nesting_limit(model: Any, member: str) -> None:
    built = model.from_dict({member: objects(MAX_DEPTH - 1)})
    assert built.to_dict() == {member: objects(MAX_DEPTH - 1)}
    with pytest.raises(ValueError, match="nested too deeply"):
        model.from_dict({member: objects(MAX_DEPTH)})


async def test_deeply_nested_payload_is_a_decode_error(raw_server) -> None:
    entry = {"url": "u", "timestamp": "2026-01-01T00:00:00Z", "payload": objects(MAX_DEPTH - 3)}
    deeper = {**entry, "payload": objects(TOO_DEEP)}
    server = await raw_server(json_reply([entry]), json_reply([entry, deeper]))
    async with server.client() as client:
        [log] = (await client.evses.ocpp_logs("evse01").page()).items
        assert log.payload == entry["payload"]
        with pytest.raises(errors.DecodeError, match="nested too deeply"):
            await client.evses.ocpp_logs("evse01").page()


async def test_deeply_nested_expanded_links_are_a_decode_error(raw_server) -> None:
    def nested_evse(times: int) -> dict[str, Any]:
        found: dict[str, Any] = EVSE
        for number in range(times):
            url = f"https://api.ev.energy/v2/ct_clamps/{number}"
            found = {**EVSE, "ct_clamp": {"id": str(number), "url": url, "evse": found}}
        return found

    server = await raw_server(json_reply(nested_evse(20)), json_reply(nested_evse(TOO_DEEP)))
    async with server.client(strict=True) as client:
        shallow = await client.evses.get("evse01", expand=["ct_clamp"])
        assert shallow.to_dict() == nested_evse(20)
        with pytest.raises(errors.DecodeError, match="nested too deeply"):
            await client.evses.get("evse01", expand=["ct_clamp"])


async def test_envelope_of_a_page_has_the_same_nesting_limit(raw_server) -> None:
    feed = {"carbon_intensities": [], "region": objects(TOO_DEEP)}
    server = await raw_server(json_reply(feed), json_reply({**feed, "region": objects(MAX_DEPTH)}))
    async with server.client() as client:
        listing = client.carbon_feeds.carbon_intensities("feed01")
        with pytest.raises(errors.DecodeError, match="nested too deeply"):
            await listing.page()
        page = await listing.page()
        assert page.envelope == {"region": objects(MAX_DEPTH)}


@pytest.mark.parametrize("depth", [TOO_DEEP, 1_000_000])
async def test_deeply_nested_problem_raises_the_error_of_its_status(raw_server, depth: int) -> None:
    text = b'{"title": "No", "field_errors": {"a": %b}}' % deep_text(depth)
    server = await raw_server(
        reply(text, status="400 Bad Request"), reply(deep_text(depth), status="404 No")
    )
    async with server.client() as client:
        with pytest.raises(errors.BadRequestError) as caught:
            await client.evses.get("evse01")
        error = caught.value
        assert error.body == text[: 2**20]
        assert (error.title, error.field_errors) == ("Bad Request", {})
        assert pickle.loads(pickle.dumps(error)).body == error.body
        with pytest.raises(errors.NotFoundError):
            await client.evses.get("evse01")


@pytest.mark.parametrize("depth", [TOO_DEEP, 1_000_000])
async def test_deeply_nested_token_reply_is_a_token_error(serve, depth: int) -> None:
    async def token(_: web.Request) -> web.Response:
        text = b'{"access_token": "%b", "more": %b}' % (TOKEN.encode(), deep_text(depth))
        return web.Response(body=text, content_type="application/json")

    server = await serve(token)
    async with server.client(server.credentials()) as client:
        with pytest.raises(errors.TokenError, match="not a JSON object"):
            await client.evses.get("evse01")


@pytest.mark.parametrize("type_", ["charging_sub_session.ended", "something.else"])
@pytest.mark.parametrize("depth", [TOO_DEEP, 1_000_000])
def test_deeply_nested_delivery_is_a_webhook_error(type_: str, depth: int) -> None:
    body = b'{"type": "%b", "data": {"a": %b}}' % (type_.encode(), deep_text(depth))
    with pytest.raises(errors.UnreadableEventError) as caught:
        webhooks.read(body)
    assert caught.value.body == body


NUMBERS = ["1" * 1_000_000, "-" + "9" * 1_000_000, "1e999999", "0." + "3" * 1_000_000, "1" * 5000]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda text: f"{text[:3]}, {len(text)} digits")
@pytest.mark.parametrize("member", ["unknown", "cpid", "charging_sub_sessions"])
async def test_number_of_a_million_digits_is_read_as_a_float_or_is_an_error(
    raw_server, number: str, member: str
) -> None:
    body = json.dumps({**EVSE, member: 0}).replace(": 0}", f": {number}}}").encode()
    server = await raw_server(reply(body), EVSE_REPLY)
    async with server.client() as client:
        read: list[object] = []
        with suppress(errors.DecodeError):
            evse = await client.evses.get("evse01")
            read.append({**evse.to_dict(), **evse.extra}[member])
        assert all(isinstance(value, float) for value in read)
        assert (await client.evses.get("evse01")).id == "evse01"
