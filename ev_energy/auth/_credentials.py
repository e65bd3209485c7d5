"""Credentials: they build the requests for access tokens. Nothing here does I/O."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, ClassVar, Final, Literal, Self, TypeAlias, TypeGuard, TypeVar

import attrs
from yarl import URL

from ev_energy._arguments import describe_type, require_list, require_text
from ev_energy._redaction.scrub import printable
from ev_energy._redaction.tracebacks import Secret, hide_init_arguments, trim_traceback
from ev_energy._runtime.build_lock import build_lock
from ev_energy._servers import parse_base_url, resolve_endpoint
from ev_energy.auth._oauth import (
    ClientAuthMethod,
    Token,
    TokenRequest,
    basic_credentials,
    build_token_request,
    encodings_of,
    is_client_secret,
    is_visible_ascii,
)
from ev_energy.auth._stores import MemoryStore, TokenStore
from ev_energy.errors import SignInRequiredError

if TYPE_CHECKING:
    from ev_energy.auth._authorization import AuthorizationRequest

#: A function that returns a secret, called whenever the secret is needed. A coroutine function runs
#: on the event loop of the client, any other function in a thread.
SecretProvider: TypeAlias = Callable[[], str | Awaitable[str]]
Endpoint: TypeAlias = Literal["authorize", "token", "revoke"]
#: Default paths of the endpoints, below ``/o`` on the API's host.
_PATHS: Final[Mapping[Endpoint, str]] = {
    "authorize": "authorize",
    "token": "token",
    "revoke": "revoke_token",
}


@attrs.frozen(eq=False, init=False)
class StaticToken:
    """An access token that is issued and renewed elsewhere. The client never renews it.

    Args:
        token: The token, or a function that returns it. The function is called before each attempt
            of a call, and once more if the API rejects the token that it returned.
        account: Your own name for what the token stands for: its application or user. The tokens
            that one account has in the course of time share a rate limit, and so do those of
            clients and processes that share a budget. By default, each token has a rate limit of
            its own, and all functions have one.
    """

    token: str | SecretProvider = attrs.field(repr=False)
    account: str = attrs.field(default="", repr=False)

    def __init__(self, token: str | SecretProvider, *, account: str = "") -> None:
        object.__setattr__(self, "token", token)
        object.__setattr__(self, "account", require_text("account", account))
        del token  # tools print the local variables of a frame that raises
        with trim_traceback():
            is_valid = is_provider(self.token) or is_visible_ascii(
                require_text("token", self.token)
            )
        if not is_valid:
            raise ValueError("token must be the bare access token: ASCII text without spaces")

    @functools.cached_property
    def bucket(self) -> str:
        """The name of the rate-limit bucket that the token uses. Not a secret."""
        if self.account:
            return f"account:{_digest(self.account)}"
        return f"token:{_digest(self.token)}" if isinstance(self.token, str) else "token"

    def secrets(self) -> list[str]:
        """Return the texts to keep out of logs and errors."""
        return encodings_of(self.token) if isinstance(self.token, str) else []


@attrs.frozen(kw_only=True, eq=False)
class _OAuthApplication:
    """An application that is registered with the authorization server."""

    ENDPOINTS: ClassVar[tuple[Endpoint, ...]] = ("token", "revoke")
    """The endpoints of the authorization server that such an application uses."""

    client_id: str
    client_secret: str | SecretProvider | None = attrs.field(default=None, repr=False)
    """The secret, or a function that returns it, which is called for each token request."""
    scopes: Sequence[str] = ()
    """The scopes to request. Empty: all that the application may have."""
    token_url: str | None = None
    """Default: ``/o/token/`` on the API's host."""
    revoke_url: str | None = None
    """Default: ``/o/revoke_token/`` on the API's host."""
    trailing_slash: bool = True
    """Whether the default endpoints end in a slash. The vendor's pages show both forms."""
    method: ClientAuthMethod = "basic"
    """How the application authenticates at the token endpoint (RFC 6749 §2.3.1)."""
    store: TokenStore = attrs.field(factory=MemoryStore, repr=False)
    """Where tokens are kept. Processes with the same store share a token and renew it once."""

    def __attrs_post_init__(self) -> None:
        for name in ("client_id", "client_secret"):
            value = getattr(self, name)
            if name == "client_secret" and (value is None or is_provider(value)):
                continue
            if not is_client_secret(require_text(name, value)):
                raise ValueError(
                    f"{name} must be non-empty text without line breaks or surrounding spaces"
                )
        for scope in require_list("scopes", self.scopes):
            if not is_visible_ascii(require_text("an item of scopes", scope)):
                raise ValueError(f"scopes must be a list with one scope per item, not {scope!r}")
        for name in self.ENDPOINTS:
            if (url := getattr(self, f"{name}_url")) is not None:
                require_text(f"{name}_url", url)
        store: object = self.store
        if isinstance(store, type) or not hasattr(store, "lock"):
            raise TypeError(
                "store must be a token store, such as ev_energy.auth.FileStore(path), not "
                f"{describe_type(store)}"
            )
        if self.method not in ("basic", "form"):
            raise ValueError(f"method must be 'basic' or 'form', not {self.method!r}")

    def endpoints(self) -> dict[Endpoint, str]:
        """Return each endpoint as configured; the default is a path on the API's host."""
        slash = "/" if self.trailing_slash else ""
        return {
            name: getattr(self, f"{name}_url") or f"/o/{_PATHS[name]}{slash}"
            for name in self.ENDPOINTS
        }

    def revocation_request(self, token: Token) -> TokenRequest:
        """Build the request to revoke *token* and every token of the same consent (RFC 7009)."""
        if token.refresh_token is not None:
            form = {"token": token.refresh_token, "token_type_hint": "refresh_token"}
        else:
            form = {"token": token.access_token, "token_type_hint": "access_token"}
        return self._build_request(form)

    def secrets(self) -> list[str]:
        """Return the texts to keep out of logs and errors."""
        return [*self._secrets]

    @functools.cached_property
    def _secrets(self) -> list[str]:
        secret = self.client_secret
        if not isinstance(secret, str):
            return []
        return encodings_of(secret, basic_credentials(self.client_id, secret))

    def _build_request(self, form: Mapping[str, str | None]) -> TokenRequest:
        # No local variable for the secret: tools print those of a frame that raises.
        if not isinstance(self.client_secret, str | None):
            raise TypeError("client_secret is a function, which only a client calls")
        request = build_token_request(
            form,
            client_id=self.client_id,
            client_secret=self.client_secret,
            method=self.method,
        )
        return request._replace(secrets=(*request.secrets, *self._secrets))

    def _scope(self) -> str | None:
        return " ".join(self.scopes) or None


@attrs.frozen(kw_only=True, eq=False)
class ClientCredentials(_OAuthApplication):
    """The OAuth 2 client-credentials grant: the token stands for the application.

    All processes with the same credentials share one rate limit.
    """

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.client_secret is None:
            raise ValueError(
                "client_secret is missing: pass client_secret=... with the secret of the "
                "application, or with a function that returns it"
            )

    @functools.cached_property
    def bucket(self) -> str:
        """The name of the rate-limit bucket that the token uses. Not a secret."""
        return f"application:{self.client_id}"

    def key(self, origin: str) -> str:
        """Return the store key of the token for the server at *origin*: one per set of scopes."""
        return f"{self.bucket}:{_digest(' '.join(sorted(self.scopes)))}@{origin}"

    def token_request(self, current: Token | None) -> TokenRequest:  # noqa: ARG002  (no refresh tokens)
        """Build the request for a new token."""
        return self._build_request({"grant_type": "client_credentials", "scope": self._scope()})


@attrs.frozen(kw_only=True, eq=False)
class AuthorizationCode(_OAuthApplication):
    """The OAuth 2 authorization-code grant with PKCE: the token stands for one end user.

        app = AuthorizationCode(client_id="...", client_secret="...", redirect_uri="https://...")
        request = app.start_authorization()  # keep it, and redirect the user to request.url
        client = Client(app.for_account("user 7"))
        await client.sign_in(request, callback_url)

    From then on the client renews the token by itself, also in another process with the same store.
    `SignInRequiredError` says that the user must sign in (again).
    """

    ENDPOINTS: ClassVar[tuple[Endpoint, ...]] = ("authorize", "token", "revoke")
    """The endpoints of the authorization server that such an application uses."""

    redirect_uri: str
    """Where the server redirects the user after signing in; must be registered."""
    authorize_url: str | None = None
    """Default: ``/o/authorize/`` on the API's host."""
    issuer: str | None = None
    """The issuer identifier of the server, if it sends one (``iss``, RFC 9207).

    Default: any on the origin of the authorize endpoint.
    """
    account: str = ""
    """Your own name for the user, such as an id; see `for_account`. A client must have one."""

    def __attrs_post_init__(self) -> None:
        with build_lock:  # no fork during this import
            from ev_energy.auth._authorization import check_redirect_uri

        super().__attrs_post_init__()
        check_redirect_uri(require_text("redirect_uri", self.redirect_uri))
        require_text("account", self.account)
        if self.issuer is not None:
            require_text("issuer", self.issuer)

    @functools.cached_property
    def bucket(self) -> str:
        """The name of the rate-limit bucket that the token uses. Not a secret."""
        return f"application:{self.client_id}:user:{_digest(self.account)}"

    def key(self, origin: str) -> str:
        """Return the store key of the token for the server at *origin*: one per account."""
        return f"{self.bucket}@{origin}"

    def for_account(self, account: str) -> Self:
        """Return the same application with the token of *account*, your own name for one user."""
        if not require_text("account", account):
            raise ValueError("account must not be empty")
        return attrs.evolve(self, account=account)

    def start_authorization(
        self, base_url: str | URL = "live", *, allow_insecure: bool = False
    ) -> AuthorizationRequest:
        """Create the request that sends a user to sign in; redirect the user to its ``url``.

        *base_url* and *allow_insecure* must be those of the client that will be signed in.
        """
        from ev_energy.auth._authorization import build_authorization_request

        parsed = parse_base_url(base_url, allow_insecure=allow_insecure)
        endpoint = self.endpoints()["authorize"]
        return build_authorization_request(
            resolve_endpoint(parsed, "authorize_url", endpoint, allow_insecure=allow_insecure),
            client_id=self.client_id,
            redirect_uri=self.redirect_uri,
            scope=self._scope(),
            issuer=self.issuer,
        )

    def check_callback(self, request: AuthorizationRequest, callback: str | URL) -> None:
        """Raise an error if *callback* has no code, or *request* is not of these credentials."""
        # A request restored from text may hold any values: compare them with these credentials.
        for name in ("client_id", "redirect_uri"):
            theirs, ours = getattr(request, name), getattr(self, name)
            if theirs != ours:
                raise ValueError(
                    f"this AuthorizationRequest was created for {name} "
                    f"{printable(theirs, 100)!r}, not {ours!r}"
                )
        request.extract_code(callback)

    def code_request(self, request: AuthorizationRequest, callback: str | URL) -> TokenRequest:
        """Build the request that exchanges the code in *callback* for the first token."""
        self.check_callback(request, callback)
        return self._build_request(
            {
                "grant_type": "authorization_code",
                "code": request.extract_code(callback),
                "redirect_uri": self.redirect_uri,
                "code_verifier": request.verifier,
            }
        )

    def token_request(self, current: Token | None) -> TokenRequest:
        """Build the request that renews *current*."""
        if current is None or current.refresh_token is None:
            raise SignInRequiredError(self.account)
        return self._build_request(
            {"grant_type": "refresh_token", "refresh_token": current.refresh_token}
        )


#: The credentials that a client accepts, besides a bare token.
Auth: TypeAlias = StaticToken | ClientCredentials | AuthorizationCode

ApplicationT = TypeVar("ApplicationT", bound=_OAuthApplication)

hide_init_arguments(ClientCredentials)
hide_init_arguments(AuthorizationCode)


def with_client_secret(auth: ApplicationT, secret: Secret[str]) -> ApplicationT:
    """Return *auth* with *secret* in place of the function that returned it."""
    # Not `attrs.evolve`, in whose frame the secret would be a local variable.
    resolved = copy(auth)
    object.__setattr__(resolved, "client_secret", secret.value)
    return resolved


def bucket_at(base_url: URL, auth: Auth) -> str:
    """Return the name of the rate limit of *auth* at the server of *base_url*. Not a secret."""
    return f"{base_url.host}:{base_url.port}:{auth.bucket}"


def is_provider(value: object) -> TypeGuard[SecretProvider]:
    """Return whether *value* is a function that returns a secret."""
    return callable(value) and not isinstance(value, type)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
