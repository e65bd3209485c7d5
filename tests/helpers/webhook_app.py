"""A FastAPI application for several workers of uvicorn, which counts what its handlers do.

The environment has ``REDIS_URL``, ``PREFIX`` and ``SECRET``. Keys in Redis, after the prefix:
``workers`` has the process ids of workers that have started, ``held:PID`` how often a worker is
receiving each delivery, ``running:PID`` the deliveries that it is handling, ``calls`` the number of
handlers that ran for each delivery, and ``effects`` the deliveries whose handler had its effect.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from fastapi import FastAPI
from redis.asyncio import BlockingConnectionPool, Redis

from ev_energy.fastapi import webhook_router
from ev_energy.redis import RedisInboxStore
from ev_energy.webhooks import (
    Delivery,
    Event,
    EventRouter,
    Inbox,
    Webhook,
    WebhookReceiver,
    WebhookResponse,
)

#: Seconds until a delivery of a worker that was killed is free again.
LEASE = 5.0

URL, PREFIX = os.environ["REDIS_URL"], os.environ["PREFIX"]
PID = os.getpid()
redis = Redis.from_pool(BlockingConnectionPool.from_url(URL))
luck = random.Random(PID)


class HoldingReceiver(WebhookReceiver):
    """A receiver that notes which deliveries it is receiving, so that a kill tells which it hit."""

    async def receive(self, body: Any, headers: Any) -> WebhookResponse:
        # Counted: the repetition of a delivery may be answered while the first one is handled.
        await redis.hincrby(f"{PREFIX}:held:{PID}", headers["svix-id"], 1)
        try:
            return await super().receive(body, headers)
        finally:
            await redis.hincrby(f"{PREFIX}:held:{PID}", headers["svix-id"], -1)


async def handle(event: Event, delivery: Delivery) -> None:
    """Take a moment, and have an effect in Redis."""
    running = f"{PREFIX}:running:{PID}"
    async with redis.pipeline() as pipeline:
        pipeline.hincrby(f"{PREFIX}:calls", delivery.id, 1)
        await pipeline.sadd(running, delivery.id).execute()
    await asyncio.sleep(luck.random() / 20)
    async with redis.pipeline() as pipeline:
        pipeline.sadd(f"{PREFIX}:effects", delivery.id)
        await pipeline.srem(running, delivery.id).execute()


inbox = Inbox(RedisInboxStore(URL, prefix=PREFIX), lease=timedelta(seconds=LEASE))
receiver = HoldingReceiver(Webhook(os.environ["SECRET"]), EventRouter(fallback=handle), inbox)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with redis:
        await redis.sadd(f"{PREFIX}:workers", PID)
        yield


app = FastAPI(lifespan=lifespan)
app.include_router(webhook_router(receiver), prefix="/webhooks")
