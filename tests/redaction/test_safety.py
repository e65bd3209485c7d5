"""Where secrets go, and where they must not."""

from __future__ import annotations

import logging
import pickle

import pytest
from aiohttp import web

from ev_energy import Client, ClientCredentials, Ref, StaticToken, errors
from ev_energy.models import EVSE, User
from tests.helpers.support import SECRET, TOKEN

REPLY = {"id": "evse01", "url": "https://api.ev.energy/v2/evses/evse01", "cpid": "SHIR1"}


async def parrot(request: web.Request) -> web.Response:
    """An API that puts every header and body it got into its error pages."""
    heard = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
    if request.path == "/o/token/":
        return web.json_response({"access_token": TOKEN, "expires_in": 36000})
    if "evse01" in request.path:
        return web.json_response(REPLY)
    return web.Response(
        status=500,
        text=f"<html>{heard}\n{SECRET}</html>",
        headers={"X-Heard": heard[-80:].replace("\n", " ")},
    )


def shown(error: BaseException) -> str:
    """Everything of an error that could be printed, logged or sent to a tracker."""
    parts = [str(error), repr(error), repr(vars(error)), repr(error.__cause__)]
    parts += [repr(pickle.dumps(error))]
    return "\n".join(parts)


async def test_no_secret_is_in_any_error_log_capture_or_repr(serve, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    server = await serve(parrot)
    seen = []
    async with server.client(server.credentials(), retries=1) as client:
        with client.capture() as calls:
            await client.evses.get("evse01")
            with pytest.raises(errors.ServerError) as caught:
                await client.evses.get("evse02")
            with pytest.raises(errors.ServerError) as paged:
                await client.evses.list().collect()
        seen += [shown(caught.value), shown(paged.value), repr(client), repr(client.evses)]
        seen += [str(call) + repr(call) + repr(call.body) for call in calls]
        caller = client._caller
        seen += [repr(caller.state.auth), repr(caller.options)]
    seen += [record.getMessage() for record in caplog.records if record.name != "asyncio"]
    assert any("***" in text for text in seen)
    for text in seen:
        assert TOKEN not in text
        assert SECRET not in text


async def test_a_refused_token_request_shows_no_secret(serve) -> None:
    async def refuse(request: web.Request) -> web.Response:
        body = await request.text()
        heard = f"{body} {dict(request.headers)}"
        return web.json_response(
            {"error": "invalid_client", "error_description": heard}, status=401
        )

    server = await serve(refuse)
    for method in ("basic", "form"):
        async with server.client(server.credentials(method=method)) as client:
            with pytest.raises(errors.TokenError, match="check the client id and secret") as caught:
                await client.evses.get("evse01")
        assert SECRET not in shown(caught.value)


@pytest.mark.parametrize("path", ["evses/evse01", "o/token/", ""])
async def test_a_link_to_another_origin_gets_no_request_at_all(serve, path: str) -> None:
    thief, server = await serve(parrot), await serve(parrot)
    foreign = f"http://127.0.0.1:{thief.port}/v2/{path}"
    async with server.client() as client:
        with pytest.raises(errors.ForeignOriginError, match="is sent nowhere else"):
            await client.fetch(Ref(foreign, EVSE))
        # A URL given as an id is only read for the id in it; the request stays here.
        if path.endswith("evse01"):
            await client.evses.get(foreign)
    assert thief.requests == []
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
async def test_nothing_that_only_looks_like_the_api_is_followed(url: str) -> None:
    async with Client(TOKEN) as client:
        with pytest.raises((errors.ForeignOriginError, ValueError)):
            await client.fetch(Ref(url, User))


async def test_a_redirect_of_the_token_endpoint_is_not_followed(serve) -> None:
    thief = await serve(parrot)

    async def away(_: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": f"{thief.url}/o/token/"})

    server = await serve(away)
    async with server.client(server.credentials()) as client:
        with pytest.raises(errors.TokenError):
            await client.evses.get("evse01")
    assert thief.requests == []


async def test_the_onboarding_request_carries_no_token_and_no_header_of_the_api(serve) -> None:
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
def test_the_token_does_not_travel_in_the_clear_unless_allowed(base_url: str) -> None:
    with pytest.raises(ValueError, match="would send the token unencrypted"):
        Client(TOKEN, base_url=base_url)
    assert Client(TOKEN, base_url=base_url, allow_insecure=True).base_url.scheme == "http"


def test_the_secret_does_not_travel_in_the_clear_either() -> None:
    auth = ClientCredentials(client_id="a", client_secret=SECRET, token_url="http://x.example/")
    with pytest.raises(ValueError, match="token_url .* would send the token unencrypted"):
        Client(auth)


def test_plain_http_to_this_machine_is_allowed() -> None:
    for host in ("localhost", "127.0.0.1", "127.1.2.3", "[::1]"):
        Client(TOKEN, base_url=f"http://{host}:1/v2")


def test_credentials_print_without_their_secrets() -> None:
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
def test_headers_that_would_do_harm_are_refused(headers: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Client(TOKEN, headers=headers)
    with pytest.raises(ValueError, match=message):
        Client(TOKEN).acting_for("user01").with_options(headers=headers)
