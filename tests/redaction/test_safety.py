"""The destinations of secrets, and the errors and logs that must not show them."""

from __future__ import annotations

import logging
import pickle

import pytest
from aiohttp import web
from rich.pretty import pretty_repr

from ev_energy import Client, ClientCredentials, Ref, StaticToken, errors
from ev_energy.models import EVSE, User
from tests.helpers.support import SECRET, TOKEN

REPLY = {"id": "evse01", "url": "https://api.ev.energy/v2/evses/evse01", "cpid": "SHIR1"}


async def echo(request: web.Request) -> web.Response:
    """Repeat the headers of the request in an error page, as some gateways do."""
    headers = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
    if request.path == "/o/token/":
        return web.json_response({"access_token": TOKEN, "expires_in": 36000})
    if "evse01" in request.path:
        return web.json_response(REPLY)
    return web.Response(
        status=500,
        text=f"<html>{headers}\n{SECRET}</html>",
        headers={"X-Echo": headers[-80:].replace("\n", " ")},
    )


def printed(error: BaseException) -> str:
    """Return everything that a log, a terminal or an error tracker may print of *error*."""
    parts = [str(error), repr(error), repr(vars(error)), repr(error.__cause__)]
    parts += [repr(pickle.dumps(error)), pretty_repr(error)]
    if isinstance(error, errors.EvEnergyError):
        parts.append(error._repr_html_())
    return "\n".join(parts)


async def test_errors_logs_captures_and_reprs_show_no_secret(serve, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    server = await serve(echo)
    seen = []
    async with server.client(server.credentials(), retries=1) as client:
        with client.capture() as calls:
            await client.evses.get("evse01")
            with pytest.raises(errors.ServerError) as caught:
                await client.evses.get("evse02")
            with pytest.raises(errors.ServerError) as paged:
                await client.evses.list().collect()
        seen += [printed(caught.value), printed(paged.value), repr(client), repr(client.evses)]
        seen += [str(call) + repr(call) + repr(call.body) for call in calls]
        caller = client._caller
        seen += [repr(caller.state.auth), repr(caller.options)]
    seen += [record.getMessage() for record in caplog.records if record.name != "asyncio"]
    assert any("***" in text for text in seen)
    for text in seen:
        assert TOKEN not in text
        assert SECRET not in text


async def test_refused_token_request_shows_no_secret(serve) -> None:
    async def refuse(request: web.Request) -> web.Response:
        body = await request.text()
        headers = f"{body} {dict(request.headers)}"
        return web.json_response(
            {"error": "invalid_client", "error_description": headers}, status=401
        )

    server = await serve(refuse)
    for method in ("basic", "form"):
        async with server.client(server.credentials(method=method)) as client:
            with pytest.raises(errors.TokenError, match="check the client id and secret") as caught:
                await client.evses.get("evse01")
        assert SECRET not in printed(caught.value)


@pytest.mark.parametrize("path", ["evses/evse01", "o/token/", ""])
async def test_link_to_another_origin_is_not_requested(serve, path: str) -> None:
    stranger, server = await serve(echo), await serve(echo)
    foreign = f"http://127.0.0.1:{stranger.port}/v2/{path}"
    async with server.client() as client:
        with pytest.raises(errors.ForeignOriginError, match="is sent nowhere else"):
            await client.fetch(Ref(foreign, EVSE))
        # Of a URL that is given as an id, only the id is used.
        if path.endswith("evse01"):
            await client.evses.get(foreign)
    assert stranger.requests == []
    assert [seen.raw_path for seen in server.requests] in ([], ["/v2/evses/evse01"])


@pytest.mark.parametrize(
    "url",
    [
        "https://api.ev.energy.evil.example/v2/users/u",
        "https://api.ev.energy@evil.example/v2/users/u",
        "http://api.ev.energy/v2/users/u",
        "https://api.ev.energy:444/v2/users/u",
        "//evil.example/v2/users/u",
        "/v2/users/u",
        "ftp://api.ev.energy/v2/users/u",
    ],
)
async def test_url_that_resembles_the_api_is_not_followed(url: str) -> None:
    async with Client(TOKEN) as client:
        with pytest.raises((errors.ForeignOriginError, ValueError)):
            await client.fetch(Ref(url, User))


async def test_redirect_of_the_token_endpoint_is_not_followed(serve) -> None:
    stranger = await serve(echo)

    async def away(_: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": f"{stranger.url}/o/token/"})

    server = await serve(away)
    async with server.client(server.credentials()) as client:
        with pytest.raises(errors.TokenError):
            await client.evses.get("evse01")
    assert stranger.requests == []


async def test_onboarding_request_carries_no_token_and_no_header_of_the_api(serve) -> None:
    async def redirect(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "https://drivers.example/x?y=1"})

    server = await serve(redirect)
    async with server.client(api_version="2", headers={"X-Mine": "1"}) as client:
        link = await client.acting_for("user01").evse_onboarding.get(
            user_id="user01", client_id="app"
        )
    assert str(link) == link.url == "https://drivers.example/x?y=1"
    [seen] = server.requests
    assert not {"authorization", "evenergy-version", "evenergy-user", "x-mine"} & {
        name.lower() for name in seen.headers
    }


@pytest.mark.parametrize(
    "base_url", ["http://api.ev.energy/v2", "http://10.0.0.1/v2", "http://127.evil.example/v2"]
)
def test_token_is_not_sent_over_plain_http_unless_allowed(base_url: str) -> None:
    with pytest.raises(ValueError, match="would send the token unencrypted"):
        Client(TOKEN, base_url=base_url)
    assert Client(TOKEN, base_url=base_url, allow_insecure=True).base_url.scheme == "http"


def test_client_secret_is_not_sent_over_plain_http() -> None:
    auth = ClientCredentials(client_id="a", client_secret=SECRET, token_url="http://x.example/")
    with pytest.raises(ValueError, match="token_url .* would send the token unencrypted"):
        Client(auth)


def test_plain_http_to_loopback_is_allowed() -> None:
    for host in ("localhost", "127.0.0.1", "127.1.2.3", "[::1]"):
        Client(TOKEN, base_url=f"http://{host}:1/v2")


def test_repr_of_credentials_shows_no_secret() -> None:
    assert SECRET not in repr(ClientCredentials(client_id="a", client_secret=SECRET))
    assert TOKEN not in repr(StaticToken(TOKEN))
    grant = ClientCredentials(client_id="a", client_secret=SECRET).token_request(None)
    assert SECRET not in repr(grant)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"Authorization": "Bearer x"}, "headers must not set Authorization: use auth="),
        ({"EvEnergy-User": "u"}, "headers must not set EvEnergy-User: use auth= or acting_for"),
        ({"X-A": "b\r\nX-C: d"}, "headers: X-A contains a line break"),
    ],
)
def test_unsafe_headers_are_refused(headers: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Client(TOKEN, headers=headers)
    with pytest.raises(ValueError, match=message):
        Client(TOKEN).acting_for("user01").with_options(headers=headers)
