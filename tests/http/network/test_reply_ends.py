"""The end of a reply is where RFC 9112 §6.3 puts it; later bytes do not become another reply."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence

import aiohttp
import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ev_energy import Client, errors
from tests.helpers.support import TOKEN

EVSE = b'{"id":"e","url":"http://127.0.0.1/v2/evses/e","cpid":"A"}'
GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 57\r\n\r\n" + EVSE
assert len(EVSE) == 57
GZIPPED = gzip.compress(EVSE)

NO_CONTENT = {
    "empty chunk": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "braces": b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}",
    "braces without length": b"HTTP/1.1 204 No Content\r\n\r\n{}",
    "line feeds": b"HTTP/1.1 204 No Content\nContent-Length: 2\n\n{}",
    "html": b"HTTP/1.1 204 No Content\r\nContent-Type: text/html\r\n\r\n<html>\r\n\r\n</html>",
    "another reply": b"HTTP/1.1 204 Gone\r\n\r\nHTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    "after an interim reply": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n{}",
    "early hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 Gone\r\n\r\n0\r\n",
    "compressed": b"HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08",
}
OK = {
    "braces": GOOD + b"{}",
    "line feeds": GOOD + b"\r\n\r\n",
    "html": GOOD + b"<html>\r\n\r\n</html>",
    "nul": GOOD + b"\0\0\0\0",
    "compressed": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    % len(GZIPPED)
    + GZIPPED
    + b"more",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n39\r\n"
    + EVSE
    + b"\r\n0\r\n\r\nmore",
    "another reply": GOOD + b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    "half of another reply": GOOD + b"HTTP/1.1 500 Oops\r\nContent-Length: 9\r\n\r\nhalf",
    "chunk of another reply": GOOD
    + b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
    "after an interim reply": b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD + b"{}",
}


@attrs.define
class PacketServer:
    """A server that answers each request with the next reply, in several packets."""

    replies: list[Sequence[bytes]]
    port: int = 0
    connections: int = 0
    requests: list[bytes] = attrs.field(factory=list[bytes])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v2"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head.split(b"\r\n")[0])
                first, *later = self.replies.pop(0) if self.replies else [GOOD]
                writer.write(first)
                for packet in later:
                    for _ in range(3):  # let the client read, so that packets are not joined
                        await asyncio.sleep(0)
                    writer.write(packet)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[PacketServer]:
    packets = PacketServer([])
    listener = await asyncio.start_server(packets.serve, "127.0.0.1", 0)
    packets.port = listener.sockets[0].getsockname()[1]
    yield packets
    listener.close()
    await listener.wait_closed()


@pytest.mark.parametrize("injected", [False, True])
@pytest.mark.parametrize("kind", NO_CONTENT)
async def test_204_ends_with_its_headers(server: PacketServer, kind: str, injected: bool) -> None:
    server.replies = [[NO_CONTENT[kind]], [GOOD]]
    async with aiohttp.ClientSession() as session:
        client = Client(
            TOKEN, base_url=server.url, retries=0, session=session if injected else None
        )
        async with client:
            await client.evses.delete("e")
            assert (await client.evses.get("e")).cpid == "A"
    assert server.connections == 2, "the connection holds surplus bytes and is not used again"
    assert len(server.requests) == 2


@pytest.mark.parametrize("kind", OK)
async def test_complete_reply_is_used_despite_the_bytes_after_it(
    server: PacketServer, kind: str
) -> None:
    server.replies = [[OK[kind]], [OK[kind]], [GOOD]]
    async with Client(TOKEN, base_url=server.url, retries=0) as client:
        assert (await client.evses.get("e")).cpid == "A"
        assert (await client.evses.update("e", location=None)).cpid == "A"
        assert (await client.evses.get("e")).cpid == "A"


async def test_limits_of_the_session_hold_where_a_reply_is_parsed_again(
    server: PacketServer,
) -> None:
    long_header = b"200 OK\r\nX-Long: " + b"x" * 10_000 + b"\r\n"
    server.replies = [[GOOD.replace(b"200 OK\r\n", long_header) + b"more"]] * 2
    async with (
        aiohttp.ClientSession(max_field_size=20_000, max_line_size=20_000) as session,
        Client(TOKEN, base_url=server.url, retries=0, session=session) as client,
    ):
        assert (await client.evses.get("e")).cpid == "A"
    async with Client(TOKEN, base_url=server.url, retries=0) as client:
        with pytest.raises(errors.LimitError, match="too long"):
            await client.evses.get("e")


@pytest.mark.parametrize("kind", [*NO_CONTENT, *OK])
async def test_packet_boundaries_make_no_difference(server: PacketServer, kind: str) -> None:
    reply = NO_CONTENT.get(kind) or OK[kind]
    cuts = sorted({*range(1, len(reply), 7), reply.find(b"\n\r\n") + 1, len(reply) - 1})
    server.replies = [[reply[:cut], reply[cut:]] for cut in cuts]
    for _ in cuts:
        async with Client(TOKEN, base_url=server.url, retries=0) as client:
            await (client.evses.delete("e") if kind in NO_CONTENT else client.evses.get("e"))


async def test_late_body_of_a_204_does_not_reach_the_next_request(server: PacketServer) -> None:
    head = b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"
    server.replies = [[head, b"0\r\n\r\n"], [GOOD]]
    async with Client(TOKEN, base_url=server.url, retries=0) as client:
        await client.evses.delete("e")
        assert (await client.evses.update("e", location=None)).cpid == "A"
    assert server.connections == 2


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_surplus_reply_after_one_without_body_answers_no_later_request(
    server: PacketServer, status: bytes
) -> None:
    surplus = GOOD.replace(b'"A"', b'"B"')
    server.replies = [[b"HTTP/1.1 " + status + b"\r\n\r\n", surplus], [GOOD]]
    async with Client(TOKEN, base_url=server.url, retries=0) as client:
        with contextlib.suppress(errors.DecodeError):  # no deletion is answered with 304
            await client.evses.delete("e")
        for _ in range(10):  # until the second reply has arrived
            await asyncio.sleep(0)
        assert (await client.evses.get("e")).cpid == "A"
    assert len(server.requests) == 2


async def test_surplus_reply_answers_no_later_request(server: PacketServer) -> None:
    """Otherwise, a reply that was sent before a write would confirm it."""
    surplus = GOOD.replace(b'"A"', b'"B"')
    cuts = [*range(1, len(GOOD), 9), len(GOOD) - len(EVSE), len(GOOD) - 1]
    server.replies = [
        reply for cut in cuts for reply in ([GOOD[:cut], GOOD[cut:] + surplus], [GOOD])
    ]
    async with Client(TOKEN, base_url=server.url, retries=0) as client:
        for _ in cuts:
            assert (await client.evses.get("e")).cpid == "A"
            assert (await client.evses.update("e", location=None)).cpid == "A"
    assert len(server.requests) == 2 * len(cuts)
    assert server.connections == len(cuts) + 1


async def test_surplus_reply_after_many_interim_replies_answers_no_later_request(
    server: PacketServer,
) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20
    server.replies = [[interim + GOOD, GOOD.replace(b'"A"', b'"B"')], [GOOD]]
    async with Client(TOKEN, base_url=server.url, retries=0) as client:
        assert (await client.evses.get("e")).cpid == "A"
        for _ in range(10):  # until the second reply has arrived
            await asyncio.sleep(0)
        assert (await client.evses.update("e", location=None)).cpid == "A"
    assert len(server.requests) == 2


async def test_connection_is_reused_after_a_proper_204(server: PacketServer) -> None:
    empty = b"HTTP/1.1 204 No Content\r\n\r\n"
    zero = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"
    reset = b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"
    server.replies = [[empty], [zero], [reset], [GOOD]]
    async with Client(TOKEN, base_url=server.url, retries=0) as client:
        await client.evses.delete("e")
        await client.evses.delete("e")
        with pytest.raises(errors.DecodeError):  # no operation is answered with 205
            await client.evses.delete("e")
        assert (await client.evses.get("e")).cpid == "A"
    assert server.connections == 1


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + EVSE,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n39\r\n" + EVSE + b"\r\nno chunk\r\n",
        b"no HTTP at all\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 57\r\n\r\n" + EVSE,
    ],
)
async def test_incomplete_reply_is_an_error(server: PacketServer, reply: bytes) -> None:
    server.replies = [[reply]]
    async with Client(TOKEN, base_url=server.url, retries=0, timeout=0.2) as client:
        with pytest.raises((errors.TransportError, errors.DecodeError)):
            await client.evses.get("e")


@settings(max_examples=30)
@given(st.binary(max_size=40))
def test_deletion_is_confirmed_despite_the_bytes_after_a_204(after: bytes) -> None:
    async def run() -> None:
        server = PacketServer([[b"HTTP/1.1 204 No Content\r\n\r\n" + after]])
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        server.port = listener.sockets[0].getsockname()[1]
        async with Client(TOKEN, base_url=server.url, retries=0) as client:
            await client.evses.delete("e")
        listener.close()
        await listener.wait_closed()

    asyncio.run(run())


@pytest.mark.slow
def test_pure_python_parser_gives_the_same_results() -> None:
    """aiohttp uses its Python parser if its extension is missing."""
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", __file__, "-k", "204 or complete or packet"],
        env={**os.environ, "AIOHTTP_NO_EXTENSIONS": "1", "EV_ENERGY_NO_SKIPS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
