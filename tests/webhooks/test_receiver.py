"""`WebhookReceiver`: from a request to its answer, over a socket and from the simulator."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from aiohttp import web

import ev_energy_sync
from ev_energy.errors import InboxUnavailableError
from ev_energy.simulator import Clock, Simulator
from ev_energy.webhooks import (
    Delivery,
    EventRouter,
    Inbox,
    Webhook,
    WebhookReceiver,
    WebhookResponse,
)
from tests.webhooks.test_events import CREATED, ENDED, delivery
from tests.webhooks.test_signature import OTHER, SECRET


@attrs.define
class Application:
    """An application with one handler, which may fail."""

    inbox: Inbox = attrs.field(factory=Inbox)
    handled: list[str] = attrs.field(factory=list[str])
    error: Exception | None = None
    webhook: Webhook = attrs.field(factory=lambda: Webhook(SECRET))
    receiver: WebhookReceiver = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        router = EventRouter(fallback=self.handle)
        self.receiver = WebhookReceiver(self.webhook, router, self.inbox)

    async def handle(self, event: Any, delivery: Delivery) -> None:
        if self.error is not None:
            raise self.error
        self.handled.append(delivery.id)

    async def receive(self, body: bytes, **options: Any) -> WebhookResponse:
        return await self.receiver.receive(body, self.webhook.sign(body, **options))


async def test_delivery_and_its_repetition_are_answered_with_success() -> None:
    app = Application()
    for delivery_id in ("msg_1", "msg_1", "msg_2"):
        assert await app.receive(delivery(ENDED), delivery_id=delivery_id) == WebhookResponse(204)
    assert app.handled == ["msg_1", "msg_2"]


async def test_error_of_a_handler_is_logged_and_answered_with_a_500(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Application()
    app.error = LookupError("no such customer")
    response = await app.receive(delivery(ENDED))
    assert (response.status, response.reason) == (500, "the handler failed")
    assert "the handler of charging_sub_session.ended msg_test failed" in caplog.text
    assert "no such customer" in caplog.text
    app.error = None
    assert (await app.receive(delivery(ENDED))).status == 204


async def test_forged_delivery_is_answered_with_a_400() -> None:
    app = Application()
    headers = Webhook(OTHER).sign(delivery(ENDED))
    response = await app.receiver.receive(delivery(ENDED), headers)
    assert (response.status, response.headers) == (400, {})
    assert "not signed with a secret of this endpoint" in response.reason
    assert app.handled == []


async def test_unreadable_event_ends_its_repetition() -> None:
    response = await Application().receive(b"[]")
    assert (response.status, response.headers) == (400, {"webhook-delivery": "abort-message"})


async def test_deviation_is_an_error_that_the_sender_repeats(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Application(webhook=Webhook(SECRET, strict=True))
    response = await app.receive(delivery(ENDED, new_member=1))
    assert (response.status, response.headers) == (500, {})
    assert "an event deviates from its model" in caplog.text
    assert app.handled == []


async def test_text_of_the_sender_is_one_printable_line_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Application()
    app.error = LookupError("no")
    response = await app.receive(delivery("x\nERROR forged"), delivery_id="msg\u202e1")
    assert response.status == 500
    assert "\nERROR forged" not in caplog.messages[-1]
    assert "\u202e" not in caplog.messages[-1]


def test_parts_of_the_blocking_package_are_refused() -> None:
    webhook, inbox = Webhook(SECRET), Inbox()
    router = EventRouter(fallback=Application().handle)
    blocking: Any = ev_energy_sync.webhooks
    other = blocking.EventRouter(fallback=print)
    message = r"expected ev_energy.webhooks.EventRouter, got ev_energy_sync.webhooks.Event"
    with pytest.raises(TypeError, match=message):
        WebhookReceiver(webhook, other, inbox)
    with pytest.raises(TypeError, match="expected ev_energy_sync.webhooks.Inbox, got ev_energy"):
        blocking.WebhookReceiver(webhook, other, inbox)
    with pytest.raises(TypeError, match="expected ev_energy.webhooks.Webhook"):
        WebhookReceiver(SECRET, router, inbox)  # type: ignore[arg-type]


async def test_unreachable_inbox_is_answered_with_a_503() -> None:
    class Unreachable:
        async def claim(self, *_: Any) -> Any:
            raise InboxUnavailableError("no connection")

    app = Application(inbox=Inbox(Unreachable()))  # type: ignore[arg-type]  # it has one method
    response = await app.receive(delivery(ENDED))
    assert (response.status, response.headers) == (503, {"Retry-After": "30"})


async def test_delivery_that_is_handled_meanwhile_is_answered_with_a_503() -> None:
    app = Application()
    answers: list[WebhookResponse] = []

    async def deliver_again(event: Any, received: Delivery) -> None:
        answers.append(await app.receive(received.body, delivery_id=received.id))

    router = EventRouter(fallback=deliver_again)
    app.receiver = WebhookReceiver(app.webhook, router, app.inbox)
    assert (await app.receive(delivery(ENDED))).status == 204
    assert [answer.status for answer in answers] == [503]
    assert (await app.receive(delivery(ENDED))).status == 204
    assert len(answers) == 1


async def test_parsed_body_is_a_type_error() -> None:
    app = Application()
    body: Any = json.loads(delivery(CREATED))
    with pytest.raises(TypeError, match="body: expected the bytes of the request"):
        await app.receiver.receive(body, app.webhook.sign(delivery(CREATED)))


async def test_every_event_of_the_simulator_is_handled_once_in_spite_of_faults(
    serve: Callable[[Any], Awaitable[Any]],
) -> None:
    handled: Counter[str] = Counter()
    attempts: Counter[str] = Counter()
    is_failing = True

    async def handle(_: Any, delivery: Delivery) -> None:
        attempts[delivery.id] += 1
        if is_failing and attempts[delivery.id] == 1 and len(attempts) % 3 == 0:
            raise RuntimeError("fails at first")
        handled[delivery.id] += 1

    async def answer(request: web.Request) -> web.Response:
        response = await receiver.receive(await request.read(), request.headers)
        return web.Response(status=response.status, headers=response.headers)

    server = await serve(answer)
    async with Simulator(vehicles=10, clock=Clock(speed=0)) as simulator:
        endpoint = simulator.webhooks.add(server.url)
        receiver = WebhookReceiver(Webhook(endpoint.secret), EventRouter(fallback=handle), Inbox())
        simulator.webhooks.duplicate(20)
        simulator.webhooks.corrupt_signature(2)
        for is_failing in (True, True, True, True, False, False):  # noqa: B007  (handlers read it)
            simulator.clock.advance(hours=8)
            await simulator.webhooks.settled()
        sent = Counter(one.message_id for one in simulator.webhooks.deliveries)
    assert len(sent) > 20
    assert max(sent.values()) > 1
    assert max(attempts.values()) == 2
    assert handled == dict.fromkeys(sent, 1)


async def test_old_delivery_is_answered_with_a_400() -> None:
    app = Application()
    response = await app.receive(delivery(ENDED), sent_at=datetime.now(UTC) - timedelta(hours=1))
    assert (response.status, response.headers) == (400, {})
    assert "the delivery is signed, but 36" in response.reason
    assert app.handled == []
