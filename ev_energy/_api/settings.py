"""What a client is told when it is made, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from yarl import URL

from ev_energy._arguments import describe_type, require_text
from ev_energy._http.network import Network
from ev_energy._redaction.tracebacks import Secret, trim_traceback
from ev_energy._servers import endpoint_of
from ev_energy._unset import Unset
from ev_energy._version import __version__
from ev_energy.auth import Auth, AuthorizationCode, ClientCredentials, StaticToken
from ev_energy.auth._credentials import Endpoint

#: Headers that the client sets itself, and what to do instead of setting them.
_OURS: Final[Mapping[str, str]] = {
    "authorization": "use auth= or acting_for()",
    "evenergy-user": "use auth= or acting_for()",
    "content-type": "the client describes the bodies that it sends",
    "content-length": "the client describes the bodies that it sends",
    "transfer-encoding": "the client describes the bodies that it sends",
    "host": "use base_url=",
}
#: RFC 9110 §5.5: no control character but the tab. A lone surrogate cannot be encoded at all.
_HEADER_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

if TYPE_CHECKING:
    from ssl import SSLContext

    import aiohttp


def endpoints_of(
    auth: Auth | str | None, root: URL, *, allow_insecure: bool
) -> dict[Endpoint, URL]:
    """Where credentials are shown; empty for those that are shown nowhere."""
    if auth is None or isinstance(auth, str | StaticToken):
        return {}
    given = cast("object", auth)
    if not isinstance(given, AuthorizationCode | ClientCredentials):
        raise TypeError(f"auth must be credentials or an access token, not {describe_type(given)}")
    if isinstance(auth, AuthorizationCode) and not auth.account:
        # With a default, one forgotten `for_account` would give every user the token of the last.
        raise ValueError(
            "AuthorizationCode needs an account: auth.for_account('your own name for the user')"
        )
    return {
        name: endpoint_of(root, f"{name}_url", path, allow_insecure=allow_insecure)
        for name, path in auth.endpoints().items()
    }


def network_of(
    root: URL,
    session: aiohttp.ClientSession | None,
    proxy: str | URL | None,
    context: SSLContext | None,
    *,
    trust_env: bool,
) -> Network:
    """Return how to reach the API at *root*; `ValueError` if there is no way."""
    if session is not None and (proxy is not None or context is not None):
        name = "proxy" if proxy is not None else "ssl"
        raise ValueError(f"{name}= does not go with session=: set it on the session's connector")
    network = Network(proxy, context, trust_env=trust_env and session is None)
    network.proxy_for(root)
    return network


def headers_of(
    base: Mapping[str, str],
    more: Mapping[str, str] | None,
    version: str | Unset | None,
    language: str | Unset | None,
) -> dict[str, str]:
    """Return the headers of every call: *base*, with *more*; None removes one of the last two.

    Names are compared without regard to case (RFC 9110 §5.1), and the first spelling stays.
    """
    headers = {
        "Accept": "application/json",
        "User-Agent": f"ev-energy-python/{__version__}",
        **base,
    }
    named: tuple[tuple[str, str, object], ...] = (
        ("version", "EvEnergy-Version", version),
        ("language", "Accept-Language", language),
    )
    for argument, name, given in named:
        if given is None:
            _set(headers, name, None)
        elif not isinstance(given, Unset):
            # The API's description has the version as a number.
            found = str(given) if isinstance(given, int) else given
            _set(headers, name, _value(argument, found))
    # Last: a header that is given outright wins over the default of a version.
    for name, value in (more or {}).items():
        if instead := _OURS.get(require_text("a name in headers", name).lower()):
            raise ValueError(f"headers must not set {name}: {instead}")
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"headers: {name!r} is not the name of a header")
        _set(headers, name, _value(f"headers: {name}", value))
    return headers


def with_user(headers: Mapping[str, str], user: str | None) -> dict[str, str]:
    """Return *headers* for calls on behalf of *user*; None for the application itself."""
    found = dict(headers)
    _set(found, "EvEnergy-User", None if user is None else _value("user", user))
    return found


def _set(headers: dict[str, str], name: str, value: str | None) -> None:
    """Set the header *name* to *value*, however it is spelt in *headers*; None removes it."""
    there = next((known for known in headers if known.lower() == name.lower()), name)
    if value is None:
        headers.pop(there, None)
    else:
        headers[there] = value


def _value(name: str, value: object) -> str:
    """Return *value* if a header can hold it; *name* is the argument that it was given as."""
    found = require_text(name, value)
    if not _HEADER_VALUE.fullmatch(found):
        raise ValueError(f"{name} holds a line break or another control character")
    return found


def credentials_of(auth: Secret[Auth | str | None]) -> Auth | None:
    """Return *auth*, of which a text is an access token."""
    return StaticToken(auth.value) if isinstance(auth.value, str) else auth.value


def credentials_in(environ: Secret[Mapping[str, str]]) -> Auth:
    """Return the credentials in *environ*; ``ValueError`` if there are none."""
    with trim_traceback():
        return _credentials_in(environ.value)


def server_in(environ: Secret[Mapping[str, str]]) -> dict[str, Any]:
    """Return the server in *environ*, as an argument of a client; empty if there is none."""
    base_url = environ.value.get("EV_ENERGY_BASE_URL")
    return {"base_url": base_url} if base_url else {}


def _credentials_in(environ: Mapping[str, str]) -> Auth:
    """Return the credentials in *environ*; ``ValueError`` if there are none."""
    names = ("EV_ENERGY_CLIENT_ID", "EV_ENERGY_CLIENT_SECRET")
    if token := environ.get("EV_ENERGY_TOKEN"):
        return StaticToken(token)
    if missing := [name for name in names if not environ.get(name)]:
        raise ValueError(f"set {' and '.join(missing)} (or EV_ENERGY_TOKEN) in the environment")
    client_id, client_secret = (environ[name] for name in names)
    return ClientCredentials(client_id=client_id, client_secret=client_secret)


def described(root: URL, auth: Auth | None, user: str | None = None) -> str:
    """Return the repr of a client."""
    credentials = "anonymous" if auth is None else repr(auth)
    return f"<Client of {root} as {credentials}{f' for {user}' if user else ''}>"
