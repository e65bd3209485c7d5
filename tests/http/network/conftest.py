"""A proxy, a certificate authority and an API behind them, all on loopback."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import ev_energy_sync
from ev_energy import Client
from tests.helpers.support import TOKEN

#: A name that no resolver knows (RFC 6761 §6.4); only the proxy can reach it.
HOST = "api.example.invalid"
EVSE = {"id": "evse01", "url": f"https://{HOST}/v2/evses/evse01", "cpid": "SHIR1"}
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
Upstream = Callable[..., Awaitable[int]]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove proxies and certificates of this machine from the environment."""
    for name in (*NAMES, *(n.upper() for n in NAMES), "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("REQUEST_METHOD", raising=False)


@attrs.define
class Authority:
    """A certificate authority and the certificates that it issued, as PEM files in a folder."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def file(self) -> Path:
        return self.folder / "ca.pem"

    @staticmethod
    def make(folder: Path) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A CA of the tests")])
        basic = x509.BasicConstraints(ca=True, path_length=0)
        usage = x509.KeyUsage(
            key_cert_sign=True,
            crl_sign=True,
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            _builder(name, name, key)
            .add_extension(basic, critical=True)
            .add_extension(usage, critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        authority = Authority(folder, key, certificate)
        authority.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return authority

    def hashed_folder(self, folder: Path) -> Path:
        """Return *folder* with the certificate of this CA under the name that OpenSSL looks for."""
        if shutil.which("openssl") is None:
            pytest.skip("needs the openssl command: apt-get install openssl")
        (folder / "ca.pem").write_bytes(self.file.read_bytes())
        subprocess.run(["openssl", "rehash", str(folder)], check=True)
        return folder

    def issue(self, name: str) -> Path:
        """Return a file with a certificate for *name* and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = (
            _builder(subject, self.certificate.subject, key)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(authority, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        file = self.folder / f"{name}.pem"
        file.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return file

    def server(self, name: str, *, wants_client: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.issue(name))
        if wants_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.file)
        return context


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("certificates"))


@attrs.define
class Api:
    """The API, with or without TLS, and the requests that it received."""

    port: int = 0
    requests: list[Any] = attrs.field(factory=list[Any])
    peers: list[Any] = attrs.field(factory=list[Any])
    """The certificates of the clients."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request.headers.copy())
        assert request.transport is not None
        self.peers.append(request.transport.get_extra_info("peercert"))
        if "token" in request.path:
            return web.json_response({"access_token": "abc12345", "token_type": "Bearer"})
        return web.json_response([EVSE] if request.path.endswith("/evses") else EVSE)


@pytest.fixture
async def start_api() -> AsyncIterator[Callable[[ssl.SSLContext | None], Awaitable[Api]]]:
    runners: list[web.AppRunner] = []

    async def start(tls: ssl.SSLContext | None) -> Api:
        api, app = Api(), web.Application()
        app.router.add_route("*", "/{path:.*}", api.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        api.port = runner.addresses[0][1]
        return api

    yield start
    for runner in runners:
        await runner.cleanup()


@attrs.define
class Proxy:
    """An HTTP proxy: CONNECT for https, requests in absolute form for http (RFC 9112 §3.2)."""

    upstream: int
    """The port that all hosts are mapped to."""
    credentials: str | None = None
    port: int = 0
    scheme: str = "http"
    heads: list[str] = attrs.field(factory=list[str])
    """The head of each request."""
    _tasks: set[asyncio.Task[None]] = attrs.field(factory=set[asyncio.Task[None]])

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        if self.credentials is not None:
            basic = base64.b64encode(self.credentials.encode()).decode()
            if f"Proxy-Authorization: Basic {basic}\r\n" not in head:
                page = f"unknown user: {self.heads[-1]}".encode()
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nConnection: close\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(page), page))
                await writer.drain()
                return
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        method, target, _ = head.split(" ", 2)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await writer.drain()
        else:
            assert target.startswith("http://"), target
            path = "/" + target.split("/", 3)[3]
            upstream_writer.write(head.replace(target, path, 1).encode())
        try:
            await asyncio.gather(_copy(reader, upstream_writer), _copy(upstream_reader, writer))
        finally:
            upstream_writer.close()

    async def stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.fixture
async def start_proxy() -> AsyncIterator[Callable[..., Awaitable[Proxy]]]:
    started: list[tuple[Proxy, asyncio.Server]] = []

    async def start(
        upstream: int, credentials: str | None = None, tls: ssl.SSLContext | None = None
    ) -> Proxy:
        proxy = Proxy(upstream, credentials, scheme="https" if tls else "http")
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, ssl=tls)
        proxy.port = server.sockets[0].getsockname()[1]
        started.append((proxy, server))
        return proxy

    yield start
    for proxy, server in started:
        server.close()
        await proxy.stop()
        await server.wait_closed()


Call = Callable[..., Awaitable[str]]


@pytest.fixture(params=["async", "blocking"])
def call(request: pytest.FixtureRequest) -> Call:
    """Read one EVSE with an asynchronous or a blocking client, and return its cpid."""

    async def read(base_url: str, **settings: Any) -> str:
        settings = {"auth": TOKEN, "retries": 0, "timeout": 10, **settings}
        if request.param == "async":
            async with Client(base_url=base_url, **settings) as client:
                return (await client.evses.get("evse01")).cpid
        return await asyncio.to_thread(_read, base_url, settings)

    return read


def _read(base_url: str, settings: dict[str, Any]) -> str:
    with ev_energy_sync.Client(base_url=base_url, **settings) as client:
        return client.evses.get("evse01").cpid
