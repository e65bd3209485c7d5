"""Webhooks: verify a delivery, read its event, hand it to a handler, and handle it once.

`Webhook.verify` returns the event of a delivery whose signature is right. `EventRouter` calls the
handler of an event's type. `Inbox` remembers which deliveries were handled, since the sender may
repeat them; `WebhookReceiver` does all of that for a request, and says what to answer.
"""

from __future__ import annotations

from ev_energy.models import UnknownEvent
from ev_energy.webhooks._events import (
    ChargingSubSessionCreated,
    ChargingSubSessionEnded,
    Event,
    read,
)
from ev_energy.webhooks._inbox import ClaimState, Inbox, InboxOutcome, InboxStore, MemoryInboxStore
from ev_energy.webhooks._receiver import WebhookReceiver, WebhookResponse
from ev_energy.webhooks._router import EventRouter
from ev_energy.webhooks._signature import Delivery, Webhook

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
