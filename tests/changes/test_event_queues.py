"""Queues that take events from the processes that receive webhooks to the one with the stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ev_energy.changes import EventQueue, MemoryEventQueue, WebhookEvent
from ev_energy.errors import EventQueueError
from ev_energy.models import UnknownEvent
from ev_energy.models.webhook_events import (
    ChargingSubSessionCreatedWebhook,
    ChargingSubSessionEndedWebhook,
)
from tests.helpers.changes.adversary import EPOCH, HOUR, make_session


def event(number: int) -> WebhookEvent:
    session = make_session(f"csub{number}", start=EPOCH, end=EPOCH + HOUR, total_points=number)
    cls = ChargingSubSessionEndedWebhook if number % 2 else ChargingSubSessionCreatedWebhook
    kind = "ended" if number % 2 else "created"
    return cls(type=f"charging_sub_session.{kind}", timestamp=EPOCH, data=session)


@pytest.fixture(params=["memory", "redis"])
async def queue(request: pytest.FixtureRequest, prefix: str) -> AsyncIterator[EventQueue]:
    """A queue of each kind, for 5 events."""
    if request.param == "memory":
        yield MemoryEventQueue(5)
    else:
        from ev_energy.redis import RedisEventQueue

        url = request.getfixturevalue("shared_redis").url
        async with RedisEventQueue(url, "a stream", size=5, prefix=prefix) as redis_queue:
            yield redis_queue


async def test_queue_returns_each_event_once_in_order(queue: EventQueue) -> None:
    assert await queue.take() == []
    events = [event(number) for number in range(4)]
    for one in events:
        await queue.put(one)
    assert await queue.take() == events
    assert await queue.take() == []


async def test_unknown_events_pass_through(queue: EventQueue) -> None:
    unknown = UnknownEvent(type="a.new.type", data={"id": 1})
    await queue.put(unknown)
    assert await queue.take() == [unknown]


async def test_queue_keeps_the_newest_events(queue: EventQueue) -> None:
    for number in range(12):
        await queue.put(event(number))
    assert await queue.take() == [event(number) for number in range(7, 12)]


async def test_queue_refuses_other_objects(queue: EventQueue) -> None:
    other: Any = {"type": "charging_sub_session.ended"}
    with pytest.raises(TypeError, match="event must be an event of ev_energy.webhooks"):
        await queue.put(other)
    assert await queue.take() == []


def test_size_of_a_queue_is_checked() -> None:
    with pytest.raises(ValueError, match="size must be 1 or more, not 0"):
        MemoryEventQueue(0)


async def test_redis_queues_of_several_processes_are_one(shared_redis: Any, prefix: str) -> None:
    from ev_energy.redis import RedisEventQueue

    async with (
        RedisEventQueue(shared_redis.url, "a stream", prefix=prefix) as receiver,
        RedisEventQueue(shared_redis.url, "a stream", prefix=prefix) as reader,
        RedisEventQueue(shared_redis.url, "another", prefix=prefix) as other,
    ):
        await receiver.put(event(1))
        assert await other.take() == []
        assert await reader.take() == [event(1)]


async def test_redis_queue_with_other_content_is_an_error(
    shared_redis: Any, redis_client: Any, prefix: str
) -> None:
    from ev_energy.redis import RedisEventQueue

    async with RedisEventQueue(shared_redis.url, "a stream", prefix=prefix) as queue:
        redis_client.rpush(f"{prefix}:events:{{a%20stream}}", "not an event")
        with pytest.raises(EventQueueError, match="holds other things than events"):
            await queue.take()
        assert await queue.take() == []
        redis_client.set(f"{prefix}:events:{{a%20stream}}", "not a list")
        with pytest.raises(EventQueueError, match="the queue of events in the Redis key"):
            await queue.take()


async def test_redis_queue_without_redis_is_an_error() -> None:
    queue_class = pytest.importorskip("ev_energy.redis").RedisEventQueue
    queue = queue_class("redis://127.0.0.1:9", "a stream", timeout=0.5)
    with pytest.raises(EventQueueError, match="the queue of events in the Redis key"):
        await queue.put(event(1))
    with pytest.raises(EventQueueError, match="the queue of events in the Redis key"):
        await queue.take()
    await queue.aclose()
    with pytest.raises(ValueError, match="name must not be empty"):
        queue_class("redis://127.0.0.1:9", "")
