"""From a request to its answer: verify a delivery, claim it, dispatch its event."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any, Final

import attrs

from ev_energy._redaction.scrub import printable
from ev_energy._runtime.log_fields import log_fields
from ev_energy.errors import InboxUnavailableError, UnreadableEventError, WebhookError
from ev_energy.webhooks._inbox import Inbox, InboxOutcome
from ev_energy.webhooks._router import EventRouter
from ev_energy.webhooks._signature import Body, Delivery, Headers, Webhook

_log: Final = logging.getLogger("ev_energy.webhooks")

#: Makes Svix end the attempts to deliver a message.
_ABORT: Final = {"webhook-delivery": "abort-message"}


@attrs.frozen
class WebhookResponse:
    """What to answer to the sender of a delivery. Any other status than 2xx makes it try again."""

    status: int
    """The HTTP status."""
    headers: dict[str, str] = attrs.field(factory=dict[str, str])
    """The headers of the answer; usually none."""
    reason: str = ""
    """Why the delivery was not handled; free of secrets and of its content."""


class WebhookReceiver:
    """Verifies, claims and dispatches deliveries, in this order, and says what to answer.

        receiver = WebhookReceiver(Webhook(secret), router, Inbox(RedisInboxStore(url)))
        response = await receiver.receive(await request.body(), request.headers)

    ======  ========================================================================================
    status  meaning
    ======  ========================================================================================
    204     the handler of the event succeeded, now or before
    400     not signed with a secret of this endpoint, too old, or from the future
    400     signed but not a valid event; ``webhook-delivery: abort-message`` ends its repetition
    500     the handler failed, or the event deviates from its model and the webhook is strict;
            the error is logged to ``ev_energy.webhooks``
    503     another handler of the same delivery is running, or the inbox is unreachable
    ======  ========================================================================================

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

    async def receive(self, body: Body, headers: Headers) -> WebhookResponse:
        """Return what to answer to a request with this body and these headers.

        Raises:
            TypeError: The body is text or was parsed.
        """
        delivery = verified(self._webhook, body, headers)
        if isinstance(delivery, WebhookResponse):
            return delivery
        try:
            outcome = await self._inbox.process(
                delivery.id, lambda: self._router.dispatch(delivery.event, delivery)
            )
        except Exception as error:  # noqa: BLE001  (it is logged, and the sender repeats)
            return response_to_error(error, delivery)
        return response_to_outcome(outcome)


def check_parts(*parts: tuple[object, type[Any]]) -> None:
    """Raise `TypeError` for a part of another class, such as the blocking twin of the right one."""
    for part, cls in parts:
        if not isinstance(part, cls):
            raise TypeError(f"expected {_public_name(cls)}, got {_public_name(type(part))}")


def _public_name(cls: type[object]) -> str:
    """Return the name of *cls* in the package that exports it, which tells the twins apart."""
    return f"{cls.__module__.partition('._')[0]}.{cls.__qualname__}".removeprefix("builtins.")


def verified(webhook: Webhook, body: Body, headers: Headers) -> Delivery | WebhookResponse:
    """Return a verified delivery, or the answer to one that is refused."""
    try:
        return webhook.receive(body, headers)
    except UnreadableEventError as error:
        if error.is_deviation:
            _log.error(
                "an event deviates from its model: %s", error, extra=log_fields("delivery_deviates")
            )
            reason = "the event deviates from its model"
            return WebhookResponse(HTTPStatus.INTERNAL_SERVER_ERROR, reason=reason)
        _log.warning(
            "a signed delivery is not a valid event: %s",
            error,
            extra=log_fields("delivery_unreadable"),
        )
        return WebhookResponse(HTTPStatus.BAD_REQUEST, dict(_ABORT), "not a valid event")
    except WebhookError as error:
        _log.warning(
            "a delivery was refused: %s",
            error,
            extra=log_fields("delivery_refused", error=type(error).__name__),
        )
        return WebhookResponse(HTTPStatus.BAD_REQUEST, reason=str(error))


def response_to_outcome(outcome: InboxOutcome) -> WebhookResponse:
    """Return the answer to a delivery that was handled or need not be, or is busy."""
    if outcome == "busy":
        return _unavailable("this delivery is being handled")
    return WebhookResponse(HTTPStatus.NO_CONTENT)


def response_to_error(error: Exception, delivery: Delivery) -> WebhookResponse:
    """Log an error of a handler or an inbox, and return the answer to its delivery."""
    if isinstance(error, InboxUnavailableError):
        _log.warning("the inbox is unreachable: %s", error, extra=log_fields("inbox_unreachable"))
        return _unavailable("the inbox is unreachable")
    event_type, delivery_id = printable(str(delivery.event.type)), printable(delivery.id)
    _log.error(
        "the handler of %s %s failed",
        event_type,
        delivery_id,
        exc_info=error,
        extra=log_fields(
            "handler_failed", type=event_type, delivery=delivery_id, error=type(error).__name__
        ),
    )
    return WebhookResponse(HTTPStatus.INTERNAL_SERVER_ERROR, reason="the handler failed")


def _unavailable(reason: str) -> WebhookResponse:
    return WebhookResponse(HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "30"}, reason)
