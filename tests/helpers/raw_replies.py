"""HTTP replies as bytes, and functions that write endless ones."""

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
    """Return a reply with its Content-Length, unless *headers* frame it."""
    named = [header.partition(":")[0].lower() for header in headers]
    if not {"content-length", "transfer-encoding"} & set(named):
        headers = (*headers, f"Content-Length: {len(body)}")
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *headers, ""))
    return head.encode("utf-8", "surrogateescape") + body


def json_reply(value: object, *headers: str, status: str = "200 OK") -> bytes:
    """Return a reply with *value* as JSON."""
    return reply(
        json.dumps(value).encode(), "Content-Type: application/json", *headers, status=status
    )


EVSE_REPLY = json_reply(EVSE)


def chunk(data: bytes) -> bytes:
    """Return *data* as one chunk of the chunked transfer coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def streamed(
    head: bytes, pieces: Iterable[bytes]
) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """Return a reply that writes *pieces* as fast as the client reads them."""

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    return say


def endless(head: bytes, piece: bytes) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """Return a reply that writes *piece* every 10 ms and never ends."""

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for byte in repeat(piece):
            writer.write(byte)
            await writer.drain()
            await asyncio.sleep(0.01)

    return say


def compressed(start: bytes, block: bytes, *, wbits: int) -> tuple[bytes, bytes]:
    """Return the start of a compressed stream, and *block* compressed so that it can follow."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, wbits)
    head = compressor.compress(start) + compressor.flush(zlib.Z_FULL_FLUSH)
    plain = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return head, plain.compress(block) + plain.flush(zlib.Z_FULL_FLUSH)


def compression_bomb(encoding: str) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """Return an endless body of which each kilobyte decompresses to a megabyte."""
    wbits = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS, "raw deflate": -zlib.MAX_WBITS}
    start, block = compressed(b'["', b"x" * 2**20, wbits=wbits[encoding])
    named = f"Content-Encoding: {encoding.removeprefix('raw ')}"
    head = reply(b"", named, "Transfer-Encoding: chunked")
    return streamed(head + chunk(start), repeat(chunk(block)))


def in_gzip_members(body: bytes, number: int) -> bytes:
    """Return *body* compressed with gzip, after *number* empty gzip members."""
    return gzip.compress(b"") * number + gzip.compress(body)
