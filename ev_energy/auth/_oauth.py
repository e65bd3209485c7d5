"""Token requests and token responses as values (RFC 6749, RFC 7009). Nothing here does I/O."""

from __future__ import annotations

import base64
import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final, Literal, NamedTuple, Self, TypeAlias, cast
from urllib.parse import quote, urlencode

import attrs

from ev_energy._arguments import require_text
from ev_energy._messages import Response
from ev_energy._redaction.scrub import encodings, printable, scrub
from ev_energy._redaction.tracebacks import Secret, hide_init_arguments, trim_traceback
from ev_energy.errors import TokenError
from ev_energy.models._json import is_confirmation, json_object

#: Seconds before its expiry at which a token is renewed, so that it does not expire in transit.
LEEWAY: Final = 60.0
#: The longest ``expires_in`` that is believed, in seconds: a hundred years.
_MAX_LIFETIME: Final = 3.2e9
_MAX_LIFETIME_DIGITS: Final = 11
#: The decoder's substitute for invalid bytes: a token that contains it is not the one issued.
_REPLACEMENT_CHARACTER: Final = "\ufffd"
#: Form fields whose values are secrets.
_SECRET_FIELDS: Final = ("code", "code_verifier", "refresh_token", "token")

#: How the application authenticates: with HTTP Basic or with form fields (RFC 6749 §2.3.1).
ClientAuthMethod: TypeAlias = Literal["basic", "form"]


@attrs.frozen(kw_only=True)
class Token:
    """An access token and its refresh token. Both are secrets: only a token store keeps them.

    Attributes:
        access_token: The bearer token that API calls send.
        refresh_token: Obtains the next access token; None if the server issued none.
        expires_at: Time of expiry, in seconds since 1970 (UTC); None if the server did not say.
        lifetime: Seconds from issue to expiry; None if the server did not say.
        scope: The granted scopes as the server stated them; None if it did not.
    """

    access_token: str = attrs.field(repr=False)
    refresh_token: str | None = attrs.field(default=None, repr=False)
    expires_at: float | None = None
    lifetime: float | None = None
    scope: str | None = None

    def __attrs_post_init__(self) -> None:
        if not is_visible_ascii(require_text("access_token", self.access_token)):
            raise ValueError("access_token must be ASCII text without spaces")
        if self.refresh_token is not None and not is_printable(
            require_text("refresh_token", self.refresh_token)
        ):
            raise ValueError("refresh_token must be printable text")
        for name in ("expires_at", "lifetime"):
            if not _is_finite(getattr(self, name) or 0):
                raise ValueError(f"{name} must be a number of seconds")

    @property
    def renew_at(self) -> float:
        """The time to renew it, in seconds since 1970; infinite if the expiry is unknown.

        At most half of a known lifetime is leeway: a token that lives for less than a minute must
        not cost one token request per call.
        """
        if self.expires_at is None:
            return float("inf")
        leeway = LEEWAY if self.lifetime is None else min(LEEWAY, self.lifetime / 2)
        return self.expires_at - leeway

    def secrets(self) -> list[str]:
        """Return the texts to keep out of logs and errors."""
        return encodings_of(self.access_token, self.refresh_token)

    def to_dict(self) -> dict[str, Any]:
        """Return the token as JSON, secrets included, for a token store."""
        return {name: value for name, value in attrs.asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild a token from the output of `to_dict`; ``ValueError`` if *data* is not a token."""
        secret_data = Secret(data)
        del data  # tools print the local variables of a frame that raises
        with trim_traceback():
            return cls._from_json(secret_data.value)

    @classmethod
    def _from_json(cls, data: Mapping[str, Any]) -> Self:
        values: dict[str, Any] = {field.name: data.get(field.name) for field in attrs.fields(cls)}
        texts = ("access_token", "refresh_token", "scope")
        invalid = [name for name in texts if not _is_printable_or_empty(values[name])]
        if invalid or not values["access_token"]:
            names = ", ".join(invalid) or "access_token"
            raise ValueError(f"the stored data is not a token: {names} is missing or invalid")
        return cls(**values)


hide_init_arguments(Token)


class TokenState(NamedTuple):
    """Whether a client has an access token now, and for how long. It holds no secret."""

    present: bool
    """Whether the client holds a token that has not expired; the first call obtains one."""
    expires_in: float | None
    """Seconds until it expires; None without a token, or if the server did not say."""


class TokenRequest(NamedTuple):
    """A request to an endpoint of the authorization server, ready to be posted."""

    headers: Mapping[str, str]
    """The headers, with the client authentication if it is not in the body."""
    body: bytes
    """The form, encoded."""
    secrets: tuple[str, ...]
    """The secrets in headers and body, in every encoding."""

    def __repr__(self) -> str:
        return "TokenRequest()"

    def __rich_repr__(self) -> Iterator[str]:
        """Yield nothing to rich, which would show the items of a tuple."""
        yield from ()


def build_token_request(
    form: Mapping[str, str | None],
    *,
    client_id: str,
    client_secret: str | None,
    method: ClientAuthMethod,
) -> TokenRequest:
    """Encode *form* with the client authentication; fields that are None are left out."""
    fields = {name: value for name, value in form.items() if value}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    secrets = encodings_of(*(fields.get(name) for name in _SECRET_FIELDS))
    if client_secret is None:  # a public client proves itself with PKCE (RFC 7636)
        fields["client_id"] = client_id
    elif method == "basic":
        headers["Authorization"] = f"Basic {basic_credentials(client_id, client_secret)}"
    else:
        fields |= {"client_id": client_id, "client_secret": client_secret}
    return TokenRequest(headers, urlencode(fields).encode(), tuple(secrets))


def basic_credentials(client_id: str, client_secret: str) -> str:
    """Encode id and secret for HTTP Basic; both are form-encoded first (RFC 6749 §2.3.1)."""
    pair = f"{quote(client_id, safe='')}:{quote(client_secret, safe='')}"
    return base64.b64encode(pair.encode()).decode()


def encodings_of(*secrets: str | None) -> list[str]:
    """Return every encoding of *secrets*; None and empty texts are skipped."""
    return [text for secret in secrets if secret for text in encodings(secret)]


def parse_token_response(
    status: int, body: bytes, requested_at: float, secrets: Sequence[str] = ()
) -> Token:
    """Parse the reply of the token endpoint.

    *requested_at* is when the token was requested, in seconds since 1970; ``expires_in`` is counted
    from then, which errs on the early side. `TokenError`, scrubbed of *secrets*, if the reply has
    no usable token.
    """
    data = json_object(body)
    if data is None:
        raise TokenError(status, "no_token", "the reply is not a JSON object")
    if status != HTTPStatus.OK:  # RFC 6749 §5.1
        raise _token_error(status, data, secrets)
    token_type = data.get("token_type")
    # RFC 6749 §7.1: a client must not use a token whose type it does not understand.
    if isinstance(token_type, str) and token_type.lower() != "bearer":
        shown = printable(token_type, 30)
        raise TokenError(status, "no_token", f"token_type is {shown!r}, not 'Bearer'")
    access, refresh, scope = (data.get(n) for n in ("access_token", "refresh_token", "scope"))
    lifetime = _parse_lifetime(data.get("expires_in"))
    if not isinstance(access, str) or not is_visible_ascii(access):
        raise TokenError(status, "no_token", "the reply has no valid access_token")
    if not _is_printable_or_empty(refresh) or _REPLACEMENT_CHARACTER in str(refresh):
        raise TokenError(status, "no_token", "the refresh_token of the reply is not valid text")
    return Token(
        access_token=access,
        refresh_token=refresh or None,
        expires_at=None if lifetime is None else requested_at + lifetime,
        lifetime=lifetime,
        scope=scope if isinstance(scope, str) and is_printable(scope) else None,
    )


def parse_revocation_response(status: int, body: bytes, secrets: Sequence[str] = ()) -> None:
    """Return if the reply confirms that the token is revoked; raise `TokenError` otherwise.

    The status decides (RFC 7009 §2.2; 200 also for a token that the server does not know), but the
    body must be one that an authorization server sends: the page of a captive portal confirms
    nothing.
    """
    if status == HTTPStatus.OK:
        if is_confirmation(body):
            return
        message = "the reply is not from an authorization server; the token may still be valid"
        raise TokenError(status, "not_revoked", message)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        hint = "the revocation endpoint does not accept POST: does its URL lack a trailing slash?"
        raise TokenError(status, str(status), hint)
    raise _token_error(status, json_object(body) or {}, secrets)


@contextmanager
def name_reply(reply: Response, request: TokenRequest) -> Generator[None]:
    """Add the id of *reply* to a `TokenError` that is raised while it is parsed."""
    try:
        yield
    except TokenError as error:
        if reply.request_id is not None:
            error.request_id = scrub(reply.request_id, request.secrets)
        raise


def is_visible_ascii(value: object) -> bool:
    """Whether *value* is ASCII text without spaces, as a header needs (roughly RFC 6750 §2.1)."""
    return isinstance(value, str) and value.isascii() and is_printable(value) and " " not in value


def is_client_secret(value: str) -> bool:
    """Whether *value* is text that an authorization server may have issued as a client secret."""
    return is_printable(value) and value == value.strip()


def is_printable(value: object) -> bool:
    """Whether *value* is non-empty text of printable characters, which UTF-8 can encode."""
    return isinstance(value, str) and value != "" and value.isprintable()


def _is_printable_or_empty(value: object) -> bool:
    return value is None or value == "" or is_printable(value)


def _is_finite(value: object) -> bool:
    return type(value) in {int, float} and math.isfinite(cast("float", value))


def _parse_lifetime(value: object) -> float | None:
    """Return ``expires_in`` in seconds; None if *value* is not a plausible number of seconds."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:_MAX_LIFETIME_DIGITS])
    if type(value) not in {int, float} or not 0 < cast("float", value) <= _MAX_LIFETIME:
        return None
    return cast("float", value)


def _token_error(status: int, data: Mapping[str, Any], secrets: Sequence[str]) -> TokenError:
    # The body was scrubbed too, but its decoded text may differ: JSON has escapes for any letter.
    texts = {name: data.get(name) for name in ("error", "error_description")}
    shown = {n: printable(scrub(t, secrets)) for n, t in texts.items() if isinstance(t, str)}
    return TokenError.of(status, shown)
