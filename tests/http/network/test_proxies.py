"""Proxies from the environment and as an argument, for both clients."""

from __future__ import annotations

import logging
import ssl
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

import ev_energy_sync
from ev_energy import Client, ClientCredentials, errors
from ev_energy._http.network import Network, is_excluded
from ev_energy.models import RebateEvidenceUpload
from tests.helpers.support import TOKEN

HOST = "api.example.invalid"
HTTP, HTTPS = f"http://{HOST}/v2", f"https://{HOST}/v2"
PASSWORD = "p@ss:w0rd/of-the-proxy"
QUOTED = "p%40ss%3Aw0rd%2Fof-the-proxy"


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
async def test_http_goes_through_the_proxy_of_the_environment(
    call, start_api, start_proxy, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    api = await start_api(None)
    proxy = await start_proxy(api.port)
    monkeypatch.setenv(name, proxy.url)
    assert await call(HTTP, allow_insecure=True) == "SHIR1"
    assert [head.split("\r\n")[0] for head in proxy.heads] == [f"GET {HTTP}/evses/evse01 HTTP/1.1"]
    assert api.requests[0]["Authorization"] == f"Bearer {TOKEN}"
    assert api.requests[0]["Host"] == HOST


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "ALL_PROXY"])
async def test_https_goes_through_a_tunnel(
    call, start_api, start_proxy, authority, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    api = await start_api(authority.server(HOST))
    proxy = await start_proxy(api.port)
    monkeypatch.setenv(name, proxy.url)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    assert await call(HTTPS) == "SHIR1"
    assert proxy.heads[0].startswith(f"CONNECT {HOST}:443 HTTP/1.1\r\n")
    assert TOKEN not in "".join(proxy.heads)
    assert api.requests[0]["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("base_url", [HTTP, HTTPS])
@pytest.mark.parametrize("where", ["argument", "environment"])
async def test_credentials_in_the_proxy_url_are_sent_to_the_proxy_only(
    call,
    start_api,
    start_proxy,
    authority,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    base_url: str,
    where: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    api = await start_api(authority.server(HOST) if base_url == HTTPS else None)
    proxy = await start_proxy(api.port, f"user:{PASSWORD}")
    url = f"http://user:{QUOTED}@127.0.0.1:{proxy.port}"
    settings: dict[str, Any] = {"ssl": ssl.create_default_context(cafile=authority.file)}
    if where == "argument":
        settings["proxy"] = url
    else:
        monkeypatch.setenv("ALL_PROXY", url)
    assert await call(base_url, allow_insecure=True, **settings) == "SHIR1"
    assert "Proxy-Authorization" in proxy.heads[0]
    if base_url == HTTPS:
        assert "Proxy-Authorization" not in api.requests[0]
    client = Client(TOKEN, base_url=base_url, allow_insecure=True, proxy=url)
    assert not _leaks(repr(client) + caplog.text + repr(client._caller.state.http.transport))


@pytest.mark.parametrize("base_url", [HTTP, HTTPS])
async def test_refusal_of_the_proxy_is_an_error_without_the_credentials(
    call, start_proxy, caplog: pytest.LogCaptureFixture, base_url: str
) -> None:
    caplog.set_level(logging.DEBUG)
    proxy = await start_proxy(1, f"user:{PASSWORD}")
    url = f"http://wrong:{QUOTED}@127.0.0.1:{proxy.port}"
    expected = errors.NotSentError if base_url == HTTPS else errors.ApiError
    with pytest.raises(expected, match="407") as caught:
        await call(base_url, proxy=url, allow_insecure=True)
    printed = "".join(traceback.format_exception(caught.value)) + caplog.text
    response = getattr(caught.value, "response", None)
    printed += "" if response is None else f"{response.body!r} {response.headers}"
    assert not _leaks(printed)


async def test_https_proxy_is_reached_over_tls(call, start_api, start_proxy, authority) -> None:
    api = await start_api(authority.server(HOST))
    proxy = await start_proxy(api.port, tls=authority.server("localhost"))
    context = ssl.create_default_context(cafile=authority.file)
    url = f"https://localhost:{proxy.port}"
    assert await call(HTTPS, proxy=url, ssl=context) == "SHIR1"
    assert proxy.heads[0].startswith("CONNECT")


async def test_token_requests_and_uploads_go_through_the_proxy(start_api, start_proxy) -> None:
    api = await start_api(None)
    proxy = await start_proxy(api.port)
    auth = ClientCredentials(client_id="an-app", client_secret="a-secret-of-some-length")
    upload = RebateEvidenceUpload(
        id="rbef01",
        url=f"{HTTP}/rebate_evidence_files/rbef01",
        presigned_url="http://storage.example.invalid/file?signature=s",
    )
    async with Client(auth, base_url=HTTP, allow_insecure=True, proxy=proxy.url) as client:
        await client.rebates.resume_upload(upload, b"a file")
    # The proxy records the first request of each connection; there is one for each host.
    assert [head.split("\r\n")[0] for head in proxy.heads] == [
        "PUT http://storage.example.invalid/file?signature=s HTTP/1.1",
        f"POST http://{HOST}/o/token/ HTTP/1.1",
    ]
    assert [sent["Host"] for sent in api.requests] == ["storage.example.invalid", HOST, HOST]


@pytest.mark.parametrize("no_proxy", ["*", HOST, ".example.invalid", "other, example.invalid:80"])
async def test_no_proxy_sends_requests_directly(
    call, start_proxy, monkeypatch: pytest.MonkeyPatch, no_proxy: str
) -> None:
    proxy = await start_proxy(1)
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    with pytest.raises(errors.NotSentError):  # no resolver knows the name
        await call(HTTP, allow_insecure=True)
    assert proxy.heads == []


async def test_environment_can_be_ignored(
    call, start_proxy, authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = await start_proxy(1)
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    with pytest.raises(errors.NotSentError):
        await call(HTTP, allow_insecure=True, trust_env=False)
    assert proxy.heads == []


async def test_loopback_is_not_reached_through_a_proxy_of_the_environment(
    call, start_api, start_proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = await start_api(None)
    proxy = await start_proxy(api.port)
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    for host in ("127.0.0.1", "localhost"):
        assert await call(f"http://{host}:{api.port}/v2") == "SHIR1"
    assert proxy.heads == []
    assert await call(f"http://127.0.0.1:{api.port}/v2", proxy=proxy.url) == "SHIR1"
    assert len(proxy.heads) == 1


async def test_netrc_does_not_replace_the_token(
    call, start_api, start_proxy, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login netrc-user password netrc-password\n")
    monkeypatch.setenv("NETRC", str(netrc))
    api = await start_api(None)
    proxy = await start_proxy(api.port)
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    assert await call(HTTP, allow_insecure=True) == "SHIR1"
    assert await call(HTTP, allow_insecure=True, proxy=proxy.url) == "SHIR1"
    assert [sent["Authorization"] for sent in api.requests] == [f"Bearer {TOKEN}"] * 2
    assert not any("Proxy-Authorization" in head for head in proxy.heads)


def test_http_proxy_is_ignored_in_cgi_scripts() -> None:
    """A CGI server passes the header Proxy as HTTP_PROXY; see https://httpoxy.org."""
    environ = {"REQUEST_METHOD": "GET", "HTTP_PROXY": "http://attacker.example:1"}
    assert Network(environ=environ).proxy_for(URL("http://a.example/")) is None
    environ["http_proxy"] = "http://good.example:1"
    found = Network(environ=environ).proxy_for(URL("http://a.example/"))
    assert found is not None
    assert found.url == URL("http://good.example:1")


def test_lower_case_names_take_precedence_and_the_scheme_is_optional() -> None:
    environ = {
        "https_proxy": "small.example:8080",
        "HTTPS_PROXY": "http://large.example",
        "http_proxy": "",
        "HTTP_PROXY": "http://large.example",
        "no_proxy": "",
        "NO_PROXY": "*",
    }
    network = Network(environ=environ)
    found = network.proxy_for(URL("https://a.example/"))
    assert found is not None
    assert found.url == URL("http://small.example:8080")
    assert network.proxy_for(URL("http://a.example/")) is None


@pytest.mark.parametrize("kind", [Client, ev_energy_sync.Client])
@pytest.mark.parametrize(
    ("proxy", "message"),
    [
        (f"socks5://user:{QUOTED}@127.0.0.1:1080", "proxy is a socks5:// proxy.*session="),
        (f"http://user:{QUOTED}@proxy.example:none", "proxy is not the URL of a proxy"),
        ("http://", "proxy is not the URL of a proxy"),
        ("", "proxy is not the URL of a proxy"),
    ],
)
def test_unusable_proxy_is_refused_at_once(kind: Any, proxy: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        kind(TOKEN, proxy=proxy)
    assert not _leaks("".join(traceback.format_exception(caught.value)))


async def test_unusable_proxy_of_the_environment_is_refused_at_the_call(
    call, start_api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = await start_api(None)
    monkeypatch.setenv("ALL_PROXY", f"socks5://user:{QUOTED}@127.0.0.1:1080")
    with pytest.raises(ValueError, match="ALL_PROXY is a socks5:// proxy") as caught:
        await call(HTTP, allow_insecure=True)
    assert not _leaks(str(caught.value))
    assert await call(f"http://127.0.0.1:{api.port}/v2") == "SHIR1"


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "expected"),
    [
        ("example.com", "example.com", 443, True),
        ("example.com", "api.example.com", 443, True),
        ("example.com", "badexample.com", 443, False),
        (".example.com", "example.com", 443, True),
        ("*.example.com", "api.example.com", 443, True),
        ("EXAMPLE.com", "api.Example.COM.", 443, True),
        ("example.com:443", "example.com", 443, True),
        ("example.com:8443", "example.com", 443, False),
        ("a.example b.example", "b.example", 80, True),
        ("a.example,,  b.example,", "b.example", 80, True),
        ("10.0.0.0/8", "10.1.2.3", 80, True),
        ("10.0.0.0/8", "11.1.2.3", 80, False),
        ("10.0.0.0/8", "10.example.com", 80, False),
        ("10.1.2.3", "10.1.2.3", 80, True),
        ("2.3", "10.1.2.3", 80, False),
        ("[fd00::1]:80", "fd00::1", 80, True),
        ("fd00::/8", "fd00::0001", 80, True),
        ("fd00:0::1", "fd00::1", 80, True),
        ("10.0.0.0/99", "10.0.0.1", 80, False),
        ("*", "anything", 80, True),
        ("", "anything", 80, False),
        (".", "anything", 80, False),
    ],
)
def test_no_proxy_is_parsed_as_by_curl_and_requests(
    no_proxy: str, host: str, port: int, expected: bool
) -> None:
    assert is_excluded(host, port, no_proxy) is expected


@given(st.text(), st.text(), st.none() | st.integers(0, 65_535))
def test_arbitrary_no_proxy_is_parsed(no_proxy: str, host: str, port: int | None) -> None:
    assert is_excluded(host, port, no_proxy) in {True, False}


@given(st.text())
def test_arbitrary_proxy_is_accepted_or_refused_by_name(text: str) -> None:
    try:
        Network(text)
    except ValueError as error:
        assert str(error).startswith("proxy ")  # noqa: PT017  (whether it is raised is open)


def _leaks(text: str) -> bool:
    import base64

    basic = [base64.b64encode(f"{u}:{PASSWORD}".encode()).decode() for u in ("user", "wrong")]
    return any(secret in text for secret in (PASSWORD, QUOTED, *basic))
