"""What a reply states in its headers, and which request id errors name."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from aiohttp import web

from ev_energy import Response, errors
from tests.helpers.support import TOKEN

EVSE = {"id": "evse01", "url": "https://api.ev.energy/v2/evses/evse01", "cpid": "SHIR1"}
HEADERS = {
    "X-Request-ID": "req-7",
    "EVEnergy-Version": "2",  # the API's own spelling in one place
    "X-RateLimit-Limit": "1000",
    "X-RateLimit-Remaining": "912",
    "RetryAfter": "3",
}


def handler(body: Any = EVSE, *, status: int = 200, headers: Any = HEADERS) -> Any:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body, status=status, headers=headers)

    return answer


async def test_response_has_what_its_headers_state(serve, time) -> None:
    async def answer(_: web.Request) -> web.Response:
        time.now += 0.25
        return web.json_response(EVSE, headers=HEADERS)

    server = await serve(answer)
    async with server.client(clock=time, sleep=time.sleep) as client:
        with client.capture() as calls:
            await client.evses.get("evse01")
    response = calls[0].response
    assert response is not None
    for one in (response, pickle.loads(pickle.dumps(response))):
        assert (one.request_id, one.api_version) == ("req-7", "2")
        assert (one.rate_limit.limit, one.rate_limit.remaining) == (1000, 912)
        assert (one.retry_after, one.elapsed) == (3.0, 0.25)


async def test_elapsed_is_the_time_of_the_last_attempt_without_the_pauses(serve, time) -> None:
    statuses = [503, 200]

    async def answer(_: web.Request) -> web.Response:
        time.now += 5 if len(statuses) == 2 else 0.5
        return web.json_response(EVSE, status=statuses.pop(0), headers={"Retry-After": "20"})

    server = await serve(answer)
    async with server.client(clock=time, sleep=time.sleep) as client:
        with client.capture() as calls:
            await client.evses.get("evse01")
    assert [attempt.elapsed for attempt in calls[0].attempts] == [5, 0.5]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"X-Request-Id": ""}, None),
        ({"X-Request-Id": "y" * 129}, None),
        ({"X-Request-Id": "a\tb"}, None),
        ({"X-Request-Id": "req-7"}, "req-7"),
        ({"request-id": "req-8"}, "req-8"),
        ({"CF-Ray": "7d-LHR", "X-Amz-Cf-Id": "cf1", "X-Correlation-ID": "c1"}, "c1"),
        ({"CF-Ray": "7d-LHR", "X-Request-ID": "req-7"}, "req-7"),
        ({"CF-Ray": "7d-LHR", "X-Request-ID": ""}, "7d-LHR"),
    ],
)
def test_request_id_is_the_first_usable_header(headers, expected) -> None:
    folded = {name.lower(): value for name, value in headers.items()}
    assert Response(200, "", folded, b"").request_id == expected


def test_response_without_headers_states_nothing() -> None:
    response = Response(200, "", {}, b"")
    assert (response.request_id, response.api_version, response.rate_limit) == (None, None, None)
    assert (response.retry_after, response.elapsed) == (None, 0.0)


async def failure(server: Any, expected: type[errors.CallError]) -> errors.CallError:
    async with server.client(retries=0) as client:
        with pytest.raises(expected) as caught:
            await client.evses.get("evse01")
    return caught.value


async def test_api_error_names_the_request_id(serve) -> None:
    body = {"title": "Not Found", "detail": "no such EVSE"}
    error = await failure(await serve(handler(body, status=404)), errors.NotFoundError)
    assert error.request_id == "req-7"
    assert str(error) == ("GET /v2/evses/evse01: 404 Not Found — no such EVSE (request id req-7)")
    assert pickle.loads(pickle.dumps(error)).request_id == "req-7"


async def test_decode_error_names_the_request_id(serve) -> None:
    error = await failure(await serve(handler([EVSE])), errors.DecodeError)
    assert error.request_id == "req-7"
    assert str(error).endswith("(HTTP 200, at $, request id req-7)")


async def test_paging_error_names_the_request_id(serve) -> None:
    server = await serve(handler([EVSE], headers={**HEADERS, "Link": "<nonsense"}))
    async with server.client() as client:
        with pytest.raises(errors.PagingError) as caught:
            await client.evses.list().collect()
    assert caught.value.request_id == "req-7"


async def test_error_without_a_request_id_does_not_mention_one(serve) -> None:
    server = await serve(handler({"detail": "no such EVSE"}, status=404, headers={}))
    error = await failure(server, errors.NotFoundError)
    assert error.request_id is None
    assert str(error) == "GET /v2/evses/evse01: 404 Not Found — no such EVSE"

    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    error = await failure(await serve(hang_up), errors.TransportError)
    assert error.request_id is None


async def test_token_in_a_request_id_is_masked(serve) -> None:
    headers = {"X-Request-ID": f"for {TOKEN}"}
    server = await serve(handler({"title": "Not Found"}, status=404, headers=headers))
    error = await failure(server, errors.NotFoundError)
    assert error.request_id == "for ***"
    assert str(error).endswith("(request id for ***)")
