"""Webhooks for code without ``await``: `ev_energy.webhooks` with blocking handlers.

`EventRouter`, `Inbox` and `WebhookReceiver` are defined here; all else is that of
`ev_energy.webhooks`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Self

from ev_energy.webhooks import (
    ChargingSubSessionCreated,
    ChargingSubSessionEnded,
    Delivery,
    Event,
    InboxOutcome,
    InboxStore,
    MemoryInboxStore,
    UnknownEvent,
    Webhook,
    WebhookResponse,
    read,
)
from ev_energy.webhooks import Inbox as AsyncInbox
from ev_energy.webhooks._inbox import Lease
from ev_energy.webhooks._receiver import response_to_error, response_to_outcome, verified
from ev_energy.webhooks._router import HandlerRegistry
from ev_energy.webhooks._signature import Headers
from ev_energy_sync._loop_thread import Portal

__all__ = [
    "ChargingSubSessionCreated",
    "ChargingSubSessionEnded",
    "Delivery",
    "Event",
    "EventRouter",
    "Inbox",
    "InboxOutcome",
    "InboxStore",
    "MemoryInboxStore",
    "UnknownEvent",
    "Webhook",
    "WebhookReceiver",
    "WebhookResponse",
    "read",
]


class EventRouter(HandlerRegistry[None]):
    """Calls the handler of an event's class.

    ::

        router = EventRouter(fallback=log_event)

        @router.on(ChargingSubSessionEnded)
        def bill(event: ChargingSubSessionEnded, delivery: Delivery) -> None: ...

        router.dispatch(event, delivery)

    Args:
        fallback: The handler of all events whose class has none: the API may send new types at any
            time, so there must be one.
    """

    def dispatch(self, event: Event, delivery: Delivery) -> None:
        """Call the handler of *event*, or the fallback. Its errors are raised unchanged."""
        self._handle(event, delivery)


class Inbox:
    """Handles each delivery once, however often and wherever it arrives.

    Any thread may use it. It renews leases in a thread of its own, which ends when the inbox is
    closed: close it, or use it in a ``with`` statement. The arguments are those of
    `ev_energy.webhooks.Inbox`.
    """

    def __init__(
        self,
        store: InboxStore | None = None,
        *,
        lease: timedelta = timedelta(seconds=30),
        keep: timedelta = timedelta(days=3),
    ) -> None:
        self._aio = AsyncInbox(store, lease=lease, keep=keep)
        self._portal = Portal(self._aio.aclose)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the thread of this inbox and the connections that its store opened for it."""
        self._portal.stop()

    def process(self, delivery_id: str, handler: Callable[[], object]) -> InboxOutcome:
        """Call *handler* if the delivery is new, and mark it as done if that succeeds.

        An error of the handler is raised, and the delivery is new again. If the lease is lost while
        the handler runs, because this process was suspended or the store lost its data, the outcome
        is ``"busy"``, although the handler was not interrupted.

        Raises:
            InboxUnavailableError: The store is unreachable. If the handler has run, it will run
                again when the sender repeats the delivery.
        """
        lease = self._portal.call(self._aio.claim(delivery_id))
        if not isinstance(lease, Lease):
            return "duplicate" if lease == "done" else "busy"
        try:
            handler()
        except BaseException:
            self._portal.call(lease.release())
            raise
        return self._portal.call(lease.complete())


class WebhookReceiver:
    """Verifies, claims and dispatches deliveries, in this order, and says what to answer.

    The statuses of its answers are those of `ev_energy.webhooks.WebhookReceiver`.

    Args:
        webhook: Verifies deliveries.
        router: Dispatches their events.
        inbox: Remembers which were handled.
    """

    def __init__(self, webhook: Webhook, router: EventRouter, inbox: Inbox) -> None:
        self._webhook, self._router, self._inbox = webhook, router, inbox

    def receive(self, body: bytes, headers: Headers) -> WebhookResponse:
        """Return what to answer to a request with this body and these headers.

        Raises:
            TypeError: The body is text or was parsed.
        """
        delivery = verified(self._webhook, body, headers)
        if isinstance(delivery, WebhookResponse):
            return delivery
        try:
            outcome = self._inbox.process(
                delivery.id, lambda: self._router.dispatch(delivery.event, delivery)
            )
        except Exception as error:  # noqa: BLE001  (it is logged, and the sender repeats)
            return response_to_error(error, delivery)
        return response_to_outcome(outcome)
