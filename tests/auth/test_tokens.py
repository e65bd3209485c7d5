"""Access tokens: requested once for all callers, renewed in time, and rejected."""

from __future__ import annotations

import asyncio
import base64

import pytest
from aiohttp import web

from ev_energy import Client, ClientCredentials, StaticToken, errors
from tests.helpers.support import SECRET, TOKEN

EVSE = {"id": "evse01", "url": "https://api.ev.energy/v2/evses/evse01", "cpid": "SHIR1"}


class Api:
    """An API with numbered tokens that rejects those in ``refused``."""

    def __init__(self, lifetime: object = 36000) -> None:
        self.lifetime = lifetime
        self.issued = 0
        self.refused: set[str] = set()
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, request: web.Request) -> web.Response:
        if request.path == "/o/token/":
            await self.gate.wait()
            self.issued += 1
            token = {"access_token": f"{TOKEN}-{self.issued}", "token_type": "Bearer"}
            return web.json_response(
                token if self.lifetime is None else {**token, "expires_in": self.lifetime}
            )
        if request.headers["Authorization"].removeprefix("Bearer ") in self.refused:
            return web.json_response({"title": "Unauthorized"}, status=401)
        return web.json_response(EVSE)


async def test_concurrent_calls_request_one_token(serve) -> None:
    api = Api()
    api.gate.clear()
    server = await serve(api)
    async with server.client(server.credentials()) as client:
        calls = [asyncio.ensure_future(client.evses.get("evse01")) for _ in range(1000)]
        while not any(seen.raw_path == "/o/token/" for seen in server.requests):
            await asyncio.sleep(0)
        for call in calls[:100]:
            call.cancel()
        api.gate.set()
        done = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(one, asyncio.CancelledError) for one in done) == 100
    assert sum(getattr(one, "id", None) == "evse01" for one in done) == 900
    assert api.issued == 1


async def test_token_is_renewed_a_minute_before_it_expires(serve, time) -> None:
    api = Api()
    server = await serve(api)
    async with server.client(server.credentials(), wall_clock=time) as client:
        await client.evses.get("evse01")
        time.now += 36000 - 61
        await client.evses.get("evse01")
        assert api.issued == 1
        time.now += 2
        await client.evses.get("evse01")
    assert api.issued == 2
    assert server.requests[-1].headers["Authorization"] == f"Bearer {TOKEN}-2"


@pytest.mark.parametrize("lifetime", [None, "soon", True, 0, -5])
async def test_token_without_a_plausible_lifetime_is_used_until_rejected(
    serve, time, lifetime: object
) -> None:
    api = Api(lifetime)
    server = await serve(api)
    async with server.client(server.credentials(), wall_clock=time) as client:
        await client.evses.get("evse01")
        time.now += 1e9
        await client.evses.get("evse01")
        assert api.issued == 1
        api.refused.add(f"{TOKEN}-1")
        await client.evses.get("evse01")
    assert api.issued == 2


async def test_token_with_a_lifetime_shorter_than_the_leeway_is_used(serve, time) -> None:
    api = Api(30)
    server = await serve(api)
    async with server.client(server.credentials(), wall_clock=time) as client:
        for _ in range(3):
            await client.evses.get("evse01")
        assert api.issued == 1
        time.now += 16
        await client.evses.get("evse01")
    assert api.issued == 2


async def test_rejected_token_is_renewed_once_also_for_a_write(serve) -> None:
    api = Api()
    api.refused.add(f"{TOKEN}-1")
    server = await serve(api)
    async with server.client(server.credentials(), retries=0) as client:
        assert (await client.evses.update("evse01", location=None)).id == "evse01"
    assert [seen.raw_path for seen in server.requests] == [
        "/o/token/",
        "/v2/evses/evse01",
        "/o/token/",
        "/v2/evses/evse01",
    ]


async def test_token_rejected_again_is_an_error(serve) -> None:
    api = Api()
    api.refused |= {f"{TOKEN}-1", f"{TOKEN}-2"}
    server = await serve(api)
    async with server.client(server.credentials()) as client:
        with pytest.raises(errors.UnauthorizedError):
            await client.evses.get("evse01")
    assert api.issued == 2
    assert len(server.requests) == 4


async def test_rejected_static_token_is_an_error_at_once(serve) -> None:
    api = Api()
    api.refused.add(TOKEN)
    server = await serve(api)
    async with server.client(StaticToken(TOKEN)) as client:
        with pytest.raises(errors.UnauthorizedError):
            await client.evses.get("evse01")
    assert len(server.requests) == 1


@pytest.mark.parametrize("method", ["basic", "form"])
async def test_application_authenticates_with_either_method(serve, method) -> None:
    server = await serve(Api())
    auth = server.credentials(method=method, scopes=["evse:read", "user:read"])
    async with server.client(auth) as client:
        await client.evses.get("evse01")
    asked = server.requests[0]
    assert b"grant_type=client_credentials&scope=evse%3Aread+user%3Aread" in asked.body
    if method == "basic":
        kind, _, pair = asked.headers["Authorization"].partition(" ")
        assert (kind, base64.b64decode(pair)) == ("Basic", f"an-app:{SECRET}".encode())
        assert SECRET.encode() not in asked.body
    else:
        assert f"client_id=an-app&client_secret={SECRET}".encode() in asked.body
        assert "Authorization" not in asked.headers


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, b'{"error": "invalid_client"}', "invalid_client"),
        (400, b'{"error": "invalid_scope", "error_description": "no"}', "invalid_scope"),
        (400, b'{"error": 5}', "400"),
        (403, b"Forbidden", "no_token"),
        (200, b"<html>", "no_token"),
        (200, b"{}", "no_token"),
        (200, b'{"access_token": ""}', "no_token"),
        (200, b'{"access_token": 5}', "no_token"),
    ],
)
async def test_refusal_of_the_token_endpoint_is_a_token_error(
    serve, status: int, body: bytes, error: str
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body)

    server = await serve(refuse)
    async with server.client(server.credentials()) as client:
        with pytest.raises(errors.TokenError) as caught:
            await client.evses.get("evse01")
    assert (caught.value.status, caught.value.error) == (status, error)
    assert len(server.requests) == 1


async def test_rate_limit_of_the_token_endpoint_is_not_an_authentication_error(serve, time) -> None:
    async def busy(_: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "9000"})

    server = await serve(busy)
    async with server.client(server.credentials(), clock=time, sleep=time.sleep) as client:
        with pytest.raises(errors.RateLimitError):
            await client.evses.get("evse01")


async def test_token_request_is_retried_after_a_temporary_fault(serve, time) -> None:
    api, faults = Api(), [503, 502]

    async def shaky(request: web.Request) -> web.Response:
        if request.path == "/o/token/" and faults:
            return web.Response(status=faults.pop())
        return await api(request)

    server = await serve(shaky)
    async with server.client(server.credentials(), clock=time, sleep=time.sleep) as client:
        assert (await client.evses.get("evse01")).id == "evse01"
    assert len(time.slept) == 2


async def test_closing_during_a_token_request_ends_the_waiting_call(serve) -> None:
    api = Api()
    api.gate.clear()
    server = await serve(api)
    client = server.client(server.credentials())
    call = asyncio.ensure_future(client.evses.get("evse01"))
    while not server.requests:
        await asyncio.sleep(0)
    await client.close()
    with pytest.raises(errors.ClientClosedError):
        await call


def test_incomplete_credentials_in_the_environment_are_an_error_that_names_the_variable() -> None:
    with pytest.raises(ValueError, match="set EV_ENERGY_CLIENT_SECRET"):
        Client.from_env({"EV_ENERGY_CLIENT_ID": "a"})
    with pytest.raises(ValueError, match="EV_ENERGY_CLIENT_ID and EV_ENERGY_CLIENT_SECRET"):
        Client.from_env({})
    with pytest.raises(ValueError, match="client_secret must be non-empty text"):
        Client.from_env({"EV_ENERGY_CLIENT_ID": "a", "EV_ENERGY_CLIENT_SECRET": "from-a-file\n"})
    both = {"EV_ENERGY_CLIENT_ID": "a", "EV_ENERGY_CLIENT_SECRET": "b"}
    assert "ClientCredentials(client_id='a'" in repr(Client.from_env(both))
    assert str(Client.from_env(both).base_url) == "https://api.ev.energy/v2"
    other = {"EV_ENERGY_TOKEN": "t", "EV_ENERGY_BASE_URL": "staging"}
    assert "https://api-staging.ev.energy/v2 as StaticToken()" in repr(Client.from_env(other))


@pytest.mark.parametrize(
    "make",
    [
        lambda: StaticToken(""),
        lambda: StaticToken("Bearer x"),
        lambda: StaticToken("line\nbreak"),
        lambda: ClientCredentials(client_id="", client_secret="x"),
        lambda: ClientCredentials(client_id="x", client_secret=""),
    ],
)
def test_invalid_credentials_are_refused(make) -> None:
    with pytest.raises(ValueError, match="must"):
        make()
