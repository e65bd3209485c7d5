"""Sending somebody away to sign in, and what they come back with. Nothing here does I/O."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any, Final, Self
from urllib.parse import parse_qs, quote, urlencode

import attrs
from yarl import URL

from ev_energy._redaction.scrub import hidden, printable
from ev_energy.auth._oauth import is_text, spelled
from ev_energy.errors import AuthorizationError

#: What the server adds to the URL it sends them back to (RFC 6749 §4.1.2, RFC 9207).
REPLIES: Final = frozenset({"code", "state", "error", "error_description", "error_uri", "iss"})


@attrs.frozen(kw_only=True)
class AuthorizationRequest:
    """Somebody was sent away to sign in. Keep this until they come back, where nobody else sees it.

    In a web application that is the visitor's session (`to_dict` and `from_dict`), and never a
    place that others share: ``state`` and ``verifier`` show that who comes back is who left. It is
    good for one return.
    """

    url: str = attrs.field(repr=False)
    """Where to send them."""
    client_id: str
    redirect_uri: str
    """Where they come back to."""
    issuer: str
    """What the server calls itself, should it say so; see ``AuthorizationCode.issuer``."""
    state: str = attrs.field(repr=False)
    verifier: str = attrs.field(repr=False)

    def to_dict(self) -> dict[str, str]:
        """All of it, as JSON."""
        return attrs.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None) -> Self:
        """What `to_dict` wrote. `AuthorizationError` if it is not there, or not there any more."""
        given: Mapping[str, Any] = data or {}
        found: dict[str, Any] = {f.name: given.get(f.name) for f in attrs.fields(cls)}
        if not all(map(is_text, found.values())):
            raise AuthorizationError(
                "no_request", "nobody was sent away to sign in from here, or too long ago"
            )
        return cls(**found)

    def code(self, callback: str | URL) -> str:
        """The code in the URL (or path and query) at which somebody came back.

        `AuthorizationError` if they, or the server, said no; or if they are not who left. Only the
        query is looked at: behind a proxy, an application sees other hosts and paths than browsers.
        """
        if isinstance(callback, bytes | bytearray):  # str() would add a b and quotes to them
            raise TypeError("callback must be a URL as text, not bytes")
        # No parser of URLs: whatever is asked for, it must not be another kind of error.
        query = str(callback).strip().partition("#")[0].partition("?")[2]
        found = parse_qs(query, keep_blank_values=True)
        states, codes = found.get("state", []), found.get("code", [])
        # Sent twice is not sent (RFC 6749 §3.1): who reads the other one reads something else.
        if len(states) != 1 or not secrets.compare_digest(_raw(states[0]), _raw(self.state)):
            raise AuthorizationError(
                "state_mismatch",
                "whoever came back did not leave from here: send them to sign in again",
            )
        if any(not self._is_issuer(issuer) for issuer in found.get("iss", [])):
            raise AuthorizationError(
                "issuer_mismatch", "another server than the one asked answered"
            )
        if "error" in found:
            ours = spelled(self.state, self.verifier, *codes)
            said = [found.get(name, [""])[0] for name in ("error", "error_description")]
            error, description = (printable(hidden(text, ours)) for text in said)
            raise AuthorizationError(error or "error", description)
        if len(codes) != 1 or not is_text(codes[0]):
            raise AuthorizationError("no_code", "they came back without a code")
        return codes[0]

    def must_be_for(self, endpoint: URL, issuer: str | None = None) -> None:
        """Raise ``ValueError`` if this request was made for another server than *endpoint*'s.

        A request comes back as text from where it was kept, so what it says is compared with what
        the client itself would have said: `code` believes the ``issuer`` that is kept here.
        """
        mine, theirs = (str(url).partition("?")[0] for url in (endpoint, self.url))
        if mine != theirs:
            raise ValueError(
                f"this AuthorizationRequest was made for {printable(theirs, 100)}, and the client "
                f"signs in at {mine}: use begin(client.base_url)"
            )
        own = issuer or default_issuer(endpoint)
        if self.issuer != own:
            raise ValueError(
                f"this AuthorizationRequest was made for the issuer {printable(self.issuer, 100)}, "
                f"not {own}"
            )

    def _is_issuer(self, said: str) -> bool:
        return said == self.issuer or said.startswith(f"{self.issuer.rstrip('/')}/")


def authorization_request(
    endpoint: URL, *, client_id: str, redirect_uri: str, scope: str | None, issuer: str | None
) -> AuthorizationRequest:
    """A request of its own for somebody to sign in at *endpoint*."""
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": scope,
        "state": state,
        "code_challenge": challenge(verifier),
        "code_challenge_method": "S256",
    }
    given = urlencode({name: text for name, text in query.items() if text}, quote_via=quote)
    return AuthorizationRequest(
        url=f"{endpoint}{'&' if endpoint.query_string else '?'}{given}",
        client_id=client_id,
        redirect_uri=redirect_uri,
        issuer=issuer or default_issuer(endpoint),
        state=state,
        verifier=verifier,
    )


def default_issuer(endpoint: URL) -> str:
    """Return what a server is taken to call itself (RFC 9207), unless the application knows."""
    return str(endpoint.origin())


def challenge(verifier: str) -> str:
    """What is shown of *verifier* at first: its SHA-256 (RFC 7636 §4.2, S256)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def check_redirect_uri(uri: str) -> None:
    """``ValueError`` if nobody can be sent back to *uri*."""
    scheme, colon, rest = uri.partition(":")
    if not colon or not scheme or not rest or not is_text(uri) or " " in uri:
        raise ValueError(f"redirect_uri must be an absolute URL, not {uri!r}")
    if "#" in uri:
        raise ValueError("redirect_uri must have no fragment (RFC 6749 §3.1.2)")
    names = parse_qs(uri.partition("?")[2], keep_blank_values=True).keys()
    if taken := sorted(names & REPLIES):
        raise ValueError(f"redirect_uri must not have {', '.join(taken)} in its query already")


def _raw(text: str) -> bytes:
    return text.encode(errors="backslashreplace")
