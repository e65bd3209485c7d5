"""What each operation sends, and what becomes of its reply: replayed from a record."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import attrs
from aiohttp import web

import ev_energy_sync
from ev_energy import Client, Pager
from ev_energy.models._base import Model
from tests.helpers.recording_server import RecordedRequest, RecordingServer
from tests.helpers.spec.calls import TABLE
from tests.helpers.spec.wire import as_argument, hints_of

FILE: Final = Path(__file__).with_name("exchanges.json")
TOKEN: Final = "token-of-a-test"
USER: Final = "user01HN2NJ9NMRZBXT1H6FT9N7735"
OPERATIONS: Final = {operation.call: operation for operation in TABLE}
#: Headers that name the transport or the release, not the operation.
_OF_THE_TRANSPORT: Final = {"Accept-Encoding", "Content-Length", "Host", "User-Agent"}
#: What the record has in place of the address of the server.
_HOST: Final = "http://the-api"


@attrs.frozen
class Exchange:
    """One call of an operation: what it is given, and what is sent and returned."""

    call: str
    """``evses.get``."""
    arguments: dict[str, Any]
    """As they go over the wire."""
    status: int
    reply: Any
    """The JSON of the reply, or where a redirect leads to."""
    request: dict[str, Any] = attrs.field(factory=dict)
    """The method, the target, the headers and the body that were sent."""
    result: str = ""
    """A digest of the result, in all its detail."""

    @property
    def name(self) -> str:
        return f"{self.call}-{len(self.arguments)}"


def recorded() -> list[Exchange]:
    return [Exchange(**one) for one in json.loads(FILE.read_text(encoding="utf-8"))]


class ReplayServer(RecordingServer):
    """A recording server that gives the reply of one exchange at a time."""

    exchange: Exchange | None

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.exchange = None

    async def _answer(self, _: web.Request) -> web.Response:
        assert self.exchange is not None
        status, reply = self.exchange.status, self.exchange.reply
        if 300 <= status < 400:
            return web.Response(status=status, headers={"Location": reply})
        if reply is None:
            return web.Response(status=status)
        return web.json_response(reply, status=status)

    def _record(self, request: RecordedRequest) -> dict[str, Any]:
        """Return *request* as it is on record, without the address of this server."""
        headers = {name.title(): value for name, value in request.headers.items()}
        return {
            "method": request.method,
            "target": request.target.replace(self.origin, _HOST),
            "headers": {n: headers[n] for n in sorted(headers.keys() - _OF_THE_TRANSPORT)},
            "body": request.body.decode().replace(self.origin, _HOST),
        }

    async def replay(self, exchange: Exchange, *, blocking: bool = False) -> Exchange:
        """Make the call of *exchange* again; return it with what was sent and returned."""
        self.exchange = exchange
        self.requests.clear()
        call = self._call_blocking if blocking else self._call
        result = await call(exchange)
        request = self._record(self.take_request())
        return attrs.evolve(exchange, request=request, result=digest(result))

    async def _call(self, exchange: Exchange) -> object:
        async with Client(TOKEN, base_url=self.url) as client:
            answer = _method(client.acting_for(USER), exchange)()
            if isinstance(answer, Pager):
                return (await answer.page()).items
            return await answer

    async def _call_blocking(self, exchange: Exchange) -> object:
        def call() -> object:
            with ev_energy_sync.Client(TOKEN, base_url=self.url) as client:
                answer = _method(client.acting_for(USER), exchange)()
                return answer.page().items if isinstance(answer, ev_energy_sync.Pager) else answer

        return await asyncio.to_thread(call)


def _method(client: Any, exchange: Exchange) -> Callable[[], Awaitable[Any] | Any]:
    operation = OPERATIONS[exchange.call]
    hints = hints_of(operation)
    given = {name: as_argument(hints[name], value) for name, value in exchange.arguments.items()}
    positional = [given.pop(name) for name in operation.ids]
    method = getattr(getattr(client, operation.family), operation.name)
    return lambda: method(*positional, **given)


def digest(result: object) -> str:
    """Return a digest of *result*: the class, the members and the JSON of each model."""
    return hashlib.sha256(described(result).encode()).hexdigest()[:32]


def described(result: object) -> str:
    """Return *result* as text, in all its detail."""
    if isinstance(result, list | tuple):
        return "\n".join(map(described, result))
    if isinstance(result, Model):
        members = "\n".join(
            f"{type(result).__name__}.{field.name}={_value(getattr(result, field.name))}"
            for field in attrs.fields(type(result))
            if not field.name.startswith("_")
        )
        return f"{members}\n{json.dumps(result.to_dict(), sort_keys=True)}"
    if isinstance(result, dict):
        return json.dumps(result, sort_keys=True)
    return f"{type(result).__name__} {result}"  # a redirect's target, or None


def _value(value: object) -> str:
    # Not `repr`: which characters it escapes depends on Python's version of Unicode.
    return f"({described(value)})" if isinstance(value, Model) else ascii(value)
