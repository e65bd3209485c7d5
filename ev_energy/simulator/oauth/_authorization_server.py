"""The authorization server, without its sockets: applications, and the tokens they are given."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

import attrs
import msgspec

from ev_energy.simulator._secrets import Secrets
from ev_energy.simulator.oauth._applications import Application
from ev_energy.simulator.oauth._errors import TokenRefusedError
from ev_energy.simulator.oauth._tokens import LIFETIME, Tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ev_energy.simulator._seeded_random import SeededRandom
    from ev_energy.simulator.oauth._requests import AuthorizationRequest
    from ev_energy.simulator.oauth._tokens import Code


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@attrs.frozen
class TokenInfo:
    """What an access token stands for."""

    application: Application
    scopes: frozenset[str]
    expires_at: datetime
    user_id: str | None = None
    """Who it acts for; None if for the application itself."""


class AuthorizationServer:
    """Knows applications and tokens."""

    def __init__(
        self, random: SeededRandom, clock: Callable[[], datetime], secrets: Secrets | None = None
    ) -> None:
        self._random = random
        self._secrets = secrets or Secrets(random)
        self._tokens = Tokens(self._secrets, clock)
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
        """Register an application; `ValueError` for a URI that no browser can be sent to."""
        number = len(self.applications)
        secret = f"secret-{self._secrets.text('secret', number)}"
        application = Application(
            client_id=f"simulated-{self._random.number('client', number) % 16**12:012x}",
            client_secret="" if public else secret,
            scopes=frozenset(scopes),
            redirect_uris=tuple(redirect_uris),
            name=name or f"Application {number + 1}",
            public=bool(public),  # as state files have it
            onboarding_redirect_url=onboarding_redirect_url,
        )
        self.applications[application.client_id] = application
        return application

    def introspect(self, token: str) -> TokenInfo | None:
        """Return what an access token stands for, None if it is not, or no longer, good."""
        access = self._tokens.access(token)
        if access is None:
            return None
        return TokenInfo(
            self.applications[access.client_id],
            frozenset(access.scope.split()),
            _EPOCH + timedelta(microseconds=access.ends),
            access.user_id,
        )

    def expire_tokens(self) -> None:
        """Make every access token that was issued invalid; refresh tokens stay good."""
        self._tokens.expire_access()

    def revoke_any(self, token: str) -> bool:
        """Make a token invalid, whoever's it is; return whether it was one."""
        return self._tokens.revoke(token)

    def code(self, request: AuthorizationRequest, user_id: str) -> str:
        """Return the code for a driver's consent to a request."""
        challenge = request.challenge
        return self._tokens.new_code(
            request.application.client_id,
            _text(request.scopes),
            user_id,
            redirect_uri=request.redirect_uri,
            redirect_named=request.redirect_named,
            challenge=None if challenge is None else challenge.text,
            method=None if challenge is None else challenge.method,
        )

    def sign_in(
        self, client_id: str, user_id: str, scopes: Iterable[str] | None = None
    ) -> dict[str, Any]:
        """Return the tokens that a driver's consent would lead to, without any page."""
        application = self.applications[client_id]
        chosen = application.scopes if scopes is None else frozenset(scopes)
        if beyond := chosen - application.scopes:
            raise ValueError(f"scopes: the application may not have {_text(beyond)}")
        family = self._tokens.new_family(client_id, _text(chosen), user_id)
        return _reply(family.access, family.scope, family.refresh)

    def issue(self, authorization: str | None, form: Mapping[str, str]) -> dict[str, Any]:
        """Return the answer to a token request, or raise `TokenRefusedError`."""
        application = self._authenticate(authorization, form)
        match form.get("grant_type"):
            case "client_credentials":
                return self._for_itself(application, form)
            case "authorization_code":
                return self._for_code(application, form)
            case "refresh_token":
                return self._for_refresh(application, form)
            case None:
                raise TokenRefusedError("invalid_request", "grant_type is missing")
            case other:
                raise TokenRefusedError("unsupported_grant_type", f"No such grant here: {other}")

    def revoke(self, authorization: str | None, form: Mapping[str, str]) -> None:
        """Do what a revocation request says, or raise `TokenRefusedError`.

        What is unknown, or somebody else's, is none of the client's business: nothing happens.
        """
        application = self._authenticate(authorization, form)
        self._tokens.revoke(_needed(form, "token"), application.client_id)

    def dump(self) -> dict[str, Any]:
        """Return everything as JSON."""
        applications = [
            attrs.asdict(application)
            | {"scopes": sorted(application.scopes), "redirect_uris": [*application.redirect_uris]}
            for application in self.applications.values()
        ]
        return {"applications": applications, "tokens": self._tokens.dump()}

    def load(self, dumped: Mapping[str, Any]) -> None:
        """Take what `dump` returned in place of everything."""
        applications = msgspec.convert(dumped["applications"], list[Application], strict=True)
        self.applications.clear()  # others hold on to the mapping itself
        self.applications.update({one.client_id: one for one in applications})
        self._tokens.load(dumped["tokens"])
        if unknown := self._tokens.client_ids() - self.applications.keys():
            raise ValueError(f"there is no application {min(unknown)!r}")

    def _for_itself(self, application: Application, form: Mapping[str, str]) -> dict[str, Any]:
        if application.public:
            raise TokenRefusedError(
                "unauthorized_client", "Without a secret an application cannot act for itself"
            )
        scope = _narrowed(application.scopes, form)
        return _reply(self._tokens.new_access(application.client_id, scope), scope)

    def _for_code(self, application: Application, form: Mapping[str, str]) -> dict[str, Any]:
        text = _needed(form, "code")
        code = self._tokens.code(text, application.client_id)
        if code is None:
            raise TokenRefusedError("invalid_grant", "The code is unknown, used or too old")
        said = form.get("redirect_uri")
        if said != code.redirect_uri and (said is not None or code.redirect_named):
            raise TokenRefusedError(
                "invalid_grant", "redirect_uri is not that of the authorization request"
            )
        _check_verifier(code, form.get("code_verifier"))
        family = self._tokens.new_family(code.client_id, code.scope, code.user_id, text)
        return _reply(family.access, family.scope, family.refresh)

    def _for_refresh(self, application: Application, form: Mapping[str, str]) -> dict[str, Any]:
        family = self._tokens.family(_needed(form, "refresh_token"), application.client_id)
        if family is None:
            raise TokenRefusedError("invalid_grant", "The refresh token is unknown or was used")
        scope = _narrowed(frozenset(family.scope.split()), form)
        self._tokens.rotate(family, scope)
        return _reply(family.access, scope, family.refresh)

    def _authenticate(self, authorization: str | None, form: Mapping[str, str]) -> Application:
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        if authorization is not None:
            said, (client_id, secret) = client_id, _basic(authorization)
            if "client_secret" in form or said not in {"", client_id}:
                raise TokenRefusedError("invalid_request", "Authenticate in one way, not in two")
        application = self.applications.get(client_id)
        if application is None or not hmac.compare_digest(
            application.client_secret.encode(), secret.encode()
        ):
            raise TokenRefusedError("invalid_client", "Unknown client, or wrong secret", 401)
        return application


def _text(scopes: Iterable[str]) -> str:
    return " ".join(sorted(scopes))


def _reply(access: str, scope: str, refresh: str | None = None) -> dict[str, Any]:
    reply: dict[str, Any] = {
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": int(LIFETIME.total_seconds()),
        "scope": scope,
    }
    return reply if refresh is None else reply | {"refresh_token": refresh}


def _needed(form: Mapping[str, str], name: str) -> str:
    if name not in form:
        raise TokenRefusedError("invalid_request", f"{name} is missing")
    return form[name]


def _narrowed(most: frozenset[str], form: Mapping[str, str]) -> str:
    """Return the scopes that were asked for, all there are if none were."""
    scopes = frozenset(form.get("scope", "").split()) or most
    if beyond := scopes - most:
        raise TokenRefusedError("invalid_scope", f"Not granted: {_text(beyond)}")
    return _text(scopes)


def _check_verifier(code: Code, verifier: str | None) -> None:
    if code.challenge is None:
        return
    if verifier is None:
        raise TokenRefusedError("invalid_request", "code_verifier is missing")
    made = verifier
    if code.method == "S256":
        digest = hashlib.sha256(verifier.encode()).digest()
        made = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    if not hmac.compare_digest(made.encode(), code.challenge.encode()):
        raise TokenRefusedError("invalid_grant", "code_verifier does not match the challenge")


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except ValueError:  # neither base64 nor, perhaps, even ASCII
        text = ""
    client_id, colon, secret = text.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise TokenRefusedError("invalid_client", "Not HTTP Basic", 401)
    return unquote_plus(client_id), unquote_plus(secret)
