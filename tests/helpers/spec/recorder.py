"""A local server, on a thread of its own, that answers any operation and remembers the question."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from aiohttp import web
from multidict import CIMultiDict

from tests.helpers.spec.description import Described, Description, Success
from tests.helpers.spec.wire import least


class Asked(NamedTuple):
    """A request as it came."""

    method: str
    raw_path: str
    query: list[tuple[str, str]]
    headers: CIMultiDict[str]
    body: bytes


class Recorder:
    """Remembers requests; answers by the description, or what it is told to."""

    def __init__(self, spec: Description) -> None:
        self.spec = spec
        self.asked: list[Asked] = []
        self.base_url = ""
        self.reply: Any = None
        """The JSON to answer with; None: the least that the operation may answer."""
        self._patterns = [
            (
                o,
                re.compile(
                    re.sub(r"{\w+}", "[^/:]+", re.sub(r"{(\w+_at|\w+_start)}", "[^/]+", o.path))
                ),
            )
            for o in spec.operations
        ]

    def take(self) -> Asked:
        """The one request since the last."""
        (asked,) = self.asked
        self.asked.clear()
        return asked

    async def answer(self, request: web.Request) -> web.Response:
        """Remember the request, and answer it."""
        raw_path, _, query = request.raw_path.partition("?")
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
        body = await request.read()
        self.asked.append(Asked(request.method, raw_path, pairs, request.headers.copy(), body))
        path = raw_path.removeprefix("/v2")
        found = [
            operation
            for operation, pattern in self._patterns
            if operation.method == request.method and pattern.fullmatch(path)
        ]
        if not found:
            return web.json_response({"title": "No such operation", "detail": path}, status=404)
        # A word of the path goes before an id in its place.
        operation = min(found, key=lambda one: one.path.count("{"))
        return self._reply(operation, {name for name, _ in pairs})

    def _reply(self, operation: Described, query: set[str]) -> web.Response:
        success = success_of(operation, as_json="response_type" in query)
        if success.kind == "redirect":
            return web.Response(status=success.status, headers={"Location": "https://go.example/"})
        if success.kind == "none":
            return web.Response(status=success.status)
        made = self.reply
        if made is None:
            one = least(self.spec, self.spec.schemas[str(success.schema_name)])
            made = wrapped(operation, [one] if success.kind == "list" else one)
        return web.json_response(made, status=success.status, dumps=json.dumps)


def _pattern(path: str) -> re.Pattern[str]:
    """What a path looks like once it is filled; of ids, only timestamps hold a colon."""
    path = re.sub(r"{\w+(_at|_start)}", "[^/]+", path)
    return re.compile(re.sub(r"{\w+}", "[^/:]+", path))


def success_of(operation: Described, *, as_json: bool = False) -> Success:
    """The success to answer with: of several, the redirect or its JSON form, or the first."""
    successes = operation.successes
    if "redirect" in {success.kind for success in successes}:
        return next(s for s in successes if (s.kind == "redirect") != as_json)
    return successes[0]


def wrapped(operation: Described, reply: Any) -> Any:
    """*reply* in the object that the description wraps it into, if it does."""
    return reply if operation.envelope_key is None else {operation.envelope_key: reply}


@contextmanager
def recording(spec: Description, kind: type[Recorder] = Recorder) -> Iterator[Any]:
    """A recorder on a real socket."""
    recorder, loop = kind(spec), asyncio.new_event_loop()

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", recorder.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        recorder.base_url = f"http://{host}:{port}/v2"
        return runner

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield recorder
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
