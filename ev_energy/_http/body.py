"""Reading the body of a reply, of which no more is held than was allowed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from ev_energy._messages import LimitFault

if TYPE_CHECKING:
    import aiohttp

_LARGE: Final = 65_536


async def read_body(reply: aiohttp.ClientResponse, most: int) -> bytes:
    """The body of *reply*, unpacked; `LimitFault` if it has more than *most* bytes.

    A reply that is not read to its end takes its connection along when it is released.
    """
    content = reply.content
    if content.is_eof():  # it came with its headers, or as good as
        if content.total_bytes <= most:
            return await reply.read()
    elif (length := _announced(reply)) is None:
        return await _in_pieces(reply, most)
    elif length <= most:
        return await reply.read()
    raise _too_large(reply, most)


def _announced(reply: aiohttp.ClientResponse) -> int | None:
    """How long the body will be; None where nothing can be relied on."""
    headers = reply.headers
    if "Content-Encoding" in headers or "Transfer-Encoding" in headers:
        return None
    return reply.content_length


async def _in_pieces(reply: aiohttp.ClientResponse, most: int) -> bytes:
    """The body of *reply*, whose length nobody knows.

    So read, aiohttp unpacks it bit by bit; for `reply.read` it would unpack all it has at once.
    """
    found = bytearray()
    while piece := await reply.content.readany():
        if len(found) + len(piece) > most:
            raise _too_large(reply, most)
        found += piece
        if len(piece) > _LARGE:  # what packs well comes without a wait, and others wait for us
            await asyncio.sleep(0)
    return bytes(found)


def _too_large(reply: aiohttp.ClientResponse, most: int) -> LimitFault:
    message = f"the body has more than {most} bytes (max_body)"
    return LimitFault(message, limit="max_body", status=reply.status)
