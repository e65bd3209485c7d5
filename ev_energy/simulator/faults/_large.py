"""Faults of size: bodies too large to hold in memory. The server streams them."""

from __future__ import annotations

import asyncio
import functools
import zlib
from typing import TYPE_CHECKING, ClassVar, Final

import attrs
from aiohttp import hdrs

from ev_energy.simulator.faults._corrupted_replies import ReplyCorruption
from ev_energy.simulator.faults._kind import FaultKind, FaultRequest, RawConnection, RawResponse
from ev_energy.simulator.faults._options import Flag, Number

if TYPE_CHECKING:
    from aiohttp import web

    from ev_energy.simulator.faults._reply import BufferedReply


_MEGABYTE: Final = 1024 * 1024
#: A JSON list of one text of any length.
_START: Final = b'["'
_END: Final = b'"]'
_GZIP_HEAD: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


@attrs.frozen(kw_only=True)
class GiantBody(FaultKind):
    """Sends a very large JSON body."""

    handled: ClassVar = True
    megabytes: int = attrs.field(
        default=100,
        validator=Number("its size in megabytes", minimum=1, maximum=1_000_000, whole=True),
    )
    announced: bool = attrs.field(
        default=False,
        validator=Flag("whether its length is announced; otherwise the body is chunked"),
    )

    async def apply(self, target: FaultRequest) -> web.StreamResponse:
        """Send the body block by block, as fast as the client reads."""
        reply = await target.reply()
        if not reply.has_body:
            target.discount()
            return reply.response()
        block = b"x" * 65536
        length = len(_START) + self.megabytes * _MEGABYTE + len(_END)

        async def send(connection: RawConnection) -> None:
            def framed(data: bytes) -> bytes:
                return data if self.announced else b"%x\r\n%b\r\n" % (len(data), data)

            await connection.write(
                reply.head(connection.now, chunked=not self.announced, length=length)
            )
            await connection.write(framed(_START))
            for _ in range(self.megabytes * _MEGABYTE // len(block)):
                await connection.write(framed(block))
            await connection.write(framed(_END) + (b"" if self.announced else b"0\r\n\r\n"))

        return RawResponse(target, reply.status, send, keep_open=True)


@functools.cache
def _compressed_megabyte() -> bytes:
    """Return a megabyte of letters as a deflate block that needs no context."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(b"x" * _MEGABYTE) + compressor.flush(zlib.Z_FULL_FLUSH)


def _compress(data: bytes, flush: int) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush(flush)


@attrs.frozen(kw_only=True)
class GzipBomb(FaultKind):
    """Sends a small gzip body that expands to a huge one, even if the client accepts no gzip."""

    handled: ClassVar = True
    megabytes: int = attrs.field(
        default=1000,
        validator=Number(
            "its decompressed size in megabytes", minimum=1, maximum=100_000, whole=True
        ),
    )

    async def apply(self, target: FaultRequest) -> web.StreamResponse:
        """Send the same compressed megabyte repeatedly."""
        reply = await target.reply()
        if not reply.has_body:
            target.discount()
            return reply.response()
        reply = reply.with_headers({hdrs.CONTENT_ENCODING: "gzip"})
        start, block = _compress(_START, zlib.Z_FULL_FLUSH), _compressed_megabyte()
        end = _compress(_END, zlib.Z_FINISH)
        length = len(_GZIP_HEAD) + len(start) + self.megabytes * len(block) + len(end) + 8

        async def send(connection: RawConnection) -> None:
            await connection.write(reply.head(connection.now, length=length) + _GZIP_HEAD + start)
            check, megabyte = zlib.crc32(_START), b"x" * _MEGABYTE
            for _ in range(self.megabytes):
                await connection.write(block)
                check = zlib.crc32(megabyte, check)
                await asyncio.sleep(0)  # so that the server handles other requests meanwhile
            check = zlib.crc32(_END, check)
            size = (len(_START) + self.megabytes * _MEGABYTE + len(_END)) % 2**32
            await connection.write(end + check.to_bytes(4, "little") + size.to_bytes(4, "little"))

        return RawResponse(target, reply.status, send, keep_open=True)


@attrs.frozen(kw_only=True)
class DeepJson(ReplyCorruption):
    """Sends a body of deeply nested lists."""

    levels: int = attrs.field(
        default=100_000, validator=Number("the depth", minimum=1, maximum=10_000_000, whole=True)
    )

    def corrupt(self, reply: BufferedReply, target: FaultRequest) -> BufferedReply | None:  # noqa: ARG002
        """Replace the body."""
        if not reply.has_body:
            return None
        return attrs.evolve(reply, body=b"[" * self.levels + b"]" * self.levels)
