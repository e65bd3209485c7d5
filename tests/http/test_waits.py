"""Long waits in the log, and waits for a token in hooks and tracer."""

from __future__ import annotations

import asyncio
import logging
import time as real_time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import ev_energy_sync
from ev_energy import AuthorizationCode, ClientCredentials, MemoryBudget
from ev_energy._http.waits import WaitKind, WaitLog
from ev_energy.auth import FileStore, MemoryStore, TokenStore
from ev_energy.hooks import WaitEvent
from tests.helpers.fake_clock import FakeClock, run_ready_tasks
from tests.helpers.pages import Page
from tests.helpers.recording_server import Handler, RecordingServer, scripted_replies
from tests.helpers.support import TOKEN, FakeTime

EVSE = {"id": "evse01", "url": "https://api.ev.energy/v2/evses/evse01", "cpid": "SHIR1"}
GET = "GET /evses/{evse_id}"

Jump = Callable[[float], Awaitable[None]]


@pytest.fixture
async def jump(monkeypatch: pytest.MonkeyPatch) -> Jump:
    """Move the clock of the event loop, and run what is due."""
    loop, skipped = asyncio.get_running_loop(), 0.0
    monkeypatch.setattr(loop, "time", lambda: real_time.monotonic() + skipped)

    async def move(seconds: float) -> None:
        nonlocal skipped
        await asyncio.sleep(0.02)  # requests under way, and the next look at a lock
        skipped += seconds
        await run_ready_tasks()

    return move


def waits(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if getattr(r, "ev_event", "") == "wait"]


def limited(limit: int) -> Handler:
    """Return the replies of an API whose rate limit counts."""
    replies = [
        (200, {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(left)})
        for left in reversed(range(limit))
    ]
    return scripted_replies(EVSE, *replies)


class Waits:
    """A tracer that records the waits that have ended."""

    def __init__(self) -> None:
        self.waits: list[tuple[str | None, str, float]] = []

    def call(self, request: object) -> Any:
        return nullcontext()

    def attempt(self, request: object, attempt: int) -> Any:
        return nullcontext(self)

    def ended(self, outcome: object) -> None: ...

    def waited(self, wait: WaitEvent) -> None:
        operation = None if wait.request is None else wait.request.operation
        self.waits.append((operation, wait.reason, wait.seconds))


async def test_wait_for_the_rate_limit_is_logged(
    serve, time: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    server: RecordingServer = await serve(limited(2))
    async with server.client(clock=time, sleep=time.sleep, deadline=1e4) as client:
        for _ in range(3):
            await client.evses.get("evse01")
        assert client._caller.state.bucket is not None
        bucket = client._caller.state.bucket
    line = f"{GET}: waiting about 3601 s for the rate limit (0 of 2 requests left)"
    [record] = [r for r in caplog.records if r.levelno == logging.INFO]
    assert (record.name, record.getMessage()) == ("ev_energy", line)
    fields = {name: value for name, value in vars(record).items() if name.startswith("ev_")}
    assert fields == {
        "ev_event": "wait",
        "ev_operation": GET,
        "ev_reason": "budget",
        "ev_wait": pytest.approx(3600, abs=1),
        "ev_bucket": bucket,
        "ev_limit": 2,
        "ev_remaining": 0,
        "ev_waiting": 0,
    }


async def test_lines_of_the_page_are_real(
    serve, jump: Jump, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, server = FakeClock(), await serve(limited(4))
    async with server.client(clock=clock, sleep=clock.sleep, deadline=1e9) as client:
        for _ in range(4):
            await client.evses.get("evse01")
        await clock.advance(3601 - 42 - 3 * 61)
        calls = []
        for _ in range(4):
            calls.append(asyncio.ensure_future(client.evses.get("evse01")))
            await clock.advance(61)  # the next wait is logged, too
        await asyncio.gather(*calls)

    time, server = FakeTime(), await serve(scripted_replies(EVSE, (503, {"Retry-After": "30"})))
    async with server.client(clock=time, sleep=time.sleep) as client:
        await client.evses.get("evse01")

    store, server = FileStore(tmp_path / "tokens"), await serve(scripted_replies(EVSE))
    credentials = server.credentials(store=store)
    async with server.client(credentials) as client, store.lock(credentials.key(server.origin)):
        call = asyncio.ensure_future(client.evses.get("evse01"))
        await jump(6)
        call.cancel()

    *_, budget, retry, token = waits(caplog)
    shown = Page.read("observability.md").outputs[1].replace("1000 requests", "4 requests")
    assert [budget, retry, token] == shown.splitlines()


async def test_many_waiting_calls_are_logged_seldom(
    serve, caplog: pytest.LogCaptureFixture
) -> None:
    clock, server = FakeClock(), await serve(limited(2))
    async with server.client(clock=clock, sleep=clock.sleep, deadline=1e9) as client:
        for _ in range(2):
            await client.evses.get("evse01")
        calls = [asyncio.ensure_future(client.evses.get("evse01")) for _ in range(200)]
        await clock.advance(59)
        calls += [asyncio.ensure_future(client.evses.get("evse01"))]
        await clock.advance(1)
        # Each record is of a wait more than twice as long as that in the one before.
        records = [record for record in caplog.records if hasattr(record, "ev_wait")]
        seconds = [record.ev_wait for record in records]
        assert waits(caplog)[0] == (
            f"{GET}: waiting about 3601 s for the rate limit (0 of 2 requests left)"
        )
        assert len(seconds) == 6
        assert all(second > 2 * first for first, second in pairwise(seconds))
        counted = sum(1 + getattr(record, "ev_unlogged", 0) for record in records)
        caplog.clear()
        calls += [asyncio.ensure_future(client.users.list().first()) for _ in range(2)]
        await run_ready_tasks()
        [line] = waits(caplog)
        assert line.startswith("GET /users: waiting about ")
        assert line.endswith(
            " s for the rate limit (0 of 2 requests left, 201 other calls wait); since the last "
            f"such record, {201 - counted} other calls began to wait"
        )
        assert next(iter(caplog.records)).ev_unlogged == 201 - counted
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_waits_one_after_another_have_a_record_each(
    serve, time: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    pauses = (6, 110, 6)
    replies = [step for pause in pauses for step in ((503, {"Retry-After": str(pause)}), 200)]
    server = await serve(scripted_replies(EVSE, *replies))
    async with server.client(clock=time, sleep=time.sleep, budget=None) as client:
        for _ in pauses:
            await client.evses.get("evse01")
    assert [line.split(" s ")[0] for line in waits(caplog)] == [
        f"{GET}: waiting about {pause}" for pause in pauses
    ]


async def test_much_longer_wait_is_logged_although_another_one_goes_on(
    serve, caplog: pytest.LogCaptureFixture
) -> None:
    clock, pauses = FakeClock(), (6, 12, 110, 50)
    replies = [(503, {"Retry-After": str(pause)}) for pause in pauses]
    server = await serve(scripted_replies(EVSE, *replies))
    async with server.client(clock=clock, sleep=clock.sleep, budget=None) as client:
        calls: list[asyncio.Future[Any]] = []
        for number in range(len(pauses)):
            calls.append(asyncio.ensure_future(client.evses.get("evse01")))
            while len(server.requests) <= number:
                await asyncio.sleep(0.001)
            await run_ready_tasks()
        await clock.advance(120)
        await asyncio.gather(*calls)
    why = "before attempt 2 (the last one was answered with 503)"
    assert waits(caplog) == [
        f"{GET}: waiting about 6 s {why}",
        f"{GET}: waiting about 110 s {why}; since the last such record, 1 other call began to wait",
    ]


def test_only_the_latest_rate_limits_are_remembered() -> None:
    log = WaitLog()
    kinds: list[WaitKind] = [("budget", str(number)) for number in range(3000)]
    assert [log.begin(kind, 10.0, 0.0) for kind in kinds] == [0] * 3000
    assert [log.begin(kind, 10.0, 1.0) for kind in kinds[-1000:]] == [None] * 1000
    assert log.begin(kinds[0], 10.0, 1.0) == 0
    for kind in (*kinds, *kinds):
        log.end(kind)
    assert len(log._records) == 1000


async def test_each_rate_limit_has_a_record(serve, caplog: pytest.LogCaptureFixture) -> None:
    clock, server = FakeClock(), await serve(scripted_replies(EVSE))
    budget = MemoryBudget(1, clock=clock, sleep=clock.sleep)
    settings: dict[str, Any] = {"clock": clock, "sleep": clock.sleep, "deadline": 1e9}
    async with server.client(budget=budget, **settings) as client:
        views = [client, client.with_auth("another-token")]
        for view in views:
            await view.evses.get("evse01")
        calls = [asyncio.ensure_future(view.evses.get("evse01")) for view in (*views, *views)]
        await run_ready_tasks()
        assert len(waits(caplog)) == 2
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_wait_of_a_reservation_is_logged(
    serve, time: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    server = await serve(limited(2))
    async with server.client(clock=time, sleep=time.sleep, deadline=1e4) as client:
        await client.evses.get("evse01")
        async with client.reserve(2):
            pass
    assert waits(caplog) == [
        "reserve(): waiting about 3601 s for the rate limit (1 of 2 requests left)"
    ]


async def test_retry_after_is_logged_if_it_is_long(
    serve, time: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    long, short = (503, {"Retry-After": "30"}), (503, {"Retry-After": "5"})
    server = await serve(scripted_replies(EVSE, short, long, 200))
    async with server.client(clock=time, sleep=time.sleep) as client:
        await client.evses.get("evse01")
    assert waits(caplog) == [
        f"{GET}: waiting about 30 s before attempt 3 (the last one was answered with 503)"
    ]
    [record] = [r for r in caplog.records if r.levelno == logging.INFO]
    assert (record.ev_reason, record.ev_attempt, record.ev_status) == ("retry", 2, 503)


async def test_wait_that_turns_out_long_is_logged_then(
    serve, jump: Jump, caplog: pytest.LogCaptureFixture
) -> None:
    clock, server = FakeClock(), await serve(limited(1))
    budget = MemoryBudget(1, window=3.0, clock=clock, sleep=clock.sleep)
    async with server.client(budget=budget, clock=clock, sleep=clock.sleep) as client:
        await client.evses.get("evse01")
        call = asyncio.ensure_future(client.evses.get("evse01"))
        await jump(4.9)
        assert waits(caplog) == []
        for _ in range(3):
            await jump(6)
        assert waits(caplog) == [
            f"{GET}: waiting for the rate limit for 5 s so far (0 of 1 requests left)"
        ]
        await clock.advance(10)
        await call


async def test_wait_that_has_ended_leaves_no_timer(
    serve, jump: Jump, caplog: pytest.LogCaptureFixture
) -> None:
    clock, server = FakeClock(), await serve(limited(1))
    budget = MemoryBudget(1, window=3.0, clock=clock, sleep=clock.sleep)
    async with server.client(budget=budget, clock=clock, sleep=clock.sleep) as client:
        await client.evses.get("evse01")
        call = asyncio.ensure_future(client.evses.get("evse01"))
        await jump(1)
        await clock.advance(10)
        await call
        await jump(20)
    assert waits(caplog) == []


@pytest.mark.parametrize("kind", ["MemoryStore", "FileStore"])
async def test_wait_for_the_lock_of_a_store_is_reported(
    serve, jump: Jump, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    async def answer(request: web.Request) -> web.Response:
        is_token = request.path.startswith("/o/")
        return web.json_response({"access_token": TOKEN} if is_token else EVSE)

    store: TokenStore = MemoryStore() if kind == "MemoryStore" else FileStore(tmp_path / "tokens")
    server: RecordingServer = await serve(answer)
    events: list[WaitEvent] = []
    credentials, tracer = server.credentials(store=store), Waits()
    async with server.client(credentials, on_wait=events.append, tracer=tracer) as client:
        async with store.lock(credentials.key(server.origin)):
            calls = [asyncio.ensure_future(client.evses.get("evse01")) for _ in range(3)]
            await jump(4)
            assert (events, waits(caplog)) == ([], [])
            for _ in range(3):
                await jump(6)
        await asyncio.gather(*calls)
        await client.evses.get("evse01")  # without a wait
    assert waits(caplog) == [
        f"{GET}: waiting for an access token for 5 s so far (the lock of the {kind} is taken)"
    ]
    [record] = [r for r in caplog.records if r.levelno == logging.INFO]
    assert (record.ev_reason, record.ev_wait) == ("token", pytest.approx(5, abs=0.1))
    assert record.ev_bucket == f"127.0.0.1:{server.port}:application:an-app"
    assert [(e.request and e.request.operation, e.reason, e.seconds) for e in events] == [
        (GET, "token", 5.0)
    ] * 3
    assert [ended[:2] for ended in tracer.waits] == [(GET, "token")] * 3
    assert all(seconds >= 5 for *_, seconds in tracer.waits)


async def test_wait_for_a_slow_token_endpoint_names_it(
    serve, jump: Jump, caplog: pytest.LogCaptureFixture
) -> None:
    goes_on = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if not request.path.startswith("/o/"):
            return web.json_response(EVSE)
        await goes_on.wait()
        return web.json_response({"access_token": TOKEN})

    server: RecordingServer = await serve(answer)
    async with server.client(server.credentials()) as client:
        call = asyncio.ensure_future(client.evses.get("evse01"))
        await jump(6)
        goes_on.set()
        await call
    [line] = waits(caplog)
    assert line == (
        f"{GET}: waiting for an access token for 5 s so far "
        "(the token endpoint has not replied yet)"
    )


async def test_wait_of_signing_out_is_logged(
    serve, jump: Jump, caplog: pytest.LogCaptureFixture
) -> None:
    server: RecordingServer = await serve(scripted_replies({}))
    events: list[WaitEvent] = []
    app = AuthorizationCode(
        client_id="app", redirect_uri="https://app.example.com/", account="eve", store=MemoryStore()
    )
    async with server.client(app, on_wait=events.append) as client:
        async with app.store.lock(app.key(server.origin)):
            leaving = asyncio.ensure_future(client.sign_out())
            await jump(6)
        await leaving
    [line] = waits(caplog)
    assert line == (
        "sign_out(): waiting for an access token for 5 s so far "
        "(the lock of the MemoryStore is taken)"
    )
    assert [(event.request, event.reason) for event in events] == [(None, "token")]


async def test_exception_of_a_hook_ends_a_call_that_waits_for_a_token(serve, jump: Jump) -> None:
    def fail(_: WaitEvent) -> None:
        raise ZeroDivisionError("of a hook")

    server: RecordingServer = await serve(scripted_replies(EVSE))
    credentials = server.credentials(store=MemoryStore())
    async with (
        server.client(credentials, on_wait=fail) as client,
        credentials.store.lock(credentials.key(server.origin)),
    ):
        call = asyncio.ensure_future(client.evses.get("evse01"))
        await jump(6)
        with pytest.raises(ZeroDivisionError, match="of a hook"):
            await call


def test_blocking_client_logs_the_same(caplog: pytest.LogCaptureFixture) -> None:
    time = FakeTime()
    with (
        RecordingServer(limited(2)).in_thread() as server,
        ev_energy_sync.Client(
            TOKEN, base_url=server.url, clock=time, sleep=time.sleep, deadline=1e4
        ) as client,
    ):
        for _ in range(3):
            client.evses.get("evse01")
    assert waits(caplog) == [
        f"{GET}: waiting about 3601 s for the rate limit (0 of 2 requests left)"
    ]


async def test_waits_are_not_described_if_the_log_does_not_want_them(
    serve, jump: Jump, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="ev_energy")
    clock, server = FakeClock(), await serve(limited(1))
    async with server.client(clock=clock, sleep=clock.sleep, deadline=1e9) as client:
        await client.evses.get("evse01")
        call = asyncio.ensure_future(client.evses.get("evse01"))
        await jump(6)
        call.cancel()
        assert client._caller.state.http.wait_log._records == {}
    assert caplog.records == []


@pytest.mark.parametrize("name", ["client_secret", "token"])
async def test_wait_for_a_slow_function_names_it(
    serve, jump: Jump, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    goes_on = asyncio.Event()

    async def provide() -> str:
        await goes_on.wait()
        return TOKEN

    async def answer(request: web.Request) -> web.Response:
        is_token = request.path.startswith("/o/")
        return web.json_response({"access_token": TOKEN} if is_token else EVSE)

    app = ClientCredentials(client_id="an-app", client_secret=provide)
    server: RecordingServer = await serve(answer)
    async with server.client(app if name == "client_secret" else provide) as client:
        call = asyncio.ensure_future(client.evses.get("evse01"))
        await jump(6)
        goes_on.set()
        await call
    [line] = waits(caplog)
    assert line == (
        f"{GET}: waiting for an access token for 5 s so far (the function passed as {name} has "
        "not returned yet)"
    )
