"""Oversized bodies and headers are errors, and use no more memory than allowed."""

from __future__ import annotations

import asyncio
import gzip
import json
import pickle
import sys
import zlib
from itertools import repeat

import aiohttp
import pytest
from aiohttp import web

from ev_energy import Client, ClientCredentials, errors
from ev_energy.hooks import ResponseEvent
from ev_energy.simulator import Simulator
from tests.helpers.raw_replies import (
    EVSE,
    EVSE_REPLY,
    chunk,
    compressed,
    compression_bomb,
    in_gzip_members,
    json_reply,
    reply,
    streamed,
)

MAX_BODY = 100_000
#: Before 3.14.4, aiohttp does not know a coding in capitals, nor a limit of compressed members.
OLD_AIOHTTP = tuple(map(int, aiohttp.__version__.split(".")[:3])) < (3, 14, 4)
BLOCK = b"x" * 65536
HUGE = reply(b"[", f"Content-Length: {10**12}")
CHUNKED = reply(b"", "Transfer-Encoding: chunked")
LIST = json.dumps([EVSE]).encode()

TOO_LARGE = {
    "announced": HUGE,
    "announced, and more than comes": reply(LIST, f"Content-Length: {MAX_BODY + 1}"),
    "announced, and endless": streamed(HUGE, repeat(BLOCK)),
    "in chunks": streamed(CHUNKED, repeat(chunk(BLOCK))),
    "in one chunk": streamed(CHUNKED + b"ffffffffff\r\n", repeat(BLOCK)),
    "in chunks of a byte": streamed(CHUNKED, repeat(chunk(b"x") * 5000)),
    "until it hangs up": streamed(b"HTTP/1.1 200 OK\r\n\r\n", repeat(BLOCK)),
    "as HTTP/1.0 does": streamed(b"HTTP/1.0 200 OK\r\n\r\n", repeat(BLOCK)),
    "at once": reply(b"x" * (MAX_BODY + 1)),
    "gzip bomb": compression_bomb("gzip"),
    "deflate bomb": compression_bomb("deflate"),
    "raw deflate bomb": compression_bomb("raw deflate"),
    "gzip bomb that is short": reply(gzip.compress(b"x" * 20_000_000), "Content-Encoding: gzip"),
    "members of gzip": reply(gzip.compress(b"x" * 1000) * 1000, "Content-Encoding: gzip"),
    "error": streamed(
        reply(b"", "Transfer-Encoding: chunked", status="503 Busy"), repeat(chunk(BLOCK))
    ),
}


@pytest.mark.parametrize("answer", TOO_LARGE.values(), ids=TOO_LARGE)
async def test_oversized_body_is_an_error_and_not_requested_again(raw_server, answer) -> None:
    server = await raw_server(answer, EVSE_REPLY)
    async with server.client(max_body=MAX_BODY) as client:
        with pytest.raises(errors.LimitError) as caught:
            await client.evses.get("evse01")
        error = caught.value
        assert error.limit == "max_body"
        assert error.status == (503 if answer is TOO_LARGE["error"] else 200)
        assert f"the body has more than {MAX_BODY} bytes (max_body) (HTTP {error.status})" in str(
            error
        )
        assert "carried out" not in str(error)
        copy = pickle.loads(pickle.dumps(error))
        assert (copy.limit, copy.status) == (error.limit, error.status)
        assert len(server.heads) == 1
        assert (await client.evses.get("evse01")).id == "evse01"


@pytest.mark.parametrize(
    "name", ["announced", "announced, and endless", "in chunks", "gzip bomb", "until it hangs up"]
)
async def test_connection_of_an_oversized_body_is_closed_at_once(raw_server, name: str) -> None:
    server = await raw_server(TOO_LARGE[name], EVSE_REPLY)
    async with server.client(max_body=MAX_BODY) as client:
        with pytest.raises(errors.LimitError):
            await client.evses.get("evse01")
        await asyncio.wait_for(server.disconnects.get(), 10)
        await client.evses.get("evse01")
        await client.evses.get("evse01")
    assert server.connections == 2


EXACT = LIST[:-1] + b" " * (MAX_BODY - len(LIST)) + b"]"
AS_LARGE = {
    "announced": reply(EXACT),
    "in chunks": streamed(CHUNKED, [chunk(EXACT[:70_000]), chunk(EXACT[70_000:]), b"0\r\n\r\n"]),
    "in chunks with extensions": reply(
        b"%x;a=b\r\n%b\r\n0;c\r\nTrailer: x\r\n\r\n" % (MAX_BODY, EXACT),
        "Transfer-Encoding: chunked",
    ),
    "gzip": reply(gzip.compress(EXACT), "Content-Encoding: gzip"),
    **({} if OLD_AIOHTTP else {"GZip": reply(gzip.compress(EXACT), "Content-Encoding: GZip")}),
    "gzip, slowly": streamed(
        reply(b"", "Content-Encoding: gzip", "Transfer-Encoding: chunked"),
        [*(chunk(bytes([byte])) for byte in gzip.compress(EXACT)), b"0\r\n\r\n"],
    ),
    "gzip in members": reply(in_gzip_members(EXACT, 100), "Content-Encoding: gzip"),
    "deflate": reply(zlib.compress(EXACT), "Content-Encoding: deflate"),
}


@pytest.mark.parametrize("answer", AS_LARGE.values(), ids=AS_LARGE)
async def test_body_of_exactly_the_allowed_size_is_read(raw_server, answer) -> None:
    server = await raw_server(answer)
    async with server.client(max_body=MAX_BODY) as client:
        for _ in range(2):
            page = await client.evses.list().page()
            assert [evse.id for evse in page.items] == ["evse01"]
            assert page.response.body == EXACT
    assert server.connections == 1
    async with server.client(max_body=MAX_BODY - 1) as client:
        with pytest.raises(errors.LimitError):
            await client.evses.list().page()


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip", "deflate"])
async def test_body_that_cannot_be_decompressed_is_a_transport_error(
    raw_server, encoding: str
) -> None:
    server = await raw_server(reply(b"not compressed", f"Content-Encoding: {encoding}"), EVSE_REPLY)
    async with server.client(retries=0) as client:
        with pytest.raises(errors.TransportError):
            await client.evses.get("evse01")
        assert (await client.evses.get("evse01")).id == "evse01"


@pytest.mark.parametrize(
    "headers",
    [("Content-Encoding: gzip, gzip",), ("Content-Encoding: compress",)],
    ids=["compressed twice", "unknown encoding"],
)
async def test_body_with_unsupported_encoding_is_read_unchanged(
    raw_server, headers: tuple[str, ...]
) -> None:
    compressed_twice = gzip.compress(gzip.compress(b"x" * 10_000_000))
    server = await raw_server(reply(compressed_twice, *headers), EVSE_REPLY)
    async with server.client() as client:
        with pytest.raises(errors.DecodeError) as caught:
            await client.evses.get("evse01")
        assert caught.value.body == compressed_twice
        assert (await client.evses.get("evse01")).id == "evse01"


@pytest.mark.skipif(OLD_AIOHTTP, reason="aiohttp counts members since 3.14.4")
async def test_body_compressed_in_very_many_members_is_refused(raw_server) -> None:
    body = reply(in_gzip_members(json.dumps(EVSE).encode(), 5000), "Content-Encoding: gzip")
    server = await raw_server(body, EVSE_REPLY)
    async with server.client() as client:
        with pytest.raises(errors.LimitError, match="too many compressed members") as caught:
            await client.evses.get("evse01")
        assert (caught.value.limit, caught.value.status) == ("members", 200)
        assert len(server.heads) == 1
        assert (await client.evses.get("evse01")).id == "evse01"


HEADERS = {
    "a long header": ("header_size", json_reply(EVSE, "X-Padding: " + "x" * 70_000)),
    "an endless header": ("header_size", streamed(b"HTTP/1.1 200 OK\r\nX: ", repeat(BLOCK))),
    "a long name": ("header_size", json_reply(EVSE, "x" * 70_000 + ": x")),
    "a long reason": ("header_size", json_reply(EVSE, status="200 " + "x" * 70_000)),
    "many headers": ("headers", json_reply(EVSE, *(f"X-Padding-{n}: {n}" for n in range(1000)))),
    "endless headers": ("headers", streamed(b"HTTP/1.1 200 OK\r\n", repeat(b"X: y\r\n" * 100))),
    "endless trailers": ("headers", streamed(CHUNKED + b"0\r\n", repeat(b"X: y\r\n" * 100))),
}


@pytest.mark.parametrize(("limit", "answer"), HEADERS.values(), ids=HEADERS)
async def test_oversized_headers_are_an_error(raw_server, limit: str, answer) -> None:
    server = await raw_server(answer, EVSE_REPLY)
    async with server.client() as client:
        with pytest.raises(errors.LimitError) as caught:
            await client.evses.get("evse01")
        assert caught.value.limit == limit
        assert "xxxx" not in str(caught.value)
        assert len(server.heads) == 1
        assert (await client.evses.get("evse01")).id == "evse01"
    assert server.connections == 2


@pytest.mark.parametrize(("name", "status"), [("in chunks", 200), ("error", 503)])
async def test_write_with_an_oversized_reply_is_unconfirmed(
    raw_server, name: str, status: int
) -> None:
    server = await raw_server(TOO_LARGE[name], EVSE_REPLY)
    async with server.client(max_body=MAX_BODY) as client:
        with pytest.raises(errors.LimitError, match="may or may not have been carried") as caught:
            await client.evses.delete("evse01")
        assert caught.value.status == status
    assert len(server.heads) == 1
    server = await raw_server(HEADERS["a long header"][1], EVSE_REPLY)
    async with server.client() as client:
        with pytest.raises(errors.LimitError, match="may or may not have been carried") as caught:
            await client.evses.delete("evse01")
        assert caught.value.status is None
    assert len(server.heads) == 1


async def test_token_replies_have_the_same_limit(raw_server, serve) -> None:
    async def token(_: web.Request) -> web.Response:
        return web.json_response({"access_token": "t" * MAX_BODY})

    server = await serve(token)
    async with server.client(server.credentials(), max_body=MAX_BODY) as client:
        with pytest.raises(errors.LimitError, match="max_body"):
            await client.evses.get("evse01")
    assert len(server.requests) == 1


async def test_hooks_are_called_for_an_oversized_reply(raw_server) -> None:
    events: list[ResponseEvent] = []
    server = await raw_server(TOO_LARGE["in chunks"])
    async with server.client(max_body=MAX_BODY, on_response=events.append) as client:
        with pytest.raises(errors.LimitError):
            await client.evses.get("evse01")
    [event] = events
    assert event.response is None
    assert "max_body" in str(event.error)


@pytest.mark.parametrize("max_body", [0, -1])
def test_limit_below_one_is_refused(max_body: int) -> None:
    with pytest.raises(ValueError, match=f"max_body must be 1 or more, not {max_body}"):
        Client(max_body=max_body)


async def test_paging_resumes_at_the_oversized_page(simulator: Simulator) -> None:
    auth = ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret)
    async with Client(auth, base_url=simulator.base_url, max_body=2_000_000) as client:
        listing = client.evses.list(page_size=10)
        whole = [evse.id async for evse in listing]
        pages = listing.pages()
        ids = [evse.id for evse in (await anext(pages)).items]
        simulator.faults.add("gzip_bomb", megabytes=50, count=1)
        with pytest.raises(errors.LimitError) as caught:
            await anext(pages)
        assert caught.value.cursor is not None
        ids += [evse.id async for evse in listing.resume(caught.value.cursor)]
    assert ids == whole


CLIENT = """
import asyncio, resource, sys
from ev_energy import Client, errors

async def main(url, max_body):
    async with Client("a-token", base_url=url, max_body=max_body, timeout=60) as client:
        await client.evses.get("evse01")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(2):
            try:
                await client.evses.get("evse01")
            except errors.LimitError as error:
                assert error.limit == "max_body", error
            else:
                raise AssertionError("the body was read")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await client.evses.get("evse01")
        print((peak - before) * 1024)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@pytest.mark.matrix
@pytest.mark.parametrize("kind", ["gzip bomb", "in chunks", "in one chunk", "in chunks of a byte"])
async def test_memory_for_a_gigabyte_is_bounded_by_the_limit(raw_server, kind: str) -> None:
    start, block = compressed(b'["', b"x" * 2**20, wbits=16 + zlib.MAX_WBITS)
    compressed_gigabyte = reply(
        start, "Content-Encoding: gzip", f"Content-Length: {len(start) + 1024 * len(block)}"
    )
    replies = {**TOO_LARGE, "gzip bomb": streamed(compressed_gigabyte, [block] * 1024)}
    max_body = 2_000_000 if kind == "in chunks of a byte" else 32_000_000
    server = await raw_server(EVSE_REPLY, replies[kind], replies[kind], EVSE_REPLY)
    command = [sys.executable, "-W", "error", "-c", CLIENT, server.url, str(max_body)]
    child = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-1)
    stdout, stderr = await child.communicate()
    assert (child.returncode, stderr) == (0, b"")
    assert int(stdout) < 3 * max_body + 8_000_000, f"{int(stdout):,}"
    assert len(server.heads) == 4
