"""Async functions as hooks, which nothing would await."""

from __future__ import annotations

import functools
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import ev_energy_sync
from ev_energy import Client, webhooks
from ev_energy.models import RebateEvidenceUpload
from tests.helpers.recording_server import RecordingServer, scripted_replies
from tests.helpers.support import TOKEN, FakeTime

EVSE = {"id": "evse01", "url": "https://api.ev.energy/v2/evses/evse01", "cpid": "SHIR1"}


async def function(event: object) -> None: ...


async def generator(event: object) -> AsyncIterator[object]:
    yield event


class Plain:
    async def method(self, event: object) -> None: ...


class WithAsyncCall:
    async def __call__(self, event: object) -> None: ...


class Inheriting(WithAsyncCall): ...


ASYNC: dict[str, Callable[[Any], object]] = {
    "function": function,
    "generator": generator,
    "bound method": Plain().method,
    "partial": functools.partial(function),
    "partial of a partial of a method": functools.partial(functools.partial(Plain().method)),
    "object": WithAsyncCall(),
    "inherited call": Inheriting(),
    "partial of an object": functools.partial(WithAsyncCall()),
}
HOOKS = ("on_request", "on_response", "on_retry", "on_wait", "on_drift")


def refused(name: str) -> str:
    return (
        rf"^{name} must be a plain function, not an async one: it is called on the event loop and "
        r"not awaited\. A plain function can start a task with asyncio\.create_task\(\), or pass "
        r"on what it is called with by queue\.put_nowait\(\)$"
    )


@pytest.mark.parametrize("kind", ASYNC)
def test_async_hooks_of_every_kind_are_refused(kind: str) -> None:
    for client in (Client, ev_energy_sync.Client):
        with pytest.raises(TypeError, match=refused("on_response")):
            client(TOKEN, on_response=ASYNC[kind])


@pytest.mark.parametrize("name", HOOKS)
def test_each_hook_is_checked_when_the_client_is_made(name: str) -> None:
    for client in (Client, ev_energy_sync.Client):
        with pytest.raises(TypeError, match=refused(name)):
            client(TOKEN, **{name: function})
        with pytest.raises(TypeError, match=f"^{name} must be a function, not an int$"):
            client(TOKEN, **{name: 3})


def test_plain_hooks_are_accepted() -> None:
    class WithCall:
        def __call__(self, event: object) -> None: ...

    for hook in (print, WithCall(), [].append, functools.partial(print, end="")):
        Client(TOKEN, **dict.fromkeys(HOOKS, hook))


@pytest.mark.parametrize("name", HOOKS)
def test_class_is_refused_as_a_hook(name: str) -> None:
    """Calling it would make an object, which nothing uses."""
    message = (
        rf"^{name} must be a function, not the class Plain: pass an object of it, or one of its "
        r"methods$"
    )
    for client in (Client, ev_energy_sync.Client):
        with pytest.raises(TypeError, match=message):
            client(TOKEN, **{name: Plain})


async def test_other_callbacks_are_checked() -> None:
    upload = RebateEvidenceUpload(id="rbtf01", presigned_url="https://x.example/")
    async with Client(TOKEN) as client:
        with pytest.raises(TypeError, match=refused("progress")):
            await client.rebates.upload_evidence(
                b"x", user_rebate="rbtu01", rebate_evidence_type="rbte01", progress=function
            )
        with pytest.raises(TypeError, match=refused("progress")):
            await client.rebates.resume_upload(upload, b"x", progress=function)
    with pytest.raises(TypeError, match=refused("on_drift")):
        webhooks.Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", on_drift=function)


async def test_coroutine_that_a_plain_hook_returns_is_logged(
    serve, time: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    replies = scripted_replies({**EVSE, "unheard_of": 1}, 503, (429, {"Retry-After": "1"}))
    server: RecordingServer = await serve(replies)
    hooks = dict.fromkeys(HOOKS, lambda event: Plain().method(event))
    async with server.client(clock=time, sleep=time.sleep, **hooks) as client:
        evse = await client.evses.get("evse01")  # the call is not disturbed
        for _ in range(3):
            await client.with_auth(f"{TOKEN}-2").evses.get("evse01")
    assert evse.id == "evse01"
    said = [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]
    assert len(said) == len(HOOKS)  # one each, however often the hook is called
    assert {line.partition(" ")[0] for line in said} == set(HOOKS)
    assert said[0] == (
        "on_request returned a coroutine, which is not awaited, so its code does not run: return "
        "nothing, and start a task with asyncio.create_task()"
    )
