"""The client of an application, for as long as the application runs."""

from __future__ import annotations

import inspect
import logging
import math
import os
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias, TypedDict, Unpack, cast

import attrs
from fastapi import FastAPI
from starlette.requests import HTTPConnection
from yarl import URL

from ev_energy._api.settings import credentials_from_env, server_from_env
from ev_energy._arguments import describe_type
from ev_energy._client import Client
from ev_energy._redaction.tracebacks import Secret
from ev_energy._runtime.clocks import REAL
from ev_energy._runtime.in_thread import in_thread
from ev_energy._runtime.log_fields import log_fields
from ev_energy._unset import Unset
from ev_energy.auth import Auth, AuthorizationCode, SecretProvider
from ev_energy.errors import ClientClosedError, SignInRequiredError, TokenStoreError
from ev_energy.fastapi._problems import add_exception_handlers

if TYPE_CHECKING:
    from ssl import SSLContext

    import aiohttp

    from ev_energy._codec.drift import DriftHook
    from ev_energy._http.retry_policy import RetryPolicy
    from ev_energy.budget import Budget, Priority
    from ev_energy.hooks import RequestHook, ResponseHook, RetryHook, Tracer, WaitHook

#: Returns your own name for the signed-in user of a request, or None if no user is signed in.
AccountResolver: TypeAlias = Callable[[HTTPConnection], str | Awaitable[str | None] | None]

#: The key of the lifespan's state, which requests find in ``request.state``.
STATE_KEY: Final = "ev_energy"
#: Clients of users that are kept, with the tokens they have loaded.
_MAX_USER_CLIENTS: Final = 1000
#: Seconds after which the client of a user is compared with the token store.
_CHECK_INTERVAL: Final = 60.0

_log: Final = logging.getLogger("ev_energy.fastapi")


class ClientSettings(TypedDict, total=False):
    """The settings of `Client`, which describes them."""

    base_url: str | URL
    session: aiohttp.ClientSession | None
    proxy: str | URL | None
    ssl: SSLContext | None
    trust_env: bool
    timeout: float
    deadline: float
    retries: int | RetryPolicy
    budget: Budget | Unset | None
    priority: Priority
    when_exhausted: Literal["wait", "raise"]
    max_pages: int
    max_body: int
    max_items: int
    max_values: int
    headers: Mapping[str, str] | None
    api_version: str | None
    language: str | None
    strict: bool
    on_drift: DriftHook | None
    on_request: RequestHook | None
    on_response: ResponseHook | None
    on_retry: RetryHook | None
    on_wait: WaitHook | None
    tracer: Tracer | None
    allow_insecure: bool
    clock: Callable[[], float] | None
    sleep: Callable[[float], Awaitable[None]] | None
    wall_clock: Callable[[], float] | None


def require_app(ev: EvEnergy) -> EvEnergy:
    """Return *ev*, or raise `TypeError` if it is another object, such as a client."""
    given = cast("object", ev)
    if not isinstance(given, EvEnergy):
        raise TypeError(f"ev must be an EvEnergy, not {describe_type(given)}")
    return ev


class ClientNotOpenError(RuntimeError):
    """The application does not run the lifespan of `EvEnergy`."""


class NotSignedInError(SignInRequiredError):
    """No user is signed in to the application, so a request has no `account`, which is empty."""

    def __init__(self) -> None:
        super().__init__("")
        self.args: tuple[Any, ...] = (
            "no user is signed in: send the user to the sign-in page of the application",
        )


@attrs.define(eq=False)
class _UserClient:
    """The client of a user, and when it was last compared with the token store."""

    client: Client
    checked_at: float = -math.inf
    is_known: bool = False
    """Whether the token store had a token of the user."""


class EvEnergy:
    """The ev.energy client of a FastAPI application, opened and closed with the application.

        ev = EvEnergy(ClientCredentials(client_id=..., client_secret=...))
        app = FastAPI(lifespan=ev.lifespan)

    Args:
        auth: The credentials of the application, an access token, a function that returns one, or a
            `Client`, which the lifespan then closes too, so that there can be no second lifespan.
            With None, `client` can call public operations only.
        sign_in: The application that users sign in to. `client_for` then uses their tokens;
            without it, `auth` acts for them.
        account: Returns your own name for the user of a request, such as an id, or None if no user
            is signed in; it may be a coroutine function. Never take it from anything that a user
            can choose. `sign_in_router` sets it if you do not.
        settings: Settings of `Client`, such as ``base_url=`` and ``budget=``.
    """

    def __init__(
        self,
        auth: Client | Auth | str | SecretProvider | None = None,
        *,
        sign_in: AuthorizationCode | None = None,
        account: AccountResolver | None = None,
        **settings: Unpack[ClientSettings],
    ) -> None:
        if isinstance(auth, Client):
            if settings:
                names = ", ".join(sorted(settings))
                raise TypeError(f"pass {names} to the Client: it is made already")
            client = auth
            self._make_client: Callable[[], Client] = lambda: client
        else:
            secret_auth = Secret(auth)
            self._make_client = lambda: Client(secret_auth.value, **settings)
        del auth  # may be a token, and tools print the local variables of this frame
        if sign_in is not None and not isinstance(sign_in, AuthorizationCode):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"sign_in must be AuthorizationCode, not {describe_type(sign_in)}")
        if account is not None and not callable(account):
            raise TypeError(f"account must be a function, not {describe_type(account)}")
        self._make_client()  # wrong settings are errors here, not when the server starts
        self.sign_in: Final = sign_in
        self.account = account
        self._is_running = False
        self._client: Client | None = None
        self._user_clients: OrderedDict[str, _UserClient] = OrderedDict()
        self._unknown_user_clients: OrderedDict[str, _UserClient] = OrderedDict()
        self._monotonic = settings.get("clock") or REAL.monotonic

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        sign_in: AuthorizationCode | None = None,
        account: AccountResolver | None = None,
        **settings: Unpack[ClientSettings],
    ) -> Self:
        """Create it from environment variables, those of `Client.from_env`."""
        variables = Secret(os.environ if environ is None else environ)
        del environ  # tools print the local variables of this frame
        return cls(
            credentials_from_env(variables),
            sign_in=sign_in,
            account=account,
            **cast("ClientSettings", {**server_from_env(variables), **settings}),
        )

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncGenerator[dict[str, Any]]:  # noqa: ARG002
        """Open the client while the application runs, and yield the state for its requests.

        Pass it as ``FastAPI(lifespan=ev.lifespan)``, or use it in a lifespan of your own:

            @asynccontextmanager
            async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
                async with ev.lifespan(app) as state, database() as db:
                    yield {**state, "db": db}

        It may run again after it has ended, unless `EvEnergy` was made of a `Client`, which it has
        closed then.

        Raises:
            RuntimeError: It runs already, or the client was closed.
        """
        if self._is_running:
            raise RuntimeError(
                "this EvEnergy is in use by another application: create one for each, or mount "
                "the applications in one whose lifespan it is"
            )
        self._is_running = True
        try:
            await in_thread(Client.preload)  # no import blocks the loop during a request
            async with AsyncExitStack() as stack:
                self._client = await self._open(stack)
                yield {STATE_KEY: self}
        finally:
            self._client, self._is_running = None, False
            self._user_clients.clear()
            self._unknown_user_clients.clear()

    async def _open(self, stack: AsyncExitStack) -> Client:
        """Return the client, which *stack* closes."""
        try:
            return await stack.enter_async_context(self._make_client())
        except ClientClosedError:
            raise RuntimeError(
                "the client that was passed to EvEnergy is closed, and no lifespan can open it "
                "again: pass credentials to EvEnergy, which then makes a client for each lifespan"
            ) from None

    @staticmethod
    def add_exception_handlers(app: FastAPI) -> None:
        """Have *app* answer with problem documents; see `add_exception_handlers`."""
        add_exception_handlers(app)

    @property
    def client(self) -> Client:
        """The client of the application; `RuntimeError` outside of `lifespan`."""
        if self._client is None:
            raise ClientNotOpenError(
                "the client is open only while the application runs: pass lifespan=ev.lifespan to "
                "FastAPI, and in tests use `with TestClient(app)`"
            )
        return self._client

    def client_for(self, account: str) -> Client:
        """Return the client of the user *account*, your own name for the user.

        It shares connections and budget with `client`. With ``sign_in``, it uses the token of the
        user, which `Client.sign_in` saves in the token store; a call raises `SignInRequiredError`
        if there is none. Without it, it acts for the ev.energy user with the id *account*.
        """
        if self.sign_in is None:
            return self.client.acting_for(account)
        return self._user_client(self.sign_in, account).client

    async def user_client(self, connection: HTTPConnection) -> Client:
        """Return the client of the signed-in user of a request; `NotSignedInError` if none is.

        It uses the token that the store has for the user, or had within the last minute: the user
        may have signed in again in another process, with another account of ev.energy.
        """
        account = await self.account_of(connection)
        if not account:
            raise NotSignedInError
        if self.sign_in is not None:
            await self._drop_if_replaced(self.sign_in.for_account(account))
        return self.client_for(account)

    async def account_of(self, connection: HTTPConnection) -> str | None:
        """Return the account of the signed-in user of a request, or None."""
        if self.account is None:
            raise RuntimeError(
                "it is unknown which user sends a request: pass account= to EvEnergy, or include "
                "sign_in_router(ev)"
            )
        account = self.account(connection)
        return await account if inspect.isawaitable(account) else account

    def _user_client(self, sign_in: AuthorizationCode, account: str) -> _UserClient:
        user = self._forget(account)
        if user is None:
            user = _UserClient(self.client.with_auth(sign_in.for_account(account)))
        self._keep(account, user)
        return user

    def _keep(self, account: str, user: _UserClient) -> None:
        """Keep the client of a user as the one that was used last.

        Users without a token have a place of their own: anyone can make up cookies that name such
        users, and must not evict the clients of the others.
        """
        is_known = user.is_known or user.client.token_state.present
        users = self._user_clients if is_known else self._unknown_user_clients
        users[account] = user
        if len(users) > _MAX_USER_CLIENTS:
            users.popitem(last=False)

    def _forget(self, account: str) -> _UserClient | None:
        """Remove the client of a user, if there is one, and return it."""
        known = self._user_clients.pop(account, None)
        return known or self._unknown_user_clients.pop(account, None)

    async def _drop_if_replaced(self, sign_in: AuthorizationCode) -> None:
        """Drop the client of a user if another process has saved another token for the user."""
        account = sign_in.account
        user = self._user_client(sign_in, account)
        now = self._monotonic()
        if now - user.checked_at < _CHECK_INTERVAL:
            return
        user.checked_at = now
        try:
            stored = await sign_in.store.load(sign_in.key(str(self.client.base_url.origin())))
        except TokenStoreError as error:  # the client may hold a token that is still valid
            _log.warning(
                "a token was not compared with the token store: %s",
                error,
                extra=log_fields("token_not_compared", error=type(error).__name__),
            )
            return
        user.is_known = stored is not None
        tokens = user.client._caller.state.token_manager  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        current = self._forget(account)
        if current is None or current is user:
            current = None if tokens.is_replaced_by(stored) else user
        if current is not None:
            self._keep(account, current)
