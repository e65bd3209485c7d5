"""Where the API is, and the endpoints of its authorization server."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Final

from yarl import URL

from ev_energy._arguments import require_text

#: The servers of the official description, by name.
SERVERS: Final[Mapping[str, str]] = {
    "live": "https://api.ev.energy/v2",
    "mock": "https://developers.ev.energy/_mock/ev.energy-api-v2",
    "staging": "https://api-staging.ev.energy/v2",
}


def root_of(base_url: str | URL, *, allow_insecure: bool) -> URL:
    """What paths are added to."""
    if not isinstance(base_url, URL):
        require_text("base_url", base_url)
    url = URL(SERVERS.get(str(base_url), str(base_url)))
    if not url.absolute or url.scheme not in {"http", "https"}:
        names = ", ".join(map(repr, SERVERS))
        raise ValueError(f"base_url must be {names} or an absolute URL, not {str(base_url)!r}")
    if url.query_string or url.fragment or url.user or url.password:
        raise ValueError("base_url must have no query, fragment or user in it")
    _secure("base_url", url, allow_insecure=allow_insecure)
    return url.with_path(url.raw_path.rstrip("/"), encoded=True)


def endpoint_of(root: URL, name: str, given: str, *, allow_insecure: bool) -> URL:
    """The endpoint called *name*: *given* if that is absolute, else that path on the API's host."""
    found = URL(require_text(name, given))
    if found.scheme not in {"http", "https"} and (found.host or not given.startswith("/")):
        raise ValueError(f"{name} must be an absolute URL, not {given!r}")
    if found.fragment or found.user or found.password:
        raise ValueError(f"{name} must have no fragment or user in it")
    url = root.origin().join(found)
    _secure(name, url, allow_insecure=allow_insecure)
    return url


def _secure(name: str, url: URL, *, allow_insecure: bool) -> None:
    if url.scheme != "https" and not allow_insecure and not is_loopback(url.host or ""):
        raise ValueError(
            f"{name} {url} would send the token in the clear: use https, or allow_insecure=True"
        )


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
