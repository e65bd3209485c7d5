from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import attrs
import pytest
from aiohttp import web

from ev_energy.simulator._seeded_random import SeededRandom
from ev_energy.simulator.faults import STRUCK_BY, Faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

OPERATIONS = [
    ("GET", "/evses"),
    ("GET", "/evses/{evse_id}"),
    ("GET", "/users"),
    ("POST", "/users"),
    ("DELETE", "/users/{user_id}"),
]
NOW = datetime(2026, 10, 5, 12, tzinfo=UTC)
EVSES = [{"id": f"evse{n}", "plug": {"mode": "SMART"}, "note": "SMARTISH"} for n in range(3)]


@attrs.define
class Bench:
    """A tiny API with faults in front of it, and clients that see every byte."""

    faults: Faults = attrs.field(init=False)
    session: aiohttp.ClientSession = attrs.field(init=False)
    runner: web.AppRunner = attrs.field(init=False)
    writers: list[asyncio.StreamWriter] = attrs.Factory(list[asyncio.StreamWriter])
    port: int = 0
    users: list[Any] = attrs.Factory(list[Any])
    revoked: list[str] = attrs.Factory(list[str])
    slept: list[float] = attrs.Factory(list[float])
    struck: list[str] = attrs.field(factory=list[str], repr=False)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._note])
        self.faults.install(app)
        for slash in ("", "/"):
            app.router.add_get("/v2/evses" + slash, self._list)
            app.router.add_get("/v2/evses/{evse_id}" + slash, self._one)
            app.router.add_get("/v2/users" + slash, self._users)
            app.router.add_post("/v2/users" + slash, self._add)
            app.router.add_delete("/v2/users/{user_id}" + slash, self._remove)
            app.router.add_post("/o/token" + slash, self._token)
        app.router.add_get("/v2/{rest:.*}", self._nothing)
        app.router.add_get("/__sim/faults", self._token)
        return app

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> Any:
        try:
            return await handler(request)
        finally:
            fault = request.get(STRUCK_BY)
            self.struck.append("" if fault is None else fault.kind)

    def _refuse_revoked(self, request: web.Request) -> None:
        if request.headers.get("Authorization", "").removeprefix("Bearer ") in self.revoked:
            raise web.HTTPUnauthorized

    async def _list(self, request: web.Request) -> web.Response:
        self._refuse_revoked(request)
        start = int(request.query.get("page_after", "-1")) + 1
        more = start + 1 < len(EVSES)
        following = f"{request.url.with_query(page_after=start)}" if more else "about:blank"
        links = f'<about:blank>; rel="previous", <{following}>; rel="next"'
        return web.json_response(EVSES[start : start + 1], headers={"Link": links})

    async def _one(self, request: web.Request) -> web.Response:
        if request.match_info["evse_id"] == "none":
            raise web.HTTPNotFound
        return web.json_response(EVSES[0])

    async def _users(self, request: web.Request) -> web.Response:
        return web.json_response(self.users)

    async def _add(self, request: web.Request) -> web.Response:
        self._refuse_revoked(request)
        self.users.append(await request.json())
        made = {**self.users[-1], "mode": "SMART"}
        links = '<about:blank>; rel="next"'  # none is due, but then every fault finds something
        return web.json_response(made, status=201, headers={"Link": links})

    async def _remove(self, request: web.Request) -> web.Response:
        self.users.clear()
        return web.Response(status=204)

    async def _token(self, request: web.Request) -> web.Response:
        return web.json_response({"access_token": "t"})

    async def _nothing(self, request: web.Request) -> web.Response:
        raise web.HTTPNotFound

    async def get(self, path: str, **options: Any) -> tuple[int, Mapping[str, str], bytes]:
        """Ask as a usual client does."""
        async with self.session.get(self.url(path), allow_redirects=False, **options) as reply:
            return reply.status, reply.headers.copy(), await reply.read()

    async def post(self, path: str = "/v2/users", **options: Any) -> int:
        options.setdefault("json", {"name": "Ada"})
        async with self.session.post(self.url(path), **options) as reply:
            await reply.read()
            return reply.status

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection that is closed after the server at the latest."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return reader, writer

    async def stop(self) -> None:
        """Stop serving at once, even while clients wait."""
        async with asyncio.timeout(5):
            await self.runner.cleanup()

    async def raw(self, path: str = "/v2/evses", *, close: bool = False) -> tuple[bytes, bytes]:
        """Return the head and the rest of what comes until the server closes the connection."""
        head, _, rest = (await self.bytes("GET", path, close=close)).partition(b"\r\n\r\n")
        return head, rest

    async def bytes(
        self, method: str, path: str, body: Any = None, *, close: bool = False
    ) -> bytes:
        sent = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: here", "Content-Type: application/json"]
        lines += [f"Content-Length: {len(sent)}"] + ["Connection: close"] * close + ["", ""]
        reader, writer = await self.connect()
        try:
            writer.write("\r\n".join(lines).encode() + sent)
            return await reader.read()
        finally:
            writer.transport.abort()


@pytest.fixture
async def bench(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Bench]:
    """The API; at the end the server must stop at once, leave nothing, and have had no error."""
    caplog.set_level(logging.WARNING)
    bench = Bench()
    bench.faults = Faults(
        SeededRandom(1),
        revoke=bench.revoked.append,
        operations=OPERATIONS,
        sleep=bench.sleep,
        now=lambda: NOW,
    )
    bench.runner = web.AppRunner(bench.app(), access_log=None, shutdown_timeout=60)
    await bench.runner.setup()
    await web.TCPSite(bench.runner, "127.0.0.1", 0).start()
    bench.port = bench.runner.addresses[0][1]
    before = asyncio.all_tasks()
    async with aiohttp.ClientSession() as bench.session:
        yield bench
        await bench.stop()
    for writer in bench.writers:
        writer.transport.abort()
    async with asyncio.timeout(5):
        while asyncio.all_tasks() - before - {asyncio.current_task()}:
            await asyncio.sleep(0)
    assert not [record.getMessage() for record in caplog.records]
