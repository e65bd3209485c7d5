"""The base class of the kinds of faults, and what a fault can do to one request."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

import attrs
from aiohttp import web

from ev_energy.simulator.faults._reply import BufferedReply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.typedefs import Handler

    from ev_energy.simulator._seeded_random import SeededRandom


T = TypeVar("T")

#: Seconds between two checks whether the client is still connected.
_POLL_INTERVAL: Final = 0.05
#: ``SO_LINGER`` of zero seconds: unsent data is dropped, and the peer receives a reset.
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


@attrs.define
class FaultTools:
    """What the simulator provides to faults."""

    random: SeededRandom
    sleep: Callable[[float], Awaitable[object]]
    now: Callable[[], datetime]
    """The time in Date headers, to which dates in other headers are relative."""
    revoke: Callable[[str], object]
    connections: set[asyncio.Transport] = attrs.Factory(set[asyncio.Transport])
    """Connections that a `RawResponse` writes to now; a server that stops aborts them."""


@attrs.frozen(eq=False)
class FaultRequest:
    """One request that a fault is applied to."""

    request: web.Request
    handler: Handler
    tools: FaultTools
    number: tuple[str, int]
    """The id of the fault, and the number of the request among those it has seen."""
    discount: Callable[[], None]
    """Does not count this request after all, since its reply has nothing to corrupt."""

    async def handled(self) -> web.StreamResponse:
        """Return the reply of the API, as without a fault."""
        try:
            return await self.handler(self.request)
        except web.HTTPException as error:  # aiohttp raises some replies
            return web.Response(
                status=error.status, reason=error.reason, headers=error.headers, body=error.body
            )

    async def reply(self) -> BufferedReply:
        """Return the reply of the API with its whole body."""
        return BufferedReply.of(await self.handled())

    def pick(self, options: Sequence[T]) -> T:
        """Return one of ``options``, always the same for the same request."""
        return self.tools.random.pick(options, "incident", *self.number)


@attrs.frozen(kw_only=True)
class FaultKind(ABC):
    """A kind of fault. `kinds` shows the first line of its docstring to users."""

    handled: ClassVar[bool]
    """Whether the API carries out the request, whatever the client receives."""

    @abstractmethod
    async def apply(self, target: FaultRequest) -> web.StreamResponse:
        """Return the reply that is sent instead of the proper one."""


@attrs.frozen
class RawConnection:
    """A connection to which bytes are written, rather than a reply."""

    _request: web.BaseRequest
    _tools: FaultTools

    @property
    def now(self) -> datetime:
        """The time in Date headers."""
        return self._tools.now()

    async def write(self, data: bytes) -> None:
        """Send bytes unchanged; `ConnectionError` if the client has disconnected."""
        await self._request.writer.write(data)

    async def wait(self, seconds: float = math.inf) -> None:
        """Wait for this many seconds, or until the client disconnects."""
        while seconds > 0 and self._request.transport is not None:
            pause = min(seconds, _POLL_INTERVAL)
            await self._tools.sleep(pause)
            seconds -= pause

    async def reset(self) -> None:
        """Reset the connection, so that the client gets an error and not the end of a stream."""
        transport = self._request.transport
        if transport is not None:
            raw: socket.socket = transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            transport.abort()
        # aiohttp would wait for the rest of the request until it notices the abort.
        while self._request.transport is not None:  # noqa: ASYNC110 - a turn or two of the loop
            await asyncio.sleep(0)


class RawResponse(web.StreamResponse):
    """A reply whose bytes a function writes, after the middlewares have seen its status.

    Status 0 means no reply. The connection is closed afterwards unless ``keep_open`` is set.
    """

    def __init__(
        self,
        target: FaultRequest,
        status: int,
        send: Callable[[RawConnection], Awaitable[None]],
        *,
        keep_open: bool = False,
    ) -> None:
        super().__init__(status=status)
        self._send = send
        self._tools = target.tools
        self._keep_open = keep_open and target.request.keep_alive

    @property
    def keep_alive(self) -> bool:
        """Whether the connection can be used again."""
        return self._keep_open

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Let the function write its bytes."""
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has disconnected")
        self._tools.connections.add(transport)
        try:
            await self._send(RawConnection(request, self._tools))
        finally:
            self._tools.connections.discard(transport)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: the function has sent the end, or omits it on purpose."""
