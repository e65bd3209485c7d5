"""Whatever bytes a server answers with: a result or an error of ours, and the client works on."""

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
from tests.helpers.raw_replies import EVSE, GOOD, reply, said
from tests.helpers.stalls import LONGEST_STALL, heartbeat
from tests.helpers.strategies import ANY, EXAMPLES, as_bytes, fuzzed, replies, show, shown, spoilt

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
    as_bytes(replies(m.EVSE) | st.lists(replies(m.EVSE), max_size=2) | ANY),
    as_bytes(replies(m.EVSE)).map(gzip.compress),
    st.just(b"2\r\n{}\r\n0\r\n\r\n"),
)
ANSWERS = spoilt(
    st.tuples(BODIES, HEADERS, STATUSES).map(lambda of: reply(of[0], *of[1], status=f"{of[2]} So"))
)


class Loopback(aiohttp.TCPConnector):
    """Connects to this host alone, whatever URL is made up."""

    async def connect(self, req: aiohttp.ClientRequest, *more: Any, **named: Any) -> Any:
        if req.url.raw_host != "127.0.0.1":
            raise aiohttp.ClientConnectionError("elsewhere")
        return await super().connect(req, *more, **named)


class Bench:
    """A server that gives one answer and hangs up, and a client of it, on a loop of their own."""

    def __init__(self) -> None:
        self.runner, self.answer = asyncio.Runner(), b""
        self.server = self.runner.run(self._open())

    async def _open(self) -> asyncio.Server:
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v2"
        self.session = aiohttp.ClientSession(connector=Loopback())
        settings: dict[str, Any] = {"retries": 0, "timeout": 5, "budget": None}
        self.client = Client("a-token", base_url=url, session=self.session, **settings)
        return server

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(self.answer)
                await writer.drain()
                if self.answer is not GOOD:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def ask(self, call: Callable[[Client], Awaitable[object]], answer: bytes) -> object:
        self.answer = answer
        return await call(self.client)

    async def close(self) -> None:
        await self.client.close()
        await self.session.close()
        self.server.close()


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.runner.run(made.close())
    made.runner.close()


@fuzzed
@given(ANSWERS | st.binary(max_size=60), st.sampled_from(sorted(CALLS)))
def test_any_answer_is_a_result_or_an_error_of_ours(bench: Bench, answer: bytes, name: str) -> None:
    with shown(errors.EvEnergyError):
        bench.runner.run(bench.ask(CALLS[name], answer))
    evse = bench.runner.run(bench.ask(lambda client: client.evses.get("evse01"), GOOD))
    assert isinstance(evse, m.EVSE)
    assert evse.id == EVSE["id"]


UNITS = [b"{}", b"[]", b"0", b'""', b"null", b"1.50", b"NaN", b"[{}]", b'{"a":[]}', b'"\\ud800"']
NAMES = [b"user", b"model", b"id", b"latest_status_log", b"unknown", b"field_errors", b"error"]


@st.composite
def wide(draw: st.DrawFn) -> bytes:
    """JSON of few bytes a value: a long list, or an object of many names, at any depth."""
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
    return body


@settings(fuzzed, max_examples=max(12, EXAMPLES // 5))
@given(wide(), st.sampled_from(["200", "400", "503"]), st.sampled_from(sorted(CALLS)))
def test_wide_json_holds_the_loop_only_for_a_moment(
    bench: Bench, body: bytes, status: str, name: str
) -> None:
    async def ask() -> float:
        async with heartbeat() as stalled:
            with shown(errors.EvEnergyError):
                await bench.ask(CALLS[name], reply(body, status=f"{status} So"))
        return stalled()

    assert bench.runner.run(ask()) < LONGEST_STALL


PLACES = st.one_of(
    st.text(max_size=20),
    spoilt(st.just(b"http://127.0.0.1:9/storage?signature=s")).map(
        lambda url: url.decode("utf-8", "replace")
    ),
    ANY,
)


@fuzzed
@given(PLACES, as_bytes(replies(m.RebateEvidenceUpload) | ANY), st.booleans())
def test_an_upload_goes_where_it_can_go_or_nowhere(
    bench: Bench, place: object, whole: bytes, plain: bool
) -> None:
    upload = {"id": "rbtf01", "url": "https://api.ev.energy/x", "presigned_url": place}
    answer = said(upload) if plain else reply(whole)

    async def put(client: Client) -> object:
        return await client.rebates.upload_evidence(
            b"bytes", user_rebate="rbtu01", rebate_evidence_type="rbte01", file_name="a.pdf"
        )

    with pytest.raises(errors.EvEnergyError) as caught:
        bench.runner.run(bench.ask(put, answer))
    show(caught.value)


def test_the_bench_tells_a_good_answer_from_a_bad_one(bench: Bench) -> None:
    page = bench.runner.run(bench.ask(CALLS["a walk"], said([EVSE])))
    assert page == [m.EVSE.from_dict(EVSE)]
    with pytest.raises(errors.DecodeError):
        bench.runner.run(bench.ask(CALLS["a walk"], reply(json.dumps(EVSE).encode())))
