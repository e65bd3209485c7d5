"""A server that says whatever a test wants it to say, byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import attrs
import pytest

from ev_energy import Client
from tests.helpers.support import TOKEN

#: What is said to one request; it may go on until nobody listens any more.
Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


@attrs.define
class Wire:
    """The answers it has yet to give, of which the last is given for ever, and what it heard."""

    answers: list[Answer]
    port: int = 0
    heard: list[bytes] = attrs.field(factory=list[bytes])
    """The head of each request."""
    connections: int = 0
    left: asyncio.Queue[None] = attrs.field(factory=asyncio.Queue[None])
    """One entry for each connection that the client gave up."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v2"

    def client(self, **settings: object) -> Client:
        return Client(TOKEN, base_url=self.url, **settings)  # type: ignore[arg-type]  # any of them

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heard.append(head)
                await reader.readexactly(_length(head))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if isinstance(answer, bytes):
                    writer.write(answer)
                    await writer.drain()
                else:
                    await answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.put_nowait(None)
        finally:
            writer.close()


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


@pytest.fixture
async def wire() -> AsyncIterator[Callable[..., Awaitable[Wire]]]:
    """Start a server that gives these answers."""
    running: list[asyncio.Server] = []
    talks: set[asyncio.Task[None]] = set()

    async def start(*answers: Answer) -> Wire:
        made = Wire(list(answers))

        def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            talks.add(asyncio.get_running_loop().create_task(made.talk(reader, writer)))

        server = await asyncio.start_server(welcome, "127.0.0.1", 0)
        running.append(server)
        made.port = server.sockets[0].getsockname()[1]
        return made

    yield start
    for server in running:
        server.close()
    for talk in talks:
        talk.cancel()
    await asyncio.gather(*talks, return_exceptions=True)
