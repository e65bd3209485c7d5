"""The client of an application, for as long as the application runs."""

from __future__ import annotations

import inspect
import os
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias, TypedDict, Unpack, cast

from fastapi import FastAPI
from starlette.requests import HTTPConnection
from yarl import URL

from ev_energy._api.settings import credentials_from_env, server_from_env
from ev_energy._arguments import describe_type
from ev_energy._client import Client
from ev_energy._redaction.tracebacks import Secret
from ev_energy._runtime.in_thread import in_thread
from ev_energy.auth import Auth, AuthorizationCode
from ev_energy.errors import SignInRequiredError
from ev_energy.fastapi._problems import add_exception_handlers

if TYPE_CHECKING:
    from ssl import SSLContext

    import aiohttp

    from ev_energy._codec.drift import DriftHook
    from ev_energy._http.retry_policy import RetryPolicy
    from ev_energy._unset import Unset
    from ev_energy.budget import Budget, Priority
    from ev_energy.hooks import RequestHook, ResponseHook, RetryHook, Tracer, WaitHook

#: Returns your own name for the signed-in user of a request, or None if no user is signed in.
AccountResolver: TypeAlias = Callable[[HTTPConnection], str | Awaitable[str | None] | None]

#: The key of the lifespan's state, which requests find in ``request.state``.
STATE_KEY: Final = "ev_energy"
#: Clients of users that are kept, with the tokens they have loaded.
_MAX_USER_CLIENTS: Final = 1000


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


class NotSignedInError(SignInRequiredError):
    """No user is signed in to the application, so a request has no `account`, which is empty."""

    def __init__(self) -> None:
        super().__init__("")
        self.args = ("no user is signed in: send the user to the sign-in page of the application",)


class EvEnergy:
    """The ev.energy client of a FastAPI application, opened and closed with the application.

    ::

        ev = EvEnergy(ClientCredentials(client_id=..., client_secret=...))
        app = FastAPI(lifespan=ev.lifespan)

    Args:
        auth: The credentials of the application, an access token, or a `Client`, which the lifespan
            then closes too. With None, `client` can call public operations only.
        sign_in: The application that users sign in to. `client_for` then uses their tokens;
            without it, `auth` acts for them.
        account: Returns your own name for the user of a request, such as an id, or None if no user
            is signed in; it may be a coroutine function. Never take it from anything that a user
            can choose. `sign_in_router` sets it if you do not.
        settings: Settings of `Client`, such as ``base_url=`` and ``budget=``.
    """

    def __init__(
        self,
        auth: Client | Auth | str | None = None,
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
        self._make_client()  # wrong settings are errors here, not when the server starts
        self.sign_in: Final = sign_in
        self.account = account
        self._client: Client | None = None
        self._user_clients: OrderedDict[str, Client] = OrderedDict()

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

        Pass it as ``FastAPI(lifespan=ev.lifespan)``, or use it in a lifespan of your own::

            @asynccontextmanager
            async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
                async with ev.lifespan(app) as state, database() as db:
                    yield {**state, "db": db}
        """
        if self._client is not None:
            raise RuntimeError(
                "this EvEnergy is in use by another application: create one for each, or mount "
                "the applications in one whose lifespan it is"
            )
        await in_thread(Client.preload)  # no import blocks the loop during a request
        async with AsyncExitStack() as stack:
            self._client = await stack.enter_async_context(self._make_client())
            stack.callback(self._forget_clients)
            yield {STATE_KEY: self}

    @staticmethod
    def add_exception_handlers(app: FastAPI) -> None:
        """Have *app* answer with problem documents; see `add_exception_handlers`."""
        add_exception_handlers(app)

    @property
    def client(self) -> Client:
        """The client of the application; `RuntimeError` outside of `lifespan`."""
        if self._client is None:
            raise RuntimeError(
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
        clients = self._user_clients
        client = clients.get(account)
        if client is None:
            client = clients[account] = self.client.with_auth(self.sign_in.for_account(account))
            if len(clients) > _MAX_USER_CLIENTS:
                clients.popitem(last=False)
        clients.move_to_end(account)
        return client

    async def account_of(self, connection: HTTPConnection) -> str | None:
        """Return the account of the signed-in user of a request, or None."""
        if self.account is None:
            raise RuntimeError(
                "it is unknown which user sends a request: pass account= to EvEnergy, or include "
                "sign_in_router(ev)"
            )
        account = self.account(connection)
        return await account if inspect.isawaitable(account) else account

    def _forget_clients(self) -> None:
        self._client = None
        self._user_clients.clear()
