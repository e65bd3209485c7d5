"""Validation of the arguments of `Client`, and the values made from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from yarl import URL

from ev_energy._arguments import describe_type, require_text
from ev_energy._http.network import Network
from ev_energy._redaction.tracebacks import Secret, trim_traceback
from ev_energy._runtime.lazy_pattern import lazy_pattern
from ev_energy._servers import resolve_endpoint
from ev_energy._unset import Unset
from ev_energy._version import __version__
from ev_energy.auth import Auth, AuthorizationCode, ClientCredentials, StaticToken, Token
from ev_energy.auth._credentials import Endpoint, SecretProvider, is_provider

#: Headers that the client sets itself, and what to use instead of *headers*.
_RESERVED_HEADERS: Final[Mapping[str, str]] = {
    "authorization": "use auth= or acting_for()",
    "evenergy-user": "use auth= or acting_for()",
    "content-type": "the client sets it for the bodies that it sends",
    "content-length": "the client sets it for the bodies that it sends",
    "transfer-encoding": "the client sets it for the bodies that it sends",
    "host": "use base_url=",
}
#: RFC 9110 §5.5 allows no control character except the tab. Lone surrogates cannot be encoded.
_HEADER_VALUE: Final = lazy_pattern(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*")
_HEADER_NAME: Final = lazy_pattern(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

if TYPE_CHECKING:
    from ssl import SSLContext

    import aiohttp

    from ev_energy.budget import Budget


def resolve_endpoints(
    auth: Auth | str | None, base_url: URL, *, allow_insecure: bool
) -> dict[Endpoint, URL]:
    """Return the OAuth endpoints that *auth* uses; empty for an access token and for None."""
    if auth is None or isinstance(auth, str | StaticToken):
        return {}
    credentials = cast("object", auth)
    if not isinstance(credentials, AuthorizationCode | ClientCredentials):
        advice = (
            "ClientCredentials(client_id=..., client_secret=...), AuthorizationCode(...) or a str"
        )
        if isinstance(credentials, Token):
            advice = "its access_token"
        raise TypeError(
            f"auth must be credentials or an access token, not {describe_type(credentials)}: pass "
            f"{advice}"
        )
    if isinstance(auth, AuthorizationCode) and not auth.account:
        # With a default account, forgetting `for_account` would give all users the same token.
        raise ValueError(
            "AuthorizationCode needs an account: pass auth.for_account('your name for the user')"
        )
    return {
        name: resolve_endpoint(base_url, f"{name}_url", path, allow_insecure=allow_insecure)
        for name, path in auth.endpoints().items()
    }


def make_network(
    base_url: URL,
    session: aiohttp.ClientSession | None,
    proxy: str | URL | None,
    context: SSLContext | None,
    *,
    trust_env: bool,
) -> Network:
    """Return the network settings; `ValueError` if *base_url* cannot be reached with them."""
    if session is not None and (proxy is not None or context is not None):
        name = "proxy" if proxy is not None else "ssl"
        raise ValueError(
            f"{name}= cannot be combined with session=: set it on the session's connector instead"
        )
    network = Network(proxy, context, trust_env=trust_env and session is None)
    network.proxy_for(base_url)
    return network


def merge_headers(
    base: Mapping[str, str],
    extra: Mapping[str, str] | None,
    api_version: str | Unset | None,
    language: str | Unset | None,
) -> dict[str, str]:
    """Return the headers of every call: the defaults, *base*, then the arguments.

    None as *api_version* or *language* removes that header. Names are compared without regard to
    case (RFC 9110 §5.1); a header keeps the spelling under which it was set first.
    """
    headers = {
        "Accept": "application/json",
        "User-Agent": f"ev-energy-python/{__version__}",
        **base,
    }
    # An int is accepted: the API's description declares the version as a number.
    given_version: object = api_version
    version = str(given_version) if isinstance(given_version, int) else given_version
    options: tuple[tuple[str, str, object], ...] = (
        ("api_version", "EvEnergy-Version", version),
        ("language", "Accept-Language", language),
    )
    for argument, name, option in options:
        if option is None:
            _set(headers, name, None)
        elif not isinstance(option, Unset):
            _set(headers, name, _header_value(argument, option))
    given = cast("object", {} if extra is None else extra)
    if not isinstance(given, Mapping):  # the type only: the values may be secrets
        raise TypeError(f"headers must map names to values, not {describe_type(given)}")
    # Last, so that a header that is set explicitly replaces the default version.
    for name, value in cast("Mapping[str, str]", given).items():
        if advice := _RESERVED_HEADERS.get(require_text("a name in headers", name).lower()):
            raise ValueError(f"headers must not set {name}: {advice}")
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"headers: {name!r} is not a valid header name")
        _set(headers, name, _header_value(f"headers: {name}", value))
    return headers


def headers_for_user(headers: Mapping[str, str], user: str | None) -> dict[str, str]:
    """Return *headers* for calls on behalf of *user*; None for the application itself."""
    copy = dict(headers)
    _set(copy, "EvEnergy-User", None if user is None else _header_value("user", user))
    return copy


def _set(headers: dict[str, str], name: str, value: str | None) -> None:
    """Set the header *name*, in any case, to *value*; None removes it."""
    key = next((existing for existing in headers if existing.lower() == name.lower()), name)
    if value is None:
        headers.pop(key, None)
    else:
        headers[key] = value


def _header_value(name: str, value: object) -> str:
    """Return *value* if a header can hold it; *name* is the argument that it was passed as.

    The message does not repeat the value, which may be a secret.
    """
    text = require_text(name, value)
    if not _HEADER_VALUE.fullmatch(text):
        raise ValueError(
            f"{name} contains a line break or another control character, which no header can hold"
        )
    return text


def as_credentials(auth: Secret[Auth | str | SecretProvider | None]) -> Auth | None:
    """Return *auth*; a `str` is an access token, and a function returns one."""
    if isinstance(auth.value, StaticToken | ClientCredentials | AuthorizationCode | None):
        return auth.value
    if isinstance(auth.value, str) or is_provider(auth.value):
        return StaticToken(auth.value)
    return cast("Auth", auth.value)  # of a wrong type, which `resolve_endpoints` refuses


def as_own_credentials(auth: Secret[Auth | str | SecretProvider | None]) -> Auth:
    """Return *auth* for one of several clients that share a budget."""
    credentials = as_credentials(auth)
    if credentials is None:
        raise TypeError("auth must be credentials or an access token, not None")
    if (
        isinstance(credentials, StaticToken)
        and not isinstance(credentials.token, str)
        and not credentials.account
    ):
        # Without a name, the tokens of all functions would share one rate limit.
        raise ValueError(
            "a function that returns tokens needs an account: pass StaticToken(function, "
            "account='your name for the user')"
        )
    return credentials


def checked_budget(budget: Budget | None) -> Budget | None:
    """Return *budget*, or raise `TypeError` if it is no rate limiter."""
    given: object = budget
    if given is not None and (isinstance(given, type) or not hasattr(given, "try_acquire")):
        raise TypeError(
            "budget must be a MemoryBudget(), an ev_energy.redis.RedisBudget(url) or None, not "
            f"{describe_type(given)}"
        )
    return budget


def credentials_from_env(environ: Secret[Mapping[str, str]]) -> Auth:
    """Return the credentials in *environ*; `ValueError` if there are none."""
    with trim_traceback():
        return _credentials_from_env(environ.value)


def server_from_env(environ: Secret[Mapping[str, str]]) -> dict[str, Any]:
    """Return the argument ``base_url`` of a client if *environ* has it, else an empty dict."""
    base_url = environ.value.get("EV_ENERGY_BASE_URL")
    return {"base_url": base_url} if base_url else {}


def _credentials_from_env(environ: Mapping[str, str]) -> Auth:
    names = ("EV_ENERGY_CLIENT_ID", "EV_ENERGY_CLIENT_SECRET")
    if token := environ.get("EV_ENERGY_TOKEN"):
        return StaticToken(token)
    if missing := [name for name in names if not environ.get(name)]:
        raise ValueError(f"set {' and '.join(missing)} (or EV_ENERGY_TOKEN) in the environment")
    client_id, client_secret = (environ[name] for name in names)
    return ClientCredentials(client_id=client_id, client_secret=client_secret)


def client_repr(base_url: URL, auth: Auth | None, user: str | None = None) -> str:
    """Return the repr of a client."""
    credentials = "anonymous" if auth is None else repr(auth)
    return f"<Client of {base_url} as {credentials}{f' for {user}' if user else ''}>"
