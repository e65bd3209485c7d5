"""The application: its parts, and how they are put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from ev_energy import AuthorizationCode, ClientCredentials
from ev_energy.auth import MemoryStore, TokenStore
from ev_energy.fastapi import (
    ClientSettings,
    EvEnergy,
    RedisSignInStore,
    health_router,
    onboarding_router,
    sign_in_router,
    webhook_router,
)
from ev_energy.redis import RedisBudget, RedisEventQueue, RedisTokenStore
from ev_energy.webhooks import Webhook

from .feed import Feed
from .fleet import Fleets
from .hub import Hub, MemoryHub, RedisHub
from .pages import pages_router
from .security import SecurityHeaders
from .settings import Settings
from .shared import RedisClient, cancel, open_redis, run_in_one_process
from .shutdown import call_on_stop

_STATIC = Path(__file__).parent / "static"
_SCOPES = ("user:read", "vehicle:read", "evse:read", "charging_session:read")


def create_app(settings: Settings) -> FastAPI:
    """Return the portal."""
    options: ClientSettings = {
        "base_url": settings.base_url,
        "deadline": 20,  # seconds that a page waits for the API
        **settings.client,
    }
    shared: RedisClient | None = None
    tokens: TokenStore
    hub: Hub
    if settings.redis_url is None:
        tokens, sign_ins, queue = MemoryStore(), None, None
        hub = MemoryHub()
    else:
        shared = open_redis(settings.redis_url)
        tokens = RedisTokenStore(settings.redis_url)
        sign_ins = RedisSignInStore(settings.redis_url)
        queue = RedisEventQueue(settings.redis_url, "fleet-portal")
        options["budget"] = RedisBudget(settings.redis_url)
        hub = RedisHub(shared)

    ev = EvEnergy(
        ClientCredentials(client_id=settings.client_id, client_secret=settings.client_secret),
        sign_in=AuthorizationCode(
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            redirect_uri=f"{settings.url}/sign-in/callback",
            scopes=_SCOPES,
            store=tokens,
        ),
        **options,
    )
    feed = Feed(hub, queue)

    async def read_changes() -> None:
        await feed.run(ev.client, settings.now)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            if shared is not None:
                stack.push_async_callback(shared.aclose)
            state = await stack.enter_async_context(ev.lifespan(app))
            await stack.enter_async_context(hub.running())
            stack.enter_context(call_on_stop(hub.close))
            reading = run_in_one_process(shared, read_changes) if shared else read_changes()
            stack.push_async_callback(cancel, asyncio.create_task(reading))
            yield state

    app = FastAPI(title="Fleet portal", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(SecurityHeaders)
    ev.add_exception_handlers(app)
    app.include_router(pages_router(ev, Fleets(settings.now), hub))
    app.include_router(sign_in_router(ev, store=sign_ins), prefix="/sign-in")
    app.include_router(onboarding_router(ev, store=sign_ins), prefix="/connect")
    if settings.webhook_secret is not None:
        webhook = Webhook(settings.webhook_secret)
        app.include_router(webhook_router(webhook, queue=feed.take), prefix="/webhooks")
    app.include_router(
        health_router(streams=feed.streams, max_lag=timedelta(hours=1)), prefix="/health"
    )
    app.mount("/static", StaticFiles(directory=_STATIC))
    return app


def from_env() -> FastAPI:
    """Return the portal with the settings of the environment, for ``uvicorn --factory``."""
    return create_app(Settings.from_env())
