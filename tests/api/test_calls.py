"""Single calls: errors of replies, and retries."""

from __future__ import annotations

import asyncio
import gc
import pickle
import socket
import subprocess
import sys
from typing import Any

import pytest
from aiohttp import web

from ev_energy import errors

EVSE = {"id": "evse01", "url": "https://api.ev.energy/v2/evses/evse01", "cpid": "SHIR1"}


def always(**reply: Any):
    async def handler(_: web.Request) -> web.Response:
        return web.Response(**reply)

    return handler


def in_order(*replies: Any):
    """Send each reply once and repeat the last one."""
    left = list(replies)

    async def handler(_: web.Request) -> web.StreamResponse:
        reply = left.pop(0) if len(left) > 1 else left[0]
        return web.json_response(**reply) if isinstance(reply, dict) else reply()

    return handler


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b"<html>Sign in to the Wi-Fi</html>", "text/html", "expected EVSE: not JSON"),
        (b'{"id": "evse01", "url": "htt', "application/json", "expected EVSE: not JSON"),
        (b"", "application/json", "expected EVSE: not JSON"),
        (b"[]", "application/json", "expected EVSE: expected an object, got an array"),
        (b'"evse01"', "application/json", "expected EVSE: expected an object, got a string"),
        (b"null", "application/json", "expected EVSE: expected an object, got null"),
        (b"\xff\xfe", "application/json", "expected EVSE: not JSON"),
        (b'{"id":' + b"[" * 100_000, "application/json", "expected EVSE"),
    ],
)
async def test_reply_that_is_no_resource_is_a_decode_error_with_the_raw_body(
    serve, body: bytes, content_type: str, message: str
) -> None:
    server = await serve(always(body=body, content_type=content_type))
    async with server.client() as client:
        with pytest.raises(errors.DecodeError, match=message) as caught:
            await client.evses.get("evse01")
    assert caught.value.status == 200
    assert caught.value.body == body
    assert caught.value.request.method == "GET"
    assert content_type in str(caught.value) or "nested" in str(caught.value)


async def test_list_instead_of_an_object_is_a_decode_error_and_vice_versa(serve) -> None:
    server = await serve(in_order({"data": [EVSE]}, {"data": EVSE}))
    async with server.client() as client:
        with pytest.raises(errors.DecodeError, match="expected an object, got an array"):
            await client.evses.get("evse01")
        with pytest.raises(errors.DecodeError, match="expected a list of EVSE") as caught:
            await client.evses.list().collect()
    assert caught.value.cursor is not None


async def test_bad_item_does_not_affect_the_rest_of_the_page(serve) -> None:
    page = [EVSE, {**EVSE, "cpid": 5}, {**EVSE, "lock_mode": "NEW"}, {"id": "evse02"}]
    server = await serve(in_order({"data": page}))
    drift: list[Any] = []
    async with server.client(on_drift=drift.append) as client:
        items = await client.evses.list().collect()
    assert [item.id for item in items] == ["evse01", "evse01", "evse01", "evse02"]
    assert items[1].cpid == 5
    assert items[2].lock_mode == "NEW"
    assert items[2].lock_mode is not None
    assert not items[2].lock_mode.known
    assert items[3].cpid is None
    assert [str(one) for one in drift] == [
        "wrong type EVSE.cpid at $[1].cpid",
        "unknown enum text EVSE.lock_mode at $[2].lock_mode",
        "missing member EVSE.url at $[3].url",
        "missing member EVSE.cpid at $[3].cpid",
    ]


@pytest.mark.parametrize("expand", [(), ("model",)])
async def test_link_is_read_expanded_or_not_independent_of_expand(serve, expand) -> None:
    model = {"id": "emod01", "url": "https://api.ev.energy/v2/evse_models/emod01", "name": "EV"}
    forms = [{**EVSE, "model": model}, {**EVSE, "model": model["url"]}, {**EVSE, "model": None}]
    drift: list[Any] = []
    server = await serve(in_order({"data": forms}, *({"data": f} for f in forms)))
    async with server.client(on_drift=drift.append, strict=True) as client:
        listed = await client.evses.list(expand=expand).collect()
        single = [await client.evses.get("evse01", expand=expand) for _ in forms]
    assert listed == single
    for expanded, linked, absent in (listed, single):
        assert expanded.model.value.name == "EV"
        assert not linked.model.is_expanded
        assert linked.model == expanded.model
        assert absent.model is None
    assert drift == []


async def test_deviation_is_reported_once_and_unknown_fields_are_kept(serve, caplog) -> None:
    server = await serve(always(body=b'[{"id":"e","url":"u","cpid":"c","new":[1]}]'))
    drift: list[Any] = []
    async with server.client(on_drift=drift.append) as client:
        for _ in range(3):
            [item] = await client.evses.list().collect()
            assert item.extra == {"new": [1]}
            assert item.to_dict()["new"] == [1]
    assert [str(one) for one in drift] == ["unknown member EVSE.new at $[0].new"]
    assert len([r for r in caplog.records if r.name == "ev_energy.drift"]) == 1


async def test_strict_client_raises_for_a_deviation(serve) -> None:
    server = await serve(always(body=b'[{"id":"e","url":"u","cpid":"c","lock_mode":"NEW"}]'))
    async with server.client(strict=True) as client:
        for _ in range(2):
            with pytest.raises(errors.DecodeError, match="unknown enum text") as caught:
                await client.evses.list().collect()
    assert caught.value.path == "$[0].lock_mode"
    assert b"NEW" in caught.value.body


async def test_problem_document_is_read_completely(serve) -> None:
    problem = {
        "type": "https://api.ev.energy/v2/problems/validation-failed-update-evse/",
        "title": "Validation failed",
        "status": 400,
        "detail": "One or more fields are wrong.",
        "instance": "https://api.ev.energy/v2/evses/evse01",
        "field_errors": {"location": ["Not on Earth."]},
        "trace": "abc",
    }
    server = await serve(in_order({"data": problem, "status": 400}))
    async with server.client() as client:
        with pytest.raises(errors.BadRequestError) as caught:
            await client.evses.update("evse01", location=None)
    error = caught.value
    assert error.status == 400
    assert error.type == "validation-failed-update-evse"
    assert error.title == "Validation failed"
    assert error.instance == "https://api.ev.energy/v2/evses/evse01"
    assert error.field_errors == {"location": ["Not on Earth."]}
    assert error.extensions == {"trace": "abc"}
    assert error.notification is None
    assert "PATCH /v2/evses/evse01: 400 Validation failed" in str(error)
    assert "location: ['Not on Earth.']" in str(error)
    assert error.request.body == b'{"location":null}'
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.field_errors) == (
        type(error),
        str(error),
        error.field_errors,
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequestError),
        (401, errors.UnauthorizedError),
        (403, errors.ForbiddenError),
        (404, errors.NotFoundError),
        (405, errors.ApiError),
        (406, errors.NotAcceptableError),
        (409, errors.ConflictError),
        (422, errors.UnprocessableError),
        (429, errors.RateLimitError),
        (500, errors.ServerError),
        (503, errors.ServerError),
    ],
)
@pytest.mark.parametrize("body", [b"<html><h1>Oops</h1></html>", b"", b"[1]", b"{", b"null"])
async def test_error_class_depends_on_the_status_only(
    serve, status: int, kind: type[errors.ApiError], body: bytes
) -> None:
    server = await serve(always(status=status, body=body))
    async with server.client(retries=0) as client:
        with pytest.raises(kind) as caught:
            await client.evses.get("evse01")
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert caught.value.body == body
    assert caught.value.type is None


async def test_redirect_is_not_followed(serve) -> None:
    server = await serve(always(status=302, headers={"Location": "https://elsewhere.example/"}))
    async with server.client() as client:
        with pytest.raises(errors.DecodeError, match="redirected to https://elsewhere.example/"):
            await client.evses.get("evse01")
        with pytest.raises(errors.DecodeError, match="which is not followed"):
            await client.evses.delete("evse01")
    assert len(server.requests) == 2


async def test_read_is_retried_with_growing_pauses(serve, time) -> None:
    server = await serve(
        in_order({"data": {}, "status": 503}, {"data": {}, "status": 502}, {"data": EVSE})
    )
    async with server.client(clock=time, sleep=time.sleep) as client:
        with client.capture() as calls:
            assert (await client.evses.get("evse01")).id == "evse01"
    assert len(time.slept) == 2
    assert time.slept[0] <= 0.5
    assert time.slept[1] <= 1.0
    assert [getattr(attempt, "status", None) for attempt in calls[0].attempts] == [503, 502, 200]


async def test_retry_after_is_honoured(serve, time) -> None:
    limited = {"data": {}, "status": 429, "headers": {"Retry-After": "40"}}
    server = await serve(in_order(limited, {"data": EVSE}))
    async with server.client(clock=time, sleep=time.sleep) as client:
        await client.evses.update("evse01", location=None)
    assert time.slept == [40.0]
    assert len(server.requests) == 2


async def test_retry_after_beyond_the_deadline_is_an_error_at_once(serve, time) -> None:
    server = await serve(always(status=429, headers={"RetryAfter": "3000"}, body=b"{}"))
    async with server.client(clock=time, sleep=time.sleep) as client:
        with pytest.raises(errors.RateLimitError) as caught:
            await client.evses.get("evse01")
    assert caught.value.retry_after == 3000
    assert time.slept == []
    assert len(server.requests) == 1


async def test_write_with_a_lost_reply_is_unconfirmed_and_not_repeated(serve) -> None:
    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    server = await serve(hang_up)
    async with server.client() as client:
        with pytest.raises(errors.UnconfirmedWriteError, match="may or may not have been") as lost:
            await client.evses.update("evse01", location=None)
        assert len(server.requests) == 1
    assert lost.value.request.label == "PATCH /v2/evses/evse01"


async def test_read_with_an_incomplete_reply_is_retried(serve, time) -> None:
    attempts = 0

    async def break_off(request: web.Request) -> web.StreamResponse:
        nonlocal attempts
        attempts += 1
        if attempts > 1:
            return web.json_response(EVSE)
        reply = web.StreamResponse(headers={"Content-Length": "500"})
        await reply.prepare(request)
        await reply.write(b'{"id": "evs')
        assert request.transport is not None
        request.transport.close()
        return reply

    server = await serve(break_off)
    async with server.client(clock=time, sleep=time.sleep) as client:
        assert (await client.evses.get("evse01")).cpid == "SHIR1"
    assert attempts == 2


async def test_refused_connection_means_not_sent(time) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    from ev_energy import Client

    async with Client(
        "a-token", base_url=f"http://127.0.0.1:{port}/v2", clock=time, sleep=time.sleep
    ) as client:
        with pytest.raises(errors.NotSentError):
            await client.evses.update("evse01", location=None)
    assert len(time.slept) == 2


async def test_slow_reply_ends_with_the_timeout(serve) -> None:
    async def never(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    server = await serve(never)
    async with server.client(retries=0, timeout=0.05) as client:
        with pytest.raises(errors.TransportError, match=r"no reply within 0\.05 s"):
            await client.evses.get("evse01")


async def test_cancelled_call_ends_at_once_and_the_client_stays_usable(serve) -> None:
    started, left = asyncio.Event(), asyncio.Event()

    async def slow_once(_: web.Request) -> web.Response:
        if started.is_set():
            return web.json_response(EVSE)
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        raise AssertionError

    server = await serve(slow_once)
    async with server.client() as client:
        call = asyncio.ensure_future(client.evses.get("evse01"))
        await started.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await left.wait()
        assert (await client.evses.get("evse01")).id == "evse01"


async def test_call_of_a_closed_client_is_an_error(serve) -> None:
    server = await serve(in_order({"data": EVSE}))
    client = server.client()
    await client.evses.get("evse01")
    view = client.with_options(retries=0)
    await client.close()
    await client.close()
    for closed in (client, view):
        with pytest.raises(errors.ClientClosedError, match="this client is closed"):
            await closed.evses.get("evse01")
    assert len(server.requests) == 1


async def test_session_of_the_caller_is_used_and_stays_open(serve) -> None:
    import aiohttp

    server = await serve(in_order({"data": EVSE}))
    async with aiohttp.ClientSession(headers={"X-Mine": "yes"}) as session:
        async with server.client(session=session) as client:
            await client.evses.get("evse01")
        assert not session.closed
    assert server.requests[0].headers["X-Mine"] == "yes"


# A loop that ends before its client is closed causes a warning.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_client_serves_consecutive_loops(serve) -> None:
    server = await serve(in_order({"data": EVSE}))
    client = server.client()

    def in_a_loop_of_its_own() -> str:
        return asyncio.run(client.evses.get("evse01")).id

    assert await asyncio.to_thread(in_a_loop_of_its_own) == "evse01"
    assert await asyncio.to_thread(in_a_loop_of_its_own) == "evse01"
    assert (await client.evses.get("evse01")).id == "evse01"
    await client.close()
    gc.collect()  # so that the warnings are raised in this test


@pytest.mark.parametrize(("others", "thread"), [(0, "MainThread"), (1, "asyncio_0")])
def test_opening_a_client_does_not_block_the_loop(others, thread) -> None:
    script = f"""if True:
        import asyncio, threading
        from ev_energy import Client
        from ev_energy._api import preload as _preload
        real = _preload.load
        def load(**options):
            print(threading.current_thread().name)
            real(**options)
        _preload.load = load
        async def main():
            others = [asyncio.ensure_future(asyncio.Event().wait()) for _ in range({others})]
            async with Client("a-token"): pass
            async with Client("a-token"): pass
            for other in others: other.cancel()
        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == (f"{thread}\n", "")


async def test_options_of_a_view_do_not_change_the_client(serve) -> None:
    server = await serve(in_order({"data": EVSE}))
    async with server.client(headers={"X-App": "a"}, api_version="2") as client:
        view = client.with_options(headers={"X-Call": "b"}, api_version=None, language="en-GB")
        await view.evses.get("evse01")
        await client.evses.get("evse01")
        await client.acting_for("user01").evses.get("evse01")
        await client.acting_for("https://api.ev.energy/v2/users/user01").evses.get("evse01")
        await client.acting_for("user01").acting_for(None).evses.get("evse01")
    first, second, third, fourth, fifth = (seen.headers for seen in server.requests)
    assert (first["X-App"], first["X-Call"], first["Accept-Language"]) == ("a", "b", "en-GB")
    assert "EvEnergy-Version" not in first
    assert second["EvEnergy-Version"] == "2"
    assert "X-Call" not in second
    assert third["EvEnergy-User"] == "user01"
    assert fourth["EvEnergy-User"] == "https://api.ev.energy/v2/users/user01"
    assert "EvEnergy-User" not in fifth


async def test_rate_limit_of_the_latest_reply_is_available(serve) -> None:
    headers = {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "993"}
    server = await serve(in_order({"data": EVSE, "headers": headers}))
    async with server.client() as client:
        assert client.rate_limit is None
        await client.with_options(retries=0).evses.get("evse01")
        assert client.rate_limit is not None
        assert (client.rate_limit.limit, client.rate_limit.remaining) == (1000, 993)
