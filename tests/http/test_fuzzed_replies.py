"""Arbitrary replies are results or errors of the package, and the client stays usable."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ev_energy.models as m
from ev_energy import Client, errors
from tests.helpers.raw_replies import EVSE, EVSE_REPLY, json_reply, reply
from tests.helpers.stalls import MAX_STALL, measure_stalls
from tests.helpers.strategies import (
    ANY,
    EXAMPLES,
    as_json,
    assert_printable,
    corrupted,
    fuzzed,
    raises_only,
    replies,
)

pytestmark = pytest.mark.fuzz

CALLS: dict[str, Callable[[Client], Awaitable[object]]] = {
    "a read": lambda client: client.evses.get("evse01"),
    "a page": lambda client: client.evses.list().page(),
    "a walk": lambda client: client.evses.list().collect(limit=5),
    "a write": lambda client: client.evses.delete("evse01"),
    "a redirect": lambda client: client.root.get(),
}
HEADERS = st.lists(
    st.sampled_from(
        [
            "Content-Encoding: gzip",
            "Content-Encoding: deflate",
            "Transfer-Encoding: chunked",
            "Connection: close",
            "Connection: upgrade",
            "Content-Length: 3",
            "Content-Type: text/html; charset=\udcff",
            'Link: </v2/evses?page_after=1>; rel="next"',
            'Link: <https://a@127.0.0.1/>; rel="next"',
            "Link: <",
            "Location: http://[",
            "Retry-After: 1e3",
            "Set-Cookie: \udcff",
            "X-RateLimit-Remaining: -1",
            "\udcff: x",
        ]
    ),
    max_size=3,
)
STATUSES = st.sampled_from(
    [
        "200",
        "201",
        "204",
        "100",
        "101",
        "000",
        "302",
        "304",
        "401",
        "404",
        "429",
        "500",
        "503",
        "999",
    ]
)
BODIES = st.one_of(
    as_json(replies(m.EVSE) | st.lists(replies(m.EVSE), max_size=2) | ANY),
    as_json(replies(m.EVSE)).map(gzip.compress),
    st.just(b"2\r\n{}\r\n0\r\n\r\n"),
)
ANSWERS = corrupted(
    st.tuples(BODIES, HEADERS, STATUSES).map(lambda of: reply(of[0], *of[1], status=f"{of[2]} So"))
)


class Loopback(aiohttp.TCPConnector):
    """A connector that refuses hosts other than this machine."""

    async def connect(self, req: aiohttp.ClientRequest, *more: Any, **named: Any) -> Any:
        if req.url.raw_host != "127.0.0.1":
            raise aiohttp.ClientConnectionError("another host")
        return await super().connect(req, *more, **named)


class Fuzzer:
    """A server that sends one reply and closes, and its client, on one event loop."""

    def __init__(self) -> None:
        self.runner, self.answer = asyncio.Runner(), b""
        self.server = self.runner.run(self._open())

    async def _open(self) -> asyncio.Server:
        server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v2"
        self.session = aiohttp.ClientSession(connector=Loopback())
        settings: dict[str, Any] = {"retries": 0, "timeout": 5, "budget": None}
        self.client = Client("a-token", base_url=url, session=self.session, **settings)
        return server

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(self.answer)
                await writer.drain()
                if self.answer is not EVSE_REPLY:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def call(self, call: Callable[[Client], Awaitable[object]], answer: bytes) -> object:
        self.answer = answer
        return await call(self.client)

    async def close(self) -> None:
        await self.client.close()
        await self.session.close()
        self.server.close()


@pytest.fixture(scope="module")
def fuzzer() -> Iterator[Fuzzer]:
    fuzzer = Fuzzer()
    yield fuzzer
    fuzzer.runner.run(fuzzer.close())
    fuzzer.runner.close()


@fuzzed
@given(ANSWERS | st.binary(max_size=60), st.sampled_from(sorted(CALLS)))
def test_arbitrary_reply_is_a_result_or_an_error_of_the_package(
    fuzzer: Fuzzer, answer: bytes, name: str
) -> None:
    with raises_only(errors.EvEnergyError):
        fuzzer.runner.run(fuzzer.call(CALLS[name], answer))
    evse = fuzzer.runner.run(fuzzer.call(lambda client: client.evses.get("evse01"), EVSE_REPLY))
    assert isinstance(evse, m.EVSE)
    assert evse.id == EVSE["id"]


UNITS = [b"{}", b"[]", b"0", b'""', b"null", b"1.50", b"NaN", b"[{}]", b'{"a":[]}', b'"\\ud800"']
NAMES = [b"user", b"model", b"id", b"latest_status_log", b"unknown", b"field_errors", b"error"]


class Wide(bytes):
    """A body of megabytes, of which a failure prints the start only."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes: {bytes(self[:80])!r}...>"


@st.composite
def wide(draw: st.DrawFn) -> bytes:
    """Draw short JSON with many values: a long list or an object with many keys, at any depth."""
    unit = draw(st.sampled_from(UNITS))
    if draw(st.booleans()):
        names = range(draw(st.integers(0, 60_000)))
        body = b"{" + b",".join(b'"k%d":%b' % (n, unit) for n in names) + b"}"
    else:
        body = b"[" + b",".join([unit] * draw(st.integers(0, 400_000))) + b"]"
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=3)):
        body = b'{"id":"e","url":"u","cpid":"c","%b":%b}' % (name, body)
        if draw(st.booleans()):
            body = b"[" + body + b"]"
    return Wide(body)


@settings(fuzzed, max_examples=max(8, EXAMPLES // 8))
@given(wide(), st.sampled_from(["200", "400", "503"]), st.sampled_from(sorted(CALLS)))
def test_wide_json_stalls_the_loop_only_briefly(
    fuzzer: Fuzzer, body: bytes, status: str, name: str
) -> None:
    async def call() -> tuple[float, errors.EvEnergyError | None]:
        error = None
        async with measure_stalls() as longest:
            try:
                await fuzzer.call(CALLS[name], reply(body, status=f"{status} So"))
            except errors.EvEnergyError as caught:
                error = caught  # its deletion, which searches it for secrets, is not measured
        return longest(), error

    stall, error = fuzzer.runner.run(call())
    assert stall < MAX_STALL
    if error is not None:
        assert_printable(error)


PLACES = st.one_of(
    st.text(max_size=20),
    corrupted(st.just(b"http://127.0.0.1:9/storage?signature=s")).map(
        lambda url: url.decode("utf-8", "replace")
    ),
    ANY,
)


@fuzzed
@given(PLACES, as_json(replies(m.RebateEvidenceUpload) | ANY), st.booleans())
def test_upload_to_an_arbitrary_url_is_an_error_of_the_package(
    fuzzer: Fuzzer, place: object, whole: bytes, plain: bool
) -> None:
    upload = {"id": "rbtf01", "url": "https://api.ev.energy/x", "presigned_url": place}
    answer = json_reply(upload) if plain else reply(whole)

    async def put(client: Client) -> object:
        return await client.rebates.upload_evidence(
            b"bytes", user_rebate="rbtu01", rebate_evidence_type="rbte01", file_name="a.pdf"
        )

    with pytest.raises(errors.EvEnergyError) as caught:
        fuzzer.runner.run(fuzzer.call(put, answer))
    assert_printable(caught.value)


def test_fuzz_check_distinguishes_good_from_bad_replies(fuzzer: Fuzzer) -> None:
    page = fuzzer.runner.run(fuzzer.call(CALLS["a walk"], json_reply([EVSE])))
    assert page == [m.EVSE.from_dict(EVSE)]
    with pytest.raises(errors.DecodeError):
        fuzzer.runner.run(fuzzer.call(CALLS["a walk"], reply(json.dumps(EVSE).encode())))
