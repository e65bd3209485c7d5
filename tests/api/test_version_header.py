"""The header ``EvEnergy-Version``: 2 by default, and sent only to the API."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

import ev_energy_sync
from ev_energy import Client
from tests.helpers.support import SECRET

EVSE = {"id": "evse01", "url": "http://127.0.0.1/v2/evses/evse01", "cpid": "SHIR1"}


async def answer(request: web.Request) -> web.StreamResponse:
    if "token" in request.path:
        return web.json_response({"access_token": "abc12345", "token_type": "Bearer"})
    return web.json_response([EVSE] if request.path.endswith("/evses") else EVSE)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "2"),
        ({"api_version": "3"}, "3"),
        ({"api_version": None}, None),
        ({"headers": {"EvEnergy-Version": "4"}}, "4"),
    ],
)
async def test_version_is_2_by_default(
    serve: Any, settings: dict[str, Any], expected: str | None
) -> None:
    server = await serve(answer)

    def blocking() -> None:
        with ev_energy_sync.Client("a-token-12345", base_url=server.url, **settings) as client:
            client.evses.get("evse01")

    async with server.client(**settings) as client:
        await client.evses.get("evse01")
        await client.evses.list().collect()
        await client.evses.update("evse01", location=None)
    await asyncio.to_thread(blocking)
    assert [seen.headers.get("EvEnergy-Version") for seen in server.requests] == [expected] * 4


async def test_version_can_be_omitted_for_some_calls(serve: Any) -> None:
    server = await serve(answer)
    async with server.client() as client:
        await client.with_options(api_version=None).evses.get("evse01")
        await (
            client.with_options(api_version=None).with_options(api_version="3").evses.get("evse01")
        )
        await client.acting_for("user01").evses.get("evse01")
    versions = [seen.headers.get("EvEnergy-Version") for seen in server.requests]
    assert versions == [None, "3", "2"]


async def test_version_is_not_sent_to_the_token_endpoint(serve: Any) -> None:
    server = await serve(answer)
    async with server.client(server.credentials()) as client:
        await client.evses.get("evse01")
        await client.sign_out()
    by_path = {seen.raw_path: seen.headers.get("EvEnergy-Version") for seen in server.requests}
    assert by_path.pop("/v2/evses/evse01") == "2"
    assert set(by_path.values()) == {None}
    assert SECRET not in str(by_path)


async def test_public_operations_send_the_version_and_redirects_do_not(serve: Any) -> None:
    async def public(request: web.Request) -> web.StreamResponse:
        if "onboarding" in request.path:
            return web.Response(status=302, headers={"Location": "https://drivers.example/x"})
        return web.json_response([])

    server = await serve(public)
    async with Client(base_url=server.url) as client:
        await client.evse_makes.list().collect()
        await client.evse_onboarding.get(user_id="user01", client_id="app")
    assert [seen.headers.get("EvEnergy-Version") for seen in server.requests] == ["2", None]
