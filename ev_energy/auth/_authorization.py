"""The authorization request of a sign-in and its callback, as values (RFC 6749 §4.1)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any, Final, Self, cast
from urllib.parse import parse_qs, quote, urlencode

import attrs
from yarl import URL

from ev_energy._arguments import describe_type
from ev_energy._redaction.scrub import printable, scrub
from ev_energy.auth._oauth import encodings_of, is_printable
from ev_energy.errors import AuthorizationError

#: Parameters that the server adds to the redirect URI (RFC 6749 §4.1.2, RFC 9207).
_CALLBACK_PARAMETERS: Final = frozenset(
    {"code", "state", "error", "error_description", "error_uri", "iss"}
)


@attrs.frozen(kw_only=True)
class AuthorizationRequest:
    """A sign-in that was started. Keep it in the user's session until the callback arrives.

    ``state`` and ``verifier`` prove that the user who comes back is the one who was sent to sign
    in. Never keep the request where another user can read it, and use it for one callback only.
    `to_dict` and `from_dict` convert it for a session.
    """

    url: str = attrs.field(repr=False)
    """Where to redirect the user."""
    client_id: str
    """The client id of the application that the user signs in to."""
    redirect_uri: str
    """Where the server redirects the user after signing in."""
    issuer: str
    """The issuer identifier to expect (RFC 9207); see ``AuthorizationCode.issuer``."""
    state: str = attrs.field(repr=False)
    """A random value that the callback must repeat (RFC 6749 §10.12)."""
    verifier: str = attrs.field(repr=False)
    """The PKCE code verifier (RFC 7636)."""

    def to_dict(self) -> dict[str, str]:
        """Return the request as JSON, secrets included."""
        return attrs.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None) -> Self:
        """Rebuild a request from the output of `to_dict`.

        `AuthorizationError` if *data* is None or incomplete: the session may have expired.
        """
        stored: Mapping[str, Any] = data or {}
        values: dict[str, Any] = {f.name: stored.get(f.name) for f in attrs.fields(cls)}
        if not all(map(is_printable, values.values())):
            raise AuthorizationError(
                "no_request",
                "this session has no pending sign-in, or it has expired: start a new one",
            )
        return cls(**values)

    def extract_code(self, callback: str | URL) -> str:
        """Return the authorization code in *callback*, a URL or a path with its query.

        `AuthorizationError` if the user or the server refused, or if the callback does not belong
        to this request. Only the query is read: behind a proxy, an application sees another host
        and path than the browser.
        """
        given = cast("object", callback)
        if given is None or isinstance(given, bytes | bytearray):  # str() would write something
            raise TypeError(f"callback must be a URL as text, not {describe_type(given)}")
        # Not parsed as a URL, so that no callback can raise anything but AuthorizationError.
        query = str(callback).strip().partition("#")[0].partition("?")[2]
        parameters = parse_qs(query, keep_blank_values=True)
        states, codes = parameters.get("state", []), parameters.get("code", [])
        # A repeated parameter is invalid (RFC 6749 §3.1): another parser might read the other one.
        if len(states) != 1 or not secrets.compare_digest(_encode(states[0]), _encode(self.state)):
            raise AuthorizationError(
                "state_mismatch",
                "the callback does not belong to this sign-in: start a new one",
            )
        if any(not self._is_issuer(issuer) for issuer in parameters.get("iss", [])):
            raise AuthorizationError(
                "issuer_mismatch", "the callback is from another authorization server"
            )
        if "error" in parameters:
            known = encodings_of(self.state, self.verifier, *codes)
            texts = [parameters.get(name, [""])[0] for name in ("error", "error_description")]
            error, description = (printable(scrub(text, known)) for text in texts)
            raise AuthorizationError(error or "error", description)
        if len(codes) != 1 or not is_printable(codes[0]):
            raise AuthorizationError("no_code", "the callback has no code")
        return codes[0]

    def check_endpoint(self, endpoint: URL, issuer: str | None = None) -> None:
        """Raise ``ValueError`` unless this request was created for the authorize *endpoint*.

        A request that was restored from text may hold any values, and `extract_code` trusts its
        ``issuer``. So both are compared with what the client itself would have used; *issuer* is
        that of its credentials, if they have one.
        """
        expected, own = (str(url).partition("?")[0] for url in (endpoint, self.url))
        if expected != own:
            raise ValueError(
                f"this AuthorizationRequest was created for {printable(own, 100)}, but the client "
                f"signs in at {expected}: use start_authorization(client.base_url)"
            )
        expected_issuer = issuer or default_issuer(endpoint)
        if self.issuer != expected_issuer:
            raise ValueError(
                "this AuthorizationRequest was created for the issuer "
                f"{printable(self.issuer, 100)}, not {expected_issuer}"
            )

    def _is_issuer(self, issuer: str) -> bool:
        return issuer == self.issuer or issuer.startswith(f"{self.issuer.rstrip('/')}/")


def require_request(request: object) -> None:
    """Raise `TypeError` if *request* is no `AuthorizationRequest`. It may hold secrets."""
    if not isinstance(request, AuthorizationRequest):
        advice = ": restore a saved one with AuthorizationRequest.from_dict()"
        raise TypeError(
            "request must be the AuthorizationRequest that start_authorization() returned, not "
            f"{describe_type(request)}{advice if isinstance(request, Mapping) else ''}"
        )


def build_authorization_request(
    endpoint: URL, *, client_id: str, redirect_uri: str, scope: str | None, issuer: str | None
) -> AuthorizationRequest:
    """Create a request with a new state and verifier for signing in at *endpoint*."""
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    parameters = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": scope,
        "state": state,
        "code_challenge": code_challenge(verifier),
        "code_challenge_method": "S256",
    }
    query = urlencode({name: text for name, text in parameters.items() if text}, quote_via=quote)
    return AuthorizationRequest(
        url=f"{endpoint}{'&' if endpoint.query_string else '?'}{query}",
        client_id=client_id,
        redirect_uri=redirect_uri,
        issuer=issuer or default_issuer(endpoint),
        state=state,
        verifier=verifier,
    )


def default_issuer(endpoint: URL) -> str:
    """Return the issuer (RFC 9207) to expect of *endpoint* if the application configures none."""
    return str(endpoint.origin())


def code_challenge(verifier: str) -> str:
    """Return the S256 code challenge of *verifier* (RFC 7636 §4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def check_redirect_uri(uri: str) -> None:
    """Raise ``ValueError`` if the server cannot redirect a user to *uri*."""
    scheme, colon, rest = uri.partition(":")
    if not colon or not scheme or not rest or not is_printable(uri) or " " in uri:
        raise ValueError(f"redirect_uri must be an absolute URL, not {uri!r}")
    if "#" in uri:
        raise ValueError("redirect_uri must not have a fragment (RFC 6749 §3.1.2)")
    names = parse_qs(uri.partition("?")[2], keep_blank_values=True).keys()
    if reserved := sorted(names & _CALLBACK_PARAMETERS):
        raise ValueError(
            f"redirect_uri must not have {', '.join(reserved)} in its query: the server adds them"
        )


def _encode(text: str) -> bytes:
    return text.encode(errors="backslashreplace")
