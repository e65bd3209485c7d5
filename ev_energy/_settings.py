"""What a client is told when it is made, checked."""

from __future__ import annotations

from collections.abc import Mapping

from yarl import URL

from ev_energy._servers import endpoint_of
from ev_energy._unset import UNSET, Unset
from ev_energy._version import __version__
from ev_energy.auth import Auth, AuthorizationCode, Endpoint, StaticToken


def endpoints_of(
    auth: Auth | str | None, root: URL, *, allow_insecure: bool
) -> dict[Endpoint, URL]:
    """Where credentials are shown; empty for those that are shown nowhere."""
    if auth is None or isinstance(auth, str | StaticToken):
        return {}
    if isinstance(auth, AuthorizationCode) and not auth.account:
        # With a default, one forgotten `of` would give every visitor the token of the last one.
        raise ValueError("say whose token this client has: auth.of('your own name for the user')")
    return {
        name: endpoint_of(root, f"{name}_url", path, allow_insecure=allow_insecure)
        for name, path in auth.endpoints().items()
    }


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
