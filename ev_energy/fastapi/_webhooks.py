"""A route that receives webhooks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final, TypeAlias, cast

import attrs
from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ev_energy._arguments import describe_type, require_duration
from ev_energy._changes.queues import EventQueue
from ev_energy._runtime.clocks import REAL
from ev_energy._runtime.log_fields import log_fields
from ev_energy.errors import EventQueueError, InboxUnavailableError
from ev_energy.models._json import MAX_DOCUMENT_BYTES
from ev_energy.webhooks import Delivery, Inbox, Webhook, WebhookReceiver, WebhookResponse
from ev_energy.webhooks._receiver import response_to_error, verified
from ev_energy.webhooks._signature import Headers

#: Stores a verified delivery, in a database for example, to be handled later.
DeliveryStore: TypeAlias = Callable[[Delivery], Awaitable[object]]
_Receive: TypeAlias = Callable[[bytes, Headers], Awaitable[WebhookResponse]]

_log: Final = logging.getLogger("ev_energy.fastapi")

#: Seconds that handlers get to finish when the application stops.
_STOP_TIMEOUT: Final = 5.0
#: Deliveries that are handled at once; more of them have to come again.
_MAX_RUNNING: Final = 1000
#: Digits of the length of the largest body.
_MAX_DIGITS: Final = len(str(MAX_DOCUMENT_BYTES))
_CLOSE: Final = {"Connection": "close"}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "Not signed, too old, or not an event"},
    408: {"description": "The body did not arrive in time"},
    413: {"description": "The body is larger than a mebibyte"},
    500: {"description": "The handler failed: repeat the delivery"},
    503: {"description": "Not handled yet: repeat the delivery"},
}


@attrs.frozen(kw_only=True)
class WebhookStatus:
    """What a `WebhookRouter` is doing in this process."""

    running: int
    """The number of deliveries that are being handled."""
    lag: timedelta | None
    """How long ago the oldest of them was received; None if there are none."""
    late: int
    """The number of deliveries so far that were answered before their handler had finished."""


class WebhookRouter(APIRouter):
    """The router that `webhook_router` makes.

    When the application stops, it waits for running handlers, and closes the connections of the
    inbox.
    """

    def __init__(
        self,
        receive: _Receive,
        path: str,
        timeout: float,
        monotonic: Callable[[], float],
        inbox: Inbox | None = None,
    ) -> None:
        super().__init__(lifespan=self._lifespan)
        self._receive, self._timeout, self._monotonic = receive, timeout, monotonic
        self._inbox = inbox
        self._running: dict[asyncio.Task[WebhookResponse], float] = {}
        self._late = 0
        self._needs_lifespan = True
        self.add_api_route(
            path,
            self._endpoint,
            methods=["POST"],
            status_code=HTTPStatus.NO_CONTENT,
            response_class=Response,
            responses=_RESPONSES,
            response_description="Handled",
            summary="Receive a webhook of ev.energy",
            name="ev_energy_webhook",
        )

    def status(self) -> WebhookStatus:
        """Return what this router is doing."""
        oldest = min(self._running.values(), default=None)
        lag = None if oldest is None else timedelta(seconds=self._monotonic() - oldest)
        return WebhookStatus(running=len(self._running), lag=lag, late=self._late)

    async def _endpoint(self, request: Request) -> Response:
        received = self._monotonic()
        self._warn_without_lifespan()
        try:
            async with asyncio.timeout(self._timeout):
                body = await _read_body(request)
        except TimeoutError:
            _log.warning(
                "the body of a webhook did not arrive within %g s: if this happens to all, look "
                "for a middleware that reads the body and does not pass it on",
                self._timeout,
                extra=log_fields("webhook_body_timeout", wait=self._timeout),
            )
            return Response(status_code=HTTPStatus.REQUEST_TIMEOUT, headers=_CLOSE)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        if body is None:
            return Response(status_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, headers=_CLOSE)
        return _response(await self._handle(body, request.headers, received))

    def _warn_without_lifespan(self) -> None:
        """Log a warning once if the lifespan of this router has never run."""
        if self._needs_lifespan:
            self._needs_lifespan = False
            _log.warning(
                "the lifespan of the webhook router does not run, so that handlers are lost when "
                "the application stops: servers run that of the outermost application only, so "
                "include the router there, and in tests use `with TestClient(app)`",
                extra=log_fields("webhook_lifespan_missing"),
            )

    async def _handle(self, body: bytes, headers: Headers, received: float) -> WebhookResponse:
        if len(self._running) >= _MAX_RUNNING:
            return _unavailable("too many deliveries are being handled")
        # A task of its own: it must finish although the sender hangs up or gets no answer in time.
        task = asyncio.ensure_future(self._receive(body, headers))
        self._running[task] = received
        task.add_done_callback(self._forget)
        remaining = self._timeout - (self._monotonic() - received)
        await asyncio.wait({task}, timeout=max(remaining, 0.0))
        if not task.done():
            self._late += 1
            _log.warning(
                "a webhook is answered with 503: its handler needs too long",
                extra=log_fields("handler_slow", status=HTTPStatus.SERVICE_UNAVAILABLE.value),
            )
            return _unavailable("the handler has not finished yet")
        if task.cancelled():
            return _unavailable("the handler was cancelled")
        return task.result()

    def _forget(self, task: asyncio.Task[WebhookResponse]) -> None:
        del self._running[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error(
                "receiving a webhook failed",
                exc_info=error,
                extra=log_fields("webhook_failed", error=type(error).__name__),
            )

    @asynccontextmanager
    async def _lifespan(self, app: object) -> AsyncGenerator[None]:  # noqa: ARG002
        self._needs_lifespan = False
        yield
        if running := set(self._running):
            await asyncio.wait(running, timeout=_STOP_TIMEOUT)
        for task in (cancelled := set(self._running)):
            task.cancel()
        if cancelled:  # their deliveries are new again
            await asyncio.wait(cancelled, timeout=_STOP_TIMEOUT)
        if self._inbox is not None:
            await self._inbox.aclose()


def webhook_router(
    receiver: WebhookReceiver | Webhook,
    *,
    queue: EventQueue | DeliveryStore | None = None,
    path: str = "",
    timeout: timedelta = timedelta(seconds=12),
    monotonic: Callable[[], float] = REAL.monotonic,
) -> WebhookRouter:
    """Return a router with one route, ``POST``, that receives webhooks.

        receiver = WebhookReceiver(Webhook(secret), events, Inbox(RedisInboxStore(url)))
        app.include_router(webhook_router(receiver), prefix="/webhooks")

    With a `WebhookReceiver`, a delivery is answered with success after its handler has succeeded.
    A handler that needs longer than *timeout* goes on while the sender is answered with 503; the
    sender comes again, and then finds the delivery done.

    With a `Webhook` and a *queue*, a delivery is answered with success as soon as the queue has it.
    The queue gets each delivery at least once: let it recognise repetitions by the delivery's id.

    Args:
        receiver: What deliveries are passed to, or what verifies them.
        queue: An `EventQueue`, or a coroutine function that stores a `Delivery`.
        path: The path of the route, after the prefix of ``include_router``.
        timeout: The time in which every delivery is answered. Svix waits for 15 seconds.
        monotonic: Returns seconds that never go back.

    Raises:
        TypeError: There is a queue besides a receiver, or only a `Webhook`.
        ValueError: The timeout is not positive.
    """
    seconds = require_duration("timeout", timeout).total_seconds()
    if isinstance(receiver, WebhookReceiver):
        if queue is not None:
            raise TypeError("queue: pass the Webhook instead of a WebhookReceiver")
        return WebhookRouter(receiver.receive, path, seconds, monotonic, receiver.inbox)
    if not isinstance(cast("object", receiver), Webhook):
        raise TypeError(f"receiver must be a WebhookReceiver, not {describe_type(receiver)}")
    if queue is None:
        raise TypeError("receiver: pass a WebhookReceiver, or a queue besides the Webhook")
    if not callable(queue) and not hasattr(cast("object", queue), "put"):
        raise TypeError(
            f"queue must be an EventQueue or a coroutine function, not {describe_type(queue)}"
        )
    return WebhookRouter(_queueing(receiver, queue), path, seconds, monotonic)


def _queueing(webhook: Webhook, queue: EventQueue | DeliveryStore) -> _Receive:
    """Return a function that verifies a delivery, and answers it when *queue* has it."""
    store: DeliveryStore
    if callable(queue):
        store = queue
    else:
        events = queue
        store = lambda delivery: events.put(delivery.event)  # noqa: E731  (of two kinds of queues)

    async def receive(body: bytes, headers: Headers) -> WebhookResponse:
        delivery = verified(webhook, body, headers)
        if isinstance(delivery, WebhookResponse):
            return delivery
        try:
            await store(delivery)
        except (EventQueueError, InboxUnavailableError) as error:
            _log.warning(
                "a webhook was not queued: %s",
                error,
                extra=log_fields("webhook_not_queued", error=type(error).__name__),
            )
            return _unavailable("the queue is unreachable")
        except Exception as error:  # noqa: BLE001  (it is logged, and the sender repeats)
            return response_to_error(error, delivery)
        return WebhookResponse(HTTPStatus.NO_CONTENT)

    return receive


async def _read_body(request: Request) -> bytes | None:
    """Return the body of *request* as it was received; None if it is too large.

    A middleware that has read the body and passes it on changes nothing: it is read from the
    request, whichever way that has it.
    """
    length = request.headers.get("content-length", "").lstrip("0")
    # Python refuses to convert thousands of digits.
    if length.isdecimal() and (len(length) > _MAX_DIGITS or int(length) > MAX_DOCUMENT_BYTES):
        return None
    body = bytearray()
    async for piece in request.stream():
        if len(body) + len(piece) > MAX_DOCUMENT_BYTES:
            return None
        body += piece
    return bytes(body)


def _unavailable(reason: str) -> WebhookResponse:
    return WebhookResponse(HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "30"}, reason)


def _response(answer: WebhookResponse) -> Response:
    # Svix shows the text to the owner of the endpoint.
    return Response(answer.reason, answer.status, answer.headers, media_type="text/plain")
