"""The URLs of the API's servers and of their authorization endpoints."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Final

from yarl import URL

from ev_energy._arguments import require_text, suggest

#: The servers that the API's description lists, by the names that ``base_url`` accepts.
SERVERS: Final[Mapping[str, str]] = {
    "live": "https://api.ev.energy/v2",
    "mock": "https://developers.ev.energy/_mock/ev.energy-api-v2",
    "staging": "https://api-staging.ev.energy/v2",
}
#: The vendor's domain.
_DOMAIN: Final = "ev.energy"
#: Begins the paths of the mock servers, each of which is the root of an API.
_MOCK_PATH: Final = "/_mock/"


def parse_base_url(base_url: str | URL, *, allow_insecure: bool) -> URL:
    """Return the URL that paths are appended to, without a slash at its end."""
    if not isinstance(base_url, URL):
        require_text("base_url", base_url)
    url = URL(SERVERS.get(str(base_url), str(base_url)))
    if not url.absolute or url.scheme not in {"http", "https"}:
        names = ", ".join(map(repr, SERVERS))
        hint = suggest(str(base_url), SERVERS)
        raise ValueError(
            f"base_url must be {names} or an absolute URL, not {str(base_url)!r}{hint}"
        )
    if url.query_string or url.fragment or url.user or url.password:
        raise ValueError("base_url must not contain a query, a fragment, a user name or a password")
    _require_secure("base_url", url, allow_insecure=allow_insecure)
    _require_root(url)
    return url.with_path(url.raw_path.rstrip("/"), encoded=True)


def _require_root(url: URL) -> None:
    """Raise `ValueError` if *url* is on a host of the vendor, but not the root of an API.

    On another host, such as a gateway's, the API may have any path.
    """
    host, path = url.host or "", url.path.rstrip("/")
    if host != _DOMAIN and not host.endswith(f".{_DOMAIN}"):
        return
    server = next((server for server in SERVERS.values() if URL(server).host == host), None)
    is_root = path.startswith(_MOCK_PATH) if server == SERVERS["mock"] else path == "/v2"
    if not is_root:
        raise ValueError(
            f"base_url {url} is not the root of the API on {host}: pass {server or SERVERS['live']}"
        )


def resolve_endpoint(base_url: URL, name: str, endpoint: str, *, allow_insecure: bool) -> URL:
    """Return the URL of *endpoint*: an absolute URL, or a path on the host of *base_url*.

    *name* is the argument that holds it, for messages.
    """
    parsed = URL(require_text(name, endpoint))
    if parsed.scheme not in {"http", "https"} and (parsed.host or not endpoint.startswith("/")):
        raise ValueError(
            f"{name} must be an absolute URL or a path that starts with '/', not {endpoint!r}"
        )
    if parsed.fragment or parsed.user or parsed.password:
        raise ValueError(f"{name} must not contain a fragment, a user name or a password")
    url = base_url.origin().join(parsed)
    _require_secure(name, url, allow_insecure=allow_insecure)
    return url


def _require_secure(name: str, url: URL, *, allow_insecure: bool) -> None:
    if url.scheme != "https" and not allow_insecure and not is_loopback(url.host or ""):
        raise ValueError(
            f"{name} {url} would send the token unencrypted: use https, or pass allow_insecure=True"
        )


def is_loopback(host: str) -> bool:
    """Return whether *host* is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
