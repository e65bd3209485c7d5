"""What goes to the token endpoint and what comes back, as values. Nothing here does I/O."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, Self, TypeAlias
from urllib.parse import quote, urlencode

import attrs

from ev_energy._json import json_object
from ev_energy.errors import TokenError

#: A token is renewed this many seconds before it expires, so that it does not expire under way.
LEEWAY: Final = 60.0

#: How an application shows who it is: in a header or among the fields (RFC 6749 §2.3.1).
ClientMethod: TypeAlias = Literal["basic", "form"]


@attrs.frozen(kw_only=True)
class Token:
    """An access token, and what renews it. Its texts are secrets: only a token store keeps them.

    Attributes:
        access_token: What goes along with calls.
        refresh_token: What a new access token is asked for with; None if there is none.
        expires_at: When it expires, in seconds since 1970 (UTC); None if the server did not say.
        lifetime: Seconds it was good for when it was issued; None if the server did not say.
        scope: What it is good for, as the server stated it; None if it did not.
    """

    access_token: str = attrs.field(repr=False)
    refresh_token: str | None = attrs.field(default=None, repr=False)
    expires_at: float | None = None
    lifetime: float | None = None
    scope: str | None = None

    @property
    def renew_at(self) -> float:
        """When to ask for another, in seconds since 1970; infinite where nothing is known.

        A lifetime shorter than the leeway must not mean a token request per call.
        """
        if self.expires_at is None:
            return float("inf")
        leeway = LEEWAY if self.lifetime is None else min(LEEWAY, self.lifetime / 2)
        return self.expires_at - leeway

    def secrets(self) -> list[str]:
        """The texts that nobody may see."""
        return [text for text in (self.access_token, self.refresh_token) if text]

    def to_dict(self) -> dict[str, Any]:
        """This token as JSON, for a token store. Whoever reads it can act as its owner."""
        return {name: value for name, value in attrs.asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The token that `to_dict` wrote; ``ValueError`` if it is none."""
        kinds = {
            "access_token": str,
            "refresh_token": str,
            "expires_at": int | float,
            "lifetime": int | float,
            "scope": str,
        }
        found = {name: data[name] for name in kinds if data.get(name) is not None}
        odd = [name for name, value in found.items() if not isinstance(value, kinds[name])]
        if odd or not found.get("access_token"):
            raise ValueError(f"no token was stored here: {', '.join(odd) or 'access_token'}")
        return cls(**found)


class Grant(NamedTuple):
    """What to post to an endpoint of the authorization server."""

    headers: Mapping[str, str]
    body: bytes
    secrets: tuple[str, ...]
    """The texts in it that nobody may see."""

    def __repr__(self) -> str:
        return "Grant()"


def grant(
    form: Mapping[str, str | None],
    *,
    client_id: str,
    client_secret: str | None,
    method: ClientMethod,
) -> Grant:
    """*form* as it is posted, with who the application is; fields that are None are left out."""
    fields = {name: value for name, value in form.items() if value}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    secrets = [fields[name] for name in _SECRET_FIELDS if name in fields]
    if client_secret is None:  # a public client: PKCE shows that it is the one that began
        fields["client_id"] = client_id
    elif method == "basic":
        headers["Authorization"] = f"Basic {basic(client_id, client_secret)}"
    else:
        fields |= {"client_id": client_id, "client_secret": client_secret}
    return Grant(headers, urlencode(fields).encode(), tuple(secrets))


_SECRET_FIELDS: Final = ("code", "code_verifier", "refresh_token", "token")


def basic(client_id: str, client_secret: str) -> str:
    """Both as HTTP Basic has them (RFC 6749 §2.3.1: form-encoded first)."""
    pair = f"{quote(client_id, safe='')}:{quote(client_secret, safe='')}"
    return base64.b64encode(pair.encode()).decode()


def read_token(status: int, body: bytes, asked_at: float) -> Token:
    """The token in a reply of the token endpoint; `TokenError` if there is none.

    *asked_at* is when it was asked for, in seconds since 1970.
    """
    data = json_object(body)
    if data is None:
        raise TokenError(status, "no_token", "the reply is no JSON object")
    if status != 200:  # noqa: PLR2004  (RFC 6749 §5.1)
        raise TokenError.of(status, data)
    value = data.get("access_token")
    if not isinstance(value, str) or not value or not _can_be_sent(value):
        raise TokenError(status, "no_token", "the reply has no access_token")
    lifetime = data.get("expires_in")
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float) or lifetime <= 0:
        lifetime = None
    refresh, scope = data.get("refresh_token"), data.get("scope")
    return Token(
        access_token=value,
        refresh_token=refresh if isinstance(refresh, str) and refresh else None,
        expires_at=None if lifetime is None else asked_at + lifetime,
        lifetime=lifetime,
        scope=scope if isinstance(scope, str) else None,
    )


def _can_be_sent(token: str) -> bool:
    """Whether a header can hold it."""
    return token.isascii() and token.isprintable() and " " not in token
