"""Short JSON with very many values is read or refused without a stall of the event loop."""

from __future__ import annotations

import json
import logging
import resource
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from ev_energy import Client, errors, models, webhooks
from ev_energy._codec.decode import Expected, decode_in_steps
from ev_energy._codec.drift import Drift, Reporter
from ev_energy.models._json import MAX_OBJECTS
from tests.helpers.raw_replies import EVSE_REPLY, json_reply, reply
from tests.helpers.stalls import MAX_STALL, measure_stalls
from tests.helpers.support import TOKEN

MAX_MEMORY = 120 * 2**20
MANY = 1_300_000
EVSE = b'"id":"e","url":"u","cpid":"c"'

ABOVE_THE_LIMITS: dict[str, bytes] = {
    "objects": b"[" + b"{}," * MANY + b"{}]",
    "lists": b"[" + b"[]," * MANY + b"[]]",
    "numbers": b"[" + b"0," * (2 * MANY) + b"0]",
    "texts": b"[" + b'"",' * MANY + b'""]',
    "objects with a member": b"[" + b'{"a":1},' * (MANY // 2) + b"{}]",
    "keys": b"{" + b",".join(b'"k%d":0' % n for n in range(MANY // 4)) + b"}",
}
#: Just below the limits: most of these are decoded.
BELOW_THE_LIMITS: dict[str, bytes] = {
    "objects": b"[" + b"{}," * 10_000 + b"{}]",
    "lists": b"[" + b"[]," * 400_000 + b"[]]",
    "numbers": b"[" + b"0," * 900_000 + b"0]",
    "keys": b"{" + b",".join(b'"k%d":0' % n for n in range(60_000)) + b"}",
}
BODIES = {
    **{f"far too many {name}": body for name, body in ABOVE_THE_LIMITS.items()},
    **{f"many {name}": body for name, body in BELOW_THE_LIMITS.items()},
}


async def outcome(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except errors.EvEnergyError as error:
        return error


async def measured_outcome(call: Callable[[], Awaitable[Any]]) -> Any:
    """Return the outcome of *call* after checking that it used little time and memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with measure_stalls() as longest:
        result = await outcome(call())
    assert longest() < MAX_STALL
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MAX_MEMORY
    return result


@pytest.mark.matrix
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_page_of_very_many_values_is_an_error(raw_server, body: bytes) -> None:
    server = await raw_server(reply(body), EVSE_REPLY)
    async with server.client() as client:
        error = await measured_outcome(client.evses.list().page)
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


@pytest.mark.matrix("place")
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_resource_of_very_many_values_is_read_or_an_error(
    raw_server, body: bytes, place: bytes
) -> None:
    server = await raw_server(reply(place % body), EVSE_REPLY)
    async with server.client() as client:
        result = await measured_outcome(lambda: client.evses.get("evse01"))
        if isinstance(result, Exception):
            assert isinstance(result, errors.LimitError | errors.DecodeError)
        else:
            assert result.id is not None
        assert (await client.evses.get("evse01")).id == "evse01"


@pytest.mark.matrix
@pytest.mark.parametrize("body", ABOVE_THE_LIMITS.values(), ids=ABOVE_THE_LIMITS)
async def test_problem_of_very_many_values_is_the_error_of_its_status(
    raw_server, body: bytes
) -> None:
    document = b'{"title":"No","field_errors":{"a":%b}}' % body
    server = await raw_server(reply(document, status="409 Conflict"), EVSE_REPLY)
    async with server.client() as client:
        error = await measured_outcome(lambda: client.evses.get("evse01"))
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


@pytest.mark.matrix
@pytest.mark.parametrize("document", REPEATING.values(), ids=REPEATING)
async def test_problem_that_takes_long_to_rewrite_is_the_error_of_its_status(
    raw_server, document: bytes
) -> None:
    server = await raw_server(reply(document, status="409 Conflict"))
    async with server.client() as client:
        await outcome(client.evses.get("evse01"))  # imports the modules for errors
        async with measure_stalls() as longest:
            error = await outcome(client.evses.get("evse01"))
    assert type(error) is errors.ConflictError
    assert TOKEN not in f"{error} {error.detail} {error.body!r}"
    assert longest() < 0.2  # CPU time: other processes have no influence


async def test_reports_of_many_unknown_fields_yield_to_the_event_loop(raw_server) -> None:
    members = b",".join(b'"k%d":0' % number for number in range(900))
    server = await raw_server(reply(b"[" + b",".join([b'{"id":"e",%b}' % members] * 100) + b"]"))
    logging.getLogger("ev_energy.drift").disabled = True
    try:
        async with server.client() as client, measure_stalls() as longest:
            page = await client.evses.list().page()
    finally:
        logging.getLogger("ev_energy.drift").disabled = False
    assert len(page.items[99].extra) == 900
    assert longest() < 0.2


async def test_repair_of_many_megabytes_is_refused(raw_server) -> None:
    body = b'[{"id":NaN,"cpid":"%b"}]' % (b"\\n" * 2**23)
    server = await raw_server(reply(body), EVSE_REPLY)
    async with server.client() as client:
        assert isinstance(await outcome(client.evses.list().page()), errors.DecodeError)
        assert (await client.evses.get("evse01")).id == "evse01"


async def test_problem_of_ordinary_size_is_read(raw_server) -> None:
    document = {"title": "No", "detail": "x" * 500_000, "field_errors": {"a": ["b"] * 1000}}
    server = await raw_server(json_reply(document, status="400 Bad Request"))
    async with server.client() as client:
        with pytest.raises(errors.BadRequestError) as caught:
            await client.evses.get("evse01")
    assert caught.value.field_errors == {"a": ["b"] * 1000}


@pytest.mark.matrix("status")
@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("body", ABOVE_THE_LIMITS.values(), ids=ABOVE_THE_LIMITS)
async def test_token_reply_of_very_many_values_is_no_token(serve, body: bytes, status: int) -> None:
    async def token(_: web.Request) -> web.Response:
        text = b'{"access_token":"a-token-of-some-length","error":"invalid_grant","more":%b}' % body
        return web.Response(body=text, content_type="application/json", status=status)

    server = await serve(token)
    async with server.client(server.credentials()) as client:
        error = await measured_outcome(lambda: client.evses.get("evse01"))
    assert isinstance(error, errors.TokenError)
    assert str(error).startswith(f"no token ({status} ")


@pytest.mark.matrix("type_")
@pytest.mark.parametrize("type_", ["charging_sub_session.ended", "something.else"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_delivery_of_very_many_values_is_no_event(body: bytes, type_: str) -> None:
    delivery = b'{"type":"%b","data":{"a":%b}}' % (type_.encode(), body)
    with pytest.raises(errors.UnreadableEventError) as caught:
        begin = time.thread_time()
        try:
            webhooks.read(delivery)
        finally:  # without the time of `pytest.raises`, which searches the error for secrets
            seconds = time.thread_time() - begin
    assert seconds < MAX_STALL
    assert caught.value.body == delivery


async def test_number_of_items_of_a_list_is_limited(raw_server) -> None:
    page = [{"id": str(n), "url": "u", "cpid": "c"} for n in range(300)]
    odd = [*page[:-1], {"id": 1}]
    server = await raw_server(json_reply(page), json_reply(page), json_reply(odd), json_reply(page))
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


async def test_number_of_values_of_a_reply_is_limited(raw_server) -> None:
    evse = {"id": "e", "url": "u", "cpid": "c", "unknown": [1] * 1000}
    server = await raw_server(json_reply(evse))
    async with server.client(max_values=1000) as client:
        with pytest.raises(
            errors.LimitError, match=r"more than 1000 values \(max_values\)"
        ) as caught:
            await client.evses.get("evse01")
        assert caught.value.limit == "max_values"
    async with server.client(max_values=2000) as client:
        assert (await client.evses.get("evse01")).extra == {"unknown": [1] * 1000}


async def test_number_of_objects_of_a_resource_is_limited(raw_server) -> None:
    usage = {"url": "u", "intervals": [{}] * (MAX_OBJECTS + 1)}
    long = {"url": "u", "intervals": [{}] * 3000}
    server = await raw_server(json_reply(usage), json_reply(long))
    async with server.client() as client:
        with pytest.raises(errors.LimitError, match="objects") as caught:
            await client.charging_sub_sessions.energy_usage("s")
        assert caught.value.limit == "objects"
        found = await client.charging_sub_sessions.energy_usage("s")
    assert found.intervals is not None
    assert len(found.intervals) == 3000


@pytest.mark.parametrize("broken", [False, True], ids=["known", "odd"])
async def test_number_of_unknown_fields_of_an_object_is_limited(raw_server, broken: bool) -> None:
    def evse(number: int) -> dict[str, Any]:
        odd: dict[str, Any] = {"cpid": 5} if broken else {"cpid": "c"}
        return {"id": "e", "url": "u", **odd, **{f"n{n}": n for n in range(number)}}

    server = await raw_server(json_reply(evse(1001)), json_reply(evse(1000)))
    async with server.client() as client:
        with pytest.raises(errors.LimitError, match="unknown members") as caught:
            await client.evses.get("evse01")
        assert caught.value.limit == "unknown_members"
        assert len((await client.evses.get("evse01")).extra) == 1000


@pytest.mark.parametrize("name", ["max_items", "max_values"])
def test_limit_below_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be 1 or more, not 0"):
        Client(**{name: 0})  # type: ignore[arg-type]  # one of its settings


async def test_large_region_is_read(raw_server) -> None:
    ring = [[-1.5 + n / 1e6, 51.25] for n in range(100_000)]
    region = {"id": "r", "url": "u", "geometry": {"type": "MultiPolygon", "coordinates": [[ring]]}}
    server = await raw_server(json_reply(region))
    async with server.client() as client:
        found = await measured_outcome(lambda: client.regions.get("r"))
    assert found.geometry is not None
    assert len(found.geometry.coordinates[0][0]) == 100_000


async def test_large_list_is_read_like_a_small_one(raw_server) -> None:
    small = [
        {"id": str(n), "url": "u", "cpid": "c", "unknown": {"n": [{}] * 10}} for n in range(100)
    ]
    odd = {"id": 5, "url": "u", "cpid": None}
    server = await raw_server(json_reply([*small, odd]), json_reply([*small, odd] * 20))
    async with server.client() as client:
        once = (await client.evses.list().page()).items
        repeated = (await measured_outcome(client.evses.list().page)).items
    assert list(repeated) == list(once) * 20
    assert repeated[-1].id == 5


@pytest.mark.parametrize("expanded", [False, True])
def test_page_of_a_megabyte_is_decoded_in_steps_like_a_small_one(expanded: bool) -> None:
    items: list[dict[str, object]] = [
        {"id": str(n), "url": "u" * 10_000, "cpid": "c"} for n in range(100)
    ]
    items[70]["cpid"] = 5
    items[90]["brand_new"] = 1
    expected = Expected(models.EVSE, as_list=True, expanded=expanded)
    drifts: list[Drift] = []
    steps = decode_in_steps(json.dumps(items).encode(), expected, Reporter(hook=drifts.append))
    turns = 0
    while True:
        try:
            next(steps)
        except StopIteration as done:
            built, _ = done.value
            break
        turns += 1
    assert turns >= 15
    assert [item.id for item in built] == [str(n) for n in range(100)]
    assert built[70].cpid == 5
    assert dict(built[90].extra) == {"brand_new": 1}
    assert [drift.path for drift in drifts] == ["$[70].cpid", "$[90].brand_new"]


async def test_decoding_ends_with_the_deadline(raw_server) -> None:
    body = b"[" + b",".join([b'{"id":1,"a":1,"b":2}'] * 9_000) + b"]"
    server = await raw_server(reply(body))
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


@pytest.mark.matrix("number")
@pytest.mark.parametrize("number", [1, 120])
@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
async def test_long_link_header_is_parsed_or_is_a_paging_error(
    raw_server, link: bytes, number: int
) -> None:
    headers = [f"Link: {link.decode()}"] * number
    server = await raw_server(reply(b"[]", *headers))
    async with server.client(max_pages=1) as client:
        result = await measured_outcome(client.evses.list().page)
    assert not isinstance(result, Exception) or isinstance(result, errors.PagingError)


async def test_year_of_prices_is_read_beside_a_field_of_a_wrong_type(raw_server) -> None:
    price = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:30:00Z"}
    prices = [{**price, "url": f"u{n}", "price_minor_units": 12} for n in range(17_520)]
    server = await raw_server(
        json_reply({"id": "t", "url": "u", "valid_from": 7, "prices": prices})
    )
    async with server.client() as client:
        tariff = await client.tariffs.get("t")
    assert len(tariff.prices or ()) == 17_520
