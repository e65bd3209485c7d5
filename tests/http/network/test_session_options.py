"""Options of a caller's `aiohttp.ClientSession` do not change the calls of the API."""

from __future__ import annotations

import asyncio
import gzip
import inspect
import json
import warnings
from collections.abc import Callable
from typing import Any

import aiohttp
import attrs
import pytest
from aiohttp import web
from yarl import URL

from ev_energy import Client, errors
from ev_energy.models import RebateEvidenceUpload
from tests.helpers.names import assert_no_problems
from tests.helpers.recording_server import Handler, RecordingServer
from tests.helpers.support import TOKEN

EVSE = {"id": "evse01", "url": "http://127.0.0.1/v2/evses/evse01", "cpid": "SHIR1"}


async def refuse(reply: aiohttp.ClientResponse) -> None:
    reply.raise_for_status()


async def pass_on(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
    request.headers["X-Middleware"] = "yes"
    return await handler(request)


class OtherRequest(aiohttp.ClientRequest):
    """A request class of the caller."""


class OtherResponse(aiohttp.ClientResponse):
    """A response class of the caller that fails for every reply."""

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        raise AssertionError("the client has a response class of its own")


def fail(*_: object) -> str:
    raise AssertionError("must not be called")


@attrs.define
class Option:
    """Values of an option, and whether a session with them is refused."""

    factories: list[Callable[[], Any]]
    refused: bool = False


def values(*values: object, refused: bool = False) -> Option:
    return Option([lambda value=value: value for value in values], refused)


def basic_auth() -> aiohttp.BasicAuth:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return aiohttp.BasicAuth("caller", "caller")


def jar_with_a_cookie() -> aiohttp.CookieJar:
    jar = aiohttp.CookieJar(unsafe=True)
    jar.update_cookies({"session": "caller"}, URL("http://127.0.0.1/"))
    return jar


#: The options of `aiohttp.ClientSession`, with values to test.
OPTIONS = {
    "base_url": values("http://attacker.example/other/"),
    "connector": Option([lambda: aiohttp.TCPConnector(force_close=True)]),
    "loop": Option([asyncio.get_running_loop]),
    "cookies": values({"session": "caller"}),
    "headers": values(
        {"Authorization": "Basic caller"},
        {"authorization": "Basic caller"},
        {"Cookie": "session=caller"},
        {"Content-Type": "text/plain", "Content-Language": "de"},
        {"Accept": "text/html", "Accept-Encoding": "x-caller"},
        {"Range": "bytes=0-1", "If-None-Match": "caller", "TE": "trailers"},
        {"EvEnergy-User": "caller", "evenergy-version": "1"},
        {"User-Agent": "caller"},
    ),
    "proxy": values(None),
    "proxy_auth": values(None),
    "skip_auto_headers": values(["User-Agent", "Content-Type", "Accept", "Accept-Encoding"]),
    "auth": Option([basic_auth]),
    "json_serialize": values(fail),
    "json_serialize_bytes": values(fail),
    "request_class": values(OtherRequest),
    "response_class": values(OtherResponse),
    "ws_response_class": values(aiohttp.ClientWebSocketResponse),
    "version": values(aiohttp.HttpVersion10),
    "cookie_jar": Option([jar_with_a_cookie]),
    "connector_owner": values(False),
    "raise_for_status": values(True, refuse),
    "read_timeout": values(0.000_001),
    "conn_timeout": values(0.000_001),
    "timeout": values(aiohttp.ClientTimeout(total=0.000_001)),
    "auto_decompress": values(False),
    "trust_env": values(True),
    "requote_redirect_url": values(False),
    "trace_configs": Option([lambda: [aiohttp.TraceConfig()]]),
    "read_bufsize": values(1),
    "max_line_size": values(8192),
    "max_field_size": values(8192),
    "max_headers": values(64),
    "fallback_charset_resolver": values(fail),
    "middlewares": values([pass_on]),
    "ssl_shutdown_timeout": values(0.1),
}
FRAMING = [
    {name: value}
    for name, value in {
        "Host": "attacker.example",
        "content-length": "3",
        "Transfer-Encoding": "chunked",
        "Content-Encoding": "gzip",
        "Connection": "close",
        "Upgrade": "h2c",
        "Expect": "100-continue",
    }.items()
]


def session_with(**options: Any) -> aiohttp.ClientSession:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return aiohttp.ClientSession(**options)


def test_options_of_a_session_are_all_tested() -> None:
    known = set(inspect.signature(aiohttp.ClientSession.__init__).parameters) - {"self"}
    assert_no_problems(
        known - OPTIONS.keys(),
        "aiohttp has new options: add values to OPTIONS, to test that they do not change calls.",
    )


CASES = [
    pytest.param(name, make, id=f"{name}-{number}")
    for name, option in OPTIONS.items()
    if name in inspect.signature(aiohttp.ClientSession.__init__).parameters
    for number, make in enumerate(option.factories)
]


def presigned(server: RecordingServer) -> RebateEvidenceUpload:
    """Return an upload with *server* as the storage."""
    return RebateEvidenceUpload(
        id="rbef01",
        url=f"{server.url}/rebate_evidence_files/rbef01",
        presigned_url=f"http://127.0.0.1:{server.port}/storage?signature=s",
    )


def api(server: list[RecordingServer]) -> Handler:
    """Return a handler that sends replies of several kinds."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if "missing" in request.path:
            return web.json_response({"title": "nothing here", "status": 404}, status=404)
        if "busy" in request.path and len(server[0].requests) % 2:
            return web.json_response({}, status=429, headers={"Retry-After": "0"})
        if request.method == "DELETE":
            return web.Response(status=204)
        packed = gzip.compress(json.dumps(EVSE).encode())
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        return web.Response(body=packed, headers={**headers, "Set-Cookie": "from=server; Path=/"})

    return answer


@pytest.mark.parametrize(("name", "make"), CASES)
async def test_calls_are_the_same_with_each_option_of_a_session(
    serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, name: str, make: Callable[[], Any]
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login caller password caller\n")
    monkeypatch.setenv("NETRC", str(netrc))
    servers: list[RecordingServer] = []
    servers.append(await serve(api(servers)))
    server = servers[0]
    async with session_with(**{name: make()}) as session:
        async with server.client(session=session, retries=0) as client:
            assert (await client.evses.get("evse01")).cpid == "SHIR1"
            assert (await client.evses.update("evse01", location=None)).cpid == "SHIR1"
            await client.evses.delete("evse01")
            for call in (client.evses.get, client.evses.delete):
                with pytest.raises(errors.NotFoundError):
                    await call("missing")
            await client.rebates.resume_upload(
                presigned(server), b"a file", content_type="image/png"
            )
            with_retries = client.with_options(retries=1)
            for call in (with_retries.evses.get, with_retries.evses.delete):
                server.requests.clear()
                await call("busy")
                assert len(server.requests) == 2
        assert not session.closed
        connector = session.connector
    if connector is not None:
        await connector.close()


@pytest.mark.parametrize(("name", "make"), CASES)
async def test_settings_of_the_session_do_not_change_requests(
    serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, name: str, make: Callable[[], Any]
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login caller password caller\n")
    monkeypatch.setenv("NETRC", str(netrc))
    servers: list[RecordingServer] = []
    servers.append(await serve(api(servers)))
    server = servers[0]
    async with session_with(**{name: make()}) as session:
        async with server.client(session=session) as client:
            await client.evses.get("evse01")
            await client.evses.update("evse01", location=None)
        async with Client(base_url=server.url, session=session) as client:
            await client.programs.get("prog01")
        connector = session.connector
    if connector is not None:
        await connector.close()
    read, write, public = (dict(seen.headers) for seen in server.requests)
    for headers in (read, write, public):
        compared = {n.lower(): v for n, v in headers.items() if n != "X-Middleware"}
        assert "caller" not in str(compared)
        assert not {"cookie", "range", "if-none-match", "te"} & compared.keys()
        assert compared["evenergy-version"] == "2"
        assert compared["accept"] == "application/json"
        assert compared["user-agent"].startswith("ev-energy-python/")
    assert read["Authorization"] == write["Authorization"] == f"Bearer {TOKEN}"
    assert "Authorization" not in public
    assert write["Content-Type"] == "application/json"
    assert "Content-Type" not in read


async def test_headers_of_the_session_are_sent_to_the_api_but_not_to_the_storage(serve) -> None:
    servers: list[RecordingServer] = []
    servers.append(await serve(api(servers)))
    server = servers[0]
    async with (
        aiohttp.ClientSession(headers={"X-Gateway": "mine"}) as session,
        server.client(session=session) as client,
    ):
        await client.evses.get("evse01")
        await client.rebates.resume_upload(presigned(server), b"a file")
    assert [seen.headers.get("X-Gateway") for seen in server.requests] == ["mine", None, "mine"]
    assert server.requests[1].body == b"a file"
    assert "Authorization" not in server.requests[1].headers


@pytest.mark.parametrize("headers", FRAMING, ids=lambda headers: next(iter(headers)))
async def test_session_that_sets_framing_headers_is_refused(headers: dict[str, str]) -> None:
    async with aiohttp.ClientSession(headers=headers) as session:
        with pytest.raises(ValueError, match=f"session: .*must not set (?i:{next(iter(headers))})"):
            Client(TOKEN, session=session)


@pytest.mark.parametrize("name", ["proxy", "ssl"])
async def test_proxy_and_ssl_cannot_be_combined_with_a_session(name: str) -> None:
    import ssl

    values: dict[str, Any] = {"proxy": "http://127.0.0.1:1", "ssl": ssl.create_default_context()}
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ValueError, match=f"{name}= cannot be combined with session="):
            Client(TOKEN, session=session, **{name: values[name]})


async def test_proxy_of_a_session_is_used(start_api, start_proxy) -> None:
    api = await start_api(None)
    proxy = await start_proxy(api.port)
    for options in ({"proxy": proxy.url}, {"trust_env": True}):
        proxy.heads.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HTTP_PROXY", proxy.url)
            async with aiohttp.ClientSession(**options) as session:
                client = Client(
                    TOKEN,
                    base_url="http://api.example.invalid/v2",
                    session=session,
                    allow_insecure=True,
                    retries=0,
                )
                async with client:
                    await client.evses.get("evse01")
        assert len(proxy.heads) == 1
    async with aiohttp.ClientSession() as session:
        client = Client(
            TOKEN,
            base_url="http://api.example.invalid/v2",
            session=session,
            allow_insecure=True,
            retries=0,
        )
        with pytest.raises(errors.NotSentError):  # the session has no trust_env
            await client.evses.get("evse01")


def test_session_of_another_loop_is_refused(authority: Any) -> None:
    async def make() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    async def call(session: aiohttp.ClientSession) -> None:
        async with Client(TOKEN, session=session, retries=0) as client:
            with pytest.raises(errors.NotSentError, match="session= belongs to another event loop"):
                await client.evses.get("evse01")

    with asyncio.Runner() as first:
        session = first.run(make())
        with asyncio.Runner() as second:
            second.run(call(session))
        first.run(session.close())
    with pytest.raises(ValueError, match="session is closed"):
        Client(TOKEN, session=session)
