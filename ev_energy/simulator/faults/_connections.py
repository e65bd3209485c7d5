"""Faults of the connection: resets, truncated and slow replies, extra replies."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Final

import attrs

from ev_energy.simulator.faults._kind import FaultKind, FaultRequest, RawConnection, RawResponse
from ev_energy.simulator.faults._options import Number

if TYPE_CHECKING:
    from aiohttp import web


_MAX_SECONDS: Final = 24 * 3600


@attrs.frozen(kw_only=True)
class ResetBefore(FaultKind):
    """Resets the connection before the body of the request is read; the API does nothing."""

    handled: ClassVar = False

    async def apply(self, target: FaultRequest) -> web.StreamResponse:
        """Reset the connection."""
        return RawResponse(target, 0, RawConnection.reset)


@attrs.frozen(kw_only=True)
class ResetAfter(FaultKind):
    """Carries out the request, then resets the connection instead of replying."""

    handled: ClassVar = True

    async def apply(self, target: FaultRequest) -> web.StreamResponse:
        """Carry out the request and reset the connection."""
        reply = await target.reply()
        return RawResponse(target, reply.status, RawConnection.reset)


@attrs.frozen(kw_only=True)
class Truncated(FaultKind):
    """Announces the full length of the body, but closes the connection in the middle of it."""

    handled: ClassVar = True
    share: float = attrs.field(
        default=0.5, validator=Number("the share of the body that is sent", maximum=1)
    )

    async def apply(self, target: FaultRequest) -> web.StreamResponse:
        """Send less than announced, by at least one byte."""
        reply = await target.reply()
        if not reply.body:
            target.discount()
            return reply.response()
        kept = min(int(len(reply.body) * self.share), len(reply.body) - 1)

        async def send(connection: RawConnection) -> None:
            await connection.write(reply.head(connection.now) + reply.body[:kept])

        return RawResponse(target, reply.status, send)


@attrs.frozen(kw_only=True)
class BadChunk(FaultKind):
    """Sends a chunked body whose second chunk has an invalid size."""

    handled: ClassVar = True

    async def apply(self, target: FaultRequest) -> web.StreamResponse:
        """Send a valid chunk, then an invalid one."""
        reply = await target.reply()
        if not reply.body:
            target.discount()
            return reply.response()
        good, rest = reply.body[: len(reply.body) // 2], reply.body[len(reply.body) // 2 :]
        first = b"%x\r\n%b\r\n" % (len(good), good) if good else b""

        async def send(connection: RawConnection) -> None:
            await connection.write(
                reply.head(connection.now, chunked=True) + first + b"zz\r\n" + rest
            )

        return RawResponse(target, reply.status, send)


@attrs.frozen(kw_only=True)
class SlowDrip(FaultKind):
    """Sends the body in small pieces, with a pause before each."""

    handled: ClassVar = True
    seconds: float = attrs.field(
        default=0.1, validator=Number("the pause before each piece", maximum=_MAX_SECONDS)
    )
    pieces: int | None = attrs.field(
        default=None,
        validator=Number(
            "the number of pieces; null for one per byte", minimum=1, whole=True, optional=True
        ),
    )

    async def apply(self, target: FaultRequest) -> web.StreamResponse:
        """Send the headers at once and the body piece by piece."""
        reply = await target.reply()
        if not reply.body:
            target.discount()
            return reply.response()
        size = math.ceil(len(reply.body) / self.pieces) if self.pieces else 1

        async def send(connection: RawConnection) -> None:
            await connection.write(reply.head(connection.now))
            for start in range(0, len(reply.body), size):
                await connection.wait(self.seconds)
                await connection.write(reply.body[start : start + size])

        return RawResponse(target, reply.status, send, keep_open=True)


@attrs.frozen(kw_only=True)
class SlowStart(FaultKind):
    """Carries out the request at once, but replies late."""

    handled: ClassVar = True
    seconds: float = attrs.field(
        default=5.0, validator=Number("the pause before the status line", maximum=_MAX_SECONDS)
    )

    async def apply(self, target: FaultRequest) -> web.StreamResponse:
        """Carry out the request, wait, and reply."""
        reply = await target.reply()

        async def send(connection: RawConnection) -> None:
            await connection.wait(self.seconds)
            await connection.write(reply.to_bytes(connection.now))

        return RawResponse(target, reply.status, send, keep_open=True)


@attrs.frozen(kw_only=True)
class Hang(FaultKind):
    """Does nothing and sends no reply until the client disconnects or a time has passed."""

    handled: ClassVar = False
    seconds: float | None = attrs.field(
        default=None,
        validator=Number(
            "seconds until the connection is closed; null for never",
            maximum=_MAX_SECONDS,
            optional=True,
        ),
    )

    async def apply(self, target: FaultRequest) -> web.StreamResponse:
        """Wait without a reply."""
        seconds = math.inf if self.seconds is None else self.seconds

        async def send(connection: RawConnection) -> None:
            await connection.wait(seconds)

        return RawResponse(target, 0, send)


@attrs.frozen(kw_only=True)
class DuplicateReply(FaultKind):
    """Sends the reply twice; the second belongs to no request."""

    handled: ClassVar = True

    async def apply(self, target: FaultRequest) -> web.StreamResponse:
        """Send the reply twice."""
        reply = await target.reply()

        async def send(connection: RawConnection) -> None:
            await connection.write(reply.to_bytes(connection.now) * 2)

        return RawResponse(target, reply.status, send, keep_open=True)


@attrs.frozen(kw_only=True)
class Informational(FaultKind):
    """Sends a 103 before the reply, which is correct."""

    handled: ClassVar = True

    async def apply(self, target: FaultRequest) -> web.StreamResponse:
        """Send an interim reply, then the reply."""
        reply = await target.reply()
        hints = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n\r\n"

        async def send(connection: RawConnection) -> None:
            await connection.write(hints)
            await connection.write(reply.to_bytes(connection.now))

        return RawResponse(target, reply.status, send, keep_open=True)


@attrs.frozen(kw_only=True)
class ConnectionClose(FaultKind):
    """Sends a correct reply, then closes the connection without announcing it."""

    handled: ClassVar = True

    async def apply(self, target: FaultRequest) -> web.StreamResponse:
        """Reply and close the connection."""
        reply = await target.reply()

        async def send(connection: RawConnection) -> None:
            await connection.write(reply.to_bytes(connection.now))

        return RawResponse(target, reply.status, send)
