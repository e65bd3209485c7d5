"""A server that answers each operation with a reply that the description allows."""

from __future__ import annotations

import json
import re
from typing import Any

from aiohttp import web

from tests.helpers.recording_server import RecordingServer
from tests.helpers.spec.description import Described, Description, Success
from tests.helpers.spec.wire import least


class OperationServer(RecordingServer):
    """A recording server for all operations of a description."""

    reply: Any
    """The JSON of the next replies, or None for the smallest that the operation may send."""

    def __init__(self, spec: Description) -> None:
        super().__init__(self._answer)
        self.spec = spec
        self.reply = None
        self._patterns = [(operation, _pattern(operation.path)) for operation in spec.operations]

    async def _answer(self, _: web.Request) -> web.Response:
        request = self.requests[-1]
        path = request.raw_path.removeprefix("/v2")
        found = [
            operation
            for operation, pattern in self._patterns
            if operation.method == request.method and pattern.fullmatch(path)
        ]
        if not found:
            return web.json_response({"title": "No such operation", "detail": path}, status=404)
        # A fixed segment takes precedence over an id.
        operation = min(found, key=lambda one: one.path.count("{"))
        return self.reply_of(operation, as_json="response_type" in dict(request.query))

    def reply_of(self, operation: Described, *, as_json: bool) -> web.Response:
        """Return a successful reply of *operation*."""
        success = success_of(operation, as_json=as_json)
        if success.kind == "redirect":
            return web.Response(status=success.status, headers={"Location": "https://go.example/"})
        if success.kind == "none":
            return web.Response(status=success.status)
        reply = self.reply
        if reply is None:
            one = least(self.spec, self.spec.schemas[str(success.schema_name)])
            reply = wrapped(operation, [one] if success.kind == "list" else one)
        return web.json_response(reply, status=success.status, dumps=json.dumps)


def _pattern(path: str) -> re.Pattern[str]:
    """Return a pattern of the paths of an operation; only ids that are timestamps hold a colon."""
    path = re.sub(r"{\w+(_at|_start)}", "[^/]+", path)
    return re.compile(re.sub(r"{\w+}", "[^/:]+", path))


def success_of(operation: Described, *, as_json: bool = False) -> Success:
    """Return the first success of *operation*, or the form asked for if it may redirect."""
    successes = operation.successes
    if "redirect" in {success.kind for success in successes}:
        return next(s for s in successes if (s.kind == "redirect") != as_json)
    return successes[0]


def wrapped(operation: Described, reply: Any) -> Any:
    """Return *reply* in the object that the operation wraps it into, if any."""
    return reply if operation.envelope_key is None else {operation.envelope_key: reply}
