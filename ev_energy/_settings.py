"""What a client is told when it is made, checked."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Final

from yarl import URL

from ev_energy._unset import UNSET, Unset
from ev_energy._version import __version__
from ev_energy.auth import ENDPOINTS, Auth, Endpoint, StaticToken

#: The servers of the official description, by name.
SERVERS: Final[Mapping[str, str]] = {
    "live": "https://api.ev.energy/v2",
    "mock": "https://developers.ev.energy/_mock/ev.energy-api-v2",
    "staging": "https://api-staging.ev.energy/v2",
}


def root_of(base_url: str | URL, *, allow_insecure: bool) -> URL:
    """What paths are added to."""
    url = URL(SERVERS.get(str(base_url), str(base_url)))
    if not url.absolute or url.scheme not in {"http", "https"}:
        names = ", ".join(map(repr, SERVERS))
        raise ValueError(f"base_url must be {names} or an absolute URL, not {str(base_url)!r}")
    if url.query_string or url.fragment or url.user or url.password:
        raise ValueError("base_url must have no query, fragment or user in it")
    _secure("base_url", url, allow_insecure=allow_insecure)
    return url.with_path(url.raw_path.rstrip("/"), encoded=True)


def endpoints_of(
    auth: Auth | str | None, root: URL, *, allow_insecure: bool
) -> dict[Endpoint, URL]:
    """Where credentials are shown; empty for those that are shown nowhere."""
    if auth is None or isinstance(auth, str | StaticToken):
        return {}
    found: dict[Endpoint, URL] = {}
    for name in ENDPOINTS:
        url = root.origin().join(URL(given := auth.endpoint(name)))
        if given.partition("/")[0] and not URL(given).absolute:
            raise ValueError(f"{name}_url must be an absolute URL, not {given!r}")
        _secure(f"{name}_url", url, allow_insecure=allow_insecure)
        found[name] = url
    return found


def _secure(name: str, url: URL, *, allow_insecure: bool) -> None:
    if url.scheme != "https" and not allow_insecure and not _is_loopback(url.host or ""):
        raise ValueError(
            f"{name} {url} would send the token in the clear: use https, or allow_insecure=True"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def headers_of(
    base: Mapping[str, str],
    more: Mapping[str, str] | None,
    version: str | Unset | None,
    language: str | Unset | None,
) -> dict[str, str]:
    """The headers of every call: *base*, with *more*; None takes one of the last two away."""
    headers = {
        "Accept": "application/json",
        "User-Agent": f"ev-energy-python/{__version__}",
        **base,
        **(more or {}),
    }
    for name, value in (("EvEnergy-Version", version), ("Accept-Language", language)):
        if value is None:
            headers.pop(name, None)
        elif value is not UNSET:
            headers[name] = str(value)
    for name in more or ():
        if name.lower() in {"authorization", "evenergy-user"}:
            raise ValueError(f"headers must not set {name}: use auth= or acting_for()")
    for name, value in headers.items():
        if any(c in name + value for c in "\r\n\0"):
            raise ValueError(f"headers: {name} holds a line break")
    return headers
