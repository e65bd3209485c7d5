"""Replaced tokens stay secret, since replies to earlier calls may repeat them."""

from __future__ import annotations

import asyncio
import itertools
import logging
import pickle
from typing import Any

import pytest
from aiohttp import web

from ev_energy import errors
from tests.helpers.recording_server import RecordingServer
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


def problem(token: str) -> web.Response:
    return web.json_response({"detail": f"not {token}"}, status=403)


def redirect(token: str) -> web.Response:
    return web.Response(status=302, headers={"Location": f"/sign_in/{token}"})


def page_of_a_portal(token: str) -> web.Response:
    return web.Response(text=f"<html>{token}", headers={"Content-Type": f"text/{token}"})


def bad_link(token: str) -> web.Response:
    return web.json_response([], headers={"Link": token})


def unknown_status(token: str) -> web.Response:
    return web.Response(status=299, reason=token, headers={"X-Request-ID": token})


@pytest.mark.parametrize("reply", [problem, redirect, page_of_a_portal, bad_link, unknown_status])
@pytest.mark.parametrize("is_function", [True, False])
async def test_token_of_a_call_is_masked_however_many_there_were_since(
    serve, caplog: pytest.LogCaptureFixture, reply: Any, is_function: bool
) -> None:
    numbers = itertools.count(1)
    goes_on, events = asyncio.Event(), list[Any]()

    def new_token() -> str:
        return f"{TOKEN}-number-{next(numbers):03}"

    async def answer(request: web.Request) -> web.Response:
        if request.path.startswith("/o/"):
            return web.json_response({"access_token": new_token(), "expires_in": 3600})
        await goes_on.wait()
        return reply(request.headers["Authorization"].removeprefix("Bearer "))

    server: RecordingServer = await serve(answer)
    now = 1_000_000.0
    caplog.set_level(logging.DEBUG)
    auth = new_token if is_function else server.credentials()
    async with server.client(
        auth, on_response=events.append, wall_clock=lambda: now, deadline=20
    ) as client:
        with client.capture() as captured:
            calls: list[asyncio.Future[Any]] = []
            for number in range(8):
                calls.append(asyncio.ensure_future(client.evses.list().collect()))
                while sum(r.target.startswith("/v2/") for r in server.requests) <= number:
                    await asyncio.sleep(0.001)
                now += 4000
            goes_on.set()
            raised = await asyncio.gather(*calls, return_exceptions=True)
    assert len({request.headers["Authorization"] for request in server.requests}) >= 8
    assert all(isinstance(error, errors.EvEnergyError) for error in raised)
    replies = [event.response for event in events if event.request.template == "/evses"]
    assert len(replies) == len(captured) == 8
    for thing in (*raised, *replies, *(call.attempts for call in captured)):
        assert b"-number-" not in pickle.dumps(thing)
    assert "-number-" not in caplog.text + "".join(f"{error!r}" for error in raised)
