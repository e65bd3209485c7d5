"""Webhooks for code without ``await``: `ev_energy.webhooks` with blocking handlers.

`EventRouter`, `Inbox` and `WebhookReceiver` are defined here; all else is that of
`ev_energy.webhooks`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from ev_energy._callbacks import is_async
from ev_energy.errors import ClientClosedError, InboxUnavailableError
from ev_energy.webhooks import (
    ChargingSubSessionCreated,
    ChargingSubSessionEnded,
    ClaimState,
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
from ev_energy.webhooks._receiver import (
    check_parts,
    response_to_error,
    response_to_outcome,
    verified,
)
from ev_energy.webhooks._router import HandlerRegistry
from ev_energy.webhooks._signature import Body, Headers
from ev_energy_sync._loop_thread import Portal

if TYPE_CHECKING:
    from ev_energy_sync import Client

__all__ = [
    "ChargingSubSessionCreated",
    "ChargingSubSessionEnded",
    "ClaimState",
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


T = TypeVar("T")


class EventRouter(HandlerRegistry[None]):
    """Calls the handler of an event's class.

        router = EventRouter(fallback=log_event)

        @router.on(ChargingSubSessionEnded)
        def bill(event: ChargingSubSessionEnded, delivery: Delivery) -> None: ...

        router.dispatch(event, delivery)

    Args:
        fallback: The handler of all events whose class has none: the API may send new types at any
            time, so there must be one.
    """

    _is_blocking = True

    def dispatch(self, event: Event, delivery: Delivery) -> None:
        """Call the handler of *event*, or the fallback. Its errors are raised unchanged."""
        _refuse_awaitable(self._handle(event, delivery))


class Inbox:
    """Handles each delivery once, however often and wherever it arrives.

    Any thread may use it. It renews leases in a thread of its own, which ends when the inbox is
    closed: close it once no handler runs any more, or use it in a ``with`` statement.

    Args:
        store: Where deliveries are remembered; see `ev_energy.webhooks.Inbox`.
        lease: How long a delivery of a process that died stays busy.
        keep: How long a delivery that is done is remembered.
        client: A client whose thread is used instead. Under gevent, which has one loop, this is
            necessary if handlers use that client.
    """

    def __init__(
        self,
        store: InboxStore | None = None,
        *,
        lease: timedelta = timedelta(seconds=30),
        keep: timedelta = timedelta(days=3),
        client: Client | None = None,
    ) -> None:
        self._aio = AsyncInbox(store, lease=lease, keep=keep)
        self._owns_portal = client is None
        self._portal = Portal(self._aio.aclose) if client is None else client._portal  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

    def __repr__(self) -> str:
        return repr(self._aio)

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
        if self._owns_portal:
            self._portal.stop()
        else:
            self._portal.call(self._aio.aclose())

    def process(self, delivery_id: str, handler: Callable[[], object]) -> InboxOutcome:
        """Call *handler* if the delivery is new, and mark it as done if that succeeds.

        An error of the handler is raised, and the delivery is new again. If the lease is lost while
        the handler runs, because this process was suspended or the store lost its data, the outcome
        is ``"busy"``, although the handler was not interrupted.

        Raises:
            InboxUnavailableError: The store is unreachable. If the handler has run, it will run
                again when the sender repeats the delivery.
        """
        if not callable(cast(object, handler)) or is_async(handler):
            raise TypeError(f"handler: expected a function that is not async, got {handler!r}")
        lease = self._call(self._aio.claim_lease(delivery_id))
        if not isinstance(lease, Lease):
            return "duplicate" if lease == "done" else "busy"
        try:
            _refuse_awaitable(handler())
        except BaseException:
            # If the inbox was closed meanwhile, the lease expires.
            with suppress(InboxUnavailableError):
                self._call(lease.release())
            raise
        return self._call(lease.complete())

    def _call(self, coro: Coroutine[Any, Any, T]) -> T:
        try:
            return self._portal.call(coro)
        except ClientClosedError:
            raise InboxUnavailableError("this inbox is closed") from None


class WebhookReceiver:
    """Verifies, claims and dispatches deliveries, in this order, and says what to answer.

    The statuses of its answers are those of `ev_energy.webhooks.WebhookReceiver`.

    Args:
        webhook: Verifies deliveries.
        router: Dispatches their events.
        inbox: Remembers which were handled.
    """

    def __init__(self, webhook: Webhook, router: EventRouter, inbox: Inbox) -> None:
        check_parts((webhook, Webhook), (router, EventRouter), (inbox, Inbox))
        self._webhook, self._router, self._inbox = webhook, router, inbox

    @property
    def inbox(self) -> Inbox:
        """The inbox that remembers deliveries."""
        return self._inbox

    def receive(self, body: Body, headers: Headers) -> WebhookResponse:
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


def _refuse_awaitable(result: object) -> None:
    """Raise `TypeError` if a handler returned a coroutine, which would never run."""
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise TypeError(
            f"the handler returned {type(result).__name__}, which a blocking caller does not "
            "await: use ev_energy.webhooks for async handlers"
        )
