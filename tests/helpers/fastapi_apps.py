"""FastAPI applications that run: in this process without sockets, and in uvicorn with them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI


@asynccontextmanager
async def open_app(app: FastAPI, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Run the lifespan of *app*, and yield a browser of it, without sockets."""
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            scope["state"] = dict(state or {})
            await app(scope, receive, send)

        transport = httpx.ASGITransport(app=with_state, **options)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as browser:
            yield browser


@asynccontextmanager
async def serve_app(
    app: Any, *, sockets: list[socket.socket] | None = None, **options: Any
) -> AsyncIterator[str]:
    """Run *app* in uvicorn, in this event loop, and yield its URL."""
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="on", **options)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets))
    while not server.started:
        assert not running.done(), "the server has not started"
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await running
