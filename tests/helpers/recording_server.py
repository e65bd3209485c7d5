"""A server on loopback that records its requests and answers them with a handler of the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import parse_qsl

import attrs
from aiohttp import web
from multidict import CIMultiDict

from ev_energy import Client, ClientCredentials
from tests.helpers.support import SECRET, TOKEN

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@attrs.frozen
class RecordedRequest:
    """A request as the server received it."""

    method: str
    target: str
    """Path and query, percent-encoded as they were sent."""
    headers: CIMultiDict[str]
    body: bytes

    @property
    def raw_path(self) -> str:
        """The path, percent-encoded as it was sent."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> list[tuple[str, str]]:
        """The decoded names and values of the query. A malformed query is a `ValueError`."""
        text = self.target.partition("?")[2]
        return parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))


@attrs.define(eq=False)
class RecordingServer:
    """A server for the event loop of the test, or for a thread of its own."""

    handler: Handler
    requests: list[RecordedRequest] = attrs.field(factory=list[RecordedRequest])
    port: int = 0
    shutdown_timeout: float = 60.0
    """Seconds that handlers have to finish when the server stops."""
    _runner: web.AppRunner | None = attrs.field(default=None, init=False)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The base URL for a client."""
        return f"{self.origin}/v2"

    def client(self, auth: Any = TOKEN, **settings: Any) -> Client:
        """Return a client of this server."""
        return Client(auth, base_url=self.url, **settings)

    def credentials(self, **settings: Any) -> ClientCredentials:
        """Return credentials of an application."""
        return ClientCredentials(client_id="an-app", client_secret=SECRET, **settings)

    def take_request(self) -> RecordedRequest:
        """Return the only request since the last call, and forget it."""
        (request,) = self.requests
        self.requests.clear()
        return request

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=self.shutdown_timeout,
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port and all connections."""
        assert self._runner is not None
        await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = request.headers.copy()
        recorded = RecordedRequest(request.method, request.raw_path, headers, body)
        self.requests.append(recorded)
        return await self.handler(request)

    @contextmanager
    def in_thread(self) -> Iterator[Self]:
        """Serve from a thread with its own event loop, for blocking tests."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        asyncio.run_coroutine_threadsafe(self.start(), loop).result(10)
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self.stop(), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()


def scripted_replies(
    body: Any, *script: int | tuple[int, Mapping[str, str]] | None, headers: Any = None
) -> Handler:
    """Return a handler that sends *body* with one status of *script* after another, then with 200.

    An entry may also be a pair of status and headers, or None to break the connection.
    """
    remaining = list(script)

    async def reply(request: web.Request) -> web.StreamResponse:
        step = remaining.pop(0) if remaining else 200
        if step is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        status, more = step if isinstance(step, tuple) else (step, headers)
        return web.json_response(body, status=status, headers=more)

    return reply
