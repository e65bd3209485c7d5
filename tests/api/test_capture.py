"""The recording of calls, also across tasks."""

from __future__ import annotations

import asyncio
import shlex

import pytest
from aiohttp import web

from ev_energy import errors
from tests.helpers.support import TOKEN

EVSE = {"id": "evse01", "url": "https://api.ev.energy/v2/evses/evse01", "cpid": "SHIR1"}


async def answer(_: web.Request) -> web.Response:
    return web.json_response(EVSE)


async def test_calls_of_tasks_started_inside_are_recorded_only(serve) -> None:
    server = await serve(answer)
    async with server.client() as client, server.client() as other:
        gate = asyncio.Event()

        async def later(name: str) -> None:
            await gate.wait()
            await client.evses.get(name)

        outside = asyncio.ensure_future(later("outside"))
        with client.capture() as calls:
            inside = [asyncio.ensure_future(later(f"inside{i}")) for i in range(3)]
            await asyncio.sleep(0)
            await other.evses.get("another-client")
            with client.capture() as inner:
                await client.evses.get("both")
        gate.set()
        await asyncio.gather(outside, *inside)
    assert sorted(call.request.url.name for call in calls) == [
        "both",
        "inside0",
        "inside1",
        "inside2",
    ]
    assert [call.request.url.name for call in inner] == ["both"]


async def test_call_without_a_reply_is_recorded_with_its_reason(serve, time) -> None:
    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    server = await serve(hang_up)
    async with server.client(clock=time, sleep=time.sleep) as client:
        with client.capture() as calls, pytest.raises(errors.TransportError):
            await client.evses.get("evse01")
    [call] = calls
    assert (call.status, call.response, call.body, dict(call.headers)) == (None, None, None, {})
    assert len(call.attempts) == 3
    assert all(isinstance(attempt, Exception) for attempt in call.attempts)


async def test_call_prints_as_a_valid_curl_command(serve) -> None:
    server = await serve(answer)
    async with server.client(language="it's $HOME; `x`", headers={"X-Key": "k3y"}) as client:
        with client.capture() as calls:
            await client.evses.get("a'b c", expand=["user", "model.make"])
    words = shlex.split(str(calls[0]))
    assert words[:4] == [
        "curl",
        "-X",
        "GET",
        f"{server.url}/evses/a%27b%20c?expand=user&expand=model.make",
    ]
    assert "Accept-Language: it's $HOME; `x`" in words
    assert "X-Key: ***" in words  # a gateway may require this
    assert "Authorization: Bearer ***" in words
    assert TOKEN not in str(calls[0])
