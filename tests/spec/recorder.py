"""A local server that answers any operation minimally and remembers what it was asked."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from aiohttp import web
from description import Description
from multidict import CIMultiDict


class Asked(NamedTuple):
    """A request as it came."""

    method: str
    raw_path: str
    query: list[tuple[str, str]]
    headers: CIMultiDict[str]
    body: bytes


class Recorder:
    """Remembers requests; answers by the description."""

    def __init__(self, spec: Description) -> None:
        self.spec = spec
        self.asked: list[Asked] = []
        self.base_url = ""

    async def answer(self, request: web.Request) -> web.Response:
        """The least that the operation may answer."""
        raw_path, _, query = request.raw_path.partition("?")
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
        body = await request.read()
        self.asked.append(Asked(request.method, raw_path, pairs, request.headers.copy(), body))
        path = raw_path.removeprefix("/v2")
        for operation in self.spec.operations:
            pattern = re.sub(r"{\w+}", "[^/]+", operation.path)
            if operation.method == request.method and re.fullmatch(pattern, path):
                return self._reply(operation, dict(pairs))
        return web.json_response({"title": "No such operation", "detail": path}, status=404)

    def _reply(self, operation: Any, query: Mapping[str, str]) -> web.Response:
        successes = operation.successes
        if len(successes) > 1:
            json_form = query.get("response_type") == "json"
            successes = [s for s in successes if (s.kind == "redirect") != json_form]
        (success,) = successes
        if success.kind == "redirect":
            return web.Response(status=success.status, headers={"Location": "https://go.example/"})
        if success.kind == "none":
            return web.Response(status=success.status)
        least = least_of(self.spec, success.schema_name)
        reply = [least] if success.kind == "list" else least
        return web.json_response(reply, status=success.status, dumps=json.dumps)


def least_of(spec: Description, name: str) -> dict[str, Any]:
    """An object of the schema *name* with its required members only."""
    members, required = spec.object(spec.schemas[name])
    shown = spec.composed(spec.schemas[name])
    plain = {"boolean": False, "integer": 1, "string": "text", "array": []}

    def value(member: str) -> Any:
        types = members[member].get("type", "string")
        return None if isinstance(types, list) else plain[types]

    return {member: shown.get(member, value(member)) for member in members if member in required}


@asynccontextmanager
async def recording(spec: Description) -> AsyncIterator[Recorder]:
    """A recorder on a real socket."""
    recorder = Recorder(spec)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", recorder.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        recorder.base_url = f"http://{host}:{port}/v2"
        yield recorder
    finally:
        await runner.cleanup()
