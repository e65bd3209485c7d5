"""The timeout of an attempt ends replies that never end."""

from __future__ import annotations

from itertools import repeat

import pytest

from ev_energy import errors
from tests.helpers.raw_replies import EVSE_REPLY, chunk, endless, reply, streamed

CHUNKED = reply(b"", "Transfer-Encoding: chunked")
GZIP = reply(b"", "Content-Encoding: gzip", "Transfer-Encoding: chunked")
EMPTY_MEMBER = bytes.fromhex("1f8b0800000000000003 0300 00000000 00000000")
ENDLESS = {
    "a body that drips": endless(reply(b"", "Content-Length: 1000000"), b" "),
    "chunks that drip": endless(CHUNKED, chunk(b" ")),
    "headers that drip": endless(b"HTTP/1.1 200 OK\r\n", b"x"),
    "empty gzip members": endless(GZIP, chunk(EMPTY_MEMBER)),
    "informational replies": streamed(b"", repeat(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50)),
    "an extension of a chunk": streamed(CHUNKED + b"2;", repeat(b"x" * 65536)),
    "an empty line": endless(b"", b"\r\n"),
    "a chunk's size": endless(CHUNKED, b"0"),
}


@pytest.mark.parametrize("answer", ENDLESS.values(), ids=ENDLESS)
async def test_endless_reply_ends_with_the_timeout_of_the_attempt(raw_server, answer) -> None:
    server = await raw_server(answer, EVSE_REPLY)
    async with server.client(timeout=0.3, retries=0) as client:
        with pytest.raises(errors.TransportError, match=r"no reply within 0.3 s"):
            await client.evses.get("evse01")
        with_longer_timeout = client.with_options(timeout=30)
        assert (await with_longer_timeout.evses.get("evse01")).id == "evse01"
    assert server.connections == 2


async def test_write_with_an_endless_reply_is_unconfirmed(raw_server) -> None:
    server = await raw_server(ENDLESS["a body that drips"])
    async with server.client(timeout=0.3) as client:
        with pytest.raises(errors.UnconfirmedWriteError):
            await client.evses.delete("evse01")
    assert len(server.heads) == 1


async def test_read_with_a_slow_reply_is_retried(raw_server) -> None:
    server = await raw_server(ENDLESS["chunks that drip"], EVSE_REPLY)
    async with server.client(timeout=2, retries=1) as client:
        assert (await client.evses.get("evse01")).id == "evse01"
    assert len(server.heads) == 2
