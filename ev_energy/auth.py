"""Credentials: what to send for a token, and when it expires. Nothing here does I/O."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias
from urllib.parse import quote, urlencode

import attrs

from ev_energy._json import json_object
from ev_energy.errors import TokenError

__all__ = ["Auth", "ClientCredentials", "Grant", "StaticToken", "Token"]

#: A token is renewed this many seconds before it expires, so that it does not expire under way.
LEEWAY: Final = 60.0


class Token(NamedTuple):
    """An access token."""

    value: str
    lifetime: float | None = None
    """Seconds it is good for, counted from the reply; None if the server did not say."""

    def __repr__(self) -> str:
        return f"Token(lifetime={self.lifetime})"


class Grant(NamedTuple):
    """What to post to the token endpoint. Both parts hold secrets."""

    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return "Grant()"


@attrs.frozen(eq=False)
class StaticToken:
    """An access token that somebody else looks after. It is never renewed."""

    token: str = attrs.field(repr=False)

    def __attrs_post_init__(self) -> None:
        if not self.token or not self.token.isascii() or any(c.isspace() for c in self.token):
            raise ValueError("token must be the bare access token: ASCII text without spaces")

    def secrets(self) -> list[str]:
        """The texts that nobody may see."""
        return [self.token]


@attrs.frozen(kw_only=True, eq=False)
class ClientCredentials:
    """The OAuth 2 client-credentials grant: the token stands for the application.

    Every process with the same credentials shares one allowance of requests.
    """

    client_id: str
    client_secret: str = attrs.field(repr=False)
    scopes: Sequence[str] = ()
    """Empty: whatever the application may have."""
    token_url: str | None = None
    """Default: ``/o/token/`` on the API's host."""
    method: Literal["basic", "form"] = "basic"
    """How the application shows who it is (RFC 6749 §2.3.1)."""

    def __attrs_post_init__(self) -> None:
        for name in ("client_id", "client_secret"):
            if not getattr(self, name):
                raise ValueError(f"{name} must not be empty")
        if isinstance(self.scopes, str):
            raise TypeError(f"scopes must be a list: scopes=[{self.scopes!r}]")

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
            headers["Authorization"] = f"Basic {self._basic()}"
        else:
            form |= {"client_id": self.client_id, "client_secret": self.client_secret}
        return Grant(headers, urlencode(form).encode())

    def secrets(self) -> list[str]:
        """The texts that nobody may see."""
        return [self.client_secret, quote(self.client_secret, safe=""), self._basic()]

    def _basic(self) -> str:
        pair = f"{quote(self.client_id, safe='')}:{quote(self.client_secret, safe='')}"
        return base64.b64encode(pair.encode()).decode()


#: Every kind of credentials a client takes.
Auth: TypeAlias = StaticToken | ClientCredentials


def read_token(status: int, body: bytes) -> Token:
    """The token in a reply of the token endpoint; `TokenError` if there is none."""
    data = json_object(body)
    if data is None:
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
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float):
        lifetime = None
    return Token(value, lifetime)
