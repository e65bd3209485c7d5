"""JSON that nests without end: an error, and nothing that only fails once it is looked at."""

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
from tests.helpers.raw_replies import EVSE, GOOD, reply, said
from tests.helpers.support import TOKEN

SURE = 300


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
async def test_a_reply_that_nests_without_end_is_no_resource(
    wire, before: str, opening: str, after: str, depth: int
) -> None:
    closing = {"[": "]"}.get(opening, "}")
    inner = "1" if opening.endswith(":") else ""
    body = f"{before}{opening * depth}{inner}{closing * depth}{after}".encode()
    server = await wire(reply(body), reply(b"[" + body + b"]"), GOOD)
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
async def test_what_is_deep_but_allowed_can_be_dealt_with(wire, make: Any) -> None:
    server = await wire(said({**EVSE, "unknown": make(MAX_DEPTH - 1)}))
    async with server.client() as client:
        evse = await client.evses.get("evse01")
    assert evse.extra["unknown"] == make(MAX_DEPTH - 1)
    assert evse.to_dict() == {**EVSE, "unknown": make(MAX_DEPTH - 1)}
    assert m.EVSE.from_dict(evse.to_dict()) == evse
    assert copy.deepcopy(evse) == pickle.loads(pickle.dumps(evse)) == evse
    assert "unknown" in repr(evse)
    assert json.loads(json.dumps(evse.to_dict())) == evse.to_dict()


SHAPELESS = {
    "an OCPP payload": (m.EVSEOCPPLog, "payload"),
    "the fields of a ticket": (m.SupportTicket, "custom_fields"),
    "the data of an unknown event": (m.UnknownEvent, "data"),
}


@pytest.mark.parametrize(("model", "member"), SHAPELESS.values(), ids=SHAPELESS)
def test_members_of_any_shape_are_held_to_it_too(model: Any, member: str) -> None:
    built = model.from_dict({member: objects(MAX_DEPTH - 1)})
    assert built.to_dict() == {member: objects(MAX_DEPTH - 1)}
    with pytest.raises(ValueError, match="nested too deeply"):
        model.from_dict({member: objects(MAX_DEPTH)})


async def test_a_payload_that_nests_without_end_is_no_payload(wire) -> None:
    entry = {"url": "u", "timestamp": "2026-01-01T00:00:00Z", "payload": objects(MAX_DEPTH - 3)}
    deeper = {**entry, "payload": objects(SURE)}
    server = await wire(said([entry]), said([entry, deeper]))
    async with server.client() as client:
        [log] = (await client.evses.ocpp_logs("evse01").page()).items
        assert log.payload == entry["payload"]
        with pytest.raises(errors.DecodeError, match="nested too deeply"):
            await client.evses.ocpp_logs("evse01").page()


async def test_resources_in_resources_in_resources_have_an_end_too(wire) -> None:
    def round_and_round(times: int) -> dict[str, Any]:
        found: dict[str, Any] = EVSE
        for number in range(times):
            url = f"https://api.ev.energy/v2/ct_clamps/{number}"
            found = {**EVSE, "ct_clamp": {"id": str(number), "url": url, "evse": found}}
        return found

    server = await wire(said(round_and_round(20)), said(round_and_round(SURE)))
    async with server.client(strict=True) as client:
        shallow = await client.evses.get("evse01", expand=["ct_clamp"])
        assert shallow.to_dict() == round_and_round(20)
        with pytest.raises(errors.DecodeError, match="nested too deeply"):
            await client.evses.get("evse01", expand=["ct_clamp"])


async def test_what_is_around_the_items_is_held_to_it_too(wire) -> None:
    feed = {"carbon_intensities": [], "region": objects(SURE)}
    server = await wire(said(feed), said({**feed, "region": objects(MAX_DEPTH)}))
    async with server.client() as client:
        listing = client.carbon_feeds.carbon_intensities("feed01")
        with pytest.raises(errors.DecodeError, match="nested too deeply"):
            await listing.page()
        page = await listing.page()
        assert page.envelope == {"region": objects(MAX_DEPTH)}


@pytest.mark.parametrize("depth", [SURE, 1_000_000])
async def test_a_problem_that_nests_without_end_is_still_an_error(wire, depth: int) -> None:
    text = b'{"title": "No", "field_errors": {"a": %b}}' % deep_text(depth)
    server = await wire(
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


@pytest.mark.parametrize("depth", [SURE, 1_000_000])
async def test_a_token_reply_that_nests_without_end_is_no_token(serve, depth: int) -> None:
    async def token(_: web.Request) -> web.Response:
        text = b'{"access_token": "%b", "more": %b}' % (TOKEN.encode(), deep_text(depth))
        return web.Response(body=text, content_type="application/json")

    server = await serve(token)
    async with server.client(server.credentials()) as client:
        with pytest.raises(errors.TokenError, match="not a JSON object"):
            await client.evses.get("evse01")


@pytest.mark.parametrize("type_", ["charging_sub_session.ended", "something.else"])
@pytest.mark.parametrize("depth", [SURE, 1_000_000])
def test_a_delivery_that_nests_without_end_is_no_event(type_: str, depth: int) -> None:
    body = b'{"type": "%b", "data": {"a": %b}}' % (type_.encode(), deep_text(depth))
    with pytest.raises(errors.WebhookError) as caught:
        webhooks.read(body)
    assert caught.value.body == body


NUMBERS = ["1" * 1_000_000, "-" + "9" * 1_000_000, "1e999999", "0." + "3" * 1_000_000, "1" * 5000]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda text: f"{text[:3]}, {len(text)} digits")
@pytest.mark.parametrize("member", ["unknown", "cpid", "charging_sub_sessions"])
async def test_a_number_without_end_is_read_or_an_error(wire, number: str, member: str) -> None:
    body = json.dumps({**EVSE, member: 0}).replace(": 0}", f": {number}}}").encode()
    server = await wire(reply(body), GOOD)
    async with server.client() as client:
        read: list[object] = []
        with suppress(errors.DecodeError):
            evse = await client.evses.get("evse01")
            read.append({**evse.to_dict(), **evse.extra}[member])
        assert all(isinstance(value, float) for value in read)
        assert (await client.evses.get("evse01")).id == "evse01"
