"""Reading the body of a reply, up to the size that was allowed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from ev_energy._messages import LimitFault

if TYPE_CHECKING:
    import aiohttp

_LARGE: Final = 65_536


async def read_body(reply: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Return the decompressed body of *reply*; `LimitFault` if it exceeds *max_bytes*.

    Releasing a reply that was not read to its end closes its connection.
    """
    content = reply.content
    if content.is_eof():  # the body arrived together with the headers
        if content.total_bytes <= max_bytes:
            return await reply.read()
    elif (length := _content_length(reply)) is None:
        return await _in_pieces(reply, max_bytes)
    elif length <= max_bytes:
        return await reply.read()
    raise _too_large(reply, max_bytes)


def _content_length(reply: aiohttp.ClientResponse) -> int | None:
    """Return the length of the body; None if the headers do not determine it."""
    headers = reply.headers
    if "Content-Encoding" in headers or "Transfer-Encoding" in headers:
        return None
    return reply.content_length


async def _in_pieces(reply: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Return the body of *reply*, whose length is unknown.

    Read in pieces, aiohttp decompresses it in pieces; `reply.read` would decompress all it has.
    """
    body = bytearray()
    while piece := await reply.content.readany():
        if len(body) + len(piece) > max_bytes:
            raise _too_large(reply, max_bytes)
        body += piece
        if len(piece) > _LARGE:  # compressed data may be read without a wait: let other tasks run
            await asyncio.sleep(0)
    return bytes(body)


def _too_large(reply: aiohttp.ClientResponse, max_bytes: int) -> LimitFault:
    message = f"the body has more than {max_bytes} bytes (max_body)"
    return LimitFault(message, limit="max_body", status=reply.status)
