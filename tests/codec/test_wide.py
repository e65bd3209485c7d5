"""JSON of few bytes and very many values: an error or a result, and the loop goes on meanwhile."""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from ev_energy import Client, errors, webhooks
from ev_energy.models._json import MAX_OBJECTS
from tests.helpers.raw_replies import GOOD, reply, said
from tests.helpers.stalls import LONGEST_STALL, busy, heartbeat
from tests.helpers.support import TOKEN

MOST_MEMORY = 120 * 2**20
MANY = 1_300_000
EVSE = b'"id":"e","url":"u","cpid":"c"'

UNITS: dict[str, bytes] = {
    "objects": b"[" + b"{}," * MANY + b"{}]",
    "lists": b"[" + b"[]," * MANY + b"[]]",
    "numbers": b"[" + b"0," * (2 * MANY) + b"0]",
    "texts": b"[" + b'"",' * MANY + b'""]',
    "objects with a member": b"[" + b'{"a":1},' * (MANY // 2) + b"{}]",
    "keys": b"{" + b",".join(b'"k%d":0' % n for n in range(MANY // 4)) + b"}",
}
#: Just below what is counted: decoded for the greater part.
CALM: dict[str, bytes] = {
    "objects": b"[" + b"{}," * 10_000 + b"{}]",
    "lists": b"[" + b"[]," * 400_000 + b"[]]",
    "numbers": b"[" + b"0," * 900_000 + b"0]",
    "keys": b"{" + b",".join(b'"k%d":0' % n for n in range(60_000)) + b"}",
}
BOMBS = {
    **{f"far too many {name}": body for name, body in UNITS.items()},
    **{f"many {name}": body for name, body in CALM.items()},
}


async def outcome(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except errors.EvEnergyError as error:
        return error


async def attack(call: Callable[[], Awaitable[Any]]) -> Any:
    """Return what *call* ended in, once it is sure that it held neither the loop nor memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with heartbeat() as stalled:
        ended = await outcome(call())
    assert stalled() < LONGEST_STALL
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST_MEMORY
    return ended


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
async def test_a_page_of_very_many_values_is_an_error(wire, body: bytes) -> None:
    server = await wire(reply(body), GOOD)
    async with server.client() as client:
        error = await attack(client.evses.list().page)
        assert isinstance(error, errors.LimitError | errors.DecodeError)
        assert error.cursor is not None
        assert len(str(error)) < 300
        assert (await client.evses.get("evse01")).id == "evse01"


PLACES = {
    "in place of the resource": b"%b",
    "in an unknown member": b"{" + EVSE + b',"unknown":%b}',
    "in place of a text": b'{"id":%b,"url":"u","cpid":"c"}',
    "in place of a link": b"{" + EVSE + b',"user":%b}',
    "in an object of the resource": b"{" + EVSE + b',"model":{"id":"m","url":"u","unknown":%b}}',
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
async def test_a_resource_of_very_many_values_is_read_or_an_error(
    wire, body: bytes, place: bytes
) -> None:
    server = await wire(reply(place % body), GOOD)
    async with server.client() as client:
        ended = await attack(lambda: client.evses.get("evse01"))
        if isinstance(ended, Exception):
            assert isinstance(ended, errors.LimitError | errors.DecodeError)
        else:
            assert ended.id is not None
        assert (await client.evses.get("evse01")).id == "evse01"


@pytest.mark.parametrize("body", UNITS.values(), ids=UNITS)
async def test_a_problem_of_very_many_values_is_the_error_of_its_status(wire, body: bytes) -> None:
    document = b'{"title":"No","field_errors":{"a":%b}}' % body
    server = await wire(reply(document, status="409 Conflict"), GOOD)
    async with server.client() as client:
        error = await attack(lambda: client.evses.get("evse01"))
        assert type(error) is errors.ConflictError
        assert (error.title, error.field_errors) == ("Conflict", {})
        assert error.body == document[: 2**20]
        assert (await client.evses.get("evse01")).id == "evse01"


ESCAPED = b"\\u%04x%b" % (ord(TOKEN[0]), TOKEN[1:].encode())
REPEATING = {
    "a token and very many texts": b'{"detail":"%b","more":[%b0]}' % (ESCAPED, b'"",' * 300_000),
    "halves of pairs": b'{"detail":"%b"}' % (b"\\ud800" * 170_000),
    "a constant and very many texts": b'{"detail":NaN,"more":[%b' % (b'""' * 400_000),
}


@pytest.mark.parametrize("document", REPEATING.values(), ids=REPEATING)
async def test_a_problem_that_takes_long_to_rewrite_is_the_error_of_its_status(
    wire, document: bytes
) -> None:
    server = await wire(reply(document, status="409 Conflict"))
    async with server.client() as client:
        await outcome(client.evses.get("evse01"))  # which imports what errors need
        async with busy() as longest:
            error = await outcome(client.evses.get("evse01"))
    assert type(error) is errors.ConflictError
    assert TOKEN not in f"{error} {error.detail} {error.body!r}"
    assert longest() < 0.2  # of the processor's time, so that other processes have no part in it


async def test_unknown_members_of_many_items_are_told_of_in_turns(wire) -> None:
    members = b",".join(b'"k%d":0' % number for number in range(900))
    server = await wire(reply(b"[" + b",".join([b'{"id":"e",%b}' % members] * 100) + b"]"))
    logging.getLogger("ev_energy.drift").disabled = True
    try:
        async with server.client() as client, busy() as longest:
            page = await client.evses.list().page()
    finally:
        logging.getLogger("ev_energy.drift").disabled = False
    assert len(page.items[99].extra) == 900
    assert longest() < 0.2


async def test_a_repair_of_many_megabytes_is_refused_at_once(wire) -> None:
    body = b'[{"id":NaN,"cpid":"%b"}]' % (b"\\n" * 2**23)
    server = await wire(reply(body), GOOD)
    async with server.client() as client:
        assert isinstance(await outcome(client.evses.list().page()), errors.DecodeError)
        assert (await client.evses.get("evse01")).id == "evse01"


async def test_a_problem_of_ordinary_size_is_read(wire) -> None:
    document = {"title": "No", "detail": "x" * 500_000, "field_errors": {"a": ["b"] * 1000}}
    server = await wire(said(document, status="400 Bad Request"))
    async with server.client() as client:
        with pytest.raises(errors.BadRequestError) as caught:
            await client.evses.get("evse01")
    assert caught.value.field_errors == {"a": ["b"] * 1000}


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("body", UNITS.values(), ids=UNITS)
async def test_a_token_reply_of_very_many_values_is_no_token(
    serve, body: bytes, status: int
) -> None:
    async def token(_: web.Request) -> web.Response:
        text = b'{"access_token":"a-token-of-some-length","error":"invalid_grant","more":%b}' % body
        return web.Response(body=text, content_type="application/json", status=status)

    server = await serve(token)
    async with server.client(server.credentials()) as client:
        error = await attack(lambda: client.evses.get("evse01"))
    assert isinstance(error, errors.TokenError)
    assert str(error).startswith(f"no token ({status} ")


@pytest.mark.parametrize("type_", ["charging_sub_session.ended", "something.else"])
@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
def test_a_delivery_of_very_many_values_is_no_event(body: bytes, type_: str) -> None:
    delivery = b'{"type":"%b","data":{"a":%b}}' % (type_.encode(), body)
    with pytest.raises(errors.WebhookError) as caught:
        begin = time.monotonic()
        try:
            webhooks.read(delivery)
        finally:  # what this test bench does with an error takes longer
            seconds = time.monotonic() - begin
    assert seconds < LONGEST_STALL
    assert caught.value.body == delivery


async def test_a_list_may_have_so_many_items(wire) -> None:
    page = [{"id": str(n), "url": "u", "cpid": "c"} for n in range(300)]
    odd = [*page[:-1], {"id": 1}]
    server = await wire(said(page), said(page), said(odd), said(page))
    async with server.client(max_items=299) as client:
        for _ in range(1):
            with pytest.raises(
                errors.LimitError, match=r"more than 299 items \(max_items\)"
            ) as caught:
                await client.evses.list().page()
        assert caught.value.limit == "max_items"
        assert caught.value.cursor is not None
    async with server.client(max_items=300) as client:
        assert len((await client.evses.list().page()).items) == 300
    async with server.client(max_items=299) as client:
        with pytest.raises(errors.LimitError, match="max_items"):
            await client.evses.list().page()


async def test_a_reply_may_hold_so_many_values(wire) -> None:
    evse = {"id": "e", "url": "u", "cpid": "c", "unknown": [1] * 1000}
    server = await wire(said(evse))
    async with server.client(max_values=1000) as client:
        with pytest.raises(
            errors.LimitError, match=r"more than 1000 values \(max_values\)"
        ) as caught:
            await client.evses.get("evse01")
        assert caught.value.limit == "max_values"
    async with server.client(max_values=2000) as client:
        assert (await client.evses.get("evse01")).extra == {"unknown": [1] * 1000}


async def test_one_resource_may_hold_so_many_objects(wire) -> None:
    usage = {"url": "u", "intervals": [{}] * (MAX_OBJECTS + 1)}
    long = {"url": "u", "intervals": [{}] * 3000}
    server = await wire(said(usage), said(long))
    async with server.client() as client:
        with pytest.raises(errors.LimitError, match="objects") as caught:
            await client.charging_sub_sessions.energy_usage("s")
        assert caught.value.limit == "objects"
        found = await client.charging_sub_sessions.energy_usage("s")
    assert found.intervals is not None
    assert len(found.intervals) == 3000


@pytest.mark.parametrize("broken", [False, True], ids=["known", "odd"])
async def test_one_object_may_have_so_many_unknown_members(wire, broken: bool) -> None:
    def evse(number: int) -> dict[str, Any]:
        odd: dict[str, Any] = {"cpid": 5} if broken else {"cpid": "c"}
        return {"id": "e", "url": "u", **odd, **{f"n{n}": n for n in range(number)}}

    server = await wire(said(evse(1001)), said(evse(1000)))
    async with server.client() as client:
        with pytest.raises(errors.LimitError, match="unknown members") as caught:
            await client.evses.get("evse01")
        assert caught.value.limit == "unknown_members"
        assert len((await client.evses.get("evse01")).extra) == 1000


@pytest.mark.parametrize("name", ["max_items", "max_values"])
def test_such_a_limit_must_allow_for_something(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be 1 or more, not 0"):
        Client(**{name: 0})  # type: ignore[arg-type]  # one of its settings


async def test_a_large_region_is_read(wire) -> None:
    ring = [[-1.5 + n / 1e6, 51.25] for n in range(100_000)]
    region = {"id": "r", "url": "u", "geometry": {"type": "MultiPolygon", "coordinates": [[ring]]}}
    server = await wire(said(region))
    async with server.client() as client:
        found = await attack(lambda: client.regions.get("r"))
    assert found.geometry is not None
    assert len(found.geometry.coordinates[0][0]) == 100_000


async def test_a_large_list_reads_like_a_small_one(wire) -> None:
    small = [
        {"id": str(n), "url": "u", "cpid": "c", "unknown": {"n": [{}] * 10}} for n in range(100)
    ]
    odd = {"id": 5, "url": "u", "cpid": None}
    server = await wire(said([*small, odd]), said([*small, odd] * 20))
    async with server.client() as client:
        once = (await client.evses.list().page()).items
        often = (await attack(client.evses.list().page)).items
    assert list(often) == list(once) * 20
    assert often[-1].id == 5


async def test_decoding_ends_with_the_deadline(wire) -> None:
    body = b"[" + b",".join([b'{"id":1,"a":1,"b":2}'] * 9_000) + b"]"
    server = await wire(reply(body))
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 1.0
        return now

    async with server.client(deadline=60, clock=clock, budget=None, retries=0) as client:
        with pytest.raises(errors.DeadlineError, match="not decoded within 60 s"):
            await client.evses.list().page()


LINKS = {
    "empty links": b"<>," * 2720,
    "links": b"<a>;rel=next," * 620,
    "parameters": b"<a>" + b";a" * 4000,
    "quoted parameters": b"<a>" + b';a="\\\\"' * 1000,
    "a quote without an end": b'<a>;a="' + b"\\" * 8000,
    "blanks": b"<a>" + b" " * 8000 + b"x",
    "relations": b'<a>;rel="' + b"n " * 4000 + b'"',
    "commas": b"," * 8100,
    "no end of a target": b"<" * 8100,
}


@pytest.mark.parametrize("number", [1, 120])
@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
async def test_link_headers_are_read_or_an_error(wire, link: bytes, number: int) -> None:
    headers = [f"Link: {link.decode()}"] * number
    server = await wire(reply(b"[]", *headers))
    async with server.client(max_pages=1) as client:
        ended = await attack(client.evses.list().page)
    assert not isinstance(ended, Exception) or isinstance(ended, errors.PagingError)


async def test_a_year_of_prices_is_read_beside_a_member_of_another_type(wire) -> None:
    price = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:30:00Z"}
    prices = [{**price, "url": f"u{n}", "price_minor_units": 12} for n in range(17_520)]
    server = await wire(said({"id": "t", "url": "u", "valid_from": 7, "prices": prices}))
    async with server.client() as client:
        tariff = await client.tariffs.get("t")
    assert len(tariff.prices or ()) == 17_520
