"""What a kind of fault is, and what it has at hand when it strikes."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

import attrs
from aiohttp import web

from ev_energy.simulator.faults._reply import Answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.typedefs import Handler

    from ev_energy.simulator._seeded_random import SeededRandom


T = TypeVar("T")

#: How often someone who waits looks whether the client is still there.
_LOOK_EVERY: Final = 0.05
#: Close at once: what is still to be sent is dropped, and the other side gets a reset.
_LINGER_NOT_AT_ALL: Final = struct.pack("ii", 1, 0)


@attrs.define
class Tools:
    """What faults get from outside."""

    random: SeededRandom
    sleep: Callable[[float], Awaitable[object]]
    now: Callable[[], datetime]
    """The time on everybody's wall, not the one of the world: clients compare with theirs."""
    revoke: Callable[[str], object]
    connections: set[asyncio.Transport] = attrs.Factory(set[asyncio.Transport])
    """Those that are written to by hand now: the server need not wait for them to end."""


@attrs.frozen(eq=False)
class Incident:
    """One request that a fault strikes."""

    request: web.Request
    handler: Handler
    tools: Tools
    number: tuple[str, int]
    """Which fault, and which of the requests that it saw."""
    give_back: Callable[[], None]
    """Says that there was nothing to break after all: this one does not count."""

    async def handled(self) -> web.StreamResponse:
        """Have the request handled as if nothing was wrong."""
        try:
            return await self.handler(self.request)
        except web.HTTPException as error:  # which is a reply, too
            return web.Response(
                status=error.status, reason=error.reason, headers=error.headers, body=error.body
            )

    async def answer(self) -> Answer:
        """Have the request handled, and return what would be sent."""
        return Answer.of(await self.handled())

    def pick(self, options: Sequence[T]) -> T:
        """Return one of ``options``, for one incident always the same."""
        return self.tools.random.pick(options, "incident", *self.number)


@attrs.frozen(kw_only=True)
class Kind(ABC):
    """One way in which things go wrong. The docstring's first line is what people read."""

    handled: ClassVar[bool]
    """Whether the request is carried out, whatever the client gets to see."""

    @abstractmethod
    async def strike(self, incident: Incident) -> web.StreamResponse:
        """Return what is sent instead of the reply that is due."""


@attrs.frozen
class Wire:
    """A connection, for those who write bytes rather than replies."""

    _request: web.BaseRequest
    _tools: Tools

    @property
    def now(self) -> datetime:
        """The time on the wall."""
        return self._tools.now()

    async def write(self, data: bytes) -> None:
        """Send bytes as they are; `ConnectionError` if the client has gone."""
        await self._request.writer.write(data)

    async def wait(self, seconds: float = math.inf) -> None:
        """Wait for so long, or until nobody is there to be kept waiting."""
        while seconds > 0 and self._request.transport is not None:
            pause = min(seconds, _LOOK_EVERY)
            await self._tools.sleep(pause)
            seconds -= pause

    async def reset(self) -> None:
        """Break the connection off, so that the client gets an error and not an end."""
        transport = self._request.transport
        if transport is not None:
            raw: socket.socket = transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT_AT_ALL)
            transport.abort()
        # Until the server has noticed: it would wait for the rest of the request to be sent.
        while self._request.transport is not None:  # noqa: ASYNC110 - a turn or two of the loop
            await asyncio.sleep(0)


class ByHand(web.StreamResponse):
    """A reply whose bytes are written by a function, after everybody has seen its status.

    Status 0 stands for no reply at all. The connection is closed then, unless it is to ``stay``.
    """

    def __init__(
        self,
        incident: Incident,
        status: int,
        send: Callable[[Wire], Awaitable[None]],
        *,
        stay: bool = False,
    ) -> None:
        super().__init__(status=status)
        self._send = send
        self._tools = incident.tools
        self._stay = stay and incident.request.keep_alive

    @property
    def keep_alive(self) -> bool:
        """Whether the connection can be used again."""
        return self._stay

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send everything there is."""
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        self._tools.connections.add(transport)
        try:
            await self._send(Wire(request, self._tools))
        finally:
            self._tools.connections.discard(transport)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: the end has been sent, or must not be."""
