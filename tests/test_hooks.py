"""The events that hooks receive."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import attrs
import pytest
from aiohttp import web

import ev_energy_sync
from ev_energy import Client, errors
from ev_energy.hooks import RequestEvent, ResponseEvent, RetryEvent, WaitEvent
from ev_energy.simulator import Simulator
from tests.helpers.recording_server import Handler, scripted_replies
from tests.helpers.support import SECRET, TOKEN, FakeTime

EVSE = {"id": "evse01", "url": "https://api.ev.energy/v2/evses/evse01", "cpid": "SHIR1"}
RATE = {"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "1"}


@attrs.define
class Events:
    """The events in order, abbreviated; the hooks may raise."""

    events: list[Any] = attrs.field(factory=list)
    raising: type | None = None

    def __call__(self, event: Any) -> None:
        self.events.append(event)
        if isinstance(event, self.raising or ()):
            raise ZeroDivisionError("of a hook")

    @property
    def hooks(self) -> dict[str, Any]:
        return dict.fromkeys(("on_request", "on_response", "on_retry", "on_wait"), self)

    @property
    def short(self) -> list[tuple[Any, ...]]:
        return [_short(event) for event in self.events]


def _short(event: Any) -> tuple[Any, ...]:
    match event:
        case RequestEvent():
            return "request", event.request.operation, event.attempt
        case ResponseEvent():
            assert event.seconds >= 0
            outcome = type(event.error).__name__ if event.error else event.response.status
            return "response", event.attempt, outcome
        case RetryEvent():
            why = event.status if event.error is None else type(event.error).__name__
            return "retry", event.attempt, event.pause, why
        case WaitEvent():
            return "wait", event.reason, event.seconds
    raise AssertionError(event)


GET = "GET /evses/{evse_id}"


def replies(*script: Any) -> Handler:
    """Return the replies of *script*: a status, headers, or None for a broken connection."""
    return scripted_replies(EVSE, *script)


async def test_successful_call_causes_a_request_and_a_response_event(serve) -> None:
    events, server = Events(), await serve(replies())
    async with server.client(**events.hooks) as client:
        await client.evses.get("evse01", expand=["user"])
    assert events.short == [("request", GET, 1), ("response", 1, 200)]
    request_event, response_event = events.events
    assert request_event.request is response_event.request
    assert str(request_event.request.url) == f"{server.url}/evses/evse01?expand=user"
    assert response_event.response.body == b'{"id": "evse01", "url": "%s", "cpid": "SHIR1"}' % (
        EVSE["url"].encode()
    )


async def test_retry_event_has_the_reason_and_the_pause(serve, time: FakeTime) -> None:
    events, server = Events(), await serve(replies((429, {"Retry-After": "7"}), 200))
    async with server.client(clock=time, sleep=time.sleep, budget=None, **events.hooks) as client:
        await client.evses.get("evse01")
    assert events.short == [
        *[("request", GET, 1), ("response", 1, 429)],
        *[("retry", 1, 7.0, 429), ("wait", "retry", 7.0)],
        *[("request", GET, 2), ("response", 2, 200)],
    ]
    assert time.slept == [7.0]


async def test_lost_connection_causes_an_event_with_the_error(serve, time: FakeTime) -> None:
    events, server = Events(), await serve(replies(None, 200))
    async with server.client(clock=time, sleep=time.sleep, **events.hooks) as client:
        await client.evses.get("evse01")
    [pause] = time.slept
    assert events.short == [
        *[("request", GET, 1), ("response", 1, "ConnectionFault")],
        *[("retry", 1, pause, "ConnectionFault"), ("wait", "retry", pause)],
        *[("request", GET, 2), ("response", 2, 200)],
    ]


async def test_unconfirmed_write_causes_one_event_and_no_retry(serve) -> None:
    events, server = Events(), await serve(replies(None))
    async with server.client(**events.hooks) as client:
        with pytest.raises(errors.UnconfirmedWriteError):
            await client.evses.delete("evse01")
    assert events.short == [
        ("request", "DELETE /evses/{evse_id}", 1),
        ("response", 1, "ConnectionFault"),
    ]


async def test_events_of_a_token_request_hold_no_secret(serve) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/o/token/":
            body = {"access_token": TOKEN, "expires_in": 3600}
            return web.json_response(body, headers={"X-Heard": SECRET, "X-Request-Id": "r1"})
        # A reply that repeats the request.
        return web.json_response(EVSE | {"cpid": request.headers["Authorization"]})

    events, server = Events(), await serve(answer)
    async with server.client(server.credentials(), **events.hooks) as client:
        await client.evses.get("evse01")
    assert events.short == [
        *[("request", "POST /o/token/", 1), ("response", 1, 200)],
        *[("request", GET, 1), ("response", 1, 200)],
    ]
    token, call = events.events[1].response, events.events[3].response
    assert (token.body, dict(token.headers)) == (
        b"",
        {"content-type": "application/json; charset=utf-8", "x-request-id": "r1"}
        | {"content-length": token.headers["content-length"]},
    )
    assert b'"Bearer ***"' in call.body
    for event in events.events:
        for text in (repr(event), repr(event.request.headers), str(event.request.body)):
            assert TOKEN not in text
            assert SECRET not in text


async def test_renewal_of_a_rejected_token_causes_events(serve) -> None:
    refused = iter([True, False])

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/o/token/":
            return web.json_response({"access_token": TOKEN, "expires_in": 3600})
        return web.json_response(EVSE, status=401 if next(refused) else 200)

    events, server = Events(), await serve(answer)
    async with server.client(server.credentials(), **events.hooks) as client:
        await client.evses.get("evse01")
    token = [("request", "POST /o/token/", 1), ("response", 1, 200)]
    call = ("request", GET, 1)
    assert events.short == [*token, call, ("response", 1, 401), *token, call, ("response", 1, 200)]


async def test_listing_causes_events_for_each_page(simulator: Simulator, client: Client) -> None:
    await client.evses.list().first()  # gets the first token
    events = Events()
    auth = client._caller.state.auth
    async with Client(auth, base_url=simulator.base_url, **events.hooks) as watched:
        pages = [page async for page in watched.evses.list(page_size=20).pages()]
    calls = [event for event in events.events if event.request.template == "/evses"]
    assert len(pages) > 1
    assert [_short(event) for event in calls] == [
        ("request", "GET /evses", 1),
        ("response", 1, 200),
    ] * len(pages)
    received = [event.request.url for event in calls[::2]]
    assert received == [page.url for page in pages]


async def test_wait_for_the_budget_causes_one_event(serve, time: FakeTime) -> None:
    events = Events()
    server = await serve(replies(*[(200, {**RATE, "X-RateLimit-Remaining": n}) for n in "1010"]))
    async with server.client(
        clock=time, sleep=time.sleep, deadline=10_000, **events.hooks
    ) as client:
        for _ in range(3):
            await client.evses.get("evse01")
    waits = [event for event in events.events if isinstance(event, WaitEvent)]
    assert [(wait.reason, wait.request.operation) for wait in waits] == [("budget", GET)]
    assert waits[0].seconds == pytest.approx(sum(time.slept), abs=1)
    assert 3000 < waits[0].seconds <= 3601
    # The wait precedes the request.
    assert [event[0] for event in events.short[-3:]] == ["wait", "request", "response"]


async def test_cancelled_call_causes_a_response_event(serve) -> None:
    received, events = asyncio.Event(), Events()

    async def never(_: web.Request) -> web.Response:
        received.set()
        await asyncio.Event().wait()
        raise AssertionError

    server = await serve(never)
    async with server.client(**events.hooks) as client:
        call = asyncio.ensure_future(client.evses.get("evse01"))
        await received.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert events.short == [("request", GET, 1), ("response", 1, "CancelledError")]


async def test_exception_of_a_hook_does_not_replace_a_cancellation(serve, caplog) -> None:
    received, events = asyncio.Event(), Events(raising=ResponseEvent)

    async def never(_: web.Request) -> web.Response:
        received.set()
        await asyncio.Event().wait()
        raise AssertionError

    server = await serve(never)
    async with server.client(**events.hooks) as client:
        call = asyncio.ensure_future(client.evses.get("evse01"))
        await received.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    [said] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert said.getMessage() == (
        "GET /v2/evses/evse01: on_response raised while a call was failing"
    )
    assert said.exc_info is not None
    assert said.exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize("kind", [RequestEvent, ResponseEvent, RetryEvent, WaitEvent])
async def test_exception_of_a_hook_reaches_its_caller_only(
    serve, time: FakeTime, kind: type
) -> None:
    """The limit is four requests: if one were lost, the last call would wait."""

    async def answer(request: web.Request) -> web.Response:
        left = {"X-RateLimit-Limit": "4", "X-RateLimit-Remaining": str(4 - len(server.requests))}
        is_bad = len(server.requests) == 2 and kind in {RetryEvent, WaitEvent}
        return web.json_response(EVSE, status=503 if is_bad else 200, headers=left)

    server, events = await serve(answer), Events()
    async with server.client(clock=time, sleep=time.sleep, **events.hooks) as client:
        await client.evses.get("evse01")  # the client now knows the rate limit
        events.raising = kind
        with pytest.raises(ZeroDivisionError, match="of a hook"):
            await client.evses.get("evse01")
        events.raising = None
        sent = 1 if kind is RequestEvent else 2
        assert len(server.requests) == sent
        assert client.rate_limit is not None
        assert (client.rate_limit.remaining, client.rate_limit.waiting) == (4 - sent, 0)
        for _ in range(4 - sent):
            await asyncio.wait_for(client.evses.get("evse01"), 5)
        assert time.slept == []
        with pytest.raises(errors.BudgetExceeded):
            await client.with_options(when_exhausted="raise").evses.get("evse01")
    assert len(server.requests) == 4


async def test_exception_of_a_hook_keeps_the_connection(serve) -> None:
    events, ports = Events(raising=ResponseEvent), []

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        ports.append(request.transport.get_extra_info("peername")[1])
        return web.json_response(EVSE)

    server = await serve(answer)
    async with server.client(**events.hooks) as client:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await client.evses.get("evse01")
    assert len(ports) == 3
    assert len(set(ports)) == 1


async def test_blocking_client_causes_the_same_events(simulator: Simulator) -> None:
    def call(events: Events) -> None:
        auth = ev_energy_sync.ClientCredentials(
            client_id=simulator.client_id, client_secret=simulator.client_secret
        )
        with ev_energy_sync.Client(auth, base_url=simulator.base_url, **events.hooks) as client:
            with pytest.raises(errors.NotFoundError):
                client.evses.get("evse00")
            events.raising = RequestEvent
            with pytest.raises(ZeroDivisionError):
                client.evses.get("evse00")

    events = Events()
    await asyncio.to_thread(call, events)
    assert events.short == [
        *[("request", "POST /o/token/", 1), ("response", 1, 200)],
        *[("request", GET, 1), ("response", 1, 404)],
        ("request", GET, 1),
    ]
