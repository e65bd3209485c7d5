"""Secrets are sent to the API and the authorization server only."""

from __future__ import annotations

import asyncio
import logging
import urllib.parse
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
from aiohttp import web

import ev_energy_sync
from ev_energy import AuthorizationCode, Client, ClientCredentials, Ref, errors
from ev_energy.auth import Token
from ev_energy.models import EVSE, RebateEvidenceUpload
from tests.helpers.recording_server import Handler, RecordingServer
from tests.helpers.support import SECRET, SIGNATURE, TOKEN

Serve = Callable[[Handler], Awaitable[RecordingServer]]
ONE = {"id": "evse01", "url": "https://api.ev.energy/v2/evses/evse01", "cpid": "SHIR1"}


async def accept_everything(request: web.Request) -> web.Response:
    """Answer any request, and send tokens, as the server of an attacker may do."""
    if "token" in request.path:
        return web.json_response({"access_token": TOKEN, "expires_in": 3600})
    return web.json_response(ONE)


def received_text(server: RecordingServer) -> str:
    """Return all requests of a server as one text."""
    return "\n".join(
        f"{seen.method} {seen.raw_path} {seen.query} {dict(seen.headers)} {seen.body!r}"
        for seen in server.requests
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["get", "delete"])
async def test_redirect_of_the_api_is_not_followed(serve: Serve, status: int, method: str) -> None:
    stranger = await serve(accept_everything)

    async def away(request: web.Request) -> web.Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        where = f"{stranger.url}/evses/evse01?token={token}&email=eve@example.com"
        return web.Response(status=status, headers={"Location": where})

    server = await serve(away)
    async with server.client() as client:
        with pytest.raises(errors.DecodeError, match=r"\?token=\*\*\*&email=\*\*\*, which is"):
            await getattr(client.evses, method)("evse01")
    assert (len(server.requests), stranger.requests) == (1, [])


@pytest.mark.parametrize("rel", ["next", "previous"])
async def test_page_of_another_origin_is_not_fetched(serve: Serve, rel: str) -> None:
    stranger = await serve(accept_everything)

    async def answer(_: web.Request) -> web.Response:
        link = f'<{stranger.url}/evses?page_after=abc&email=eve@example.com>; rel="{rel}"'
        return web.json_response([ONE], headers={"Link": link})

    server = await serve(answer)
    async with server.client() as client:
        listing = client.evses.list()
        if rel == "previous":
            listing = listing.resume((await listing.page()).cursor).backward()
        with pytest.raises(errors.ForeignOriginError, match="is sent nowhere else") as caught:
            await listing.collect()
        with pytest.raises(errors.ForeignOriginError):
            async for _ in listing.prefetch():
                pass
    assert "eve@" not in str(caught.value)
    assert stranger.requests == []


@pytest.mark.parametrize(
    "shape",
    [
        "http://127.0.0.1:{port}/v2/evses/evse01",
        "http://localhost:{own}/v2/evses/evse01",
        "http://127.0.0.1.:{own}/v2/evses/evse01",
        "http://127.0.0.1:{own}@127.0.0.1:{port}/v2/evses/evse01",
        "http://eve:pw@127.0.0.1:{own}/v2/evses/evse01",
        "https://127.0.0.1:{own}/v2/evses/evse01",
        "//127.0.0.1:{port}/v2/evses/evse01",
        "http:\\\\127.0.0.1:{port}/v2/evses/evse01",
        "\thttp://127.0.0.1:{port}/v2/evses/evse01",
    ],
)
async def test_link_to_another_origin_is_not_fetched(serve: Serve, shape: str) -> None:
    stranger, server = await serve(accept_everything), await serve(accept_everything)
    url = shape.format(port=stranger.port, own=server.port)
    async with server.client() as client:
        with pytest.raises((errors.ForeignOriginError, ValueError)):
            await client.fetch(Ref(url, EVSE))
    assert (stranger.requests, server.requests) == ([], [])


async def test_storage_receives_no_token_and_no_header_of_the_api(serve: Serve) -> None:
    """This includes a storage that redirects or asks for credentials."""
    replies = iter([307, 401, 200])
    stranger = await serve(accept_everything)

    async def store(_: web.Request) -> web.Response:
        status = next(replies)
        headers = {"Location": f"{stranger.url}/evses"} if status == 307 else {}
        return web.Response(status=status, headers=headers | {"WWW-Authenticate": "Bearer"})

    storage = await serve(store)
    put_to = f"http://127.0.0.1:{storage.port}/bucket/a?X-Amz-Signature={SIGNATURE}"

    async def api(_: web.Request) -> web.Response:
        return web.json_response({"id": "rbef01", "url": f"{server.url}/rebate_evidence_files/1"})

    server = await serve(api)
    upload = RebateEvidenceUpload(id="rbef01", url=server.url, presigned_url=put_to)
    async with server.client(headers={"X-Own": SECRET}) as client:
        for expected in (307, 401):
            with pytest.raises(errors.UploadError) as caught:
                await client.acting_for("user01").rebates.resume_upload(upload, b"%PDF")
            assert caught.value.status == expected
        # The caller needs the URL to resume: the error holds it, but does not print it.
        assert caught.value.upload.presigned_url == put_to
        await client.rebates.resume_upload(upload, b"%PDF")
    assert len(storage.requests) == 3
    assert "Bearer" not in received_text(storage)
    for secret in (TOKEN, SECRET, "user01"):
        assert secret not in received_text(storage)
    assert stranger.requests == []
    assert SIGNATURE not in received_text(server)


async def test_secret_is_sent_to_the_token_endpoint_and_the_token_to_the_api(
    serve: Serve,
) -> None:
    issuer, server = await serve(accept_everything), await serve(accept_everything)
    auth = server.credentials(token_url=f"http://127.0.0.1:{issuer.port}/login/token")
    async with server.client(auth, headers={"X-Own": "gateway-key"}) as client:
        await client.evses.get("evse01")
        await client.evses.get("evse01")
    assert [seen.raw_path for seen in issuer.requests] == ["/login/token"]
    assert TOKEN not in received_text(issuer)
    assert "gateway-key" not in received_text(issuer)
    assert [seen.headers["Authorization"] for seen in server.requests] == [f"Bearer {TOKEN}"] * 2
    basic = issuer.requests[0].headers["Authorization"].removeprefix("Basic ")
    for secret in (SECRET, basic):
        assert secret not in received_text(server)


async def test_revoked_token_is_sent_to_the_revocation_endpoint_only(
    serve: Serve,
) -> None:
    issuer, revoker, server = [await serve(accept_everything) for _ in range(3)]
    auth = server.credentials(
        token_url=f"http://127.0.0.1:{issuer.port}/token",
        revoke_url=f"http://127.0.0.1:{revoker.port}/revoke-token",
    )
    async with server.client(auth) as client:
        await client.evses.get("evse01")
        await client.sign_out()
    assert [len(one.requests) for one in (issuer, revoker, server)] == [1, 1, 1]
    [seen] = revoker.requests
    assert urllib.parse.parse_qs(seen.body.decode())["token"] == [TOKEN]
    assert TOKEN not in received_text(issuer)


async def test_redirects_of_oauth_endpoints_are_not_followed(serve: Serve) -> None:
    stranger = await serve(accept_everything)
    good = {"access_token": TOKEN, "expires_in": 3600}

    async def away(request: web.Request) -> web.Response:
        if len(server.requests) == 1:
            return web.json_response(good)
        where = f"{stranger.url}{request.path}"
        return web.Response(status=308, headers={"Location": where})

    server = await serve(away)
    async with server.client(server.credentials()) as client:
        with pytest.raises(errors.EvEnergyError):
            await client.evses.get("evse01")
        with pytest.raises(errors.EvEnergyError):
            await client.sign_out()
    assert len(server.requests) == 3
    assert stranger.requests == []


async def test_proxy_of_the_environment_receives_no_request_to_loopback(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Neither a variable nor a ``.netrc`` redirects calls to another host."""
    stranger, server = await serve(accept_everything), await serve(accept_everything)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{stranger.port}")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login eve password pw\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with server.client(server.credentials()) as client:
        await client.evses.get("evse01")
    assert stranger.requests == []
    assert server.requests[1].headers["Authorization"] == f"Bearer {TOKEN}"


async def test_cookies_are_neither_kept_nor_sent(serve: Serve) -> None:
    async def biscuit(_: web.Request) -> web.Response:
        cookie = "session=1; Domain=127.0.0.1; Path=/"
        return web.json_response(ONE, headers={"Set-Cookie": cookie})

    server = await serve(biscuit)
    async with server.client() as client:
        await client.evses.get("evse01")
        await client.evses.get("evse01")
    assert "Cookie" not in server.requests[1].headers


async def test_code_and_verifier_are_sent_to_the_token_endpoint_only(serve: Serve) -> None:
    issuer, server = await serve(accept_everything), await serve(accept_everything)
    app = AuthorizationCode(
        client_id="an-app",
        client_secret=SECRET,
        redirect_uri="https://app.example.com/back",
        token_url=f"http://127.0.0.1:{issuer.port}/token",
    )
    request = app.start_authorization(server.url)
    code = "c0de-that-must-never-be-seen"
    async with server.client(app.for_account("eve")) as client:
        await client.sign_in(request, f"/back?code={code}&state={request.state}")
        await client.evses.get("evse01")
    form = urllib.parse.parse_qs(issuer.requests[0].body.decode())
    assert (form["code"], form["code_verifier"]) == ([code], [request.verifier])
    for secret in (code, request.verifier, request.state, SECRET):
        assert secret not in received_text(server)


async def test_error_of_a_broken_reply_holds_no_token(caplog) -> None:
    """Errors of aiohttp refer to their request with its headers."""
    caplog.set_level(logging.DEBUG)

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nbad header\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(nonsense, "127.0.0.1", 0) as raw:
        url = f"http://127.0.0.1:{raw.sockets[0].getsockname()[1]}/v2"
        async with Client(TOKEN, base_url=url, retries=0) as client:
            with pytest.raises(errors.TransportError) as caught:
                await client.users.list(email="eve@example.com").collect()
    shown, error = [], caught.value
    while error is not None:
        shown += [str(error), repr(error), repr(vars(error))]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert TOKEN not in "".join(shown)
    assert "eve@" not in "".join(shown)


async def test_blocking_client_follows_no_redirect_or_foreign_link(serve: Serve) -> None:
    stranger = await serve(accept_everything)

    async def away(_: web.Request) -> web.Response:
        headers = {"Location": f"{stranger.url}/evses", "Link": f'<{stranger.url}>; rel="next"'}
        return web.json_response([ONE], headers=headers)

    server = await serve(away)

    def walk() -> None:
        with ev_energy_sync.Client(TOKEN, base_url=server.url) as client:
            with pytest.raises(errors.ForeignOriginError):
                client.evses.list().collect()
            with pytest.raises(errors.ForeignOriginError):
                client.fetch(Ref(f"{stranger.url}/evses/evse01", EVSE))

    await asyncio.to_thread(walk)
    assert stranger.requests == []


def test_repr_of_credentials_and_client_shows_no_token() -> None:
    token = Token(access_token=TOKEN, refresh_token=SECRET)
    assert (TOKEN in repr(token), TOKEN in str(token)) == (False, False)
    assert token.to_dict()["access_token"] == TOKEN
    assert attrs.evolve(token, scope="read") != token
    assert SECRET not in repr(ClientCredentials(client_id="a", client_secret=SECRET))
