"""Invalid headers, reason phrases and statuses."""

from __future__ import annotations

import logging
import pickle
from datetime import UTC, datetime

import pytest
from multidict import CIMultiDict

from ev_energy import errors
from ev_energy._messages import RateLimit, Response
from tests.helpers.raw_replies import EVSE, EVSE_REPLY, json_reply, reply

NOW = "Sun, 01 Nov 2026 00:00:00 GMT"
LONG = 1e8


@pytest.mark.parametrize(
    "text",
    [
        "-1",
        "NaN",
        "inf",
        "1e9",
        "0x10",
        "\u0661\u0662",
        "1,5",
        "1.2.3",
        ".",
        "soon",
        "\udcff",
        "Sun",
        "Sun, 99 Nov 2026 00:00:00 GMT",
        "Sun, 01 Nov 99999999999999999999 00:00:00 GMT",
        f"Sun, 01 Nov {'9' * 5000} 00:00:00 GMT",
        "Sun, 01 Nov 2026 00:00:00 +99999999999999999999",
        "Sun, 01 Nov 2026 99:99:99 GMT",
        "0" * 9,
        "0, 7",
    ],
)
@pytest.mark.parametrize("name", ["Retry-After", "RetryAfter"])
def test_invalid_retry_after_is_none_or_zero(name: str, text: str) -> None:
    found = Response(429, "", CIMultiDict({name: text, "Date": NOW}), b"").retry_after
    assert found in {None, 0.0}


@pytest.mark.parametrize(
    "text",
    ["9" * 9, "9" * 5000, "1" + "0" * 400, "9" * 400 + ".5", "Fri, 31 Dec 9999 23:59:59 GMT"],
)
def test_distant_retry_after_is_a_large_number(text: str) -> None:
    found = Response(429, "", CIMultiDict({"Retry-After": text, "Date": NOW}), b"").retry_after
    assert found is not None
    assert found > LONG
    assert int(found) > LONG  # infinity has no integer


@pytest.mark.parametrize("date", ["", "x", "Sun, 01 Nov 99999999999999 00:00:00 GMT", "\udcff"])
def test_invalid_date_is_ignored(date: str) -> None:
    headers = CIMultiDict({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT", "Date": date})
    remaining = (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - datetime.now(UTC)).total_seconds()
    assert Response(429, "", headers, b"").retry_after == pytest.approx(remaining, abs=600)


def test_retry_after_in_the_past_is_zero() -> None:
    headers = CIMultiDict({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT", "Date": NOW})
    assert Response(429, "", headers, b"").retry_after == 0.0


def test_first_of_two_headers_is_used() -> None:
    twice = CIMultiDict([("Retry-After", "7"), ("Retry-After", "8"), ("RetryAfter", "9")])
    assert Response(429, "", twice, b"").retry_after == 7.0


async def test_wait_beyond_the_deadline_is_not_started(raw_server, time) -> None:
    server = await raw_server(
        json_reply({"title": "Slow"}, f"Retry-After: {'9' * 400}", status="429 Slow")
    )
    async with server.client(clock=time, sleep=time.sleep) as client:
        with pytest.raises(errors.RateLimitError) as caught:
            await client.evses.get("evse01")
        assert caught.value.retry_after is not None
        assert caught.value.retry_after > LONG
    assert len(server.heads) == 1
    assert time.slept == []


@pytest.mark.parametrize(
    "text", ["-1", "1e3", "NaN", "9" * 400, "", " ", "one", "0x1", "\u0661", "1;2", "\udcff"]
)
def test_invalid_rate_limit_is_none(text: str) -> None:
    for names in (("x-ratelimit-limit", "x-ratelimit-remaining"), ("x-ratelimit-remaining",) * 2):
        assert RateLimit.of(CIMultiDict({names[0]: text, names[1]: "5"})) is None


@pytest.mark.parametrize("status", ["000", "099", "101"])
async def test_informational_status_is_not_the_reply(raw_server, status: str) -> None:
    server = await raw_server(json_reply(EVSE, status=f"{status} Odd"), EVSE_REPLY)
    async with server.client() as client:
        with pytest.raises(errors.DecodeError, match="expected an answer") as caught:
            await client.evses.get("evse01")
        assert caught.value.status == int(status)


@pytest.mark.parametrize("status", ["600", "999"])
async def test_status_of_no_class_is_a_server_error(raw_server, status: str) -> None:
    server = await raw_server(json_reply({"detail": "odd"}, status=f"{status} Odd"), EVSE_REPLY)
    async with server.client() as client:
        with pytest.raises(errors.ServerError) as caught:
            await client.evses.get("evse01")
        assert caught.value.status == int(status)
        assert (await client.evses.get("evse01")).id == "evse01"


NO_HTTP = {
    "no status": "HTTP/1.1 OK",
    "a status of four": "HTTP/1.1 2000 OK",
    "a status of letters": "HTTP/1.1 abc OK",
    "another protocol": "SMTP 200",
    "a header without a name": "HTTP/1.1 200 OK\r\n: x",
    "a header with a zero in it": "HTTP/1.1 200 OK\r\nX: a\0secret",
    "two lengths": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3",
    "a length below zero": "HTTP/1.1 200 OK\r\nContent-Length: -2",
    "a length beyond counting": f"HTTP/1.1 200 OK\r\nContent-Length: {'9' * 30}",
    "a length and chunks": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked",
    "a chunk beyond counting": f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{'f' * 30}",
}


@pytest.mark.parametrize("head", NO_HTTP.values(), ids=NO_HTTP)
async def test_reply_that_is_no_http_is_a_transport_error(raw_server, head: str) -> None:
    server = await raw_server(f"{head}\r\n\r\n".encode() * 2, EVSE_REPLY)
    async with server.client(retries=0) as client:
        with pytest.raises(errors.TransportError) as caught:
            await client.evses.get("evse01")
        assert "secret" not in repr(caught.value)
        assert (await client.evses.get("evse01")).id == "evse01"
    server = await raw_server(f"{head}\r\n\r\n".encode() * 2, EVSE_REPLY)
    async with server.client() as client:
        with pytest.raises(errors.UnconfirmedWriteError):
            await client.evses.delete("evse01")
    assert len(server.heads) == 1


async def test_bytes_that_are_no_text_cause_only_errors_of_the_package(raw_server, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    invalid = "\udcff\udcfe \x01"
    headers = [f"{name}: {invalid}" for name in ("Content-Type", "X-Odd", "Link", "Retry-After")]
    server = await raw_server(
        json_reply({"title": "\ud800", "detail": invalid}, *headers, status=f"404 {invalid}"),
        reply(b"\xff\xfe", *headers, status=f"500 {invalid}"),
        json_reply(EVSE, *headers, status=f"200 {invalid}"),
        reply(b"\xff\xfe", *headers),
        reply(b"", f"Location: https://{invalid}/", status=f"302 {invalid}"),
        json_reply([EVSE], *headers),
    )
    async with server.client(retries=0) as client:
        found: list[Exception] = []
        for _ in range(5):
            try:
                assert (await client.evses.get("evse01")).id == "evse01"
            except errors.CallError as error:
                found.append(error)
        with pytest.raises(errors.PagingError) as caught:
            await client.evses.list().page()
    found.append(caught.value)
    kinds = ["NotFoundError", "ServerError", "DecodeError", "DecodeError", "PagingError"]
    assert [type(error).__name__ for error in found] == kinds
    for error in found:
        str(error).encode()  # as logs and error trackers do
        assert type(pickle.loads(pickle.dumps(error))) is type(error)
    for record in caplog.records:
        record.getMessage().encode()


async def test_key_that_is_no_text_is_repaired(raw_server) -> None:
    server = await raw_server(reply(b'{"id": "e", "url": "u", "cpid": "c", "\x80": 1}'))
    async with server.client() as client:
        evse = await client.evses.get("evse01")
    assert evse.extra == {"\ufffd": 1}


@pytest.mark.parametrize(
    "target",
    [
        "http://user:password@{host}/v2/evses?page_after=2",
        "https://[::1/v2/evses",
        "http://{host}:port/v2/evses",
        "http:///v2/evses",
        "javascript:alert(1)",
        "//other.example/v2/evses",
        "https://elsewhere.example\\@{host}/v2/evses",
    ],
)
async def test_invalid_link_is_not_followed(raw_server, target: str) -> None:
    server = await raw_server(EVSE_REPLY)
    host = f"127.0.0.1:{server.port}"
    server.replies[:] = [json_reply([EVSE], f'Link: <{target.format(host=host)}>; rel="next"')]
    async with server.client() as client:
        with pytest.raises((errors.PagingError, errors.ForeignOriginError)) as caught:
            await client.evses.list().collect()
        assert caught.value.cursor is not None
    assert len(server.heads) == 1


async def test_invalid_reference_is_not_followed(raw_server) -> None:
    for url in ("http://[::1/evses/e", "http://127.0.0.1:port/v2/evses/e", "x" * 10_000, "\u00fc:"):
        server = await raw_server(json_reply({**EVSE, "user": url}), EVSE_REPLY)
        async with server.client() as client:
            evse = await client.evses.get("evse01")
            assert evse.user is not None
            with pytest.raises((errors.EvEnergyError, ValueError)):
                await client.fetch(evse.user)
        assert len(server.heads) == 1
