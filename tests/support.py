"""What tests share that is no fixture."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import Mock

import aiohttp
import attrs
from aiohttp import web

from ev_energy import Client, ClientCredentials

TOKEN = "t0ken-that-must-never-be-seen"
SECRET = "s3cret-that-must-never-be-seen"
#: Of a presigned URL.
SIGNATURE = "s1gnature-that-must-never-be-seen"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def receiving(receive: Handler) -> AsyncIterator[str]:
    """Serve whatever is posted, wherever to; yields the URL of it all."""
    app = web.Application()
    app.router.add_post("/{path:.*}", receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@attrs.define
class Seen:
    """A request as a server got it."""

    method: str
    raw_path: str
    query: list[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes


@attrs.define
class Server:
    """A server whose answers a test decides; it remembers what it was asked."""

    port: int
    seen: list[Seen] = attrs.field(factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v2"

    def client(self, auth: Any = TOKEN, **settings: Any) -> Client:
        return Client(auth, base_url=self.url, **settings)

    def credentials(self, **more: Any) -> ClientCredentials:
        return ClientCredentials(client_id="an-app", client_secret=SECRET, **more)


class MockableResponse(aiohttp.ClientResponse):
    """What aioresponses 0.7.9 makes its answers of, with the argument aiohttp 3.14 asks for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


@attrs.define
class FakeTime:
    """A clock that only moves when somebody sleeps, or when told."""

    now: float = 1000.0
    slept: list[float] = attrs.field(factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)
