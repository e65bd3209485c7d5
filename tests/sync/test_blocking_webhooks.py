"""`ev_energy_sync.webhooks`: blocking handlers, leases that are renewed in the background."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from ev_energy.errors import InboxUnavailableError
from ev_energy.redis import RedisInboxStore
from ev_energy_sync import Client, webhooks
from ev_energy_sync.webhooks import ChargingSubSessionEnded, Delivery, EventRouter, Inbox, Webhook
from tests.webhooks.test_events import CREATED, ENDED, delivery
from tests.webhooks.test_signature import OTHER, SECRET


@pytest.fixture(params=["memory", "redis"])
def inbox(request: pytest.FixtureRequest) -> Iterator[Inbox]:
    store = None
    if request.param == "redis":
        redis = request.getfixturevalue("shared_redis")
        store = RedisInboxStore(redis.url, prefix=request.getfixturevalue("prefix"))
    with Inbox(store, lease=timedelta(seconds=0.3)) as opened:
        yield opened


def test_names_are_those_of_the_async_package() -> None:
    from ev_energy import webhooks as aio

    assert webhooks.__all__ == aio.__all__
    own = {"EventRouter", "Inbox", "WebhookReceiver"}
    for name in aio.__all__:
        assert (getattr(webhooks, name) is getattr(aio, name)) is (name not in own)


def test_delivery_is_handled_once(inbox: Inbox) -> None:
    runs: list[str] = []
    assert inbox.process("msg_1", lambda: runs.append("first")) == "handled"
    assert inbox.process("msg_1", lambda: runs.append("second")) == "duplicate"
    assert runs == ["first"]


def test_delivery_of_a_failed_handler_is_new_again(inbox: Inbox) -> None:
    with pytest.raises(ZeroDivisionError):
        inbox.process("msg_1", lambda: 1 / 0)
    assert inbox.process("msg_1", lambda: None) == "handled"


def test_delivery_stays_busy_while_a_handler_blocks(inbox: Inbox) -> None:
    started, may_end = threading.Event(), threading.Event()
    outcomes: list[str] = []

    def block() -> None:
        started.set()
        may_end.wait(10)

    thread = threading.Thread(target=lambda: outcomes.append(inbox.process("msg_1", block)))
    thread.start()
    started.wait(10)
    # The lease of 0.3 seconds is renewed although the handler's thread is blocked.
    for _ in range(4):
        assert inbox.process("msg_1", lambda: None) == "busy"
        may_end.wait(0.15)
    may_end.set()
    thread.join(10)
    assert outcomes == ["handled"]
    assert inbox.process("msg_1", lambda: None) == "duplicate"


def test_router_dispatches_to_blocking_handlers() -> None:
    calls: list[Any] = []
    router = EventRouter(fallback=lambda event, _: calls.append(("fallback", event.type)))

    @router.on(ChargingSubSessionEnded)
    def bill(event: ChargingSubSessionEnded, delivery: Delivery) -> None:
        calls.append((delivery.id, event.type))

    webhook = Webhook(SECRET)
    for type_ in (ENDED, CREATED):
        body = delivery(type_)
        received = webhook.receive(body, webhook.sign(body, delivery_id="msg_1"))
        router.dispatch(received.event, received)
    assert calls == [("msg_1", ENDED), ("fallback", CREATED)]


def test_receiver_says_what_to_answer(inbox: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    handled: list[str] = []

    def handle(_: Any, received: Delivery) -> None:
        if received.id == "msg_bad":
            raise LookupError(received.id)
        handled.append(received.id)

    webhook = Webhook(SECRET)
    receiver = webhooks.WebhookReceiver(webhook, EventRouter(fallback=handle), inbox)
    body = delivery(ENDED)

    def status(*, signer: Webhook = webhook, content: bytes = body, delivery_id: str) -> int:
        return receiver.receive(content, signer.sign(content, delivery_id=delivery_id)).status

    assert [status(delivery_id="msg_1"), status(delivery_id="msg_1")] == [204, 204]
    assert status(delivery_id="msg_bad") == 500
    assert status(signer=Webhook(OTHER), delivery_id="msg_2") == 400
    assert status(content=b"[]", delivery_id="msg_3") == 400
    assert handled == ["msg_1"]
    assert "the handler of charging_sub_session.ended msg_bad failed" in caplog.text


async def nothing(*_: Any) -> None:
    pass


def test_async_handlers_are_refused(inbox: Inbox) -> None:
    with pytest.raises(TypeError, match="fallback: .* is async"):
        EventRouter(fallback=nothing)  # type: ignore[arg-type]
    router = EventRouter(fallback=lambda event, _: nothing())  # type: ignore[arg-type,return-value]
    with pytest.raises(TypeError, match="handler: .* is async"):
        router.on(ChargingSubSessionEnded)(nothing)  # type: ignore[arg-type]
    body, webhook = delivery(ENDED), Webhook(SECRET)
    received = webhook.receive(body, webhook.sign(body))
    with pytest.raises(TypeError, match="returned coroutine, which a blocking caller does not"):
        router.dispatch(received.event, received)
    with pytest.raises(TypeError, match="handler: expected a function that is not async"):
        inbox.process("msg_1", nothing)
    with pytest.raises(TypeError, match="returned coroutine"):
        inbox.process("msg_1", lambda: nothing("later"))
    assert inbox.process("msg_1", lambda: None) == "handled"


def test_closed_inbox_is_unavailable() -> None:
    inbox = Inbox()
    with pytest.raises(ZeroDivisionError):
        inbox.process("msg_1", lambda: (inbox.close(), 1 / 0))
    with pytest.raises(InboxUnavailableError, match="this inbox is closed"):
        inbox.process("msg_2", lambda: None)


def test_inbox_uses_the_thread_of_a_client() -> None:
    before = set(threading.enumerate())
    with Client("a-token", base_url="http://127.0.0.1:9") as client, Inbox(client=client) as inbox:
        assert inbox.process("msg_1", lambda: None) == "handled"
        assert len(set(threading.enumerate()) - before) == 1
        inbox.close()
        assert inbox.process("msg_1", lambda: None) == "duplicate"
    assert set(threading.enumerate()) <= before
