"""The replies that models and pages come from, and models that stay plain values all the same."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import attrs
import msgspec
import pytest
from aiohttp import web
from pydantic import TypeAdapter

import ev_energy
import ev_energy_sync
from ev_energy import Page, Response, errors, response_of
from ev_energy.models import EVSE, EVSEModel, Model
from tests.helpers.recording_server import RecordingServer
from tests.helpers.support import TOKEN

ROOT = "https://api.ev.energy/v2"
PLAIN = {"id": "evse01", "url": f"{ROOT}/evses/evse01", "cpid": "SHIR1"}
MODEL = {"id": "emod01", "url": f"{ROOT}/evse_models/emod01", "name": "EVWC", "make": "m"}
EXTENDED = {**PLAIN, "model": MODEL, "new": {"a": [1]}}
DEVIATING = {**PLAIN, "lock_mode": 5}
VEHICLE = {"id": "vhcl01", "url": f"{ROOT}/vehicles/vhcl01"}


async def answer(request: web.Request) -> web.Response:
    """Answer with the request's own path and query as the request id."""
    headers = {
        "X-Request-ID": request.path_qs.removeprefix("/v2"),
        "EvEnergy-Version": "2",
        "X-RateLimit-Limit": "1000",
        "X-RateLimit-Remaining": "912",
    }
    name = request.path.rpartition("/")[2]
    body: Any = {
        "evses": [PLAIN, EXTENDED, DEVIATING],
        "extended": EXTENDED,
        "deviating": DEVIATING,
        "notf01": {"Notification": {"id": "notf01", "url": f"{ROOT}/notifications/notf01"}},
        "vehicles": VEHICLE,
        "users": [],
    }.get(name, PLAIN)
    if "page_after" not in request.query:
        headers["Link"] = f"<{request.url.with_query(page_after='x')}>; rel=next"
    status = 201 if request.method == "POST" else 200
    return web.json_response(body, status=status, headers=headers)


def request_id(obj: Any) -> str | None:
    found = response_of(obj)
    assert found is not None
    return found.request_id


async def test_result_of_a_call_tells_its_response(serve, time) -> None:
    async def slow(request: web.Request) -> web.Response:
        time.now += 0.25
        return await answer(request)

    server = await serve(slow)
    async with server.client(clock=time, sleep=time.sleep) as client:
        evse = await client.evses.get("evse01")
    found = response_of(evse)
    assert found is not None
    assert (found.status, found.reason, found.elapsed) == (200, "OK", 0.25)
    assert (found.request_id, found.api_version) == ("/evses/evse01", "2")
    assert found.rate_limit == (1000, 912, 0, 0, 0.0)
    assert found.retry_after is None
    assert found.headers["content-type"] == "application/json; charset=utf-8"
    assert found.request.operation == "GET /evses/{evse_id}"
    assert str(found.request.url) == f"{server.url}/evses/evse01"


async def test_every_kind_of_call_tells_its_response(serve) -> None:
    server = await serve(answer)
    async with server.client() as client:
        assert request_id(await client.evses.get("evse01")) == "/evses/evse01"
        assert request_id(await client.evses.get("extended")) == "/evses/extended"
        assert request_id(await client.evses.get("deviating")) == "/evses/deviating"
        ref = ev_energy.Ref(f"{server.url}/evses/evse02", EVSE)
        assert request_id(await client.fetch(ref)) == "/evses/evse02"
        read = await client.notifications.update("notf01", read_at=None)
        assert request_id(read) == "/notifications/notf01"
        created = await client.vehicles.create(model="vmod01", description="blue")
        found = response_of(created)
    assert found is not None
    assert (found.status, found.request_id) == (201, "/vehicles")
    assert found.request.body is None  # it may be large
    assert found.request.is_write


async def test_items_tell_the_response_of_their_page(serve) -> None:
    server = await serve(answer)
    async with server.client() as client:
        pages = [page async for page in client.evses.list(page_size=3).pages()]
        items = await client.evses.list(page_size=3).collect()
    expected = ["/evses?page_size=3", "/evses?page_after=x"]
    assert [request_id(page) for page in pages] == expected
    for page in pages:
        assert [response_of(item) for item in page.items] == [response_of(page)] * 3
    assert [request_id(item) for item in items] == [expected[0]] * 3 + [expected[1]] * 3


async def test_entry_of_a_log_tells_its_response(client) -> None:
    evse = await client.evses.list().first()
    entry = await client.evses.status_logs(evse, page_size=2).first()
    found = response_of(entry)
    assert found is not None
    assert found.request.operation == "GET /evses/{evse_id}/status_logs"
    assert found.api_version == "2"


async def test_nested_model_tells_no_response(serve) -> None:
    server = await serve(answer)
    async with server.client() as client:
        evse = await client.evses.get("extended", expand=["model"])
    assert response_of(evse) is not None
    assert evse.model is not None
    assert response_of(evse.model.value) is None


def copies(evse: EVSE) -> dict[str, Model]:
    """Return models equal to *evse* that are not the one that a call returned."""
    pickled = {
        f"pickle {protocol}": pickle.loads(pickle.dumps(evse, protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    }
    return {
        "copy": copy.copy(evse),
        "deepcopy": copy.deepcopy(evse),
        "evolve": attrs.evolve(evse),
        "from_dict": EVSE.from_dict(evse.to_dict()),
        "pydantic": TypeAdapter(EVSE).validate_python(evse.to_dict()),
        **pickled,
    }


@pytest.mark.parametrize("name", ["evse01", "extended", "deviating"])
async def test_models_that_no_call_returned_tell_no_response(serve, name) -> None:
    server = await serve(answer)
    async with server.client() as client:
        evse = await client.evses.get(name)
    for way, other in copies(evse).items():
        assert other == evse, way
        assert response_of(other) is None, way
    assert response_of(EVSE(id="e", url="u", cpid="c")) is None
    assert response_of(evse) is not None


#: What can be done with a model or its unknown fields.
USES: dict[str, Callable[[Any], Any]] = {
    "repr": repr,
    "hash": hash,
    "to_dict": lambda evse: evse.to_dict(),
    "asdict": attrs.asdict,
    "pydantic": TypeAdapter(EVSE).dump_json,
    "any in pydantic": TypeAdapter(Any).dump_json,
    "pickle": pickle.dumps,
    "extra": lambda evse: evse.extra,
    "repr of extra": lambda evse: repr(evse.extra),
    "json of extra": lambda evse: json.dumps(evse.extra),
    "msgspec of extra": lambda evse: msgspec.json.encode(evse.extra),
    "union of extra": lambda evse: (evse.extra | {"b": 2}, {"b": 2} | evse.extra),
    "truth of extra": lambda evse: bool(evse.extra),
}


@pytest.mark.parametrize("name", ["evse01", "extended", "deviating"])
async def test_model_of_a_reply_is_used_like_any_other(serve, name) -> None:
    server = await serve(answer)
    async with server.client() as client:
        evse = await client.evses.get(name)
    other = copy.deepcopy(evse)
    assert response_of(evse) is not None
    assert response_of(other) is None
    for use, call in USES.items():
        assert call(evse) == call(other), use


async def test_unknown_fields_of_a_reply_stay_plain(serve) -> None:
    server = await serve(answer)
    async with server.client() as client:
        plain, extended = await client.evses.get("evse01"), await client.evses.get("extended")
    read_only: Any = plain.extra
    with pytest.raises(TypeError, match="the fields of a reply cannot be changed"):
        read_only["new"] = 1
    assert plain.extra == {}
    assert extended.extra == {"new": {"a": [1]}}
    assert type(extended.extra) is dict  # yaml.safe_dump refuses subclasses
    for extra in (plain.extra, extended.extra):
        for same in (copy.copy(extra), copy.deepcopy(extra), pickle.loads(pickle.dumps(extra))):
            assert type(same) is dict
            assert same == extra
    # Programs with an earlier version of the package can read pickles of this one.
    assert b"_responses" not in pickle.dumps([plain, extended, plain.extra, extended.extra])


async def test_few_replies_with_large_headers_are_remembered() -> None:
    async def answer_at_length(_: web.Request) -> web.Response:
        return web.json_response(PLAIN, headers={"X-A": "a" * 3000, "X-B": "b" * 3000})

    server = RecordingServer(answer)
    async with server, server.client(budget=None) as client:
        small = await client.evses.get("evse01")
        server.handler = answer_at_length
        large = [await client.evses.get("evse01") for _ in range(12)]
    assert response_of(small) is not None
    assert [response_of(evse) is None for evse in large] == [True] * 2 + [False] * 10


@pytest.mark.slow
async def test_only_the_latest_thousand_replies_are_remembered() -> None:
    async with RecordingServer(answer) as server, server.client(budget=None) as client:
        first = await client.evses.list().first()
        page = await client.evses.list().page()
        second = await client.evses.get("evse01")
        for _ in range(997):
            await client.evses.get("evse01")
        assert response_of(first) is not None
        await client.evses.get("evse01")
        assert response_of(first) is None
        assert response_of(page.items[0]) is not None
        await client.evses.get("evse01")
        assert response_of(page.items[0]) is None
        assert response_of(second) is not None
    assert response_of(page) is not None
    assert response_of(page).request_id == "/evses?page_size=100"


async def echo_token(request: web.Request) -> web.Response:
    """Answer with a page whose Link header cannot be read, and repeat the token."""
    headers = {"Link": "?", "X-Echo": request.headers["Authorization"]}
    return web.json_response([PLAIN, EXTENDED], headers=headers)


def assert_redacted(page: Page[Any]) -> None:
    assert len(page.items) == 2
    for one in (page, *page.items):
        found = response_of(one)
        assert found is not None
        assert found.headers["x-echo"] == "Bearer ***"
        assert found.request.label == "GET /v2/evses"


async def test_items_of_an_unreadable_page_tell_the_redacted_response(serve) -> None:
    server = await serve(echo_token)
    async with server.client(TOKEN) as client:
        with pytest.raises(errors.PagingError) as caught:
            await client.evses.list().page()
    assert_redacted(caught.value.page)


def test_items_of_an_unreadable_page_tell_the_redacted_response_of_blocking_calls() -> None:
    server = RecordingServer(echo_token)
    with server.in_thread(), ev_energy_sync.Client(TOKEN, base_url=server.url) as client:
        listing = client.evses.list()
        with pytest.raises(errors.PagingError) as caught:
            listing.page()
    assert_redacted(caught.value.page)


async def test_response_info_shows_no_filter_and_can_be_pickled(serve) -> None:
    server = await serve(answer)
    async with server.client() as client:
        page = await client.users.list(email="a@example.com").page()
    found = response_of(page)
    assert found is not None
    assert "example.com" not in repr(found)
    assert repr(found).startswith("<ResponseInfo 200 of GET /v2/users, 0.0")
    for one in (pickle.loads(pickle.dumps(found)), response_of(pickle.loads(pickle.dumps(page)))):
        assert (one.request_id, one.elapsed) == (found.request_id, found.elapsed)


def test_page_that_your_code_made_has_no_response(serve) -> None:
    import yarl

    response = Response(200, "OK", {}, b"[]")
    page: Page[EVSE] = Page(items=[], url=yarl.URL("https://a.example/"), response=response)
    assert response_of(page) is None


@pytest.mark.parametrize(
    ("obj", "named"),
    [
        ({}, "a dict"),
        ([], "a list"),
        (None, "None"),
        (EVSE, "the class EVSE"),
        (ev_energy.Ref("u", EVSEModel), "a Ref"),
        (errors.ClientClosedError(), "a ClientClosedError"),
    ],
)
def test_other_objects_are_refused(obj: Any, named: str) -> None:
    with pytest.raises(TypeError) as caught:
        response_of(obj)
    assert str(caught.value) == f"obj must be a model or a Page, not {named}"


def test_blocking_calls_tell_their_responses() -> None:
    server = RecordingServer(answer)
    with server.in_thread(), ev_energy_sync.Client("a-token", base_url=server.url) as client:
        evse, page = client.evses.get("evse01"), client.evses.list().page()
        [item, *_] = client.evses.list()
    assert ev_energy_sync.response_of is response_of
    assert request_id(evse) == "/evses/evse01"
    assert request_id(page) == request_id(item) == "/evses?page_size=100"


async def test_header_that_repeats_the_token_is_masked(serve) -> None:
    async def repeat(request: web.Request) -> web.Response:
        given = request.headers["Authorization"]
        is_last = "page_after" in request.query
        link = f"<{request.url.with_query(page_after=TOKEN)}>; rel=next"
        headers = {"X-Request-ID": TOKEN, "X-Debug": given, **({} if is_last else {"Link": link})}
        return web.json_response([PLAIN] if request.path.endswith("s") else PLAIN, headers=headers)

    server: RecordingServer = await serve(repeat)
    async with server.client() as client:
        pages = [page async for page in client.evses.list().pages()]
        found = [response_of(await client.evses.get("evse01")), response_of(pages[0])]
    assert len(pages) == 2  # the link to the second page is followed as it is
    for reply in (*found, pages[0].response, pages[1].response):
        assert reply is not None
        assert (reply.request_id, reply.headers["x-debug"]) == ("***", "Bearer ***")
        assert TOKEN.encode() not in pickle.dumps(reply)
