"""Headers of a client and its views; their names are case-insensitive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web

SPELLINGS = ["EvEnergy-Version", "evenergy-version", "EVENERGY-VERSION"]


async def empty(_: web.Request) -> web.Response:
    return web.json_response([])


def sent(headers: Any, name: str) -> list[str]:
    """Return all values of a header that was sent."""
    return list(headers.getall(name, []))


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_none_removes_a_header_in_any_spelling(serve, spelling: str) -> None:
    server = await serve(empty)
    async with server.client(headers={spelling: "2", "accept-language": "de"}) as client:
        await client.users.list().page()
        await client.with_options(api_version=None, language=None).users.list().page()
    first, second = server.requests
    assert sent(first.headers, "EvEnergy-Version") == ["2"]
    assert sent(first.headers, "Accept-Language") == ["de"]
    assert sent(second.headers, "EvEnergy-Version") == []
    assert sent(second.headers, "Accept-Language") == []


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_later_value_replaces_an_earlier_one_in_any_case(serve, spelling: str) -> None:
    server = await serve(empty)
    async with server.client(headers={spelling: "1", "X-Trace": "a"}) as client:
        for view in (
            client.with_options(api_version="3"),
            client.with_options(headers={"evEnergy-version": "3", "x-trace": "b"}),
            client.with_options(api_version="3").with_options(headers={"X-TRACE": "b"}),
        ):
            await view.users.list().page()
        await client.users.list().page()
    for seen in server.requests[:3]:
        assert sent(seen.headers, "EvEnergy-Version") == ["3"]
    assert [sent(seen.headers, "X-Trace") for seen in server.requests] == [
        ["a"],
        ["b"],
        ["b"],
        ["a"],
    ]
    assert sent(server.requests[3].headers, "EvEnergy-Version") == ["1"]


async def test_default_headers_are_replaced_in_any_case(serve) -> None:
    server = await serve(empty)
    custom = {"user-agent": "mine/1", "ACCEPT": "application/vnd.ev+json"}
    async with server.client(headers=custom) as client:
        await client.users.list().page()
    [seen] = server.requests
    assert sent(seen.headers, "User-Agent") == ["mine/1"]
    assert sent(seen.headers, "Accept") == ["application/vnd.ev+json"]


async def test_onboarding_link_is_requested_with_the_user_agent_of_the_caller(serve) -> None:
    async def redirect(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "https://x/"})

    server = await serve(redirect)
    async with server.client(headers={"user-agent": "mine/1"}) as client:
        await client.evse_onboarding.get(user_id="u", client_id="c")
    assert sent(server.requests[0].headers, "User-Agent") == ["mine/1"]


async def test_acting_user_is_set_replaced_and_removed(serve) -> None:
    server = await serve(empty)
    async with server.client() as client:
        ada = client.acting_for("user0ada").with_options(headers={"X-A": "1"})
        for view in (ada, ada.acting_for("user0bob"), ada.acting_for(None)):
            await view.users.list().page()
    users = [sent(seen.headers, "EvEnergy-User") for seen in server.requests]
    assert users == [["user0ada"], ["user0bob"], []]


REFUSED: list[tuple[Mapping[Any, Any], type[Exception], str]] = [
    ({"authorization": "Bearer x"}, ValueError, "headers must not set authorization: use auth="),
    ({"EVENERGY-USER": "u"}, ValueError, "headers must not set EVENERGY-USER: use auth= or acting"),
    ({"content-type": "text/plain"}, ValueError, "headers must not set content-type"),
    ({"Content-Length": "5"}, ValueError, "headers must not set Content-Length"),
    ({"host": "attacker.example"}, ValueError, "headers must not set host: use base_url="),
    ({"X A": "x"}, ValueError, "headers: 'X A' is not a valid header name"),
    ({"": "x"}, ValueError, "headers: '' is not a valid header name"),
    ({"X-A": "b\r\nX-C: d"}, ValueError, "headers: X-A contains a line break"),
    ({"X-A": "b\0"}, ValueError, "headers: X-A contains a line break or another control"),
    ({"X-A": "\ud800"}, ValueError, "headers: X-A contains"),
    ({"X-A": None}, TypeError, "headers: X-A must be a str, not None"),
]


@pytest.mark.parametrize(("headers", "kind", "message"), REFUSED)
async def test_invalid_headers_are_refused_by_name(
    serve, headers: Mapping[Any, Any], kind: type[Exception], message: str
) -> None:
    server = await serve(empty)
    with pytest.raises(kind, match=message):
        server.client(headers=headers)
    async with server.client() as client:
        with pytest.raises(kind, match=message):
            client.with_options(headers=headers)


async def test_version_language_and_user_are_checked_like_headers(serve) -> None:
    server = await serve(empty)
    async with server.client() as client:
        with pytest.raises(ValueError, match="version contains a line break"):
            client.with_options(api_version="2\r\nX-A: b")
        with pytest.raises(ValueError, match="language contains a line break"):
            client.with_options(language="de\n")
        with pytest.raises(ValueError, match="user contains a line break"):
            client.acting_for("https://x/users/u\r\nX-A: b")
