"""The pipeline of a call: the budget, the token, attempts and retries in the case of failures."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import subprocess
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from ev_energy import Client, MemoryBudget, errors
from ev_energy.hooks import ResponseEvent
from ev_energy.models import User
from tests.helpers.support import FakeTime

EVSE = {"id": "evse01", "url": "http://127.0.0.1/v2/evses/evse01", "cpid": "SHIR1"}
LIMIT = {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "0"}


class HookError(Exception):
    """The error of a failing hook."""


def token_reply(number: int) -> web.Response:
    body = {"access_token": f"token-{number:06}", "token_type": "Bearer", "expires_in": 3600}
    return web.json_response(body)


async def test_budget_learns_the_reply_when_a_hook_raises(serve: Any) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({}, status=429, headers={**LIMIT, "Retry-After": "30"})

    def on_response(_: ResponseEvent) -> None:
        raise HookError

    server = await serve(answer)
    settings: dict[str, Any] = {"when_exhausted": "raise", "retries": 0}
    async with server.client(on_response=on_response, **settings) as client:
        with pytest.raises(HookError):
            await client.evses.get("evse01")
        with pytest.raises(errors.BudgetExceeded):
            await client.evses.get("evse01")
    assert len(server.requests) == 1


async def test_rate_limit_is_current_in_on_response(serve: Any) -> None:
    async def answer(_: web.Request) -> web.Response:
        headers = {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "890"}
        return web.json_response(EVSE, headers=headers)

    seen: list[int] = []
    server = await serve(answer)
    async with server.client(
        on_response=lambda _: seen.append(client.rate_limit.remaining)
    ) as client:
        await client.evses.get("evse01")
    assert seen == [890]


async def test_ticket_is_released_when_a_tracer_raises_after_the_wait(
    serve: Any, time: FakeTime
) -> None:
    class Tracer:
        def call(self, _: object) -> contextlib.AbstractContextManager[None]:
            return contextlib.nullcontext()

        def waited(self, _: object) -> None:
            raise HookError

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(EVSE)

    server = await serve(answer)
    budget = MemoryBudget(1, window=60, clock=time, sleep=time.sleep)
    settings: dict[str, Any] = {"budget": budget, "clock": time, "sleep": time.sleep}
    async with server.client(**settings) as client:
        await client.evses.get("evse01")
        async with server.client(**settings, tracer=Tracer()) as traced:
            with pytest.raises(HookError):
                await traced.evses.get("evse01")
        assert client.rate_limit.remaining == 1
        await client.evses.get("evse01")
    assert len(server.requests) == 2


async def test_reservation_is_released_when_a_tracer_raises_after_the_wait(
    serve: Any, time: FakeTime
) -> None:
    class Tracer:
        def waited(self, _: object) -> None:
            raise HookError

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(EVSE)

    server = await serve(answer)
    budget = MemoryBudget(1, window=60, clock=time, sleep=time.sleep)
    settings: dict[str, Any] = {"budget": budget, "clock": time, "sleep": time.sleep}
    async with server.client(**settings) as client:
        await client.evses.get("evse01")
        async with server.client(**settings, tracer=Tracer()) as traced:
            with pytest.raises(HookError):
                await traced.reserve(1).__aenter__()
            assert client.rate_limit.reserved == 0


async def test_token_is_renewed_once_per_call(serve: Any, time: FakeTime) -> None:
    statuses = iter([401, 503, 401, 503, 401])

    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("/token/"):
            return token_reply(len(server.requests))
        return web.json_response({}, status=next(statuses))

    server = await serve(answer)
    client = server.client(server.credentials(), clock=time, sleep=time.sleep, retries=5)
    async with client:
        with pytest.raises(errors.UnauthorizedError):
            await client.evses.get("evse01")
    tokens = [seen for seen in server.requests if seen.raw_path.endswith("/token/")]
    assert (len(tokens), len(server.requests) - len(tokens)) == (2, 3)


async def test_closed_client_sends_nothing_after_a_rejected_token(serve: Any) -> None:
    rejected, closed = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("/token/"):
            return token_reply(len(server.requests))
        if request.headers["Authorization"].endswith("token-000001"):
            if request.path.endswith("slow"):
                rejected.set()
                await closed.wait()
            return web.json_response({}, status=401)
        return web.json_response(EVSE)

    server = await serve(answer)
    async with aiohttp.ClientSession() as session:
        client = server.client(server.credentials(), session=session)
        call = asyncio.ensure_future(client.evses.get("slow"))
        await rejected.wait()
        await client.evses.get("fast")  # causes a renewal of the token
        await client.close()
        sent = len(server.requests)
        closed.set()
        with pytest.raises(errors.ClientClosedError):
            await call
    assert len(server.requests) == sent


async def test_redirected_call_is_one_span(serve: Any) -> None:
    spans: list[str] = []

    class Attempt:
        def ended(self, outcome: object) -> None:
            pass

    class Tracer:
        @contextlib.contextmanager
        def call(self, _: object) -> Iterator[None]:
            spans.append("call")
            yield

        @contextlib.contextmanager
        def attempt(self, _: object, number: int) -> Iterator[Attempt]:
            spans.append(f"attempt {number}")
            yield Attempt()

        def waited(self, _: object) -> None:
            pass

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/"):
            return web.json_response(EVSE)
        return web.Response(status=308, headers={"Location": f"{request.path}/"})

    server = await serve(answer)
    async with server.client(tracer=Tracer()) as client:
        await client.evses.get("evse01")
    assert spans == ["call", "attempt 1", "attempt 1"]


async def test_error_names_the_request_of_the_caller_after_a_redirect(serve: Any) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/"):
            return web.json_response([])
        return web.Response(status=308, headers={"Location": f"{request.path}/"})

    server = await serve(answer)
    async with server.client() as client:
        with pytest.raises(errors.DecodeError) as caught:
            await client.evses.get("evse01")
    assert caught.value.request.url.path == "/v2/evses/evse01"


async def test_parameter_of_a_media_type_does_not_make_a_problem(serve: Any) -> None:
    async def answer(_: web.Request) -> web.Response:
        kind = 'application/json; profile="application/problem+json"'
        return web.Response(text='{"id": "evse01"}', headers={"Content-Type": kind})

    server = await serve(answer)
    async with server.client() as client:
        assert (await client.evses.get("evse01")).id == "evse01"


@pytest.mark.parametrize("failure", ["refused", "unavailable"])
async def test_dropped_client_is_collected_after_a_failed_renewal(serve: Any, failure: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        if failure == "refused":
            return web.json_response({"error": "invalid_client"}, status=401)
        return web.json_response({}, status=503)

    async def call(client: Client) -> None:
        with pytest.raises((errors.TokenError, errors.ServerError)):
            await client.evses.get("evse01")
        await client.close()

    server = await serve(answer)
    gc.collect()
    gc.disable()
    try:
        client = server.client(server.credentials(), retries=0)
        await call(client)
        gone = weakref.ref(client._caller.state)
        del client
        await asyncio.sleep(0)
        assert gone() is None
    finally:
        gc.enable()


FORKS = """
import os, signal, threading
from ev_energy._redaction.redactor import Redactor

def work():
    while True:
        Redactor(lambda: ["secret-0123456789"] * 200).secrets

threading.Thread(target=work, daemon=True).start()
for _ in range(40):
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)  # ends a child that hangs
        Redactor(lambda: ["secret-0123456789"]).redact("text")
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0, "the child hangs"
print("done")
"""


@pytest.mark.skipif(not hasattr(signal, "alarm"), reason="needs os.fork, which Windows lacks")
def test_redaction_works_in_a_child_that_was_forked_during_another() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKS],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_subclass_of_a_model_is_decoded() -> None:
    class Driver(User):
        @property
        def greeting(self) -> str:
            return f"Hello {self.full_name}"

    driver = Driver.from_dict({"id": "u", "full_name": "Ada", "unknown": 1})
    assert isinstance(driver, Driver)
    assert (driver.greeting, driver.extra["unknown"]) == ("Hello Ada", 1)
