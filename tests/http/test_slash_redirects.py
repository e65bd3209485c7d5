"""Servers that redirect to the same path with or without a trailing slash, as Django does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from yarl import URL

import ev_energy_sync
from ev_energy import MemoryBudget, errors
from ev_energy._http.slash_redirects import other_slash_form
from ev_energy._messages import Response
from tests.helpers.recording_server import Handler, RecordingServer

Serve = Callable[[Handler], Awaitable[RecordingServer]]
EVSE = {"id": "evse01", "url": "http://127.0.0.1/v2/evses/evse01/", "cpid": "SHIR1"}
STATUSES = (301, 302, 307, 308)


def redirecting(status: int = 301, body: object = EVSE, link: str = "") -> Handler:
    """Return a handler that redirects paths without a trailing slash."""

    async def answer(request: web.Request) -> web.StreamResponse:
        path, mark, query = request.raw_path.partition("?")
        if not path.endswith("/"):
            location = f"{path}/{mark}{query}"
            return web.Response(status=status, headers={"Location": location}, text="<html>")
        headers = {"Link": link} if link and "page=2" not in query else {}
        return web.json_response(body, headers=headers)

    return answer


@pytest.mark.parametrize("status", STATUSES)
async def test_read_is_redirected_once_and_the_slash_is_remembered(
    serve: Serve, status: int
) -> None:
    server = await serve(redirecting(status))
    async with server.client(retries=0) as client:
        assert (await client.evses.get("evse01", expand=["user"])).cpid == "SHIR1"
        await client.evses.get("evse02")
    assert [(seen.raw_path, seen.query) for seen in server.requests] == [
        ("/v2/evses/evse01", [("expand", "user")]),
        ("/v2/evses/evse01/", [("expand", "user")]),
        ("/v2/evses/evse02/", []),
    ]
    assert {seen.headers["Authorization"] for seen in server.requests} == {
        server.requests[0].headers["Authorization"]
    }


async def test_blocking_read_is_redirected(serve: Serve) -> None:
    import asyncio

    server = await serve(redirecting())

    def read() -> str:
        with ev_energy_sync.Client("a-token-12345", base_url=server.url) as client:
            return client.evses.get("evse01").cpid

    assert await asyncio.to_thread(read) == "SHIR1"


async def test_surplus_slash_is_removed(serve: Serve) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/"):
            return web.Response(status=308, headers={"Location": request.path.rstrip("/")})
        if len(server.requests) == 1:  # makes the client add the slash
            return web.Response(status=301, headers={"Location": f"{request.path}/"})
        return web.json_response(EVSE)

    server = await serve(answer)
    async with server.client(retries=0) as client:
        with pytest.raises(errors.DecodeError):
            await client.evses.get("evse01")  # a second redirect is not followed
        await client.evses.get("evse01")
    paths = [seen.raw_path for seen in server.requests]
    without_slash, with_slash = "/v2/evses/evse01", "/v2/evses/evse01/"
    assert paths == [without_slash, with_slash, with_slash, without_slash]


@pytest.mark.parametrize(
    "link", ['<?page=2>; rel="next"', '<./?page=2>; rel="next"', '</v2/evses?page=2>; rel="next"']
)
async def test_listing_continues_from_the_redirected_page(serve: Serve, link: str) -> None:
    server = await serve(redirecting(body=[EVSE], link=link))
    async with server.client(retries=0) as client:
        listing = client.evses.list(page_size=10)
        pages = [page async for page in listing.pages()]
        assert [page.items[0].cpid for page in pages] == ["SHIR1", "SHIR1"]
        resumed = [
            page async for page in client.evses.list(page_size=10).resume(pages[1].cursor).pages()
        ]
        assert len(resumed) == 1
        found = await client.fetch(pages[0].items[0].user) if pages[0].items[0].user else None
        assert found is None
    assert [(seen.raw_path, seen.query) for seen in server.requests] == [
        ("/v2/evses", [("page_size", "10")]),
        ("/v2/evses/", [("page_size", "10")]),
        ("/v2/evses/", [("page", "2")]),
        ("/v2/evses/", [("page", "2")]),
    ]


@pytest.mark.parametrize("status", STATUSES)
async def test_redirected_write_is_not_resent_and_the_next_one_uses_the_slash(
    serve: Serve, status: int
) -> None:
    server = await serve(redirecting(status))
    async with server.client() as client:
        with pytest.raises(errors.DecodeError, match="not carried out.*Call the method again"):
            await client.evses.update("evse01", location=None)
        assert [seen.method for seen in server.requests] == ["PATCH"]
        assert (await client.evses.update("evse01", location=None)).cpid == "SHIR1"
    assert [(seen.method, seen.raw_path) for seen in server.requests] == [
        ("PATCH", "/v2/evses/evse01"),
        ("PATCH", "/v2/evses/evse01/"),
    ]
    assert server.requests[1].body == server.requests[0].body == b'{"location":null}'


async def test_redirected_read_uses_two_requests_of_the_rate_limit(serve: Serve) -> None:
    server = await serve(redirecting())
    budget = MemoryBudget(limit=100)
    async with server.client(budget=budget, retries=0) as client:
        await client.evses.get("evse01")
        assert client.rate_limit is not None
        assert client.rate_limit.remaining == 98
        with client.capture() as calls:
            await client.evses.get("evse01")
        assert client.rate_limit.remaining == 97
        assert len(calls[0].attempts) == 1


@pytest.mark.parametrize(
    "location",
    [
        "https://attacker.example/v2/evses/evse01/",
        "//attacker.example/v2/evses/evse01/",
        "http://user@{host}/v2/evses/evse01/",
        "/v2/evses/evse02/",
        "/v2/evses/",
        "/v2/evses/evse01",
        "/v2/evses/evse01//",
        "/v2/evses/evse01/?next=1",
        "http://[",
        "",
    ],
)
async def test_redirects_to_anything_else_are_not_followed(serve: Serve, location: str) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        headers = {"Location": location.format(host=request.host)}
        return web.Response(status=301, headers=headers)

    server = await serve(answer)
    async with server.client(retries=0) as client:
        with pytest.raises(errors.DecodeError, match="which is not followed"):
            await client.evses.get("evse01")
    assert len(server.requests) == 1


async def test_onboarding_link_is_the_location_of_the_redirect(serve: Serve) -> None:
    """The first redirect adds the slash; the second is the result of the operation."""

    async def answer(request: web.Request) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        if not path.endswith("/"):
            return web.Response(status=301, headers={"Location": f"{path}/?{query}"})
        return web.Response(status=302, headers={"Location": "https://drivers.example/x/"})

    server = await serve(answer)
    async with server.client(retries=0) as client:
        link = await client.evse_onboarding.get(user_id="user01", client_id="app")
        assert link.url == "https://drivers.example/x/"
    assert len(server.requests) == 2
    assert not any("Authorization" in seen.headers for seen in server.requests)


SEGMENT = st.text(st.sampled_from("ab01-._~%:+ /é?#"), min_size=1, max_size=6).filter(
    lambda text: text.strip(".")
)


@given(st.lists(SEGMENT, min_size=1, max_size=3), st.booleans(), st.sampled_from(STATUSES))
def test_other_slash_form_is_recognised(
    segments: list[str], ends_in_slash: bool, status: int
) -> None:
    from urllib.parse import quote

    path = "/v2/" + "/".join(quote(segment, safe="") for segment in segments)
    url = URL(f"http://host.example{path}{'/' * ends_in_slash}?q=a%2Bb&q=c", encoded=True)
    other = URL(f"http://host.example{path}{'/' * (not ends_in_slash)}?q=a%2Bb&q=c", encoded=True)
    for location in (str(other), str(other)[len("http://host.example") :]):
        response = Response(status, "", CIMultiDict(Location=location), b"")
        found = other_slash_form(url, response)
        assert found is not None
        assert str(found) == str(other)
    assert other_slash_form(url, Response(status, "", CIMultiDict(Location=str(url)), b"")) is None
    assert other_slash_form(url, Response(200, "", CIMultiDict(Location=str(other)), b"")) is None
