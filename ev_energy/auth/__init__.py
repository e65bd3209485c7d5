"""Credentials: how an application, or somebody through it, gets an access token.

The values here say what to send; a `Client` sends it. Tokens are kept in a `TokenStore`.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final, Literal, Self, TypeAlias

import attrs
from yarl import URL

from ev_energy._arguments import items, text
from ev_energy._lazy_exports import door
from ev_energy._redaction.scrub import printable
from ev_energy._redaction.tracebacks import conceal_arguments, trimmed
from ev_energy._servers import endpoint_of, root_of
from ev_energy.auth._oauth import (
    ClientMethod,
    Grant,
    Token,
    basic,
    can_be_sent,
    grant,
    is_text,
    spelled,
)
from ev_energy.auth._stores import MemoryStore, TokenStore
from ev_energy.errors import SignInRequiredError

if TYPE_CHECKING:
    from ev_energy.auth._authorization import AuthorizationRequest
    from ev_energy.auth._file_store import FileStore

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

if not TYPE_CHECKING:  # not everybody signs somebody in, or keeps tokens in files
    __getattr__ = door(
        __name__,
        {
            "AuthorizationRequest": "ev_energy.auth._authorization",
            "FileStore": "ev_energy.auth._file_store",
        },
    )

Endpoint: TypeAlias = Literal["authorize", "token", "revoke"]
#: Below ``/o`` on the API's host.
_WORDS: Final[Mapping[Endpoint, str]] = {
    "authorize": "authorize",
    "token": "token",
    "revoke": "revoke_token",
}


@attrs.frozen(eq=False, init=False)
class StaticToken:
    """An access token that somebody else looks after. It is never renewed."""

    token: str = attrs.field(repr=False)

    def __init__(self, token: str) -> None:
        object.__setattr__(self, "token", token)
        del token  # tools print the local variables of a frame that raises
        with trimmed():
            is_good = can_be_sent(text("token", self.token))
        if not is_good:
            raise ValueError("token must be the bare access token: ASCII text without spaces")

    @functools.cached_property
    def bucket(self) -> str:
        """Whose allowance of requests this is: a text without secrets."""
        return f"token:{_digest(self.token)}"

    def secrets(self) -> list[str]:
        """The texts that nobody may see."""
        return spelled(self.token)


@attrs.frozen(kw_only=True, eq=False)
class _Application:
    """An application that is registered with the API, and where its tokens come from."""

    ENDPOINTS: ClassVar[tuple[Endpoint, ...]] = ("token", "revoke")

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
            given = getattr(self, name)
            if name == "client_secret" and given is None:
                continue
            if not is_text(text(name, given)) or given != given.strip():
                raise ValueError(
                    f"{name} must be text without a line break or spaces around it, and not empty"
                )
        for scope in items("scopes", self.scopes):
            if not can_be_sent(text("an item of scopes", scope)):
                raise ValueError(f"scopes must be a list with one scope each, not {scope!r}")
        for name in self.ENDPOINTS:
            if (given := getattr(self, f"{name}_url")) is not None:
                text(f"{name}_url", given)
        if self.method not in ("basic", "form"):
            raise ValueError(f"method must be 'basic' or 'form', not {self.method!r}")

    def endpoints(self) -> dict[Endpoint, str]:
        """The URL of each endpoint, absolute if it was given, else a path on the API's host."""
        slash = "/" if self.trailing_slash else ""
        return {
            name: getattr(self, f"{name}_url") or f"/o/{_WORDS[name]}{slash}"
            for name in self.ENDPOINTS
        }

    def revocation(self, token: Token) -> Grant:
        """What to post to have *token* revoked, with all that came of the same consent."""
        if token.refresh_token is not None:
            form = {"token": token.refresh_token, "token_type_hint": "refresh_token"}
        else:
            form = {"token": token.access_token, "token_type_hint": "access_token"}
        return self._grant(form)

    def secrets(self) -> list[str]:
        """The texts that nobody may see."""
        return [*self._spelled]

    @functools.cached_property
    def _spelled(self) -> list[str]:
        secret = self.client_secret
        return [] if secret is None else spelled(secret, basic(self.client_id, secret))

    def _grant(self, form: Mapping[str, str | None]) -> Grant:
        made = grant(
            form,
            client_id=self.client_id,
            client_secret=self.client_secret,
            method=self.method,
        )
        return made._replace(secrets=(*made.secrets, *self._spelled))

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

    @functools.cached_property
    def bucket(self) -> str:
        """Whose allowance of requests this is: a text without secrets."""
        return f"application:{self.client_id}"

    def key(self, origin: str) -> str:
        """Under which its token of the server at *origin* is kept: one for each set of scopes."""
        return f"{self.bucket}:{_digest(' '.join(sorted(self.scopes)))}@{origin}"

    def grant(self, kept: Token | None) -> Grant:  # noqa: ARG002  (nothing is kept that renews it)
        """What to post for a token."""
        return self._grant({"grant_type": "client_credentials", "scope": self._scope()})


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

    ENDPOINTS: ClassVar[tuple[Endpoint, ...]] = ("authorize", "token", "revoke")

    redirect_uri: str
    """Where the server sends them back to; one of those that are registered."""
    authorize_url: str | None = None
    """Default: ``/o/authorize/`` on the API's host."""
    issuer: str | None = None
    """What the server calls itself if it says so (``iss``, RFC 9207).

    Default: anything on the origin of the authorize endpoint.
    """
    account: str = ""
    """Your own name for whose token this is, such as an id; see `of`. A client must have one."""

    def __attrs_post_init__(self) -> None:
        from ev_energy.auth._authorization import check_redirect_uri

        super().__attrs_post_init__()
        check_redirect_uri(text("redirect_uri", self.redirect_uri))
        text("account", self.account)
        if self.issuer is not None:
            text("issuer", self.issuer)

    @functools.cached_property
    def bucket(self) -> str:
        """Whose allowance of requests this is: a text without secrets."""
        return f"application:{self.client_id}:user:{_digest(self.account)}"

    def key(self, origin: str) -> str:
        """Under which the token of the server at *origin* is kept. It is shown to no other."""
        return f"{self.bucket}@{origin}"

    def of(self, account: str) -> Self:
        """The same application with the token of *account*, your own name for one user."""
        if not text("account", account):
            raise ValueError("account must not be empty")
        return attrs.evolve(self, account=account)

    def begin(
        self, base_url: str | URL = "live", *, allow_insecure: bool = False
    ) -> AuthorizationRequest:
        """Where to send somebody to sign in.

        *base_url* and *allow_insecure* are those of the client that is to be signed in.
        """
        from ev_energy.auth._authorization import authorization_request

        root = root_of(base_url, allow_insecure=allow_insecure)
        given = self.endpoints()["authorize"]
        return authorization_request(
            endpoint_of(root, "authorize_url", given, allow_insecure=allow_insecure),
            client_id=self.client_id,
            redirect_uri=self.redirect_uri,
            scope=self._scope(),
            issuer=self.issuer,
        )

    def exchange(self, request: AuthorizationRequest, callback: str | URL) -> Grant:
        """What to post for the first token, once somebody came back at the URL *callback*."""
        # Restored from text, a request may say anything: it must say what these credentials say.
        if request.client_id != self.client_id:
            client_id = printable(request.client_id, 100)
            raise ValueError(f"it was {client_id!r} that sent them away to sign in")
        if request.redirect_uri != self.redirect_uri:
            redirect_uri = printable(request.redirect_uri, 100)
            raise ValueError(
                f"this AuthorizationRequest was made for redirect_uri {redirect_uri!r}, "
                f"not {self.redirect_uri!r}"
            )
        return self._grant(
            {
                "grant_type": "authorization_code",
                "code": request.code(callback),
                "redirect_uri": self.redirect_uri,
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

conceal_arguments(ClientCredentials)
conceal_arguments(AuthorizationCode)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
