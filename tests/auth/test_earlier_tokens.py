"""Replaced tokens stay secret, since replies to earlier calls may repeat them."""

from __future__ import annotations

import asyncio
import itertools
import logging

import pytest
from aiohttp import web

from ev_energy import errors
from tests.helpers.support import TOKEN

OLD, NEW = f"{TOKEN}-1", f"{TOKEN}-2"


async def test_earlier_token_shows_in_no_error(serve) -> None:
    numbers = itertools.count(1)
    is_sent, is_renewed = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if request.method == "POST":
            return web.json_response({"access_token": f"{TOKEN}-{next(numbers)}"})
        if request.path.endswith("slow"):
            is_sent.set()
            await is_renewed.wait()
        elif request.headers["Authorization"] == f"Bearer {OLD}":
            return web.Response(status=401)
        return web.json_response({"detail": f"not {OLD} and not {NEW}"}, status=403)

    server = await serve(answer)
    async with server.client(server.credentials()) as client:
        slow = asyncio.create_task(client.evses.get("slow"))
        await is_sent.wait()
        with pytest.raises(errors.ForbiddenError) as second:
            await client.evses.get("evse01")
        is_renewed.set()
        with pytest.raises(errors.ForbiddenError) as first:
            await slow
    for error in (first.value, second.value):
        assert error.detail == "not *** and not ***"
        assert OLD.encode() not in error.body


async def test_header_that_repeats_the_token_is_logged_without_it(serve, caplog) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({}, status=404, headers={"X-Request-Id": f"for {TOKEN}"})

    server = await serve(answer)
    with caplog.at_level(logging.DEBUG, "ev_energy"):
        async with server.client(TOKEN) as client:
            with pytest.raises(errors.NotFoundError):
                await client.evses.get("evse01")
    assert "x-request-id: for ***" in caplog.text
    assert TOKEN not in caplog.text
