"""A forged `AuthorizationRequest` that is restored from text does not send the code elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from ev_energy import AuthorizationCode, errors
from ev_energy.auth import AuthorizationRequest
from tests.helpers.recording_server import RecordingServer

APP = AuthorizationCode(client_id="an-app", redirect_uri="https://app.example/back")


async def token(_: web.Request) -> web.Response:
    return web.json_response({"access_token": "a-new-token", "token_type": "Bearer"})


def restored(server: RecordingServer, **change: Any) -> AuthorizationRequest:
    """Return a request that was stored, changed and restored."""
    return AuthorizationRequest.from_dict(
        {**APP.start_authorization(server.url).to_dict(), **change}
    )


FORGED = {
    "url": "https://evil.example/o/authorize/?client_id=an-app",
    "client_id": "another-app",
    "redirect_uri": "https://evil.example/back",
    "issuer": "https://evil.example",
}


@pytest.mark.parametrize(("name", "value"), FORGED.items())
async def test_forged_request_is_refused_before_the_code_is_sent(
    serve, name: str, value: str
) -> None:
    server = await serve(token)
    request = restored(server, **{name: value})
    callback = f"/back?code=a-code&state={request.state}&iss={request.issuer}"
    async with server.client(APP.for_account("ada")) as client:
        with pytest.raises(ValueError, match="this AuthorizationRequest was created for"):
            await client.sign_in(request, callback)
    assert server.requests == []


async def test_issuer_is_compared_with_that_of_the_application(serve) -> None:
    server = await serve(token)
    app = AuthorizationCode(
        client_id="an-app",
        redirect_uri="https://app.example/back",
        issuer="https://login.example",
        account="ada",
    )
    own = app.start_authorization(server.url)
    other = AuthorizationRequest.from_dict({**own.to_dict(), "issuer": "https://evil.example"})
    async with server.client(app) as client:
        callback = f"/back?code=a-code&state={own.state}&iss=https://evil.example"
        with pytest.raises(
            ValueError, match=r"the issuer https://evil\.example, not https://login"
        ):
            await client.sign_in(other, callback)
        with pytest.raises(errors.AuthorizationError, match="another authorization server"):
            await client.sign_in(own, callback)
        assert server.requests == []
        await client.sign_in(own, f"/back?code=a-code&state={own.state}&iss=https://login.example")
    [seen] = server.requests
    assert b"redirect_uri=https%3A%2F%2Fapp.example%2Fback" in seen.body


@pytest.mark.parametrize(
    "name", ["url", "client_id", "redirect_uri", "issuer", "state", "verifier"]
)
@pytest.mark.parametrize("value", ["a\r\nb", "\0", "", b"text", ["x"], "\ud800"])
def test_request_with_unprintable_text_is_refused(name: str, value: Any) -> None:
    data = {**APP.start_authorization().to_dict(), name: value}
    with pytest.raises(errors.AuthorizationError) as caught:
        AuthorizationRequest.from_dict(data)
    assert caught.value.error == "no_request"


async def test_unchanged_request_signs_in(serve) -> None:
    server = await serve(token)
    request = restored(server)
    async with server.client(APP.for_account("ada")) as client:
        await client.sign_in(request, f"/back?code=a-code&state={request.state}")
    [seen] = server.requests
    assert seen.raw_path == "/o/token/"
