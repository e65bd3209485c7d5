"""What an application asks of a driver at the authorization endpoint."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator.oauth._errors import ReturnedError, StrayRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ev_energy.simulator.oauth._applications import Application


_CHALLENGE: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@attrs.frozen
class Challenge:
    """What the verifier of a token request must match (RFC 7636)."""

    text: str
    method: str


@attrs.frozen
class AuthorizationRequest:
    """A request in order."""

    application: Application
    redirect_uri: str
    redirect_named: bool
    """Whether the request said the URI; then the token request must say it as well."""
    scopes: frozenset[str]
    state: str | None
    challenge: Challenge | None

    def refusal(self, code: str, description: str) -> ReturnedError:
        """Return the error that takes a refusal back to the application."""
        return ReturnedError(self.redirect_uri, self.state, code, description)


def read_request(
    applications: Mapping[str, Application], pairs: Sequence[tuple[str, str]]
) -> AuthorizationRequest:
    """Return a request in order; raise `StrayRequestError` or `ReturnedError` for others."""
    names = [name for name, _ in pairs]
    given = {name: text for name, text in pairs if text}  # RFC 6749 §3.1: empty is absent
    for name in ("client_id", "redirect_uri"):
        if names.count(name) > 1:
            raise StrayRequestError(f"{name} was sent more than once.")
    application = applications.get(given.get("client_id", ""))
    if application is None:
        raise StrayRequestError("client_id is not that of an application registered here.")
    uri = _redirect_uri(application, given.get("redirect_uri"))

    state = given.get("state")

    def refused(code: str, description: str) -> ReturnedError:
        return ReturnedError(uri, state, code, description)

    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise refused("invalid_request", f"Sent more than once: {', '.join(repeated)}")
    match given.get("response_type"):
        case "code":
            pass
        case None:
            raise refused("invalid_request", "response_type is missing")
        case _:
            raise refused("unsupported_response_type", "Only code is known here")
    scopes = frozenset(given.get("scope", "").split()) or application.scopes
    if beyond := scopes - application.scopes:
        raise refused("invalid_scope", f"Not for this application: {' '.join(sorted(beyond))}")
    try:
        challenge = _challenge(application, given)
    except ValueError as error:
        raise refused("invalid_request", str(error)) from None
    return AuthorizationRequest(application, uri, "redirect_uri" in given, scopes, state, challenge)


def _redirect_uri(application: Application, given: str | None) -> str:
    registered = application.redirect_uris
    if given is None:
        if len(registered) != 1:
            raise StrayRequestError("redirect_uri is missing, and there is no single default.")
        return registered[0]
    if given not in registered:
        raise StrayRequestError("redirect_uri is not one that is registered for the application.")
    return given


def _challenge(application: Application, given: Mapping[str, str]) -> Challenge | None:
    text = given.get("code_challenge")
    if text is None:
        if application.public:
            raise ValueError("code_challenge is missing: this application has no secret")
        if "code_challenge_method" in given:
            raise ValueError("code_challenge_method is of no use without a code_challenge")
        return None
    method = given.get("code_challenge_method", "plain")
    if method not in ({"S256"} if application.public else {"S256", "plain"}):
        raise ValueError("code_challenge_method must be S256")
    if not _CHALLENGE.fullmatch(text):
        raise ValueError("code_challenge must be 43 to 128 letters of the unreserved kind")
    return Challenge(text, method)
