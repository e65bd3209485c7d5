"""Replies that never end: the time of an attempt is over, whatever has come by then."""

from __future__ import annotations

from itertools import repeat

import pytest

from ev_energy import errors
from tests.helpers.raw_replies import GOOD, chunk, dripping, reply, saying

CHUNKED = reply(b"", "Transfer-Encoding: chunked")
GZIP = reply(b"", "Content-Encoding: gzip", "Transfer-Encoding: chunked")
EMPTY_MEMBER = bytes.fromhex("1f8b0800000000000003 0300 00000000 00000000")
ENDLESS = {
    "a body that drips": dripping(reply(b"", "Content-Length: 1000000"), b" "),
    "chunks that drip": dripping(CHUNKED, chunk(b" ")),
    "headers that drip": dripping(b"HTTP/1.1 200 OK\r\n", b"x"),
    "nothing, packed, that drips": dripping(GZIP, chunk(EMPTY_MEMBER)),
    "informational replies": saying(b"", repeat(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50)),
    "an extension of a chunk": saying(CHUNKED + b"2;", repeat(b"x" * 65536)),
    "an empty line": dripping(b"", b"\r\n"),
    "a chunk's size": dripping(CHUNKED, b"0"),
}


@pytest.mark.parametrize("answer", ENDLESS.values(), ids=ENDLESS)
async def test_what_never_ends_ends_with_the_time_of_the_attempt(wire, answer) -> None:
    server = await wire(answer, GOOD)
    async with server.client(timeout=0.3, retries=0) as client:
        with pytest.raises(errors.TransportError, match=r"no reply within 0.3 s"):
            await client.evses.get("evse01")
        calm = client.with_options(timeout=30)
        assert (await calm.evses.get("evse01")).id == "evse01"
    assert server.connections == 2


async def test_a_write_that_is_answered_for_ever_is_unconfirmed(wire) -> None:
    server = await wire(ENDLESS["a body that drips"])
    async with server.client(timeout=0.3) as client:
        with pytest.raises(errors.UnconfirmedWriteError):
            await client.evses.delete("evse01")
    assert len(server.heard) == 1


async def test_a_read_that_drips_is_tried_again(wire) -> None:
    server = await wire(ENDLESS["chunks that drip"], GOOD)
    async with server.client(timeout=2, retries=1) as client:
        assert (await client.evses.get("evse01")).id == "evse01"
    assert len(server.heard) == 2
