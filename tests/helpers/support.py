"""What tests share that is no fixture."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
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


@contextmanager
def starting_scripts() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start Python code in processes of its own; what is left of them in the end is killed.

    In development mode, so that leaks would be heard.
    """
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *options: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-X", "dev", *options, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with suppress(ProcessLookupError):  # it and what it forked
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def scripted(body: Any, *script: Any, headers: Mapping[str, str] | None = None) -> Handler:
    """What answers *body* with one status after another, then with 200.

    In place of a status, status and headers, or None for a connection that breaks.
    """
    left = list(script)

    async def answer(request: web.Request) -> web.StreamResponse:
        turn = left.pop(0) if left else 200
        if turn is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        status, more = turn if isinstance(turn, tuple) else (turn, headers)
        return web.json_response(body, status=status, headers=more)

    return answer


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
