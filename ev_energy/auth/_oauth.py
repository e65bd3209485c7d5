"""What goes to the token endpoint and what comes back, as values. Nothing here does I/O."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, Literal, NamedTuple, Self, TypeAlias, cast
from urllib.parse import quote, urlencode

import attrs

from ev_energy._arguments import text
from ev_energy._redaction.scrub import hidden, printable, spellings
from ev_energy._redaction.tracebacks import Concealed, conceal_arguments, trimmed
from ev_energy.errors import TokenError
from ev_energy.models._json import is_confirmation, json_object

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

    def __attrs_post_init__(self) -> None:
        if not can_be_sent(text("access_token", self.access_token)):
            raise ValueError("access_token must be ASCII text without spaces")
        if self.refresh_token is not None and not is_text(
            text("refresh_token", self.refresh_token)
        ):
            raise ValueError("refresh_token must be text that can be sent")
        for name in ("expires_at", "lifetime"):
            if not _is_number(getattr(self, name) or 0):
                raise ValueError(f"{name} must be a number of seconds")

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
        return spelled(self.access_token, self.refresh_token)

    def to_dict(self) -> dict[str, Any]:
        """This token as JSON, for a token store. Whoever reads it can act as its owner."""
        return {name: value for name, value in attrs.asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The token that `to_dict` wrote; ``ValueError`` if it is none."""
        given = Concealed(data)
        del data  # tools print the local variables of a frame that raises
        with trimmed():
            return cls._of(given.value)

    @classmethod
    def _of(cls, data: Mapping[str, Any]) -> Self:
        known: dict[str, Any] = {field.name: data.get(field.name) for field in attrs.fields(cls)}
        odd = [
            n for n in ("access_token", "refresh_token", "scope") if not _is_text_or_none(known[n])
        ]
        if odd or not known["access_token"]:
            raise ValueError(f"no token was stored here: {', '.join(odd) or 'access_token'}")
        return cls(**known)


conceal_arguments(Token)


class Grant(NamedTuple):
    """What to post to an endpoint of the authorization server."""

    headers: Mapping[str, str]
    body: bytes
    secrets: tuple[str, ...]
    """The texts in it that nobody may see, in every spelling."""

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
    secrets = spelled(*(fields.get(name) for name in _SECRET_FIELDS))
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


def spelled(*secrets: str | None) -> list[str]:
    """Every spelling of those of *secrets* that there are."""
    return [text for secret in secrets if secret for text in spellings(secret)]


def read_token(status: int, body: bytes, asked_at: float, secrets: Sequence[str] = ()) -> Token:
    """The token in a reply of the token endpoint; `TokenError` without *secrets* if there is none.

    *asked_at* is when it was asked for, in seconds since 1970.
    """
    data = json_object(body)
    if data is None:
        raise TokenError(status, "no_token", "the reply is no JSON object")
    if status != 200:  # noqa: PLR2004  (RFC 6749 §5.1)
        raise _refusal(status, data, secrets)
    kind = data.get("token_type")
    if isinstance(kind, str) and kind.lower() != "bearer":  # RFC 6749 §7.1: not to be used then
        raise TokenError(status, "no_token", f"its type is {printable(kind, 30)!r}, not 'Bearer'")
    access, refresh, scope = (data.get(n) for n in ("access_token", "refresh_token", "scope"))
    lifetime = _lifetime(data.get("expires_in"))
    if not isinstance(access, str) or not can_be_sent(access):
        raise TokenError(status, "no_token", "the reply has no access_token")
    if not _is_text_or_none(refresh) or _REPLACED in str(refresh):
        raise TokenError(status, "no_token", "the reply has a refresh_token that cannot be sent")
    return Token(
        access_token=access,
        refresh_token=refresh or None,
        expires_at=None if lifetime is None else asked_at + lifetime,
        lifetime=lifetime,
        scope=scope if isinstance(scope, str) and is_text(scope) else None,
    )


def check_revoked(status: int, body: bytes, secrets: Sequence[str] = ()) -> None:
    """Return if this is how a token is confirmed to be good for nothing, else `TokenError`.

    The status says it all (RFC 7009 §2.2), but only where the authorization server gave it: a page
    of a captive portal's confirms nothing.
    """
    if status == HTTPStatus.OK:  # also for a token that the server does not know
        if is_confirmation(body):
            return
        message = "the reply is no authorization server's: the token may still be good"
        raise TokenError(status, "not_revoked", message)
    if status == 405:  # noqa: PLR2004  (Method Not Allowed)
        hint = "the revocation endpoint takes no POST: is a slash missing at the end of its URL?"
        raise TokenError(status, str(status), hint)
    raise _refusal(status, json_object(body) or {}, secrets)


def can_be_sent(token: object) -> bool:
    """Whether a header can hold it (as RFC 6750 has it, more or less)."""
    return isinstance(token, str) and token.isascii() and is_text(token) and " " not in token


def is_text(text: object) -> bool:
    """Whether it is text that shows, and can be written in UTF-8."""
    return isinstance(text, str) and text != "" and text.isprintable()


def _is_text_or_none(value: object) -> bool:
    return value is None or value == "" or is_text(value)


def _is_number(value: object) -> bool:
    return type(value) in {int, float} and math.isfinite(cast("float", value))


def _lifetime(given: object) -> float | None:
    """``expires_in`` in seconds; None if it makes no sense."""
    if isinstance(given, str) and given.isascii() and given.isdigit():
        given = int(given[:_MOST_DIGITS])
    if type(given) not in {int, float} or not 0 < cast("float", given) <= _LONGEST_LIFE:
        return None
    return cast("float", given)


#: In place of what was no character: a secret that holds it is not what the server issued.
_REPLACED: Final = "\ufffd"
#: Seconds: a hundred years.
_LONGEST_LIFE: Final = 3.2e9
_MOST_DIGITS: Final = 11


def _refusal(status: int, data: Mapping[str, Any], secrets: Sequence[str]) -> TokenError:
    # Hidden here as well as in the body: JSON spells any letter in more than one way.
    said = {name: data.get(name) for name in ("error", "error_description")}
    shown = {n: printable(hidden(t, secrets)) for n, t in said.items() if isinstance(t, str)}
    return TokenError.of(status, shown)
