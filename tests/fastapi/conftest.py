"""Applications on uvicorn whose users sign in to a simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from fastapi import FastAPI

from ev_energy import AuthorizationCode
from ev_energy.auth import MemoryStore, TokenStore
from ev_energy.fastapi import (
    EvEnergy,
    SignInStore,
    UserClientDep,
    add_exception_handlers,
    sign_in_router,
)
from ev_energy.simulator import Clock, Simulator
from tests.helpers.fastapi_apps import serve_app
from tests.helpers.html_browser import open_browser
from tests.helpers.sign_in_app import StartApp, WebApp, new_listener


@pytest.fixture
async def start_app() -> AsyncIterator[StartApp]:
    """Start applications whose users sign in to a simulator."""
    async with AsyncExitStack() as stack:

        async def start(
            sim: Simulator | None = None,
            *,
            account: Callable[[Any], Any] | None = None,
            store: SignInStore | None = None,
            tokens: TokenStore | None = None,
            configure: Callable[[FastAPI, EvEnergy], None] | None = None,
            uvicorn_options: dict[str, Any] | None = None,
            settings: dict[str, Any] | None = None,
            redirect_scheme: str = "http",
            **options: Any,
        ) -> WebApp:
            if sim is None:
                sim = await stack.enter_async_context(Simulator(clock=Clock(speed=0), vehicles=2))
            running = sim
            listener = stack.enter_context(new_listener())
            port = listener.getsockname()[1]
            callback = f"{redirect_scheme}://127.0.0.1:{port}/sign-in/callback"
            client_id, secret = sim.add_application(redirect_uris=[callback])
            ev = EvEnergy(
                sign_in=AuthorizationCode(
                    client_id=client_id,
                    client_secret=secret,
                    redirect_uri=callback,
                    store=tokens or MemoryStore(),
                ),
                account=account,
                base_url=sim.base_url,
                wall_clock=lambda: running.clock.now().timestamp(),
                **(settings or {}),
            )
            app = FastAPI(lifespan=ev.lifespan)
            options = {
                "return_paths": ["/chargers", "/garage/*"],
                "clock": lambda: running.clock.now().timestamp(),
                **options,
            }
            app.include_router(sign_in_router(ev, store=store, **options), prefix="/sign-in")

            @app.get("/chargers")
            @app.get("/")
            async def chargers(client: UserClientDep) -> list[str]:
                return [evse.id async for evse in client.evses.list()]

            add_exception_handlers(app)
            if configure is not None:
                configure(app, ev)
            origin = await stack.enter_async_context(
                serve_app(app, sockets=[listener], **(uvicorn_options or {}))
            )
            return WebApp(origin, sim, ev, lambda: stack.enter_async_context(open_browser()))

        yield start
