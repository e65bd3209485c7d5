"""HTTP over a socket, with every byte under control: for requests that no client would send."""

from __future__ import annotations

import asyncio
import contextlib
import re
import zlib
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Final

import attrs

_LIMIT: Final = 2**22
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.1 (\d{3}) ?([^\r]*)\r\n")
_NO_BODY: Final = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


@attrs.define
class RawReply:
    """One reply as it came over the wire."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    ending: str = ""
    """Why the body is not complete; empty if it is."""

    def header(self, name: str) -> str:
        """Return the value of a header, or an empty string."""
        return next((text for known, text in self.headers if known.lower() == name.lower()), "")


@attrs.define
class Connection:
    """A connection to the server, opened on first use and again when the server closed it."""

    port: int
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, data: bytes) -> None:
        """Send *data* as it is."""
        _, writer = await self._open()
        writer.write(data)
        await writer.drain()

    async def read(
        self,
        method: str,
        *,
        head_patience: float | None = None,
        patience: float | None = None,
        at_most: int = _LIMIT,
    ) -> RawReply:
        """Return the next reply; `EOFError`, `ConnectionError` or `TimeoutError` if none comes.

        Stop after *at_most* bytes of the body, or if it takes longer than *patience* seconds.
        """
        reader, _ = await self._open()
        async with asyncio.timeout(head_patience):
            head = await reader.readuntil(b"\r\n\r\n")
        line, *fields = head[:-4].split(b"\r\n")
        found = _STATUS_LINE.fullmatch(line + b"\r\n")
        if found is None:
            raise ValueError(f"not a status line: {line!r}")
        pairs = [field.decode("latin-1").partition(":") for field in fields]
        reply = RawReply(int(found[1]), [(name, text.strip()) for name, _, text in pairs])
        if method != "HEAD" and reply.status >= HTTPStatus.OK and reply.status not in _NO_BODY:
            await self._read_body(reader, reply, patience, at_most)
        if reply.header("Connection").lower() == "close":
            await self.close()
        return reply

    async def exchange(self, method: str, data: bytes) -> RawReply:
        """Send a request and return the reply to it."""
        await self.send(data)
        return await self.read(method)

    async def close(self) -> None:
        """Close the connection; the next request opens another one."""
        streams, self.streams = self.streams, None
        if streams is not None:
            streams[1].close()
            with contextlib.suppress(OSError):
                await streams[1].wait_closed()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port, limit=_LIMIT)
        return self.streams

    async def _read_body(
        self, reader: asyncio.StreamReader, reply: RawReply, patience: float | None, at_most: int
    ) -> None:
        body = bytearray()
        try:
            async with asyncio.timeout(patience):
                async for piece in _pieces(reader, reply, at_most):
                    body.extend(piece)
            if len(body) >= at_most:
                reply.ending = "stopped reading"
        except asyncio.IncompleteReadError as error:
            body.extend(error.partial)
            reply.ending = "closed"
        except ConnectionError:
            reply.ending = "reset"
        except TimeoutError:
            body.clear()  # how many bytes came is a matter of time
            reply.ending = "slow"
        except ValueError:
            reply.ending = "malformed"
        if reply.ending:
            await self.close()
        if reply.header("Content-Encoding") == "gzip":  # whose bytes differ between releases
            body = bytearray() if reply.ending else bytearray(zlib.decompress(body, wbits=31))
        reply.body = bytes(body)


async def _pieces(
    reader: asyncio.StreamReader, reply: RawReply, at_most: int
) -> AsyncIterator[bytes]:
    """Yield the body of a reply, up to *at_most* bytes of it."""
    if reply.header("Transfer-Encoding").lower() != "chunked":
        length = int(reply.header("Content-Length") or "0")
        yield await reader.readexactly(min(length, at_most))
        return
    while size := int(await reader.readline(), 16):
        yield await reader.readexactly(min(size, at_most))
        at_most -= size
        if at_most <= 0:
            return
        await reader.readexactly(2)
    await reader.readline()


def request_bytes(method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Return a request as it goes over the wire."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items())]
    if body or method in {"PATCH", "POST", "PUT"}:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
