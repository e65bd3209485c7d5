"""Credentials: what to send for a token, and when it expires. Nothing here does I/O."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote, urlencode

import attrs

from ev_energy.errors import TokenError

__all__ = ["Auth", "ClientCredentials", "Grant", "StaticToken", "Token"]

#: A token is renewed this many seconds before it expires, so that it does not expire under way.
LEEWAY: Final = 60.0


@attrs.frozen
class Token:
    """An access token."""

    value: str = attrs.field(repr=False)
    lifetime: float | None = None
    """Seconds it is good for, counted from the reply; None if the server did not say."""


@attrs.frozen
class Grant:
    """What to post to the token endpoint. Both parts hold secrets."""

    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)


@attrs.frozen
class StaticToken:
    """An access token that somebody else looks after. It is never renewed."""

    token: str = attrs.field(repr=False)

    @token.validator
    def _check(self, _: Any, value: str) -> None:
        if not value or not value.isascii() or any(c.isspace() for c in value):
            raise ValueError("token must be the bare access token: ASCII text without spaces")


@attrs.frozen(kw_only=True)
class ClientCredentials:
    """The OAuth 2 client-credentials grant: the token stands for the application.

    Every process with the same credentials shares one allowance of requests.
    """

    client_id: str = attrs.field()
    client_secret: str = attrs.field(repr=False)
    scopes: Sequence[str] = attrs.field(default=(), converter=tuple)
    """Empty: whatever the application may have."""
    token_url: str | None = None
    """Default: ``/o/token/`` on the API's host."""
    method: Literal["basic", "form"] = "basic"
    """How the application shows who it is (RFC 6749 §2.3.1)."""

    @client_id.validator
    @client_secret.validator
    def _check(self, attribute: attrs.Attribute[str], value: str) -> None:
        if not value:
            raise ValueError(f"{attribute.name} must not be empty")

    def grant(self) -> Grant:
        """What to post for a token."""
        form = {"grant_type": "client_credentials"}
        if self.scopes:
            form["scope"] = " ".join(self.scopes)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        if self.method == "basic":
            pair = f"{quote(self.client_id, safe='')}:{quote(self.client_secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": self.client_id, "client_secret": self.client_secret}
        return Grant(headers, urlencode(form).encode())


#: Every kind of credentials a client takes.
Auth: TypeAlias = StaticToken | ClientCredentials


def read_token(status: int, body: bytes) -> Token:
    """The token in a reply of the token endpoint; `TokenError` if there is none."""
    try:
        data = json.loads(body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise TokenError(status, "no_token", "the reply is no JSON object")
    if status != 200:  # noqa: PLR2004  (RFC 6749 §5.1)
        error, description = data.get("error"), data.get("error_description")
        raise TokenError(
            status,
            error if isinstance(error, str) else str(status),
            description if isinstance(description, str) else "",
        )
    value, lifetime = data.get("access_token"), data.get("expires_in")
    if not isinstance(value, str) or not value:
        raise TokenError(status, "no_token", "the reply has no access_token")
    known = isinstance(lifetime, int | float) and not isinstance(lifetime, bool)
    return Token(value, float(lifetime) if known else None)
