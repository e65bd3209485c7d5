"""The authorization server: clients, grants, introspection and revocation, without HTTP."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

import attrs
import msgspec

from ev_energy.simulator._secrets import Secrets
from ev_energy.simulator.oauth._applications import Application
from ev_energy.simulator.oauth._tokens import ACCESS_TOKEN_LIFETIME, TokenStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ev_energy.simulator._seeded_random import SeededRandom
    from ev_energy.simulator.oauth._requests import AuthorizationRequest
    from ev_energy.simulator.oauth._tokens import AuthorizationCode


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class TokenRefusedError(Exception):
    """A token or revocation request is refused with an error code of RFC 6749, section 5.2."""

    def __init__(self, code: str, description: str, status: int = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(description)
        self.status: int = int(status)
        self.body: dict[str, str] = {"error": code, "error_description": description}


@attrs.frozen
class TokenInfo:
    """What an access token authorizes."""

    application: Application
    scopes: frozenset[str]
    expires_at: datetime
    user_id: str | None = None
    """The user that the token acts for; None for a token of the application itself."""


class AuthorizationServer:
    """Registers applications and issues, introspects and revokes their tokens."""

    def __init__(
        self, random: SeededRandom, clock: Callable[[], datetime], secrets: Secrets | None = None
    ) -> None:
        self._random = random
        self._secrets = secrets or Secrets(random)
        self._tokens = TokenStore(self._secrets, clock)
        self.applications: dict[str, Application] = {}

    def register(
        self,
        scopes: Iterable[str],
        redirect_uris: Iterable[str] = (),
        *,
        public: bool = False,
        name: str | None = None,
        onboarding_redirect_url: str | None = None,
    ) -> Application:
        """Register an application; `ValueError` for a URI that browsers cannot be sent to."""
        number = len(self.applications)
        secret = f"secret-{self._secrets.text('secret', number)}"
        application = Application(
            client_id=f"simulated-{self._random.number('client', number) % 16**12:012x}",
            client_secret="" if public else secret,
            scopes=frozenset(scopes),
            redirect_uris=tuple(redirect_uris),
            name=name or f"Application {number + 1}",
            public=bool(public),  # state files are checked for a real boolean
            onboarding_redirect_url=onboarding_redirect_url,
        )
        self.applications[application.client_id] = application
        return application

    def introspect(self, token: str) -> TokenInfo | None:
        """Return what an access token authorizes, or None if it is unknown or has expired."""
        access = self._tokens.access(token)
        if access is None:
            return None
        return TokenInfo(
            self.applications[access.client_id],
            _scopes(access.scope),
            _EPOCH + timedelta(microseconds=access.ends),
            access.user_id,
        )

    def expire_tokens(self) -> None:
        """Expire every access token issued so far; refresh tokens stay valid."""
        self._tokens.expire_access()

    def revoke_any(self, token: str) -> bool:
        """Revoke a token of any application; return whether it was valid."""
        return self._tokens.revoke(token)

    def issue_code(self, request: AuthorizationRequest, user_id: str) -> str:
        """Return the authorization code for a user's consent to a request."""
        challenge = request.challenge
        return self._tokens.new_code(
            request.application.client_id,
            _scope_text(request.scopes),
            user_id,
            redirect_uri=request.redirect_uri,
            redirect_named=request.redirect_named,
            challenge=None if challenge is None else challenge.text,
            method=None if challenge is None else challenge.method,
        )

    def sign_in(
        self, client_id: str, user_id: str, scopes: Iterable[str] | None = None
    ) -> dict[str, Any]:
        """Return the token reply that a user's consent would lead to, without the pages."""
        application = self.applications[client_id]
        granted = application.scopes if scopes is None else frozenset(scopes)
        if excess := granted - application.scopes:
            raise ValueError(f"scopes: the application is not registered for {_scope_text(excess)}")
        family = self._tokens.new_family(client_id, _scope_text(granted), user_id)
        return _token_reply(family.access, family.scope, family.refresh)

    def issue(self, authorization: str | None, form: Mapping[str, str]) -> dict[str, Any]:
        """Return the reply to a token request (RFC 6749, section 3.2).

        Raises `TokenRefusedError`.
        """
        application = self._authenticate(authorization, form)
        match form.get("grant_type"):
            case "client_credentials":
                return self._client_credentials_grant(application, form)
            case "authorization_code":
                return self._authorization_code_grant(application, form)
            case "refresh_token":
                return self._refresh_token_grant(application, form)
            case None:
                raise TokenRefusedError("invalid_request", "grant_type is missing")
            case other:
                raise TokenRefusedError("unsupported_grant_type", f"Unknown grant_type: {other}")

    def revoke(self, authorization: str | None, form: Mapping[str, str]) -> None:
        """Carry out a revocation request (RFC 7009).

        Unknown tokens and tokens of other applications are ignored. Raises `TokenRefusedError`.
        """
        application = self._authenticate(authorization, form)
        self._tokens.revoke(_required(form, "token"), application.client_id)

    def dump(self) -> dict[str, Any]:
        """Return all applications and tokens, as JSON."""
        applications = [
            attrs.asdict(application)
            | {"scopes": sorted(application.scopes), "redirect_uris": [*application.redirect_uris]}
            for application in self.applications.values()
        ]
        return {"applications": applications, "tokens": self._tokens.dump()}

    def load(self, dumped: Mapping[str, Any]) -> None:
        """Replace everything with what `dump` returned."""
        applications = msgspec.convert(dumped["applications"], list[Application], strict=True)
        self.applications.clear()  # other objects hold a reference to this very dict
        self.applications.update({one.client_id: one for one in applications})
        self._tokens.load(dumped["tokens"])
        if unknown := self._tokens.client_ids() - self.applications.keys():
            raise ValueError(f"there is no application {min(unknown)!r}")

    def _client_credentials_grant(
        self, application: Application, form: Mapping[str, str]
    ) -> dict[str, Any]:
        if application.public:
            raise TokenRefusedError(
                "unauthorized_client", "client_credentials requires an application with a secret"
            )
        scope = _granted_scope(application.scopes, form)
        return _token_reply(self._tokens.new_access(application.client_id, scope), scope)

    def _authorization_code_grant(
        self, application: Application, form: Mapping[str, str]
    ) -> dict[str, Any]:
        text = _required(form, "code")
        code = self._tokens.code(text, application.client_id)
        if code is None:
            raise TokenRefusedError("invalid_grant", "The code is unknown, used or expired")
        redirect_uri = form.get("redirect_uri")
        if redirect_uri != code.redirect_uri and (redirect_uri is not None or code.redirect_named):
            raise TokenRefusedError(
                "invalid_grant", "redirect_uri differs from that of the authorization request"
            )
        _check_verifier(code, form.get("code_verifier"))
        family = self._tokens.new_family(code.client_id, code.scope, code.user_id, text)
        return _token_reply(family.access, family.scope, family.refresh)

    def _refresh_token_grant(
        self, application: Application, form: Mapping[str, str]
    ) -> dict[str, Any]:
        family = self._tokens.family(_required(form, "refresh_token"), application.client_id)
        if family is None:
            raise TokenRefusedError("invalid_grant", "The refresh token is unknown or was used")
        scope = _granted_scope(frozenset(family.scope.split()), form)
        self._tokens.rotate(family, scope)
        return _token_reply(family.access, scope, family.refresh)

    def _authenticate(self, authorization: str | None, form: Mapping[str, str]) -> Application:
        """Return the client of a request (RFC 6749, section 2.3)."""
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        if authorization is not None:
            id_in_form, (client_id, secret) = client_id, _parse_basic(authorization)
            if "client_secret" in form or id_in_form not in {"", client_id}:
                raise TokenRefusedError(
                    "invalid_request", "Authenticate in the header or in the body, not in both"
                )
        application = self.applications.get(client_id)
        if application is None or not hmac.compare_digest(
            application.client_secret.encode(), secret.encode()
        ):
            raise TokenRefusedError(
                "invalid_client", "Unknown client_id or wrong secret", HTTPStatus.UNAUTHORIZED
            )
        return application


@functools.lru_cache(256)
def _scopes(text: str) -> frozenset[str]:
    """Return the scopes in a text, which are looked up for every request."""
    return frozenset(text.split())


def _scope_text(scopes: Iterable[str]) -> str:
    return " ".join(sorted(scopes))


def _token_reply(access: str, scope: str, refresh: str | None = None) -> dict[str, Any]:
    reply: dict[str, Any] = {
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": int(ACCESS_TOKEN_LIFETIME.total_seconds()),
        "scope": scope,
    }
    return reply if refresh is None else reply | {"refresh_token": refresh}


def _required(form: Mapping[str, str], name: str) -> str:
    if name not in form:
        raise TokenRefusedError("invalid_request", f"{name} is missing")
    return form[name]


def _granted_scope(allowed: frozenset[str], form: Mapping[str, str]) -> str:
    """Return the requested scopes; all that are allowed if none were requested."""
    scopes = frozenset(form.get("scope", "").split()) or allowed
    if excess := scopes - allowed:
        raise TokenRefusedError("invalid_scope", f"Not granted: {_scope_text(excess)}")
    return _scope_text(scopes)


def _check_verifier(code: AuthorizationCode, verifier: str | None) -> None:
    """Compare a PKCE verifier with the challenge of its code (RFC 7636, section 4.6)."""
    if code.challenge is None:
        return
    if verifier is None:
        raise TokenRefusedError("invalid_request", "code_verifier is missing")
    challenge = verifier
    if code.method == "S256":
        digest = hashlib.sha256(verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    if not hmac.compare_digest(challenge.encode(), code.challenge.encode()):
        raise TokenRefusedError("invalid_grant", "code_verifier does not match the challenge")


def _parse_basic(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except ValueError:  # not base64, or not even ASCII
        text = ""
    client_id, colon, secret = text.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise TokenRefusedError(
            "invalid_client", "The header is not HTTP Basic", HTTPStatus.UNAUTHORIZED
        )
    return unquote_plus(client_id), unquote_plus(secret)
