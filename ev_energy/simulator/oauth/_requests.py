"""Authorization requests: parsing and validation (RFC 6749, section 4.1.1, and RFC 7636)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ev_energy.simulator.oauth._applications import Application


_CHALLENGE: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class UntrustedRedirectError(Exception):
    """The request does not establish a redirect URI that the browser may be sent to.

    The error is shown to the driver instead (RFC 6749, section 4.1.2.1).
    """


class AuthorizationError(Exception):
    """The request failed; the browser takes the error to the application's redirect URI."""

    def __init__(self, uri: str, state: str | None, code: str, description: str) -> None:
        super().__init__(description)
        self.uri = uri
        self.pairs: list[tuple[str, str]] = [("error", code), ("error_description", description)]
        if state is not None:
            self.pairs.append(("state", state))


@attrs.frozen
class Challenge:
    """The PKCE challenge that the verifier of the token request must match (RFC 7636)."""

    text: str
    method: str


@attrs.frozen
class AuthorizationRequest:
    """A valid authorization request."""

    application: Application
    redirect_uri: str
    redirect_named: bool
    """Whether the request contained redirect_uri; the token request must repeat it then."""
    scopes: frozenset[str]
    state: str | None
    challenge: Challenge | None

    def error(self, code: str, description: str) -> AuthorizationError:
        """Return the error that tells the application that the request was refused."""
        return AuthorizationError(self.redirect_uri, self.state, code, description)


def parse_request(
    applications: Mapping[str, Application], pairs: Sequence[tuple[str, str]]
) -> AuthorizationRequest:
    """Return the request that a query makes.

    Raises `UntrustedRedirectError` or `AuthorizationError`.
    """
    names = [name for name, _ in pairs]
    params = {name: text for name, text in pairs if text}  # empty is absent: RFC 6749, section 3.1
    for name in ("client_id", "redirect_uri"):
        if names.count(name) > 1:
            raise UntrustedRedirectError(f"{name} was sent more than once.")
    application = applications.get(params.get("client_id", ""))
    if application is None:
        raise UntrustedRedirectError("client_id is not that of a registered application.")
    uri = _redirect_uri(application, params.get("redirect_uri"))

    state = params.get("state")

    def error(code: str, description: str) -> AuthorizationError:
        return AuthorizationError(uri, state, code, description)

    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise error("invalid_request", f"Sent more than once: {', '.join(repeated)}")
    match params.get("response_type"):
        case "code":
            pass
        case None:
            raise error("invalid_request", "response_type is missing")
        case _:
            raise error("unsupported_response_type", "response_type must be code")
    scopes = frozenset(params.get("scope", "").split()) or application.scopes
    if excess := scopes - application.scopes:
        raise error("invalid_scope", f"Not registered for: {' '.join(sorted(excess))}")
    try:
        challenge = _parse_challenge(application, params)
    except ValueError as e:
        raise error("invalid_request", str(e)) from None
    return AuthorizationRequest(
        application, uri, "redirect_uri" in params, scopes, state, challenge
    )


def _redirect_uri(application: Application, requested: str | None) -> str:
    registered = application.redirect_uris
    if requested is None:
        if len(registered) != 1:
            raise UntrustedRedirectError(
                "redirect_uri is missing, and the application has not exactly one to default to."
            )
        return registered[0]
    if requested not in registered:
        raise UntrustedRedirectError("redirect_uri is not registered for the application.")
    return requested


def _parse_challenge(application: Application, params: Mapping[str, str]) -> Challenge | None:
    text = params.get("code_challenge")
    if text is None:
        if application.public:
            raise ValueError("code_challenge is missing: an application without a secret needs it")
        if "code_challenge_method" in params:
            raise ValueError("code_challenge_method was sent without a code_challenge")
        return None
    method = params.get("code_challenge_method", "plain")
    if method not in ({"S256"} if application.public else {"S256", "plain"}):
        raise ValueError("code_challenge_method must be S256")
    if not _CHALLENGE.fullmatch(text):
        raise ValueError("code_challenge must be 43 to 128 characters of A-Z a-z 0-9 . _ ~ -")
    return Challenge(text, method)
