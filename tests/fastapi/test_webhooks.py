"""The webhook route, with deliveries of the simulator and with forged ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Request
from starlette.middleware.base import BaseHTTPMiddleware

from ev_energy.changes import MemoryEventQueue
from ev_energy.errors import EventQueueError
from ev_energy.fastapi import EvEnergy, WebhookRouter, webhook_router
from ev_energy.simulator import Simulator
from ev_energy.webhooks import (
    Delivery,
    Event,
    EventRouter,
    Inbox,
    InboxStore,
    MemoryInboxStore,
    Webhook,
    WebhookReceiver,
)
from tests.helpers.fastapi_apps import open_app, serve_app

SECRET = "whsec_c2VjcmV0IG9mIHRoZSBlbmRwb2ludA=="
WEBHOOK = Webhook(SECRET)
BODY = json.dumps({"type": "odd.event", "timestamp": "2026-01-01T00:00:00Z", "data": {}}).encode()

Handler = Callable[[Event, Delivery], Any]


def receiver_of(handler: Handler, store: InboxStore | None = None) -> WebhookReceiver:
    return WebhookReceiver(WEBHOOK, EventRouter(fallback=handler), Inbox(store))


def app_of(router: WebhookRouter, **settings: Any) -> FastAPI:
    app = FastAPI(**settings)
    app.include_router(router, prefix="/webhooks")
    return app


class Handled:
    """A handler that remembers deliveries, and may wait or fail."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def __call__(self, event: Event, delivery: Delivery) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.ids.append(delivery.id)


@pytest.fixture
def handled() -> Handled:
    return Handled()


def signed(delivery_id: str = "one", body: bytes = BODY, **options: Any) -> dict[str, str]:
    return WEBHOOK.sign(body, delivery_id=delivery_id, **options)


async def test_deliveries_of_the_simulator_are_handled_once(handled: Handled) -> None:
    async with AsyncExitStack() as running:
        simulator = await running.enter_async_context(Simulator(webhook_timestamps="real"))
        app = app_of(webhook_router(receiver_of(handled)), lifespan=EvEnergy("token").lifespan)
        url = await running.enter_async_context(serve_app(app))
        endpoint = simulator.webhooks.add(f"{url}/webhooks", secret=SECRET)
        simulator.webhooks.duplicate(3)
        ids = [simulator.webhooks.publish("odd.event", {}) for _ in range(10)]
        await simulator.webhooks.settled()
        assert sorted(handled.ids) == sorted(ids)
        simulator.webhooks.replay(ids[0], endpoint.id)
        await simulator.webhooks.settled()
        assert sorted(handled.ids) == sorted(ids)
        assert {delivery.status for delivery in simulator.webhooks.deliveries} == {204}
        simulator.webhooks.corrupt_signature(1)
        simulator.webhooks.publish("odd.event", {})
        await simulator.webhooks.settled()
        assert simulator.webhooks.deliveries[-1].status == 400
        assert sorted(handled.ids) == sorted(ids)


async def test_forged_stale_and_unreadable_deliveries_are_refused(handled: Handled) -> None:
    old = datetime.now(UTC) - timedelta(minutes=6)
    forged = {**signed(), "svix-signature": Webhook(b"x" * 24).sign(BODY)["svix-signature"]}
    requests = {
        "unsigned": (BODY, {}),
        "forged": (BODY, forged),
        "changed": (BODY + b" ", signed()),
        "stale": (BODY, signed(sent_at=old)),
        "unreadable": (b"[]", signed(body=b"[]")),
    }
    async with open_app(app_of(webhook_router(receiver_of(handled)))) as browser:
        replies = {
            name: await browser.post("/webhooks", content=body, headers=headers)
            for name, (body, headers) in requests.items()
        }
        assert (await browser.get("/webhooks")).status_code == 405
    assert {reply.status_code for reply in replies.values()} == {400}
    aborted = {name for name, reply in replies.items() if "webhook-delivery" in reply.headers}
    assert aborted == {"unreadable"}
    assert replies["unreadable"].headers["webhook-delivery"] == "abort-message"
    assert "old" in replies["stale"].text
    assert not any(SECRET in reply.text for reply in replies.values())
    assert handled.ids == []


@pytest.mark.parametrize("declared", [True, False])
async def test_large_body_is_refused_before_it_is_read(handled: Handled, declared: bool) -> None:
    read = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(64):
            read += 1
            yield b" " * 65_536

    headers = {"content-length": str(64 * 65_536)} if declared else {}
    async with open_app(app_of(webhook_router(receiver_of(handled)))) as browser:
        reply = await browser.post("/webhooks", content=pieces(), headers=headers)
    assert (reply.status_code, reply.headers["connection"]) == (413, "close")
    assert read <= (1 if declared else 18)


async def test_large_body_is_refused_over_a_socket(handled: Handled) -> None:
    async with serve_app(app_of(webhook_router(receiver_of(handled)))) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /webhooks HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999\r\n\r\n")
        reply = await reader.read()  # until the connection is closed
        writer.close()
    assert reply.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("length", "status"), [("9" * 5000, 413), ("0" * 5000 + str(len(BODY)), 204)]
)
async def test_length_of_thousands_of_digits_is_compared(
    handled: Handled, length: str, status: int
) -> None:
    headers = {**signed(), "content-length": length}
    async with open_app(app_of(webhook_router(receiver_of(handled)))) as browser:
        reply = await browser.post("/webhooks", content=BODY, headers=headers)
    assert reply.status_code == status


async def test_handler_that_is_cancelled_is_repeated() -> None:
    async def cancel_itself(event: Event, delivery: Delivery) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    async with open_app(app_of(webhook_router(receiver_of(cancel_itself)))) as browser:
        reply = await browser.post("/webhooks", content=BODY, headers=signed())
    assert (reply.status_code, reply.text) == (503, "the handler was cancelled")


@pytest.mark.parametrize("mounted", [False, True])
async def test_router_without_its_lifespan_logs_a_warning_once(
    handled: Handled, mounted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_of(webhook_router(receiver_of(handled)))
    if mounted:
        inner, app = app, FastAPI()
        app.mount("/inner", inner)
    path = "/inner/webhooks" if mounted else "/webhooks"
    async with open_app(app) as browser:
        for delivery_id in ("one", "two"):
            await browser.post(path, content=BODY, headers=signed(delivery_id))
    assert handled.ids == ["one", "two"]
    assert caplog.text.count("lifespan of the webhook router does not run") == int(mounted)


async def test_slow_body_is_given_up(handled: Handled, caplog: pytest.LogCaptureFixture) -> None:
    router = webhook_router(receiver_of(handled), timeout=timedelta(seconds=0.05))
    async with serve_app(app_of(router)) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /webhooks HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n[")
        reply = await reader.read()
        writer.close()
    assert reply.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in reply.lower()
    assert "did not arrive within 0.05 s" in caplog.text


async def test_sender_that_hangs_up_does_no_harm(handled: Handled) -> None:
    async with serve_app(app_of(webhook_router(receiver_of(handled)))) as url:
        host, port = url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /webhooks HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n[")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        async with httpx.AsyncClient() as browser:
            reply = await browser.post(f"{url}/webhooks", content=BODY, headers=signed())
    assert (reply.status_code, handled.ids) == (204, ["one"])


async def test_late_handler_goes_on_and_is_found_done(
    handled: Handled, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    router = webhook_router(
        receiver_of(handled), timeout=timedelta(seconds=0.05), monotonic=lambda: now[0]
    )
    handled.gate.clear()
    async with open_app(app_of(router)) as browser:
        first = await browser.post("/webhooks", content=BODY, headers=signed())
        second = await browser.post("/webhooks", content=BODY, headers=signed())
        now[0] = 7.0
        status = router.status()
        assert (status.running, status.lag, status.late) == (1, timedelta(seconds=7), 1)
        handled.gate.set()
        while router.status().running:
            await asyncio.sleep(0)
        assert router.status().lag is None
        third = await browser.post("/webhooks", content=BODY, headers=signed())
    assert [reply.status_code for reply in (first, second, third)] == [503, 503, 204]
    assert first.headers["retry-after"] == "30"
    assert handled.ids == ["one"]
    assert "its handler needs too long" in caplog.text


async def test_handlers_that_hang_are_bounded(
    handled: Handled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ev_energy.fastapi._webhooks._MAX_RUNNING", 2)
    router = webhook_router(receiver_of(handled), timeout=timedelta(seconds=0.01))
    handled.gate.clear()
    async with open_app(app_of(router)) as browser:
        replies = [
            await browser.post("/webhooks", content=BODY, headers=signed(f"msg_{number}"))
            for number in range(4)
        ]
        assert router.status().running == 2
        handled.gate.set()
    assert [reply.status_code for reply in replies] == [503] * 4
    assert sorted(handled.ids) == ["msg_0", "msg_1"]
    assert replies[3].text == "too many deliveries are being handled"


async def test_handler_that_fails_is_repeated(handled: Handled) -> None:
    handled.error = OSError("database")
    async with open_app(app_of(webhook_router(receiver_of(handled)))) as browser:
        failed = await browser.post("/webhooks", content=BODY, headers=signed())
        handled.error = None
        repeated = await browser.post("/webhooks", content=BODY, headers=signed())
    assert (failed.status_code, repeated.status_code, handled.ids) == (500, 204, ["one"])
    assert "database" not in failed.text


async def test_application_waits_for_handlers_when_it_stops(handled: Handled) -> None:
    router = webhook_router(receiver_of(handled), timeout=timedelta(seconds=0.05))
    handled.gate.clear()
    async with serve_app(app_of(router)) as url, httpx.AsyncClient() as browser:
        reply = await browser.post(f"{url}/webhooks", content=BODY, headers=signed())
        asyncio.get_running_loop().call_later(0.05, handled.gate.set)
    assert (reply.status_code, handled.ids) == (503, ["one"])


async def test_handler_that_outlives_the_application_is_cancelled_and_comes_again(
    handled: Handled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ev_energy.fastapi._webhooks._STOP_TIMEOUT", 0.05)
    store = MemoryInboxStore()
    router = webhook_router(receiver_of(handled, store), timeout=timedelta(seconds=0.05))
    handled.gate.clear()
    async with open_app(app_of(router)) as browser:
        await browser.post("/webhooks", content=BODY, headers=signed())
        assert len(store) == 1
    assert (len(store), handled.ids) == (0, [])


async def read_before(request: Request) -> None:
    assert await request.body() == BODY


class ReadingMiddleware(BaseHTTPMiddleware):
    """Reads the body before the route, as logging and auditing middleware does."""

    async def dispatch(self, request: Request, call_next: Any) -> Any:
        assert await request.body() == BODY
        return await call_next(request)


class ReplayingMiddleware:
    """Reads the body before the route, and passes it on in pieces."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        pieces = [body[:7], body[7:]]

        async def replay() -> Any:
            if not pieces:
                return await receive()
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

        await self.app(scope, replay, send)


@pytest.mark.parametrize("how", ["dependency", "base", "asgi", "all"])
async def test_middleware_that_reads_the_body_does_not_lose_it(handled: Handled, how: str) -> None:
    dependencies = [Depends(read_before)] if how in {"dependency", "all"} else []
    app = app_of(webhook_router(receiver_of(handled)), dependencies=dependencies)
    if how in {"base", "all"}:
        app.add_middleware(ReadingMiddleware)
    if how in {"asgi", "all"}:
        app.add_middleware(ReplayingMiddleware)
    async with serve_app(app) as url, httpx.AsyncClient() as browser:
        reply = await browser.post(f"{url}/webhooks", content=BODY, headers=signed())
    assert (reply.status_code, handled.ids) == (204, ["one"])


async def test_queue_is_answered_when_it_has_the_event() -> None:
    queue = MemoryEventQueue()
    async with open_app(app_of(webhook_router(WEBHOOK, queue=queue))) as browser:
        reply = await browser.post("/webhooks", content=BODY, headers=signed())
        refused = await browser.post("/webhooks", content=BODY)
    assert (reply.status_code, refused.status_code) == (204, 400)
    assert [event.type for event in await queue.take()] == ["odd.event"]


@pytest.mark.parametrize(
    ("error", "status"), [(EventQueueError("down"), 503), (OSError("disk"), 500)]
)
async def test_queue_that_fails_makes_the_sender_repeat(error: Exception, status: int) -> None:
    stored: list[Delivery] = []

    async def store(delivery: Delivery) -> None:
        if not stored:
            stored.append(delivery)
            raise error
        stored.append(delivery)

    async with open_app(app_of(webhook_router(WEBHOOK, queue=store))) as browser:
        failed = await browser.post("/webhooks", content=BODY, headers=signed())
        repeated = await browser.post("/webhooks", content=BODY, headers=signed())
    assert (failed.status_code, repeated.status_code) == (status, 204)
    assert [delivery.id for delivery in stored] == ["one", "one"]


def test_wrong_arguments_are_explained(handled: Handled) -> None:
    with pytest.raises(TypeError, match="or a queue besides the Webhook"):
        webhook_router(WEBHOOK)
    with pytest.raises(TypeError, match="pass the Webhook instead"):
        webhook_router(receiver_of(handled), queue=MemoryEventQueue())
    with pytest.raises(TypeError, match="must be a WebhookReceiver, not a str"):
        webhook_router(SECRET)
    with pytest.raises(ValueError, match="timeout must be positive"):
        webhook_router(receiver_of(handled), timeout=timedelta())


def test_openapi_has_one_operation_without_parameters(handled: Handled) -> None:
    app = app_of(webhook_router(receiver_of(handled)))
    (path,) = app.openapi()["paths"].values()
    assert {*path} == {"post"}
    assert {*path["post"]["responses"]} == {"204", "400", "408", "413", "500", "503"}
    assert "parameters" not in path["post"]
    assert "components" not in app.openapi()
