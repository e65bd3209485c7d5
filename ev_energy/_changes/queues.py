"""Queues that take events of webhooks from the processes that receive them to the stream."""

from __future__ import annotations

from collections import deque
from typing import Protocol, TypeAlias

from ev_energy._arguments import describe_type
from ev_energy.models.webhook_events import (
    ChargingSubSessionCreatedWebhook,
    ChargingSubSessionEndedWebhook,
    UnknownEvent,
)

#: An event of a webhook, as `ev_energy.webhooks` returns it.
WebhookEvent: TypeAlias = (
    ChargingSubSessionCreatedWebhook | ChargingSubSessionEndedWebhook | UnknownEvent
)
#: The number of events that a queue keeps by default. More of them replace the oldest.
DEFAULT_SIZE = 10_000


class EventQueue(Protocol):
    """A queue of events. Any class with these two methods can be one.

    It need not be reliable: an event that is lost costs freshness, and one that comes twice
    nothing.
    """

    async def put(self, event: WebhookEvent) -> None:
        """Add *event*."""
        ...

    async def take(self) -> list[WebhookEvent]:
        """Remove and return the events, in the order in which they were added."""
        ...


class MemoryEventQueue:
    """A queue in memory, for threads and event loops of one process.

    Args:
        size: The number of events that it keeps. More of them replace the oldest.
    """

    def __init__(self, size: int = DEFAULT_SIZE) -> None:
        self._events: deque[WebhookEvent] = deque(maxlen=checked_size(size))

    async def put(self, event: WebhookEvent) -> None:
        """Add *event*."""
        self._events.append(checked_event(event))

    async def take(self) -> list[WebhookEvent]:
        """Remove and return the events, in the order in which they were added."""
        events: list[WebhookEvent] = []
        while True:
            try:
                events.append(self._events.popleft())
            except IndexError:
                return events


def checked_size(size: int) -> int:
    """Return *size*, or raise `ValueError` if it is less than 1."""
    if size < 1:
        raise ValueError(f"size must be 1 or more, not {size}")
    return size


def checked_event(event: object) -> WebhookEvent:
    """Return *event*, or raise `TypeError` if it is not an event of a webhook."""
    if isinstance(event, WebhookEvent):
        return event
    raise TypeError(
        f"event must be an event of ev_energy.webhooks, not {describe_type(event)}; "
        "webhooks.read(body) returns the event of a delivery"
    )
