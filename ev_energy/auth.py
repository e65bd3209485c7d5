"""Credentials: how an application, or somebody through it, gets an access token.

The values here say what to send; a `Client` sends it. Tokens are kept in a `TokenStore`.
"""

from __future__ import annotations

import base64
import hashlib
import secrets as _chance
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Self, TypeAlias
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import attrs

from ev_energy._grants import ClientMethod, Grant, Token, basic, grant
from ev_energy._stores import MemoryStore, TokenStore
from ev_energy._token_file import FileStore
from ev_energy.errors import AuthorizationError, SignInRequiredError

__all__ = [
    "Auth",
    "AuthorizationCode",
    "AuthorizationRequest",
    "ClientCredentials",
    "FileStore",
    "Grant",
    "MemoryStore",
    "StaticToken",
    "Token",
    "TokenStore",
]

Endpoint: TypeAlias = Literal["authorize", "token", "revoke"]
ENDPOINTS: Final[tuple[Endpoint, ...]] = ("authorize", "token", "revoke")
#: Below ``/o`` on the API's host.
_WORDS: Final[Mapping[str, str]] = {
    "authorize": "authorize",
    "token": "token",
    "revoke": "revoke_token",
}


@attrs.frozen(eq=False)
class StaticToken:
    """An access token that somebody else looks after. It is never renewed."""

    token: str = attrs.field(repr=False)

    def __attrs_post_init__(self) -> None:
        if not self.token or not self.token.isascii() or any(c.isspace() for c in self.token):
            raise ValueError("token must be the bare access token: ASCII text without spaces")

    @property
    def bucket(self) -> str:
        """Whose allowance of requests this is: a text without secrets."""
        return f"token:{_digest(self.token)}"

    def secrets(self) -> list[str]:
        """The texts that nobody may see."""
        return [self.token]


@attrs.frozen(kw_only=True, eq=False)
class _Application:
    """An application that is registered with the API, and where its tokens come from."""

    client_id: str
    client_secret: str | None = attrs.field(default=None, repr=False)
    scopes: Sequence[str] = ()
    """Empty: whatever the application may have."""
    token_url: str | None = None
    """Default: ``/o/token/`` on the API's host."""
    revoke_url: str | None = None
    """Default: ``/o/revoke_token/`` on the API's host."""
    trailing_slash: bool = True
    """Whether the default endpoints end in a slash. The vendor's pages have both forms."""
    method: ClientMethod = "basic"
    """How the application shows who it is (RFC 6749 §2.3.1)."""
    store: TokenStore = attrs.field(factory=MemoryStore, repr=False)
    """Where its tokens are kept. Processes that share one share a token, and renew it once."""

    def __attrs_post_init__(self) -> None:
        for name in ("client_id", "client_secret"):
            if getattr(self, name) == "" or (name == "client_id" and not self.client_id):
                raise ValueError(f"{name} must not be empty")
        if isinstance(self.scopes, str):
            raise TypeError(f"scopes must be a list: scopes=[{self.scopes!r}]")
        if self.method not in {"basic", "form"}:
            raise ValueError(f"method must be 'basic' or 'form', not {self.method!r}")

    def endpoint(self, name: Endpoint) -> str:
        """The URL of an endpoint, absolute if it was given, else a path on the API's host."""
        given = getattr(self, f"{name}_url", None)
        return given or f"/o/{_WORDS[name]}{'/' if self.trailing_slash else ''}"

    def revocation(self, token: Token) -> Grant:
        """What to post to have *token* revoked, with all that came of the same consent."""
        if token.refresh_token is not None:
            form = {"token": token.refresh_token, "token_type_hint": "refresh_token"}
        else:
            form = {"token": token.access_token, "token_type_hint": "access_token"}
        return self._grant(form)

    def secrets(self) -> list[str]:
        """The texts that nobody may see."""
        secret = self.client_secret
        if secret is None:
            return []
        return [secret, quote(secret, safe=""), basic(self.client_id, secret)]

    def _grant(self, form: Mapping[str, str | None]) -> Grant:
        return grant(
            form,
            client_id=self.client_id,
            client_secret=self.client_secret,
            method=self.method,
        )

    def _scope(self) -> str | None:
        return " ".join(self.scopes) or None


@attrs.frozen(kw_only=True, eq=False)
class ClientCredentials(_Application):
    """The OAuth 2 client-credentials grant: the token stands for the application.

    Every process with the same credentials shares one allowance of requests.
    """

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.client_secret is None:
            raise ValueError("client_secret must be given: the application has nothing else")

    @property
    def bucket(self) -> str:
        """Whose allowance of requests this is: a text without secrets."""
        return f"application:{self.client_id}"

    @property
    def key(self) -> str:
        """Under which its token is kept: one for each set of scopes."""
        return f"{self.bucket}:{_digest(' '.join(sorted(self.scopes)))}"

    def grant(self, kept: Token | None) -> Grant:  # noqa: ARG002  (nothing is kept that renews it)
        """What to post for a token."""
        return self._grant({"grant_type": "client_credentials", "scope": self._scope()})


@attrs.frozen(kw_only=True)
class AuthorizationRequest:
    """Somebody was sent away to sign in. Keep this until they come back, where nobody else sees it.

    In a web application that is the visitor's session (`to_dict` and `from_dict`), and never a
    place that others share: ``state`` and ``verifier`` show that who comes back is who left.
    """

    url: str = attrs.field(repr=False)
    """Where to send them."""
    state: str = attrs.field(repr=False)
    verifier: str = attrs.field(repr=False)
    redirect_uri: str
    """Where they come back to."""

    def to_dict(self) -> dict[str, str]:
        """All of it, as JSON."""
        return attrs.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """What `to_dict` wrote."""
        return cls(**{field.name: str(data[field.name]) for field in attrs.fields(cls)})

    def code(self, callback: str) -> str:
        """The code in the URL (or path and query) at which somebody came back.

        `AuthorizationError` if they, or the server, said no; or if they are not who left.
        """
        found = parse_qs(urlsplit(callback).query, keep_blank_values=True)
        given = {name: values[0] for name, values in found.items() if len(values) == 1}
        if not _chance.compare_digest(given.get("state", "").encode(), self.state.encode()):
            raise AuthorizationError(
                "state_mismatch",
                "whoever came back did not leave from here: send them to sign in again",
            )
        if "error" in found:
            raise AuthorizationError(
                given.get("error", "error"), given.get("error_description", "")
            )
        if not given.get("code"):
            raise AuthorizationError("no_code", "they came back without a code")
        return given["code"]


@attrs.frozen(kw_only=True, eq=False)
class AuthorizationCode(_Application):
    """The OAuth 2 authorization-code grant with PKCE: the token stands for one end user.

    ::

        app = AuthorizationCode(client_id="...", client_secret="...", redirect_uri="https://...")
        request = app.begin()              # send them to request.url, keep the request
        client = Client(app.of("user 7"))
        await client.sign_in(request, url_they_came_back_at)

    From then on the client renews the token by itself, also in another process that shares the
    store. `SignInRequiredError` says that they must sign in (again).
    """

    redirect_uri: str
    """Where the server sends them back to; one of those that are registered."""
    authorize_url: str | None = None
    """Default: ``/o/authorize/`` on the live API's host."""
    account: str = "default"
    """Your own name for whose token this is; see `of`."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        for name in ("redirect_uri", "account"):
            if not getattr(self, name):
                raise ValueError(f"{name} must not be empty")

    @property
    def bucket(self) -> str:
        """Whose allowance of requests this is: a text without secrets."""
        return f"application:{self.client_id}:user:{_digest(self.account)}"

    @property
    def key(self) -> str:
        """Under which the token is kept."""
        return self.bucket

    def of(self, account: str) -> Self:
        """The same application with the token of *account*, your own name for one user."""
        return attrs.evolve(self, account=account)

    def begin(self, *, host: str = "https://api.ev.energy") -> AuthorizationRequest:
        """Where to send somebody to sign in. *host* is where the default endpoint is."""
        state, verifier = _chance.token_urlsafe(32), _chance.token_urlsafe(48)
        challenge = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": self._scope(),
            "state": state,
            "code_challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        endpoint = self.endpoint("authorize")
        base = endpoint if "://" in endpoint else host.rstrip("/") + endpoint
        joint = "&" if urlsplit(base).query else "?"
        given = urlencode({name: value for name, value in query.items() if value})
        return AuthorizationRequest(
            url=f"{base}{joint}{given}",
            state=state,
            verifier=verifier,
            redirect_uri=self.redirect_uri,
        )

    def exchange(self, request: AuthorizationRequest, callback: str) -> Grant:
        """What to post for the first token, once somebody came back at the URL *callback*."""
        return self._grant(
            {
                "grant_type": "authorization_code",
                "code": request.code(callback),
                "redirect_uri": request.redirect_uri,
                "code_verifier": request.verifier,
            }
        )

    def grant(self, kept: Token | None) -> Grant:
        """What to post for another token in place of the *kept* one."""
        if kept is None or kept.refresh_token is None:
            raise SignInRequiredError(self.account)
        return self._grant({"grant_type": "refresh_token", "refresh_token": kept.refresh_token})


#: Every kind of credentials a client takes.
Auth: TypeAlias = StaticToken | ClientCredentials | AuthorizationCode


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
