"""`Client.request`: operations that this version has no method for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

import ev_energy_sync
from ev_energy import UNSET, Client, Pager, Ref, errors, response_of
from ev_energy.models import EVSE, EVSEModel, LatLong, User
from ev_energy.simulator import Simulator
from tests.helpers.recording_server import Handler, RecordingServer, scripted_replies
from tests.helpers.support import TOKEN

ROOT = "https://api.ev.energy/v2"
DATA: dict[str, Any] = {"id": "evse01", "url": f"{ROOT}/evses/evse01", "cpid": "SHIR1"}
MODEL = {"id": "emod01", "url": f"{ROOT}/evse_models/emod01", "name": "EVWC", "make": "m"}
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def sends(body: Any, *, status: int = 200, **headers: str) -> Handler:
    """Return a handler that sends *body*: bytes as they are, all else as JSON."""

    async def answer(_: web.Request) -> web.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"Content-Type": "application/json", **headers}
        return web.Response(body=content, status=status, headers=named)

    return answer


async def sent(serve: Any, path: Any, **arguments: Any) -> str:
    """Return path and query of a request, as the server received them."""
    server = await serve(sends({}))
    async with server.client() as client:
        await client.request("GET", path, **arguments)
    return server.take_request().target.removeprefix("/v2")


async def body_of(serve: Any, value: Any) -> Any:
    """Return the body of a request with *value*, as the server received it."""
    server = await serve(sends({}))
    async with server.client() as client:
        await client.request("POST", "/things", json=value)
    request = server.take_request()
    assert request.headers["Content-Type"] == "application/json"
    return json.loads(request.body)


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, {"b": None}], "c": "d"},
        [1, "a", None, {"b": 2.5}],
        [],
        "text",
        True,
        2**80,
        0.1,
        None,
    ],
)
async def test_reply_without_a_model_is_its_json(serve, value) -> None:
    server = await serve(sends(value))
    async with server.client() as client:
        found = await client.request("GET", "/things")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("body", [b"", b" \r\n"])
async def test_reply_without_a_body_is_none(serve, body) -> None:
    server = await serve(sends(body, status=201))
    async with server.client() as client:
        assert await client.request("POST", "/things/x:start") is None


async def test_request_is_made_like_every_other(serve) -> None:
    server = await serve(sends(DATA))
    async with server.client(headers={"X-Tenant": "north"}, language="en-GB") as client:
        acting = client.acting_for("user01")
        with client.capture() as calls:
            await acting.request("get", "/evses/evse01")
            await acting.evses.get("evse01")
    mine, other = server.requests
    assert (mine.method, mine.target) == (other.method, other.target) == ("GET", mine.target)
    assert mine.headers == other.headers
    assert mine.headers["Authorization"] == f"Bearer {TOKEN}"
    assert [call.status for call in calls] == [200, 200]


async def test_model_is_decoded_as_methods_do(serve) -> None:
    drifts: list[Any] = []
    server = await serve(sends({**DATA, "model": MODEL, "new": 1}))
    async with server.client(on_drift=drifts.append) as client:
        evse = await client.request(
            "GET", "/evses/evse01", query={"expand": ["model", "user"]}, model=EVSE
        )
        same = await client.evses.get("evse01", expand=["model"])
    assert evse == same
    assert evse.model is not None
    assert evse.model.value.name == "EVWC"
    assert evse.extra == {"new": 1}
    assert [drift.path for drift in drifts] == ["$.new"]
    found = response_of(evse)
    assert found is not None
    assert str(found.request.url.query_string) == "expand=model&expand=user"


async def test_strict_client_refuses_a_model_that_deviates(serve) -> None:
    server = await serve(sends({**DATA, "new": 1}))
    async with server.client(strict=True) as client:
        with pytest.raises(errors.DecodeError, match=r"unknown member EVSE\.new"):
            await client.request("GET", "/evses/evse01", model=EVSE)
        assert await client.request("GET", "/evses/evse01") == {**DATA, "new": 1}


async def test_model_in_an_envelope(serve) -> None:
    server = await serve(sends({"evse": DATA}))
    async with server.client() as client:
        found = await client.request("GET", "/x", model=EVSE, envelope_key="evse")
        absent = await client.request("GET", "/x", model=EVSE, envelope_key="other")
    assert found == EVSE.from_dict(DATA)
    assert absent is None


def listing(items: list[Any], *, envelope: bool = False) -> Handler:
    """Return a handler that lists *items* in pages of two."""

    async def answer(request: web.Request) -> web.Response:
        start = int(request.query.get("page_after", "0"))
        found: Any = items[start : start + 2]
        headers = {}
        if start + 2 < len(items):
            following = request.url.update_query(page_after=start + 2)
            headers["Link"] = f'<{following}>; rel="next"'
        body = {"items": found, "total": len(items)} if envelope else found
        return web.json_response(body, headers=headers)

    return answer


EVSES = [{**DATA, "id": f"evse0{number}"} for number in range(5)]


async def test_listing_of_dictionaries(serve) -> None:
    server = await serve(listing(EVSES))
    async with server.client() as client:
        pager = client.request("GET", "/evses", query={"cpid": "SHIR1"}, paged=True)
        assert isinstance(pager, Pager)
        assert server.requests == []
        assert await pager.collect() == EVSES
        assert [request.query[0] for request in server.requests] == [("cpid", "SHIR1")] * 3
        pages = [page async for page in pager.pages()]
        resumed = pager.resume(pages[1].cursor)
        assert await resumed.collect() == EVSES[2:]
        assert await pager.prefetch().collect(limit=3) == EVSES[:3]
    assert response_of(pages[0]) is not None


async def test_listing_of_models(serve) -> None:
    server = await serve(listing([{**one, "model": MODEL} for one in EVSES]))
    async with server.client() as client:
        pager = client.request(
            "GET", "/evses", query={"expand": ["model"], "page_size": 2}, model=EVSE, paged=True
        )
        found = await pager.collect()
        assert found == await client.evses.list(expand=["model"], page_size=2).collect()
    assert [evse.id for evse in found] == [evse["id"] for evse in EVSES]
    assert {evse.model.value.name for evse in found} == {"EVWC"}


async def test_listing_in_an_envelope(serve) -> None:
    server = await serve(listing(EVSES, envelope=True))
    async with server.client() as client:
        pager = client.request("GET", "/evses", paged=True, envelope_key="items")
        assert await pager.collect() == EVSES
        assert (await pager.page()).envelope == {"total": 5}
        of_models = client.request("GET", "/x", model=EVSE, paged=True, envelope_key="items")
        assert [evse.id for evse in await of_models.collect()] == [evse["id"] for evse in EVSES]
        empty = client.request("GET", "/evses", paged=True, envelope_key="other")
        assert await empty.first() is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"items": []}, "expected an array, got an object"),
        ([{}, "x"], "expected an object, got a string"),
        (b"", "not JSON: the reply has no body"),
        (b"<!DOCTYPE html>", "not JSON: invalid character (byte 0)"),
    ],
)
async def test_reply_that_is_no_listing(serve, body, message) -> None:
    server = await serve(sends(body))
    async with server.client() as client:
        with pytest.raises(errors.DecodeError) as caught:
            await client.request("GET", "/things", paged=True).collect()
    assert f"GET /v2/things: {message}" in str(caught.value)


async def test_reply_that_is_no_json(serve) -> None:
    server = await serve(sends(b"<!DOCTYPE html>", **{"Content-Type": "text/html"}))
    async with server.client() as client:
        with pytest.raises(errors.DecodeError) as caught:
            await client.request("POST", "/things")
    assert str(caught.value) == (
        "POST /v2/things: not JSON: invalid character (byte 0) "
        "(text/html); it may or may not have been carried out (HTTP 200, at $)"
    )
    assert caught.value.body == b"<!DOCTYPE html>"


async def test_limits_hold_without_a_model(serve) -> None:
    for value, limit in (
        ([0] * 11, "max_items"),
        ({"a": [0] * 400}, "max_values"),
        ([{}] * 5, None),
    ):
        server = await serve(sends(value))
        async with server.client(max_items=10, max_values=300) as client:
            if limit is None:
                assert await client.request("GET", "/things") == value
                continue
            with pytest.raises(errors.LimitError) as caught:
                await client.request("GET", "/things")
        assert caught.value.limit == limit
    server = await serve(sends(b'{"a":' * 200 + b"1" + b"}" * 200))
    async with server.client() as client:
        with pytest.raises(errors.DecodeError, match="nested too deeply"):
            await client.request("GET", "/things")
    server = await serve(sends(b"[" + b"0," * 110_000 + b"0]"))
    async with server.client() as client:
        with pytest.raises(errors.LimitError, match="max_items"):
            await client.request("GET", "/things")
    server = await serve(sends(b'{"a":[' + b"0," * 110_000 + b"0]}"))
    async with server.client() as client:
        with pytest.raises(errors.LimitError, match="more than 100000 values"):
            await client.request("GET", "/things")


async def test_broken_text_is_repaired_and_reported(serve) -> None:
    drifts: list[Any] = []
    server = await serve(sends(b'{"a": "\xff"}'))
    async with server.client(on_drift=drifts.append) as client:
        assert await client.request("GET", "/things") == {"a": "\ufffd"}
    assert [(drift.model, drift.path) for drift in drifts] == [("JSON", "$.a")]


QUERIES: list[tuple[Mapping[str, Any], str]] = [
    ({}, ""),
    ({"a": None, "b": UNSET, "expand": []}, ""),
    (
        {"a": 1, "b": 2.5, "c": "d e&f", "g": True, "h": False},
        "?a=1&b=2.5&c=d+e%26f&g=true&h=false",
    ),
    ({"price": Decimal("1.50"), "big": Decimal("1E+3")}, "?price=1.50&big=1000"),
    ({"start__gte": NOON}, "?start__gte=2026-01-01T12:00:00.000000Z"),
    (
        {"start__range": [NOON, NOON]},
        f"?start__range={','.join(['2026-01-01T12:00:00.000000Z'] * 2)}",
    ),
    ({"price__range": [1, Decimal("2.5")]}, "?price__range=1,2.5"),
    ({"status__in": ["A", "B"]}, "?status__in=A,B"),
    ({"expand": ["user", "model"], "tag": (1, 2)}, "?expand=user&expand=model&tag=1&tag=2"),
    ({"expand": "user"}, "?expand=user"),
    ({"user": Ref(f"{ROOT}/users/user01/", User)}, "?user=user01"),
    (
        {"evse": EVSE.from_dict(DATA), "evse__in": [EVSE.from_dict(DATA)]},
        "?evse=evse01&evse__in=evse01",
    ),
]


@pytest.mark.parametrize(("query", "expected"), QUERIES)
async def test_query_is_encoded_as_by_methods(serve, query, expected) -> None:
    assert await sent(serve, "/things", query=query) == f"/things{expected}"


async def test_body_is_encoded_as_by_methods(serve) -> None:
    evse = EVSE.from_dict(
        {**DATA, "model": MODEL, "user": f"{ROOT}/users/user01", "lock_mode": "SMART"}
    )
    assert await body_of(serve, {}) == {}
    assert await body_of(serve, [1, None, "a", {"b": UNSET, "c": [True]}]) == [
        1,
        None,
        "a",
        {"c": [True]},
    ]
    assert await body_of(serve, {"at": NOON, "gone": UNSET, "none": None}) == {
        "at": "2026-01-01T12:00:00.000000Z",
        "none": None,
    }
    assert await body_of(serve, evse) == evse.to_dict()
    assert await body_of(serve, {"evses": [evse], "user": evse.user, "model": evse.model}) == {
        "evses": [evse.to_dict()],
        "user": f"{ROOT}/users/user01",
        "model": MODEL["url"],
    }
    assert await body_of(serve, {"location": LatLong(latitude=1, longitude=2)}) == {
        "location": {"latitude": 1, "longitude": 2}
    }


async def test_request_without_json_has_no_body(serve) -> None:
    server = await serve(sends({}))
    async with server.client() as client:
        for value in (None, UNSET):
            await client.request("POST", "/things", json=value)
            request = server.take_request()
            assert request.body == b""
            assert "Content-Type" not in request.headers


async def test_ids_are_inserted_as_by_methods(serve) -> None:
    evse = EVSE.from_dict(DATA)
    for value, expected in (
        ("evse01", "evse01"),
        (evse, "evse01"),
        (Ref(f"{ROOT}/evses/evse01", EVSE), "evse01"),
        (f"{ROOT}/evses/evse01/", "evse01"),
        ("a b?c#d%", "a%20b%3Fc%23d%25"),
    ):
        target = await sent(serve, "/evses/{evse_id}/x:y", ids={"evse_id": value})
        assert target == f"/evses/{expected}/x:y"
    with pytest.raises(ValueError, match=r"evse_id='\.\.' is not an id"):
        await sent(serve, "/evses/{evse_id}", ids={"evse_id": ".."})
    entry = {"evse_id": "a%20b", "sampled_at": NOON}
    assert await sent(serve, "/evses/{evse_id}/100%/{sampled_at}", ids=entry) == (
        "/evses/a%2520b/100%25/2026-01-01T12:00:00.000000Z"
    )
    user = User(id="user01", url=f"{ROOT}/users/user01")
    for value, found in ((1, "an int"), (user, "a User"), (NOON, "a datetime")):
        with pytest.raises(TypeError, match=f"^evse_id must be an EVSE, .*, not {found}"):
            await sent(serve, "/evses/{evse_id}/new", ids={"evse_id": value})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "/"),
        ("/evses", "/evses"),
        ("/evses/evse01/firmware_logs", "/evses/evse01/firmware_logs"),
        ("/region_groups:validate", "/region_groups:validate"),
        ("/things/a b", "/things/a%20b"),
        ("/things/a%20b", "/things/a%20b"),
        ("/things/100%", "/things/100%25"),
        ("/things/a%3Fb%23c", "/things/a%3Fb%23c"),
        ("/things/é", "/things/%C3%A9"),
        ("/logs/2026-01-01T12:00:00+01:00", "/logs/2026-01-01T12:00:00+01:00"),
        ("/things/...", "/things/..."),
    ],
)
async def test_path_is_quoted_where_it_has_to_be(serve, path, expected) -> None:
    assert await sent(serve, path) == expected


async def test_url_of_the_api_is_called_as_it_is(serve) -> None:
    server = await serve(sends({}))
    async with server.client() as client:
        for path, query in (
            ("/v2/evses/evse01", ""),
            ("/v2/users/me/", ""),
            ("/v2/x", "?page_after=a%2Bb"),
        ):
            for url in (
                f"{server.origin}{path}{query}",
                URL(f"{server.origin}{path}{query}", encoded=True),
            ):
                await client.request("GET", url)
                assert server.take_request().target == f"{path}{query}"
        for given, escaped in (("é%zz", "%C3%A9%25zz"), ("a b?x=1 y|é", "a%20b?x=1%20y%7C%C3%A9")):
            await client.request("GET", f"{server.url}/{given}")
            assert server.take_request().target == f"/v2/{escaped}"
        await client.request("GET", f"{server.url}/evses", query={"expand": ["user"]})
        assert server.take_request().target == "/v2/evses?expand=user"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/v2/evses",
        "http://127.0.0.1:1/v2/evses",
        "{origin}@example.com/v2/evses",
        "ftp://127.0.0.1/x",
        "http://[/x",
        "http://",
        "{origin}",
        "{origin}/",
        "{origin}/o/token/",
        "{origin}/evses",
        "{origin}/v2beta/evses",
        "{origin}\\@example.com/v2",
    ],
)
async def test_nothing_is_sent_to_another_server(serve, url) -> None:
    server = await serve(sends({}))
    for auth in (TOKEN, None):
        async with server.client(auth) as client:
            with pytest.raises(errors.ForeignOriginError) as caught:
                client.request("GET", url.replace("{origin}", server.origin))
        assert caught.value.outcome == "not_sent"
    assert server.requests == []


NO_ID = (
    "path '{}' has the segment '{}', which is no id: pass ids with other characters than letters, "
    "digits and '_' as ids="
)
NO_PLACEHOLDER = (
    "path has '{}', which is no placeholder: these have names of letters, digits and '_', such as "
    "{{evse_id}}"
)
PATHS: list[tuple[Any, dict[str, Any], str]] = [
    ("evses", {}, "path must start with '/', such as '/evses', or be a URL, not 'evses'"),
    ("", {}, "path must start with '/', such as '/evses', or be a URL, not ''"),
    ("/evses?expand=user", {}, "path must not contain '?': pass the query as query="),
    ("/evses#x", {}, "path must not contain '#'"),
    ("/evses\\x", {}, NO_ID.format("/evses\\\\x", "evses\\\\x")),
    ("/evses\r\nx: y", {}, NO_ID.format(r"/evses\\r\\nx: y", r"evses\\r\\nx: y")),
    ("/evses/\ud800", {}, NO_ID.format(r"/evses/\\ud800", r"\\ud800")),
    ("/evses/", {}, "path '/evses/' ends in a slash: leave it out, or is an id empty?"),
    ("/evses//", {}, "path '/evses//' has an empty segment: is an id empty?"),
    ("//example.com/x", {}, "path '//example.com/x' has an empty segment: is an id empty?"),
    ("/evses//logs", {}, "path '/evses//logs' has an empty segment: is an id empty?"),
    ("/v2", {}, "path '/v2' repeats '/v2', in which the base URL ends: pass '/'"),
    ("/v2/evses", {}, "path '/v2/evses' repeats '/v2', in which the base URL ends: pass '/evses'"),
    *(
        (
            path,
            {"ids": {"evse_id": "x"}},
            NO_PLACEHOLDER.format(braces),
        )
        for path, braces in (
            ("/evses/{}", "{}"),
            ("/evses/{}/x/{evse_id}", "{}"),
            ("/evses/{evse-id}", "{evse-id}"),
            ("/evses/{evse_id", "{evse_id"),
            ("/evses/{evse_id}}", "}"),
        )
    ),
    *(
        (
            f"/evses/{segment}/x",
            {},
            NO_ID.format(f"/evses/{segment}/x", segment),
        )
        for segment in ("..", ".", "%2e%2E", "a%2Fb", "a%5Cb", "a%00b")
    ),
    (
        "/evses/{evse_id}",
        {},
        "path has {evse_id}, and ids has nothing: pass an id for each placeholder",
    ),
    (
        "/evses/{evse_id}",
        {"ids": {"id": "x"}},
        "path has {evse_id}, and ids has 'id': pass an id for each placeholder",
    ),
    (
        "/evses",
        {"ids": {"evse_id": "x"}},
        "path has no placeholders, and ids has 'evse_id': pass an id for each placeholder",
    ),
    (
        f"{ROOT}/evses/x",
        {"ids": {"evse_id": "x"}},
        "ids fill the placeholders of a path, and a URL has none",
    ),
    (
        f"{ROOT}/evses?a=1",
        {"query": {"b": 2}},
        "the URL has a query of its own: pass the path without it, or no query=",
    ),
    (f"{ROOT}/evses#x", {}, "the URL must not contain a fragment"),
    (
        f"{ROOT}/evses/{{evse_id}}",
        {},
        "a URL has no placeholders: pass the path after the base URL, and ids=",
    ),
    *(
        (f"{ROOT}/evses?a={bad}", {}, f"the URL must not contain {bad!a}")
        for bad in ("\r", "\n", "\0", "\x7f", "\ud800")
    ),
    (
        f"{ROOT}/evses/../o/token",
        {},
        NO_ID.format("/v2/evses/../o/token", ".."),
    ),
]


@pytest.mark.parametrize(("path", "arguments", "message"), PATHS)
def test_path_that_may_lead_elsewhere_is_refused(path, arguments, message) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Client(TOKEN).request("GET", path, **arguments)


def nested(depth: int) -> object:
    """Return a dictionary that contains *depth* others."""
    value: object = {}
    for _ in range(depth):
        value = {"a": value}
    return value


ENDLESS_LIST: list[Any] = []
ENDLESS_LIST.append(ENDLESS_LIST)
EMPTY_LIST = "query['{}']: an empty list would not filter anything; omit the filter, or pass values"
HALF = "half of a surrogate pair, which cannot be sent"
ZONE = "set its time zone, for example with .replace(tzinfo=datetime.UTC)"
ARGUMENTS: list[tuple[dict[str, Any], type[Exception], str]] = [
    (
        {"method": "FETCH"},
        ValueError,
        "method must be GET, POST, PUT, PATCH or DELETE, not 'FETCH'",
    ),
    ({"method": None}, TypeError, "method must be a str, not None"),
    ({"path": None}, TypeError, "path must be a str, not None"),
    ({"path": b"/evses"}, TypeError, "path must be a str, not bytes"),
    (
        {"json": {}},
        ValueError,
        "a GET request has no body: pass query=, or another method",
    ),
    (
        {"method": "POST", "json": '{"a": 1}'},
        TypeError,
        "json is the value to send as JSON, such as a dict, and not its text",
    ),
    ({"method": "POST", "json": b"{}"}, TypeError, "json is bytes, which cannot be sent as JSON"),
    (
        {"method": "POST", "json": {"a": [{1}]}},
        TypeError,
        "a is a set, which cannot be sent as JSON",
    ),
    (
        {"method": "POST", "json": {"a": float("nan")}},
        ValueError,
        "a must be a finite number, not nan",
    ),
    (
        {"method": "POST", "paged": True},
        ValueError,
        "paged=True lists with GET requests, not with POST",
    ),
    (
        {"envelope_key": "items"},
        ValueError,
        "envelope_key needs model= or paged=True: without them, read the key",
    ),
    (
        {"model": dict},
        TypeError,
        "model must be a model class, such as EVSE, not the class dict",
    ),
    (
        {"model": EVSE.from_dict(DATA)},
        TypeError,
        "model must be a model class, such as EVSE, not an EVSE",
    ),
    (
        {"query": [("a", 1)]},
        TypeError,
        "query must be a mapping of names to values, not a list",
    ),
    (
        {"query": {"a": {}}},
        TypeError,
        "query['a'] is a dict, which cannot be sent in a query",
    ),
    (
        {"query": {"a": datetime(2026, 1, 1)}},
        ValueError,
        f"query['a'] is a naive datetime: {ZONE}",
    ),
    ({"query": {1: 2}}, TypeError, "a name in query must be a str, not an int"),
    ({"query": {"": 2}}, ValueError, "a name in query must not be empty"),
    ({"query": {"\ud800": 2}}, ValueError, f"a name in query contains '\\ud800', {HALF}"),
    ({"query": {"a": "b\ud800"}}, ValueError, f"query['a'] contains '\\ud800', {HALF}"),
    (
        {"query": {"a": float("nan")}},
        ValueError,
        "query['a'] must be a finite number, not nan",
    ),
    (
        {"query": {"a__in": ["b", UNSET]}},
        TypeError,
        "an item of query['a__in'] is UNSET, which cannot be sent in a query",
    ),
    (
        {"query": {"a": [UNSET]}},
        TypeError,
        "an item of query['a'] is UNSET, which cannot be sent in a query",
    ),
    *(
        (
            {"query": {"a": [nested]}},
            TypeError,
            "an item of query['a'] is a list, which cannot be sent in a query",
        )
        for nested in ([], ENDLESS_LIST)
    ),
    *(
        (
            {"query": {name: []}},
            ValueError,
            EMPTY_LIST.format(name),
        )
        for name in ("status", "status__in")
    ),
    ({"ids": ["evse_id"]}, TypeError, "ids must be a mapping of placeholders to ids, not a list"),
    ({"ids": "a"}, TypeError, "ids must be a mapping of placeholders to ids, not a str"),
    ({"ids": 5}, TypeError, "ids must be a mapping of placeholders to ids, not an int"),
    (
        {"path": "/evses/{evse_id}", "ids": {"evse_id": "a\ud800"}},
        ValueError,
        (
            "evse_id='a\\\\ud800' is not an id: pass the bare id (such as the .id of a model), a "
            "Ref, a model, or the resource's whole URL"
        ),
    ),
    ({"model": EVSE, "envelope_key": 3}, TypeError, "envelope_key must be a str, not an int"),
    ({"model": EVSE, "envelope_key": ""}, ValueError, "envelope_key must not be empty"),
    (
        {"method": "POST", "json": {"a": [1, UNSET]}},
        TypeError,
        "an item of a is UNSET, which cannot be sent as JSON",
    ),
    (
        {"method": "POST", "json": [UNSET]},
        TypeError,
        "an item of json is UNSET, which cannot be sent as JSON",
    ),
    ({"method": "POST", "json": {"a": "\udfff"}}, ValueError, f"a contains '\\udfff', {HALF}"),
    *(
        (
            {"method": "POST", "json": endless},
            ValueError,
            "json nests too deeply, or contains itself",
        )
        for endless in (ENDLESS_LIST, {"a": ENDLESS_LIST}, nested(3_000))
    ),
]


@pytest.mark.parametrize(("arguments", "error", "message"), ARGUMENTS)
def test_invalid_arguments_are_refused_before_anything_is_sent(arguments, error, message) -> None:
    method, path = arguments.pop("method", "GET"), arguments.pop("path", "/evses")
    with pytest.raises(error) as caught:
        Client(TOKEN).request(method, path, **arguments)
    assert str(caught.value) == message


async def test_reads_are_retried_and_writes_are_not(serve, time) -> None:
    settings = {"clock": time, "sleep": time.sleep}
    server = await serve(scripted_replies(DATA, 503, 503))
    async with server.client(**settings) as client:
        assert await client.request("GET", "/evses/evse01") == DATA
    assert len(server.requests) == 3
    server = await serve(scripted_replies(DATA, None))
    async with server.client(**settings) as client:
        with pytest.raises(errors.UnconfirmedWriteError):
            await client.request("PUT", "/evses/evse01", json=DATA)
    assert len(server.requests) == 1


async def test_errors_are_those_of_all_calls(serve) -> None:
    server = await serve(sends({"detail": "no such EVSE"}, status=404, **{"X-Request-ID": "r7"}))
    async with server.client() as client:
        with pytest.raises(errors.NotFoundError) as caught:
            await client.request("GET", "/evses/x", model=EVSE)
        assert (caught.value.detail, caught.value.request_id) == ("no such EVSE", "r7")
        with pytest.raises(errors.NotFoundError) as caught:
            await client.request("GET", "/evses", paged=True).first()
        assert caught.value.cursor is not None


async def test_client_without_credentials_sends_no_token(serve) -> None:
    server = await serve(sends({}))
    async with server.client(None) as client:
        with client.capture() as calls:
            await client.request("GET", "/evse_makes")
    assert "Authorization" not in server.take_request().headers
    assert "Authorization" not in str(calls[0])


@pytest.mark.parametrize(
    ("path", "ids", "operation"),
    [
        ("/", {}, "GET /"),
        ("/evses", {}, "GET /evses"),
        ("/firmware_updates", {}, "GET /firmware_updates"),
        ("/evses/evse01ABC/status_logs", {}, "GET /evses/{id}/status_logs"),
        ("/evses/evse01ABC/firmware_logs", {}, "GET /evses/{id}/{id}"),
        ("/users/john/evses", {}, "GET /users/{id}/evses"),
        ("/users/john-smith", {}, "GET /users/{id}"),
        ("/user_rebates/x:john", {}, "GET /user_rebates/{id}"),
        ("/evses/{evse_id}/firmware_logs", {"evse_id": "e1"}, "GET /evses/{evse_id}/firmware_logs"),
        ("/users/a@example.com", {}, "GET /users/{id}"),
        ("/logs/2026-01-01T12:00:00Z", {}, "GET /logs/{id}"),
        ("/support-ticket-stats/top-categories", {}, "GET /support-ticket-stats/top-categories"),
        ("/user_rebates/rbtu01:submit", {}, "GET /user_rebates/{id}:submit"),
        ("/evses/{evse_id}/x/EUROPE", {"evse_id": "e1"}, "GET /evses/{evse_id}/x/{id}"),
        ("{url}/evses/evse01/logs/", {}, "GET /evses/{id}/logs"),
        ("{url}", {}, "GET /"),
    ],
)
async def test_operation_names_no_id(serve, path, ids, operation) -> None:
    events: list[Any] = []
    server = await serve(sends({}))
    async with server.client(on_response=events.append) as client:
        filled = path.replace("{url}", server.url).replace("{origin}", server.origin)
        await client.request("GET", filled, ids=ids)
    assert [event.request.operation for event in events] == [operation]


async def test_budget_and_token_are_those_of_the_client(
    client: Client, simulator: Simulator
) -> None:
    vehicles = await client.vehicles.list().collect()
    assert client.rate_limit is not None
    before = client.rate_limit.remaining
    found = await client.request("GET", "/vehicles", query={"page_size": 100}, paged=True).collect()
    assert found == [vehicle.to_dict() for vehicle in vehicles]
    path = "/vehicles/{vehicle_id}"
    vehicle = await client.request(
        "GET", path, ids={"vehicle_id": vehicles[0]}, model=type(vehicles[0])
    )
    assert vehicle == vehicles[0]
    assert client.rate_limit.remaining == before - 2
    async with client.reserve(1) as reserved:
        await reserved.request("GET", "/vehicles")


async def test_token_is_renewed(client: Client, simulator: Simulator) -> None:
    await client.request("GET", "/vehicles")
    simulator.expire_tokens()
    assert await client.request("GET", "/vehicles", query={"page_size": 1})


def test_blocking_client_makes_requests_too() -> None:
    server = RecordingServer(listing(EVSES))
    with server.in_thread(), ev_energy_sync.Client(TOKEN, base_url=server.url) as client:
        assert client.request("GET", "/evses") == EVSES[:2]
        pager = client.request("GET", "/evses", paged=True)
        assert isinstance(pager, ev_energy_sync.Pager)
        assert list(pager) == EVSES
        models = client.request("GET", "/evses", model=EVSE, paged=True).collect()
        assert [evse.id for evse in models] == [evse["id"] for evse in EVSES]
        assert response_of(models[0]) is not None
        server.handler = sends({"evse": {**DATA, "model": MODEL}})
        path, ids = "/evses/{evse_id}", {"evse_id": "evse01"}
        evse = client.request(
            "GET", path, ids=ids, query={"expand": ["model"]}, model=EVSE, envelope_key="evse"
        )
        assert evse is not None
        assert evse.model is not None
        assert isinstance(evse.model.value, EVSEModel)
        server.handler = sends(b"", status=204)
        assert client.request("PATCH", "/things/x", json={"a": UNSET, "b": 1}) is None
        assert server.requests[-1].body == b'{"b":1}'
        for path, message in (
            ("/evses/", "ends in a slash"),
            ("/v2/evses", "repeats '/v2'"),
            ("/evses/{}", "is no placeholder"),
        ):
            with pytest.raises(ValueError, match=message):
                client.request("GET", path)
        with pytest.raises(ValueError, match="json nests too deeply"):
            client.request("POST", "/things", json=ENDLESS_LIST)
        with pytest.raises(TypeError, match="an item of query"):
            client.request("GET", "/things", query={"a": [UNSET]})
        with pytest.raises(errors.ForeignOriginError, match="is not under"):
            client.request("GET", f"{server.origin}/o/token/")
