"""A queue of webhook events in Redis, for processes on several machines."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

from ev_energy._changes.queues import DEFAULT_SIZE, WebhookEvent, checked_event, checked_size
from ev_energy._changes.stores import checked_name
from ev_energy.budget._redis.connection import RedisClient, RedisUnavailable
from ev_energy.budget._redis.script import Script
from ev_energy.budget._redis.store import RedisStore
from ev_energy.errors import EventQueueError
from ev_energy.models._json import json_object
from ev_energy.models.webhook_events import (
    ChargingSubSessionCreatedWebhook,
    ChargingSubSessionEndedWebhook,
    UnknownEvent,
)

#: Seconds between two attempts to reach Redis during an outage, at most.
_MAX_BACKOFF: Final = 5.0
#: The number of events that one call takes.
_MAX_TAKEN: Final = 1000

# `Connection` repeats a command whose reply was lost. An event that is added twice is recognised,
# and one that is taken by a reply that was lost costs freshness only.

#: KEYS: the queue. ARGV: the event, the number of events to keep.
_PUT: Final = Script("""
redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('LTRIM', KEYS[1], -tonumber(ARGV[2]), -1)
return 1
""")

#: KEYS: the queue. ARGV: the number of events to take.
_TAKE: Final = Script("""
local events = redis.call('LRANGE', KEYS[1], 0, tonumber(ARGV[1]) - 1)
redis.call('LTRIM', KEYS[1], tonumber(ARGV[1]), -1)
return events
""")

_CLASSES: Final[Mapping[str, type[WebhookEvent]]] = {
    "charging_sub_session.created": ChargingSubSessionCreatedWebhook,
    "charging_sub_session.ended": ChargingSubSessionEndedWebhook,
}


class RedisEventQueue(RedisStore):
    """A queue of webhook events in Redis, for processes on several machines.

    Both methods raise `EventQueueError` while Redis does not answer.

    Args:
        redis: A URL, for which each event loop of each process creates its own client; or a client
            of ``redis.asyncio``, which serves one event loop and is not closed by the queue.
        name: The name of the stream that takes the events.
        size: The number of events that it keeps. More of them replace the oldest.
        timeout: Seconds to wait for a reply of Redis. If a connection that worked before does not
            reply in time, or its server is no longer the primary, the command is sent once more
            over a new connection.
        prefix: The prefix of its key in Redis.
    """

    def __init__(
        self,
        redis: RedisClient | str,
        name: str,
        *,
        size: int = DEFAULT_SIZE,
        timeout: float = 2.0,
        prefix: str = "ev-energy",
    ) -> None:
        tag = quote(checked_name(name), safe=":@")
        self._key, self._size = f"{prefix}:events:{{{tag}}}", checked_size(size)
        super().__init__(redis, timeout, max_backoff=_MAX_BACKOFF)

    async def put(self, event: WebhookEvent) -> None:
        """Add *event*."""
        text = msgspec.json.encode(checked_event(event).to_dict())
        await self._run("add to", self._connection.run(_PUT, 1, self._key, text, self._size))

    async def take(self) -> list[WebhookEvent]:
        """Remove and return the events, in the order in which they were added; at most 1,000."""
        texts = await self._run("take from", self._connection.run(_TAKE, 1, self._key, _MAX_TAKEN))
        events: list[WebhookEvent] = []
        for text in texts:
            body = text if isinstance(text, bytes) else str(text).encode()
            data = json_object(body)
            if data is None:
                raise EventQueueError(
                    f"the Redis key {self._key!r} holds other things than events: delete the key"
                )
            events.append(_CLASSES.get(str(data.get("type")), UnknownEvent).from_dict(data))
        return events

    async def _run(self, action: str, command: Awaitable[Any]) -> Any:
        try:
            return await command
        except RedisUnavailable as error:
            raise EventQueueError(
                f"cannot {action} the queue of events in the Redis key {self._key!r}: {error}"
            ) from error
