"""Replies as bytes."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Awaitable, Callable, Iterable
from itertools import repeat
from typing import Any

EVSE: dict[str, Any] = {"id": "evse01", "url": "https://api.ev.energy/v2/evses/evse01", "cpid": "c"}


def reply(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    """A reply whose length is announced, unless *headers* say otherwise."""
    named = [header.partition(":")[0].lower() for header in headers]
    if not {"content-length", "transfer-encoding"} & set(named):
        headers = (*headers, f"Content-Length: {len(body)}")
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *headers, ""))
    return head.encode("utf-8", "surrogateescape") + body


def said(value: object, *headers: str, status: str = "200 OK") -> bytes:
    """A reply with *value* as JSON."""
    return reply(
        json.dumps(value).encode(), "Content-Type: application/json", *headers, status=status
    )


GOOD = said(EVSE)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def saying(
    head: bytes, pieces: Iterable[bytes]
) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """An answer that is said piece by piece, as fast as it is listened to."""

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    return say


def dripping(head: bytes, piece: bytes) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """An answer that never ends, and always says a little more."""

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for byte in repeat(piece):
            writer.write(byte)
            await writer.drain()
            await asyncio.sleep(0.01)

    return say


def packed(start: bytes, block: bytes, *, wbits: int) -> tuple[bytes, bytes]:
    """The beginning of a packed stream, and *block* as it stands in any: packed by itself."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    begun = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    plain = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return begun, plain.compress(block) + plain.flush(zlib.Z_FULL_FLUSH)


def bomb(encoding: str) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """An endless body of which each kilobyte unpacks to a megabyte."""
    wbits = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS, "raw deflate": -zlib.MAX_WBITS}
    begun, block = packed(b'["', b"x" * 2**20, wbits=wbits[encoding])
    named = f"Content-Encoding: {encoding.removeprefix('raw ')}"
    head = reply(b"", named, "Transfer-Encoding: chunked")
    return saying(head + chunk(begun), repeat(chunk(block)))


def members(body: bytes, number: int) -> bytes:
    """*body* in gzip, after *number* members without anything in them."""
    return gzip.compress(b"") * number + gzip.compress(body)
