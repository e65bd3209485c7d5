"""The ids of replies, on errors of every kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

import ev_energy_sync
from ev_energy import AuthorizationCode, errors
from tests.helpers.recording_server import RecordingServer
from tests.helpers.support import SECRET, TOKEN

EVSE = {"id": "evse01", "url": "https://api.ev.energy/v2/evses/evse01", "cpid": "SHIR1"}
ID = {"X-Request-ID": "4f0c"}
REFUSED = {"error": "invalid_client", "error_description": "unknown"}


@pytest.mark.parametrize(
    "reply",
    [
        lambda: web.json_response(REFUSED, status=401, headers=ID),
        lambda: web.json_response(REFUSED, status=400, headers={"x-request-id": f"4f0c{SECRET}"}),
        lambda: web.json_response({}, headers=ID),
        lambda: web.Response(text="<html>", headers=ID),
        lambda: web.json_response({}, status=503, headers=ID),
    ],
)
async def test_error_of_the_token_endpoint_has_the_id(
    serve, reply: Callable[[], web.Response]
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return reply()

    server: RecordingServer = await serve(answer)
    async with server.client(server.credentials(), retries=0) as client:
        with pytest.raises((errors.TokenError, errors.ServerError)) as caught:
            await client.evses.get("evse01")
    assert caught.value.request_id in ("4f0c", "4f0c***")


async def test_error_of_the_revocation_endpoint_has_the_id(serve) -> None:
    async def answer(request: web.Request) -> web.Response:
        if "revoke" in request.path:
            return web.json_response(REFUSED, status=401, headers=ID)
        return web.json_response({"access_token": TOKEN, "refresh_token": f"{TOKEN}-refresh"})

    server: RecordingServer = await serve(answer)
    back = "https://app.example.com/"
    app = AuthorizationCode(client_id="app", redirect_uri=back, account="eve")
    async with server.client(app) as client:
        request = app.start_authorization(server.url)
        await client.sign_in(request, f"{back}?code=a-code-of-a-user&state={request.state}")
        with pytest.raises(errors.InvalidClientError) as caught:
            await client.sign_out()
    assert caught.value.request_id == "4f0c"


@pytest.mark.parametrize("limit", ["max_body", "max_items"])
async def test_reply_that_exceeds_a_limit_has_the_id(serve, limit: Any) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response([EVSE] * 50, headers=ID)

    server: RecordingServer = await serve(answer)
    async with server.client(**{limit: 20}) as client:
        with pytest.raises(errors.LimitError) as caught:
            await client.evses.list().collect()
    assert (caught.value.limit, caught.value.request_id) == (limit, "4f0c")


@pytest.mark.parametrize("failing", ["storage", "portal", "finish"])
def test_upload_error_has_the_id(failing: str) -> None:
    headers = {"x-amz-request-id": "4f0c"}

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/storage":
            if failing == "storage":
                return web.Response(status=403, text="<Error/>", headers=headers)
            return web.Response(text="<html>" if failing == "portal" else "", headers=headers)
        if request.path.endswith("/finish") or "rbef01" in request.path:
            return web.json_response({}, status=409, headers=ID)
        url = f"http://{request.host}/storage"
        return web.json_response({"id": "rbef01", "presigned_url": url}, status=201)

    with (
        RecordingServer(answer).in_thread() as server,
        ev_energy_sync.Client(TOKEN, base_url=server.url) as client,
        pytest.raises(errors.UploadError) as caught,
    ):
        client.rebates.upload_evidence(
            b"x", user_rebate="rbtu01", rebate_evidence_type="rbte01", file_name="a.pdf"
        )
    assert caught.value.request_id == "4f0c"
