"""The cookies of a browser, and the proof that a request comes from a page of the application."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import timedelta
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import attrs
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from ev_energy._arguments import require_duration

#: What the value of a cookie looks like: that of `secrets.token_urlsafe(32)`.
_VALUE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
#: Characters of a digest in hexadecimal; 128 bits.
_DIGEST_LENGTH: Final = 32
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_Origin: TypeAlias = tuple[str, str | None, int | None]


@attrs.frozen
class BrowserCookie:
    """A cookie with a random value, which scripts cannot read and other sites cannot send.

    Its name contains a digest of the client id, so that applications that share a host do not
    overwrite each other's cookies: cookies are shared by all ports of a host.
    """

    purpose: str
    client_id: str

    def name(self, connection: HTTPConnection) -> str:
        """Return the name that the cookie has on the connection.

        On https it has the prefix ``__Host-`` (RFC 6265bis §4.1.3): browsers accept such a cookie
        from this very host only, so neither another subdomain nor a plain http reply can plant it.
        """
        name = f"ev-energy-{self.purpose}-{digest(self.client_id)[:8]}"
        return f"__Host-{name}" if is_secure(connection) else name

    def read(self, connection: HTTPConnection) -> str | None:
        """Return the value, or None if the browser sent none that this application has set."""
        value = connection.cookies.get(self.name(connection), "")
        return value if _VALUE.fullmatch(value) else None

    def set(
        self, request: HTTPConnection, response: Response, value: str, lifetime: timedelta | None
    ) -> None:
        """Have the browser keep *value* for *lifetime*, or until it is closed."""
        response.set_cookie(
            self.name(request),
            value,
            max_age=None if lifetime is None else int(lifetime.total_seconds()),
            path="/",
            secure=is_secure(request),
            httponly=True,
            samesite="lax",
        )

    def delete(self, request: HTTPConnection, response: Response) -> None:
        """Have the browser delete the cookie."""
        self.set(request, response, "", timedelta())


def new_value() -> str:
    """Return a new random value for a cookie or a path, of 256 bits."""
    return secrets.token_urlsafe(32)


def digest(value: str) -> str:
    """Return a digest of a random value, which does not reveal it."""
    return hashlib.sha256(value.encode(errors="backslashreplace")).hexdigest()[:_DIGEST_LENGTH]


def check_positive(**durations: timedelta) -> None:
    """Raise an error that names the first argument which is not a positive duration."""
    for name, duration in durations.items():
        require_duration(name, duration)


def is_secure(connection: HTTPConnection) -> bool:
    """Whether the browser uses https, as far as the server knows.

    Behind a proxy, uvicorn knows from ``X-Forwarded-Proto`` if it trusts the proxy
    (``--forwarded-allow-ips``). The header itself is not read here, since any client may send it.
    """
    return connection.scope["scheme"] in {"https", "wss"}


def is_same_origin(request: Request) -> bool:
    """Whether a page of this application sent the request.

    Browsers send ``Sec-Fetch-Site`` to https and localhost, and ``Origin`` with each POST request.
    A request with neither is refused.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = _origin(request.headers.get("origin", ""))
    return origin is not None and origin == _origin(str(request.url))


def _origin(url: str) -> _Origin | None:
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not parts.hostname or "@" in parts.netloc:  # an origin has no user (RFC 6454 §6.2)
        return None
    return parts.scheme, parts.hostname, port
