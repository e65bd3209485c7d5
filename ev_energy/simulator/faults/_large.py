"""Faults of size: bodies that no client should try to hold. The server does not, either."""

from __future__ import annotations

import asyncio
import functools
import zlib
from typing import TYPE_CHECKING, ClassVar, Final

import attrs
from aiohttp import hdrs

from ev_energy.simulator.faults._corrupted_replies import Spoiler
from ev_energy.simulator.faults._kind import ByHand, Incident, Kind, Wire
from ev_energy.simulator.faults._options import Flag, Number

if TYPE_CHECKING:
    from aiohttp import web

    from ev_energy.simulator.faults._reply import Answer


_MEGABYTE: Final = 1024 * 1024
#: A list of one text, which has any length.
_START: Final = b'["'
_END: Final = b'"]'
_GZIP_HEAD: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


@attrs.frozen(kw_only=True)
class GiantBody(Kind):
    """A body of JSON that goes on and on."""

    handled: ClassVar = True
    megabytes: int = attrs.field(
        default=100, validator=Number("how large", least=1, most=1_000_000, whole=True)
    )
    announced: bool = attrs.field(
        default=False, validator=Flag("whether its length is named; else it comes in chunks")
    )

    async def strike(self, incident: Incident) -> web.StreamResponse:
        """Send it block by block, as fast as the client takes it."""
        answer = await incident.answer()
        if not answer.has_body:
            incident.give_back()
            return answer.response()
        block = b"x" * 65536
        length = len(_START) + self.megabytes * _MEGABYTE + len(_END)

        async def send(wire: Wire) -> None:
            def framed(data: bytes) -> bytes:
                return data if self.announced else b"%x\r\n%b\r\n" % (len(data), data)

            await wire.write(answer.head(wire.now, chunked=not self.announced, length=length))
            await wire.write(framed(_START))
            for _ in range(self.megabytes * _MEGABYTE // len(block)):
                await wire.write(framed(block))
            await wire.write(framed(_END) + (b"" if self.announced else b"0\r\n\r\n"))

        return ByHand(incident, answer.status, send, stay=True)


@functools.cache
def _packed_megabyte() -> bytes:
    """Return a megabyte of letters as it stands in any deflate stream: it needs no context."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(b"x" * _MEGABYTE) + packer.flush(zlib.Z_FULL_FLUSH)


def _packed(data: bytes, flush: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush(flush)


@attrs.frozen(kw_only=True)
class GzipBomb(Kind):
    """A small body that gzip unpacks to a huge one; sent whether or not the client takes gzip."""

    handled: ClassVar = True
    megabytes: int = attrs.field(
        default=1000, validator=Number("how large it gets", least=1, most=100_000, whole=True)
    )

    async def strike(self, incident: Incident) -> web.StreamResponse:
        """Send the same packed megabyte again and again."""
        answer = await incident.answer()
        if not answer.has_body:
            incident.give_back()
            return answer.response()
        answer = answer.with_headers({hdrs.CONTENT_ENCODING: "gzip"})
        start, block = _packed(_START, zlib.Z_FULL_FLUSH), _packed_megabyte()
        end = _packed(_END, zlib.Z_FINISH)
        length = len(_GZIP_HEAD) + len(start) + self.megabytes * len(block) + len(end) + 8

        async def send(wire: Wire) -> None:
            await wire.write(answer.head(wire.now, length=length) + _GZIP_HEAD + start)
            check, megabyte = zlib.crc32(_START), b"x" * _MEGABYTE
            for _ in range(self.megabytes):
                await wire.write(block)
                check = zlib.crc32(megabyte, check)
                await asyncio.sleep(0)  # so that others are served meanwhile
            check = zlib.crc32(_END, check)
            size = (len(_START) + self.megabytes * _MEGABYTE + len(_END)) % 2**32
            await wire.write(end + check.to_bytes(4, "little") + size.to_bytes(4, "little"))

        return ByHand(incident, answer.status, send, stay=True)


@attrs.frozen(kw_only=True)
class DeepJson(Spoiler):
    """A body of lists in lists in lists."""

    levels: int = attrs.field(
        default=100_000, validator=Number("how deep", least=1, most=10_000_000, whole=True)
    )

    def spoil(self, answer: Answer, incident: Incident) -> Answer | None:  # noqa: ARG002
        """Replace the body."""
        if not answer.has_body:
            return None
        return attrs.evolve(answer, body=b"[" * self.levels + b"]" * self.levels)
