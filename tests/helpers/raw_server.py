"""A server that sends the bytes of a test, whether they are HTTP or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import attrs
import pytest

from ev_energy import Client
from tests.helpers.support import TOKEN

#: The bytes of a reply, or a function that writes them until the client disconnects.
Reply = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


@attrs.define
class RawServer:
    """A server with one reply for each request; the last reply is repeated."""

    replies: list[Reply]
    port: int = 0
    heads: list[bytes] = attrs.field(factory=list[bytes])
    """The head of each request."""
    connections: int = 0
    disconnects: asyncio.Queue[None] = attrs.field(factory=asyncio.Queue[None])
    """One entry for each connection that the client closed."""

    @property
    def url(self) -> str:
        """The base URL for a client."""
        return f"http://127.0.0.1:{self.port}/v2"

    def client(self, **settings: object) -> Client:
        """Return a client of this server."""
        return Client(TOKEN, base_url=self.url, **settings)  # type: ignore[arg-type]  # any of them

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                await reader.readexactly(_content_length(head))
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                if isinstance(reply, bytes):
                    writer.write(reply)
                    await writer.drain()
                else:
                    await reply(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.disconnects.put_nowait(None)
        finally:
            writer.close()


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


@pytest.fixture
async def raw_server() -> AsyncIterator[Callable[..., Awaitable[RawServer]]]:
    """Start raw servers with the replies of the test."""
    running: list[asyncio.Server] = []
    handlers: set[asyncio.Task[None]] = set()

    async def start(*replies: Reply) -> RawServer:
        raw = RawServer(list(replies))

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            handlers.add(asyncio.get_running_loop().create_task(raw.handle(reader, writer)))

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        running.append(server)
        raw.port = server.sockets[0].getsockname()[1]
        return raw

    yield start
    for server in running:
        server.close()
    for handler in handlers:
        handler.cancel()
    await asyncio.gather(*handlers, return_exceptions=True)
