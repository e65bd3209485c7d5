"""Bodies and headers without measure: an error, and no more memory than was allowed."""

from __future__ import annotations

import asyncio
import gzip
import json
import pickle
import sys
import zlib
from itertools import repeat

import pytest
from aiohttp import web

from ev_energy import Client, ClientCredentials, errors
from ev_energy.hooks import ResponseEvent
from ev_energy.simulator import Simulator
from tests.helpers.raw_replies import EVSE, GOOD, bomb, chunk, members, packed, reply, said, saying

MOST = 100_000
BLOCK = b"x" * 65536
HUGE = reply(b"[", f"Content-Length: {10**12}")
CHUNKED = reply(b"", "Transfer-Encoding: chunked")
LIST = json.dumps([EVSE]).encode()

TOO_LARGE = {
    "announced": HUGE,
    "announced, and more than comes": reply(LIST, f"Content-Length: {MOST + 1}"),
    "announced, and endless": saying(HUGE, repeat(BLOCK)),
    "in chunks": saying(CHUNKED, repeat(chunk(BLOCK))),
    "in one chunk": saying(CHUNKED + b"ffffffffff\r\n", repeat(BLOCK)),
    "in chunks of a byte": saying(CHUNKED, repeat(chunk(b"x") * 5000)),
    "until it hangs up": saying(b"HTTP/1.1 200 OK\r\n\r\n", repeat(BLOCK)),
    "as HTTP/1.0 does": saying(b"HTTP/1.0 200 OK\r\n\r\n", repeat(BLOCK)),
    "at once": reply(b"x" * (MOST + 1)),
    "gzip bomb": bomb("gzip"),
    "deflate bomb": bomb("deflate"),
    "raw deflate bomb": bomb("raw deflate"),
    "gzip bomb that is short": reply(gzip.compress(b"x" * 20_000_000), "Content-Encoding: gzip"),
    "members of gzip": reply(gzip.compress(b"x" * 1000) * 1000, "Content-Encoding: gzip"),
    "error": saying(
        reply(b"", "Transfer-Encoding: chunked", status="503 Busy"), repeat(chunk(BLOCK))
    ),
}


@pytest.mark.parametrize("answer", TOO_LARGE.values(), ids=TOO_LARGE)
async def test_a_body_without_measure_is_an_error_and_asked_for_once(wire, answer) -> None:
    server = await wire(answer, GOOD)
    async with server.client(max_body=MOST) as client:
        with pytest.raises(errors.LimitError) as caught:
            await client.evses.get("evse01")
        error = caught.value
        assert error.limit == "max_body"
        assert error.status == (503 if answer is TOO_LARGE["error"] else 200)
        assert f"the body has more than {MOST} bytes (max_body) (HTTP {error.status})" in str(error)
        assert "carried out" not in str(error)
        copy = pickle.loads(pickle.dumps(error))
        assert (copy.limit, copy.status) == (error.limit, error.status)
        assert len(server.heard) == 1
        assert (await client.evses.get("evse01")).id == "evse01"


@pytest.mark.parametrize(
    "name", ["announced", "announced, and endless", "in chunks", "gzip bomb", "until it hangs up"]
)
async def test_its_connection_is_given_up_at_once(wire, name: str) -> None:
    server = await wire(TOO_LARGE[name], GOOD)
    async with server.client(max_body=MOST) as client:
        with pytest.raises(errors.LimitError):
            await client.evses.get("evse01")
        await asyncio.wait_for(server.left.get(), 10)
        await client.evses.get("evse01")
        await client.evses.get("evse01")
    assert server.connections == 2


EXACT = LIST[:-1] + b" " * (MOST - len(LIST)) + b"]"
AS_LARGE = {
    "announced": reply(EXACT),
    "in chunks": saying(CHUNKED, [chunk(EXACT[:70_000]), chunk(EXACT[70_000:]), b"0\r\n\r\n"]),
    "in chunks with extensions": reply(
        b"%x;a=b\r\n%b\r\n0;c\r\nTrailer: x\r\n\r\n" % (MOST, EXACT), "Transfer-Encoding: chunked"
    ),
    "gzip": reply(gzip.compress(EXACT), "Content-Encoding: gzip"),
    "GZip": reply(gzip.compress(EXACT), "Content-Encoding: GZip"),
    "gzip, slowly": saying(
        reply(b"", "Content-Encoding: gzip", "Transfer-Encoding: chunked"),
        [*(chunk(bytes([byte])) for byte in gzip.compress(EXACT)), b"0\r\n\r\n"],
    ),
    "gzip in members": reply(members(EXACT, 100), "Content-Encoding: gzip"),
    "deflate": reply(zlib.compress(EXACT), "Content-Encoding: deflate"),
}


@pytest.mark.parametrize("answer", AS_LARGE.values(), ids=AS_LARGE)
async def test_a_body_of_just_the_allowed_size_is_read(wire, answer) -> None:
    server = await wire(answer)
    async with server.client(max_body=MOST) as client:
        for _ in range(2):
            page = await client.evses.list().page()
            assert [evse.id for evse in page.items] == ["evse01"]
            assert page.response.body == EXACT
    assert server.connections == 1
    async with server.client(max_body=MOST - 1) as client:
        with pytest.raises(errors.LimitError):
            await client.evses.list().page()


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip", "deflate"])
async def test_what_cannot_be_unpacked_is_a_fault_of_the_connection(wire, encoding: str) -> None:
    server = await wire(reply(b"this is not packed", f"Content-Encoding: {encoding}"), GOOD)
    async with server.client(retries=0) as client:
        with pytest.raises(errors.TransportError):
            await client.evses.get("evse01")
        assert (await client.evses.get("evse01")).id == "evse01"


@pytest.mark.parametrize(
    "headers",
    [("Content-Encoding: gzip, gzip",), ("Content-Encoding: compress",)],
    ids=["packed twice", "packed in an unknown way"],
)
async def test_what_nobody_unpacks_is_read_as_it_is(wire, headers: tuple[str, ...]) -> None:
    twice = gzip.compress(gzip.compress(b"x" * 10_000_000))
    server = await wire(reply(twice, *headers), GOOD)
    async with server.client() as client:
        with pytest.raises(errors.DecodeError) as caught:
            await client.evses.get("evse01")
        assert caught.value.body == twice
        assert (await client.evses.get("evse01")).id == "evse01"


async def test_a_body_packed_in_very_many_parts_is_not_put_together(wire) -> None:
    body = reply(members(json.dumps(EVSE).encode(), 5000), "Content-Encoding: gzip")
    server = await wire(body, GOOD)
    async with server.client() as client:
        with pytest.raises(errors.LimitError, match="too many compressed members") as caught:
            await client.evses.get("evse01")
        assert (caught.value.limit, caught.value.status) == ("members", 200)
        assert len(server.heard) == 1
        assert (await client.evses.get("evse01")).id == "evse01"


HEADERS = {
    "a long header": ("header_size", said(EVSE, "X-Padding: " + "x" * 70_000)),
    "an endless header": ("header_size", saying(b"HTTP/1.1 200 OK\r\nX: ", repeat(BLOCK))),
    "a long name": ("header_size", said(EVSE, "x" * 70_000 + ": x")),
    "a long reason": ("header_size", said(EVSE, status="200 " + "x" * 70_000)),
    "many headers": ("headers", said(EVSE, *(f"X-Padding-{n}: {n}" for n in range(1000)))),
    "endless headers": ("headers", saying(b"HTTP/1.1 200 OK\r\n", repeat(b"X: y\r\n" * 100))),
    "endless trailers": ("headers", saying(CHUNKED + b"0\r\n", repeat(b"X: y\r\n" * 100))),
}


@pytest.mark.parametrize(("limit", "answer"), HEADERS.values(), ids=HEADERS)
async def test_headers_without_measure_are_an_error(wire, limit: str, answer) -> None:
    server = await wire(answer, GOOD)
    async with server.client() as client:
        with pytest.raises(errors.LimitError) as caught:
            await client.evses.get("evse01")
        assert caught.value.limit == limit
        assert "xxxx" not in str(caught.value)
        assert len(server.heard) == 1
        assert (await client.evses.get("evse01")).id == "evse01"
    assert server.connections == 2


@pytest.mark.parametrize(("name", "status"), [("in chunks", 200), ("error", 503)])
async def test_a_write_with_such_a_reply_is_not_known_to_be_done(
    wire, name: str, status: int
) -> None:
    server = await wire(TOO_LARGE[name], GOOD)
    async with server.client(max_body=MOST) as client:
        with pytest.raises(errors.LimitError, match="may or may not have been carried") as caught:
            await client.evses.delete("evse01")
        assert caught.value.status == status
    assert len(server.heard) == 1
    server = await wire(HEADERS["a long header"][1], GOOD)
    async with server.client() as client:
        with pytest.raises(errors.LimitError, match="may or may not have been carried") as caught:
            await client.evses.delete("evse01")
        assert caught.value.status is None
    assert len(server.heard) == 1


async def test_a_token_endpoint_is_held_to_the_same_measure(wire, serve) -> None:
    async def token(_: web.Request) -> web.Response:
        return web.json_response({"access_token": "t" * MOST})

    server = await serve(token)
    async with server.client(server.credentials(), max_body=MOST) as client:
        with pytest.raises(errors.LimitError, match="max_body"):
            await client.evses.get("evse01")
    assert len(server.requests) == 1


async def test_the_hooks_are_told_of_it(wire) -> None:
    told: list[ResponseEvent] = []
    server = await wire(TOO_LARGE["in chunks"])
    async with server.client(max_body=MOST, on_response=told.append) as client:
        with pytest.raises(errors.LimitError):
            await client.evses.get("evse01")
    [event] = told
    assert event.response is None
    assert "max_body" in str(event.error)


@pytest.mark.parametrize("most", [0, -1])
def test_a_limit_must_allow_for_something(most: int) -> None:
    with pytest.raises(ValueError, match=f"max_body must be 1 byte or more, not {most}"):
        Client(max_body=most)


async def test_a_walk_resumes_at_the_page_that_was_too_large(simulator: Simulator) -> None:
    auth = ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret)
    async with Client(auth, base_url=simulator.base_url, max_body=2_000_000) as client:
        listing = client.evses.list(page_size=10)
        whole = [evse.id async for evse in listing]
        pages = listing.pages()
        got = [evse.id for evse in (await anext(pages)).items]
        simulator.faults.add("gzip_bomb", megabytes=50, count=1)
        with pytest.raises(errors.LimitError) as caught:
            await anext(pages)
        assert caught.value.cursor is not None
        got += [evse.id async for evse in listing.resume(caught.value.cursor)]
    assert got == whole


CLIENT = """
import asyncio, resource, sys
from ev_energy import Client, errors

async def main(url, most):
    async with Client("a-token", base_url=url, max_body=most, timeout=60) as client:
        await client.evses.get("evse01")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(2):
            try:
                await client.evses.get("evse01")
            except errors.LimitError as error:
                assert error.limit == "max_body", error
            else:
                raise AssertionError("it was read")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await client.evses.get("evse01")
        print((peak - before) * 1024)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@pytest.mark.parametrize("kind", ["gzip bomb", "in chunks", "in one chunk", "in chunks of a byte"])
async def test_a_gigabyte_needs_no_more_memory_than_a_few_times_the_limit(wire, kind: str) -> None:
    begun, block = packed(b'["', b"x" * 2**20, wbits=16 + zlib.MAX_WBITS)
    packed_gigabyte = reply(
        begun, "Content-Encoding: gzip", f"Content-Length: {len(begun) + 1024 * len(block)}"
    )
    giants = {**TOO_LARGE, "gzip bomb": saying(packed_gigabyte, [block] * 1024)}
    most = 2_000_000 if kind == "in chunks of a byte" else 32_000_000
    server = await wire(GOOD, giants[kind], giants[kind], GOOD)
    words = [sys.executable, "-W", "error", "-c", CLIENT, server.url, str(most)]
    child = await asyncio.create_subprocess_exec(*words, stdout=-1, stderr=-1)
    shown, wrong = await child.communicate()
    assert (child.returncode, wrong) == (0, b"")
    assert int(shown) < 3 * most + 8_000_000, f"{int(shown):,}"
    assert len(server.heard) == 4
