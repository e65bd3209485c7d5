"""Proxies and certificates: how requests leave the network that a client runs in."""

from __future__ import annotations

import base64
import functools
import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from yarl import URL

from ev_energy._messages import ConnectionFault
from ev_energy._runtime.lazy_pattern import lazy_pattern
from ev_energy._servers import is_loopback

if TYPE_CHECKING:
    import ssl

_SEPARATORS: Final = lazy_pattern(r"[\s,]+")
_SCHEMES: Final = frozenset({"http", "https"})
#: Origins whose routes are remembered: the API, its token endpoint, and storages of uploads.
_MOST_ROUTES: Final = 64


class Proxy(msgspec.Struct, frozen=True):
    """An HTTP proxy. The credentials in its URL become a header, so that no message shows them."""

    url: URL
    headers: Mapping[str, str]
    secrets: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Proxy({str(self.url)!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return what rich shows, which would be every field of a struct."""
        return [("url", str(self.url))]


class Route(msgspec.Struct, frozen=True):
    """How to reach an origin."""

    proxy: Proxy | None
    tls: ssl.SSLContext | bool
    """True for aiohttp's own context, which has the system's certificates."""


#: No proxy, and aiohttp's own TLS context.
DIRECT: Final = Route(None, tls=True)


class Network:
    """The proxies and certificates of one client, from its arguments and the environment.

    The environment is read once, when the client is made.
    """

    def __init__(
        self,
        proxy: str | URL | None = None,
        context: ssl.SSLContext | None = None,
        *,
        trust_env: bool = True,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        if not (context is None or hasattr(context, "load_verify_locations")):
            raise TypeError(f"ssl must be an ssl.SSLContext, not {context!r}")
        variables = os.environ if environ is None else environ
        self._proxy = None if proxy is None else parse_proxy("proxy", str(proxy))
        self._context = context
        self._proxies = environment_proxies(variables) if trust_env else {}
        self._no_proxy = _variable(variables, "no_proxy") if trust_env else ""
        certificates = _certificates(variables)
        self._certificates = certificates if any(certificates) else None
        self._trust_env = trust_env
        self._routes: dict[tuple[str, str], Route] = {}

    @property
    def secrets(self) -> list[str]:
        """The credentials of the proxies."""
        secrets = [] if self._proxy is None else list(self._proxy.secrets)
        for name, text in self._proxies.values():
            try:
                secrets += parse_proxy(name, text).secrets
            except ValueError:
                continue  # reported by the first request that would use it
        return secrets

    def proxy_for(self, url: URL) -> Proxy | None:
        """Return the proxy for *url*, or None; `ValueError` if its setting is invalid."""
        if self._proxy is not None:
            return self._proxy
        host = url.host or ""
        if is_loopback(host) or is_excluded(host, url.port, self._no_proxy):
            return None
        named = self._proxies.get(url.scheme) or self._proxies.get("all")
        return None if named is None else parse_proxy(*named)

    def route(self, url: URL) -> Route:
        """Return the route to *url*; `ConnectionFault` if there is none."""
        key = url.scheme, url.raw_authority
        route = self._routes.get(key)
        if route is None:
            try:
                proxy = self.proxy_for(url)
                is_tls = "https" in {url.scheme, proxy and proxy.url.scheme}
                tls = self._tls() if is_tls else True
                route = DIRECT if proxy is None and tls is True else Route(proxy, tls)
            except ValueError as error:
                raise ConnectionFault(str(error), sent=False) from None
            if len(self._routes) >= _MOST_ROUTES:
                self._routes.clear()
            self._routes[key] = route
        return route

    def _tls(self) -> ssl.SSLContext | bool:
        if self._context is not None:
            return self._context
        if self._certificates is None:
            return True
        if self._trust_env:
            return environment_context(*self._certificates)
        return _system_context()


def environment_proxies(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the proxies in *environ*: by scheme, the name of the variable and its value.

    A CGI server passes the header ``Proxy`` of a request as ``HTTP_PROXY``: where a script runs as
    one, only the name in small letters is read (https://httpoxy.org).
    """
    proxies: dict[str, tuple[str, str]] = {}
    for scheme in ("http", "https", "all"):
        name = f"{scheme}_proxy"
        if name not in environ and not (scheme == "http" and "REQUEST_METHOD" in environ):
            name = name.upper()
        if value := environ.get(name, "").strip():
            proxies[scheme] = name, value
    return proxies


def _variable(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, environ.get(name.upper(), ""))


def parse_proxy(name: str, text: str) -> Proxy:
    """Return the proxy at the URL *text*; `ValueError` with the *name* of the setting if none."""
    try:
        url = URL(text if "://" in text else f"http://{text}")
        origin = url.origin()
        is_complete = url.port is not None
    except ValueError:  # its message may repeat a password
        raise ValueError(f"{name} is not the URL of a proxy") from None
    if url.scheme not in _SCHEMES:
        raise ValueError(
            f"{name} is a {url.scheme}:// proxy, and only http:// and https:// ones are supported: "
            "use the HTTP port of the proxy, or pass session= with a connector that supports it"
        )
    if not is_complete:
        raise ValueError(f"{name} is not the URL of a proxy")
    if url.user is None and url.password is None:
        return Proxy(origin, {})
    password = url.password or ""
    basic = base64.b64encode(f"{url.user or ''}:{password}".encode()).decode()
    return Proxy(origin, {"Proxy-Authorization": f"Basic {basic}"}, (password, basic))


def is_excluded(host: str, port: int | None, no_proxy: str) -> bool:
    """Return whether ``NO_PROXY`` exempts *host* from the proxy.

    The variable lists hosts (subdomains included), addresses and networks such as ``10.0.0.0/8``,
    optionally with a port; ``*`` exempts every host.
    """
    host = host.lower().rstrip(".")
    address = _address(host)
    for entry in filter(None, _SEPARATORS.split(no_proxy.lower())):
        if entry == "*" or (address is not None and _is_in_network(address, entry)):
            return True
        name, entry_port = _split_port(entry)
        if entry_port and entry_port != str(port):
            continue
        name = name.removeprefix("*").strip(".")
        if not name:
            continue
        if host == name or (address is None and host.endswith(f".{name}")):
            return True
        if address is not None and address == _address(name):
            return True
    return False


def _split_port(entry: str) -> tuple[str, str]:
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest.removeprefix(":")
    if entry.count(":") == 1:
        name, _, port = entry.partition(":")
        return name, port
    return entry, ""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_in_network(address: ipaddress.IPv4Address | ipaddress.IPv6Address, entry: str) -> bool:
    try:
        return "/" in entry and address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def has_read_certificates() -> bool:
    """Return whether `read_certificates` has nothing left to do."""
    return environment_context.cache_info().currsize > 0 or not any(_certificates(os.environ))


def read_certificates() -> None:
    """Read the certificates that the environment names, which takes some 20 ms."""
    certificates = _certificates(os.environ)
    if any(certificates):
        try:
            environment_context(*certificates)
        except ValueError:
            return  # reported by the request that needs them


def _certificates(environ: Mapping[str, str]) -> tuple[str, str]:
    return environ.get("SSL_CERT_FILE", ""), environ.get("SSL_CERT_DIR", "")


@functools.lru_cache(8)
def environment_context(file: str, directory: str) -> ssl.SSLContext:
    """Return a context that trusts only the certificates in *file* and *directory*."""
    import ssl

    try:
        context = ssl.create_default_context(cafile=file or None, capath=directory or None)
    except OSError as error:  # ssl.SSLError is one too
        reason = error.strerror or "it holds no certificates"
        raise ValueError(f"SSL_CERT_FILE: {file!r} cannot be read: {reason}") from None
    context.set_alpn_protocols(["http/1.1"])
    return context


@functools.lru_cache(1)
def _system_context() -> ssl.SSLContext:
    """Return a context with the system's certificates, whatever the environment says."""
    import ssl

    paths = ssl.get_default_verify_paths()
    file = paths.openssl_cafile if Path(paths.openssl_cafile).is_file() else None
    context = ssl.create_default_context(cafile=file, capath=paths.openssl_capath)
    if os.name == "nt":  # the certificates are not in files there
        context.load_default_certs()
    context.set_alpn_protocols(["http/1.1"])
    return context
