from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from ev_energy.simulator.faults import kinds

EVSE = {"id": "evse0", "plug": {"mode": "SMART"}, "note": "SMARTISH"}
LIST = json.dumps([EVSE]).encode()
#: Details that make a kind quick.
QUICK: dict[str, dict[str, Any]] = {
    "hang": {"seconds": 1},
    "giant_body": {"megabytes": 1},
    "gzip_bomb": {"megabytes": 1},
    "deep_json": {"levels": 10},
}


def lines(head: bytes) -> list[str]:
    return head.decode().split("\r\n")


def header(head: bytes, name: str) -> str | None:
    found = [line.partition(": ")[2] for line in lines(head) if line.startswith(f"{name}: ")]
    return found[0] if found else None


@pytest.mark.parametrize("kind", kinds())
async def test_handled_says_whether_the_request_is_carried_out(bench: Any, kind: str) -> None:
    bench.faults.add(kind, operation="POST /users", **QUICK.get(kind, {}))
    with suppress(aiohttp.ClientError):  # what clients make of it is looked at elsewhere
        await bench.post(headers={"Authorization": "Bearer secret"})
    bench.faults.clear()
    assert json.loads((await bench.get("/v2/users"))[2]) == (
        [{"name": "Ada"}] if kinds()[kind]["handled"] else []
    )
    assert bench.struck == [kind, ""]


@pytest.mark.parametrize(
    ("details", "name", "text"),
    [
        ({}, "Retry-After", "1"),
        ({"seconds": 90, "header": "RetryAfter"}, "RetryAfter", "90"),
        ({"seconds": 90, "as_date": True}, "Retry-After", "Mon, 05 Oct 2026 12:01:30 GMT"),
    ],
)
async def test_rate_limit_that_is_used_up(
    bench: Any, details: dict[str, Any], name: str, text: str
) -> None:
    bench.faults.add("rate_limited", **details, limit=7)
    status, headers, body = await bench.get("/v2/evses")
    assert (status, headers["Content-Type"].partition(";")[0]) == (429, "application/problem+json")
    assert (headers["X-RateLimit-Limit"], headers["X-RateLimit-Remaining"]) == ("7", "0")
    assert {"Retry-After": headers.get("Retry-After"), "RetryAfter": headers.get("RetryAfter")} == {
        "Retry-After": None,
        "RetryAfter": None,
        name: text,
    }
    assert json.loads(body)["type"].endswith("/problems/rate-limit-exceeded/")


async def test_rate_limit_without_a_time_to_wait(bench: Any) -> None:
    bench.faults.add("rate_limited", header=None)
    _, headers, _ = await bench.get("/v2/evses")
    assert not {"Retry-After", "RetryAfter"} & set(headers)


async def test_error_page_of_a_proxy(bench: Any) -> None:
    bench.faults.add("server_error", status=503, retry_after=5)
    status, headers, body = await bench.get("/v2/evses")
    assert (status, headers["Retry-After"]) == (503, "5")
    assert headers["Content-Type"].startswith("text/html")
    assert b"<h1>503 Service Unavailable</h1>" in body
    bench.faults.clear()
    bench.faults.add("server_error", status=599)
    assert b"599" in (await bench.get("/v2/evses"))[2]


async def test_problem_of_any_status(bench: Any) -> None:
    bench.faults.add("problem", status=422, slug="invalid-geometry", field_errors={"name": ["No"]})
    status, headers, body = await bench.get("/v2/evses")
    assert (status, headers["Content-Type"].partition(";")[0]) == (422, "application/problem+json")
    problem = json.loads(body)
    assert problem["type"].endswith("/problems/invalid-geometry/")
    assert (problem["status"], problem["field_errors"]) == (422, {"name": ["No"]})
    assert problem["title"]


async def test_redirect_to_another_site(bench: Any) -> None:
    bench.faults.add("redirect", status=307)
    status, headers, _ = await bench.get("/v2/evses")
    assert (status, headers["Location"]) == (307, "https://elsewhere.example/")


async def test_revoked_token_stays_revoked(bench: Any) -> None:
    fault = bench.faults.add("token_revoked", count=1)
    assert (await bench.get("/v2/evses"))[0] == 200  # there is no token to revoke
    assert fault.remaining == 1
    token = {"Authorization": "Bearer secret"}
    assert [(await bench.get("/v2/evses", headers=token))[0] for _ in range(2)] == [401, 401]
    assert (fault.remaining, bench.revoked) == (0, ["secret"])
    other = {"Authorization": "Bearer other"}
    assert (await bench.get("/v2/evses", headers=other))[0] == 200


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
async def test_reset_is_not_the_end_of_a_stream(bench: Any, kind: str) -> None:
    bench.faults.add(kind)
    with pytest.raises(ConnectionResetError):
        await bench.bytes("POST", "/v2/users", {"name": "Ada"})
    assert len(bench.users) == (kind == "reset_after")


async def test_reset_does_not_wait_for_the_body_of_the_request(bench: Any) -> None:
    bench.faults.add("reset_before")
    reader, writer = await bench.connect()
    writer.write(b"POST /v2/users HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n\r\n{")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.transport.abort()
    assert bench.users == []


async def test_other_connections_are_served_while_one_hangs_or_is_reset(bench: Any) -> None:
    bench.faults.add("hang", operation="/users")
    bench.faults.add("reset_after", operation="GET /evses/{evse_id}", count=1)
    async with asyncio.TaskGroup() as group:
        hanging = group.create_task(bench.bytes("GET", "/v2/users"))
        with pytest.raises(ConnectionResetError):
            await bench.bytes("GET", "/v2/evses/evse1")
        assert [(await bench.get("/v2/evses"))[0] for _ in range(3)] == [200] * 3
        assert not hanging.done()
        hanging.cancel()


@pytest.mark.parametrize(("share", "kept"), [(0.5, len(LIST) // 2), (0, 0), (1, len(LIST) - 1)])
async def test_truncated_body(bench: Any, share: float, kept: int) -> None:
    bench.faults.add("truncated", share=share)
    head, body = await bench.raw()
    assert lines(head)[0] == "HTTP/1.1 200 OK"
    assert (header(head, "Content-Length"), body) == (str(len(LIST)), LIST[:kept])
    assert header(head, "Connection") is None
    with pytest.raises(aiohttp.ClientPayloadError):
        await bench.get("/v2/evses")


async def test_chunk_without_a_size(bench: Any) -> None:
    bench.faults.add("bad_chunk")
    head, body = await bench.raw()
    half = len(LIST) // 2
    assert (header(head, "Transfer-Encoding"), header(head, "Content-Length")) == ("chunked", None)
    assert body == b"%x\r\n%b\r\nzz\r\n%b" % (half, LIST[:half], LIST[half:])
    with pytest.raises(aiohttp.ClientError):
        await bench.get("/v2/evses")


@pytest.mark.parametrize(("pieces", "pauses"), [(4, 4), (None, len(LIST)), (10_000, len(LIST))])
async def test_slow_body(bench: Any, pieces: int | None, pauses: int) -> None:
    bench.faults.add("slow_drip", seconds=0.04, pieces=pieces)
    reader, writer = await bench.connect()
    for _ in range(2):  # the connection stays good
        bench.slept.clear()
        writer.write(b"GET /v2/evses HTTP/1.1\r\nHost: here\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(len(LIST)) == LIST
        assert bench.slept == [0.04] * pauses
    writer.transport.abort()


async def test_late_reply_of_a_request_that_was_handled_at_once(bench: Any) -> None:
    done_by_then: list[int] = []

    async def sleep(seconds: float) -> None:
        bench.slept.append(seconds)
        done_by_then.append(len(bench.users))
        await asyncio.sleep(0)

    bench.faults._tools.sleep = sleep
    bench.faults.add("slow_start", seconds=2)
    assert await bench.post() == 201
    assert sum(bench.slept) == pytest.approx(2)
    assert set(done_by_then) == {1}


async def test_missing_reply(bench: Any) -> None:
    bench.faults.add("hang", seconds=10)
    assert await bench.bytes("GET", "/v2/evses") == b""
    assert sum(bench.slept) == pytest.approx(10)


@pytest.mark.parametrize("kind", ["hang", "slow_start", "slow_drip"])
async def test_wait_ends_when_the_client_disconnects(bench: Any, kind: str) -> None:
    bench.faults.add(kind, seconds=86_400)
    _, writer = await bench.connect()
    writer.write(b"GET /v2/evses HTTP/1.1\r\nHost: here\r\n\r\n")
    async with asyncio.timeout(5):
        while not bench.slept:
            await asyncio.sleep(0)
        writer.transport.abort()
        while bench.faults._tools.connections:
            await asyncio.sleep(0)
    assert sum(bench.slept) < 86_400


@pytest.mark.parametrize("kind", ["hang", "slow_start", "slow_drip", "giant_body"])
async def test_server_stops_at_once_while_clients_wait(bench: Any, kind: str) -> None:
    bench.faults.add(kind, **({"megabytes": 1000} if kind == "giant_body" else {"seconds": 86_400}))
    _, writer = await bench.connect()
    writer.write(b"GET /v2/evses HTTP/1.1\r\nHost: here\r\n\r\n")
    async with asyncio.timeout(5):
        while not bench.faults._tools.connections:
            await asyncio.sleep(0)
    await bench.stop()


async def test_duplicate_reply(bench: Any) -> None:
    bench.faults.add("duplicate_reply")
    both = await bench.bytes("GET", "/v2/evses", close=True)
    half = len(both) // 2
    assert both[:half] == both[half:]
    assert both.endswith(LIST)


async def test_early_hint_before_the_reply(bench: Any) -> None:
    bench.faults.add("informational")
    head, rest = await bench.raw(close=True)
    assert lines(head)[0] == "HTTP/1.1 103 Early Hints"
    assert rest.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (await bench.get("/v2/evses"))[2] == LIST


async def test_connection_closed_without_announcement(bench: Any) -> None:
    bench.faults.add("connection_close")
    head, body = await bench.raw()  # ends although the client did not request that
    assert header(head, "Connection") is None
    assert (header(head, "Content-Length"), body) == (str(len(LIST)), LIST)


@pytest.mark.parametrize("kind", [name for name, kind in kinds().items() if kind["handled"]])
async def test_every_fault_applies_to_refusals_and_empty_replies(bench: Any, kind: str) -> None:
    bench.faults.add(kind, **QUICK.get(kind, {}))
    for method, path in (("DELETE", "/v2/users/user1"), ("GET", "/v2/evses/none")):
        try:
            received = await bench.bytes(method, path, close=True)
        except ConnectionResetError:
            assert kind == "reset_after"
        else:
            status = b"HTTP/1.1 204 No Content" if method == "DELETE" else b"HTTP/1.1 404 Not Found"
            assert status + b"\r\n" in received
            if method == "DELETE":
                assert received.endswith(b"\r\n\r\n")
                assert b"Content-Length" not in received
