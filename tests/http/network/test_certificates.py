"""CAs from the environment or an `ssl.SSLContext`, and certificates of clients."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ev_energy_sync
from ev_energy import Client, errors
from tests.helpers.support import TOKEN

HOST = "localhost"


async def test_unknown_ca_is_refused(call, start_api, authority) -> None:
    api = await start_api(authority.server(HOST))
    with pytest.raises(errors.NotSentError, match="(?i)certificate"):
        await call(f"https://{HOST}:{api.port}/v2")
    assert api.requests == []


@pytest.mark.parametrize("where", ["argument", "file", "directory"])
async def test_ca_of_the_caller_is_trusted(
    call, start_api, authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str
) -> None:
    api = await start_api(authority.server(HOST))
    settings: dict[str, Any] = {}
    if where == "argument":
        settings["ssl"] = ssl.create_default_context(cafile=authority.file)
    elif where == "file":
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    else:
        monkeypatch.setenv("SSL_CERT_DIR", str(authority.hashed_folder(tmp_path)))
    assert await call(f"https://{HOST}:{api.port}/v2", **settings) == "SHIR1"


async def test_certificates_of_the_environment_can_be_ignored(
    call, start_api, authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = await start_api(authority.server(HOST))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with pytest.raises(errors.NotSentError, match="(?i)certificate"):
        await call(f"https://{HOST}:{api.port}/v2", trust_env=False)


@pytest.mark.skipif(sys.platform == "win32", reason="there, names of variables have no case")
async def test_certificates_are_not_read_from_variables_in_lower_case(
    call, start_api, authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = await start_api(authority.server(HOST))
    monkeypatch.setenv("ssl_cert_file", str(authority.file))
    with pytest.raises(errors.NotSentError, match="(?i)certificate"):
        await call(f"https://{HOST}:{api.port}/v2")
    said = " ".join(str(Client.__doc__).split())
    assert "and ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, in upper case." in said


async def test_missing_certificate_file_is_named(
    call, start_api, authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    api = await start_api(authority.server(HOST))
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for file in (tmp_path / "missing.pem", empty):
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        with pytest.raises(errors.NotSentError, match=f"SSL_CERT_FILE: .*{file.name}"):
            await call(f"https://{HOST}:{api.port}/v2")
        # Without TLS, the file is not read.
        plain = await start_api(None)
        assert await call(f"http://127.0.0.1:{plain.port}/v2") == "SHIR1"


@pytest.mark.parametrize(("scheme", "read"), [("http", False), ("https", True)])
def test_certificates_are_read_only_for_https(authority, scheme: str, read: bool) -> None:
    script = f"""if True:
        import asyncio
        from ev_energy import Client
        from ev_energy._http import network
        async def main():
            async with Client("a-token", base_url="{scheme}://127.0.0.1:1/v2"):
                print(network.environment_context.cache_info().currsize > 0)
        asyncio.run(main())
    """
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SSL_CERT_FILE": str(authority.file), "SSL_CERT_DIR": ""},
    )
    assert (result.stdout, result.stderr) == (f"{read}\n", "")


async def test_client_certificate_is_sent_on_request(call, start_api, authority) -> None:
    api = await start_api(authority.server(HOST, wants_client=True))
    context = ssl.create_default_context(cafile=authority.file)
    with pytest.raises(errors.TransportError):
        await call(f"https://{HOST}:{api.port}/v2", ssl=context)
    context.load_cert_chain(authority.issue("a-client"))
    assert await call(f"https://{HOST}:{api.port}/v2", ssl=context) == "SHIR1"
    [certificate] = api.peers
    assert certificate["subject"] == ((("commonName", "a-client"),),)


async def test_client_certificate_is_sent_through_a_proxy(
    call, start_api, start_proxy, authority
) -> None:
    api = await start_api(authority.server("api.example.invalid", wants_client=True))
    proxy = await start_proxy(api.port)
    context = ssl.create_default_context(cafile=authority.file)
    context.load_cert_chain(authority.issue("a-client"))
    url = "https://api.example.invalid/v2"
    assert await call(url, ssl=context, proxy=proxy.url) == "SHIR1"
    assert len(proxy.heads) == 1


async def test_one_connection_serves_all_requests(start_api, authority) -> None:
    api = await start_api(authority.server(HOST))
    context = ssl.create_default_context(cafile=authority.file)
    async with Client(TOKEN, base_url=f"https://{HOST}:{api.port}/v2", ssl=context) as client:
        for _ in range(3):
            await client.evses.get("evse01")
        assert client._caller.state.http.transport._current is not None  # type: ignore[attr-defined]  # inside
        [(_, waiting)] = client._caller.state.http.transport._current.value.connector._conns.items()  # type: ignore[attr-defined]  # inside
        assert len(waiting) == 1


@pytest.mark.parametrize("kind", [Client, ev_energy_sync.Client])
@pytest.mark.parametrize("context", [False, True, "ca.pem", object()])
def test_ssl_argument_of_another_type_is_refused(kind: Any, context: Any) -> None:
    with pytest.raises(TypeError, match="ssl must be an ssl.SSLContext"):
        kind(TOKEN, ssl=context)
