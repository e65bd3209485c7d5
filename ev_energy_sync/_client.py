"""The blocking client: what to call, and how."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from yarl import URL

from ev_energy import _client as aio
from ev_energy._redaction.tracebacks import Secret
from ev_energy._unset import UNSET, Unset
from ev_energy.auth import Auth as Credentials
from ev_energy.errors import ClientClosedError
from ev_energy_sync._blocking import Twin
from ev_energy_sync._families import Families
from ev_energy_sync._loop_thread import Portal

if TYPE_CHECKING:
    from ssl import SSLContext

    from ev_energy import RetryPolicy
    from ev_energy._api.capture import CapturedCall
    from ev_energy._codec.drift import DriftHook
    from ev_energy._messages import RateLimit
    from ev_energy.auth import AuthorizationRequest
    from ev_energy.budget import Budget, Priority
    from ev_energy.hooks import RequestHook, ResponseHook, RetryHook, Tracer, WaitHook
    from ev_energy.models import User
    from ev_energy.models._base import Model
    from ev_energy.models._refs import Id, Ref

M = TypeVar("M", bound="Model")


class Client(Families):
    """A client of the ev.energy v2 API whose calls block. Close it, or use it in ``with``.

    Any thread may call it, also one that runs an event loop, such as a notebook's (which then
    stands still meanwhile). The calls run on an event loop of its own, on a thread of its own.

    The arguments are those of `ev_energy.Client`, but for its *session*: an aiohttp session belongs
    to the event loop it was made on, and cannot be used from another one. *on_drift* and the hooks
    are called, and *sleep* runs, on the client's own thread.
    """

    def __init__(
        self,
        auth: Credentials | str | None = None,
        *,
        base_url: str | URL = "live",
        proxy: str | URL | None = None,
        ssl: SSLContext | None = None,
        trust_env: bool = True,
        timeout: float = 30.0,
        deadline: float = 120.0,
        retries: int | RetryPolicy = 2,
        budget: Budget | Unset | None = UNSET,
        priority: Priority = "interactive",
        when_exhausted: Literal["wait", "raise"] = "wait",
        max_pages: int = 100_000,
        max_body: int = 64 * 1024 * 1024,
        max_items: int = 10_000,
        max_values: int = 1_000_000,
        headers: Mapping[str, str] | None = None,
        api_version: str | None = "2",
        language: str | None = None,
        strict: bool = False,
        on_drift: DriftHook | None = None,
        on_request: RequestHook | None = None,
        on_response: ResponseHook | None = None,
        on_retry: RetryHook | None = None,
        on_wait: WaitHook | None = None,
        tracer: Tracer | None = None,
        allow_insecure: bool = False,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[None]] | None = None,
        wall_clock: Callable[[], float] | None = None,
    ) -> None:
        given = Secret(auth)
        del auth  # it may be a token, and tools print the local variables of this frame
        self._aio = aio.Client(
            given.value,
            base_url=base_url,
            proxy=proxy,
            ssl=ssl,
            trust_env=trust_env,
            timeout=timeout,
            deadline=deadline,
            retries=retries,
            budget=budget,
            priority=priority,
            when_exhausted=when_exhausted,
            max_pages=max_pages,
            max_body=max_body,
            max_items=max_items,
            max_values=max_values,
            headers=headers,
            api_version=api_version,
            language=language,
            strict=strict,
            on_drift=on_drift,
            on_request=on_request,
            on_response=on_response,
            on_retry=on_retry,
            on_wait=on_wait,
            tracer=tracer,
            allow_insecure=allow_insecure,
            clock=clock,
            sleep=sleep,
            wall_clock=wall_clock,
        )
        self._portal = Portal(self._aio.close)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **settings: Any) -> Self:
        """A client from the environment.

        ``EV_ENERGY_CLIENT_ID`` and ``EV_ENERGY_CLIENT_SECRET``, or ``EV_ENERGY_TOKEN``; and
        ``EV_ENERGY_BASE_URL`` for another server than the live one. *settings* go to `Client`.
        """
        if "session" in settings:
            raise TypeError("a blocking client takes no session")
        given = Secret(environ)
        del environ  # tools print the local variables of this frame
        found = aio.Client.from_env(given.value, **settings)
        return cls._of(found, Portal(found.close))

    def acting_for(self, user: Id[User] | None) -> Self:
        """This client, making its calls as *user* (``EvEnergy-User``); None: as itself again.

        For client credentials. It shares this client's connections, token and allowance. The
        bare id is sent, unless you give a URL as text, which is sent as it is: the vendor's pages
        disagree on which of the two it should be.
        """
        return self._of(self._aio.acting_for(user), self._portal)

    def with_options(
        self,
        *,
        timeout: float | Unset = UNSET,
        deadline: float | Unset = UNSET,
        retries: int | RetryPolicy | Unset = UNSET,
        priority: Priority | Unset = UNSET,
        when_exhausted: Literal["wait", "raise"] | Unset = UNSET,
        max_pages: int | Unset = UNSET,
        headers: Mapping[str, str] | None = None,
        api_version: str | Unset | None = UNSET,
        language: str | Unset | None = UNSET,
    ) -> Self:
        """This client with other settings, sharing its connections, token and allowance.

        What is not given stays. *headers* are added; None for *api_version* or
        *language* removes that header.
        """
        view = self._aio.with_options(
            timeout=timeout,
            deadline=deadline,
            retries=retries,
            priority=priority,
            when_exhausted=when_exhausted,
            max_pages=max_pages,
            headers=headers,
            api_version=api_version,
            language=language,
        )
        return self._of(view, self._portal)

    def capture(self) -> AbstractContextManager[list[CapturedCall]]:
        """``with client.capture() as calls:`` records the calls made inside, for a closer look.

        Each has its request, every attempt, status, headers and raw body, and prints as a
        ``curl`` command without the token. Calls of clients made by `acting_for` and
        `with_options` count too; those of other threads and token requests do not.
        """
        return self._aio.capture()

    def fetch(self, ref: Ref[M]) -> M:
        """The resource that *ref* leads to, fetched anew even if *ref* is expanded.

        `ForeignOriginError` if it leads away from this API; `ValueError` if the API has no
        operation that gives one such resource (an entry of an inverter's log, say).
        """
        return self._portal.call(self._aio.fetch(ref))

    def sign_in(self, request: AuthorizationRequest, callback: str | URL) -> None:
        """Exchange the authorization code in *callback* for a token, and save it in the store.

        For `AuthorizationCode` credentials. *request* is the result of ``start_authorization``;
        *callback* is the URL (or path and query) that the server redirected the user to.
        `AuthorizationError` if the user refused or the callback does not belong to *request*,
        `InvalidGrantError` if the code has expired: it lives for a minute.
        """
        signing_in = self._aio.sign_in(request, callback)
        del callback  # there is a code in it, and tools print the local variables of this frame
        self._portal.call(signing_in)

    def sign_out(self) -> None:
        """Revoke the token, and delete it here and in the token store.

        With `AuthorizationCode` credentials, later calls raise `SignInRequiredError`; with
        `ClientCredentials`, they ask for a new token.
        """
        self._portal.call(self._aio.sign_out())

    @contextmanager
    def reserve(self, count: int) -> Generator[Self]:
        """``with client.reserve(300) as reserved:`` sets aside that many requests.

        *reserved* is this client, whose calls use them up first; what is left is given back in the
        end. Waits until there are as many at once, or raises `BudgetExceeded`, as calls do;
        `ValueError` if the allowance never has as many. Within, ``reserved.reserve()`` sets aside
        others.
        """
        reservation = self._aio.reserve(count)
        try:  # around the entry too: an interrupt may come when it is already done
            yield self._of(self._portal.call(reservation.__aenter__()), self._portal)
        finally:
            with suppress(ClientClosedError):  # closing has given it back
                self._portal.call(reservation.__aexit__(None, None, None))

    @property
    def rate_limit(self) -> RateLimit | None:
        """How the allowance stands, by the budget's reckoning; None before the API stated one."""
        return self._aio.rate_limit

    @property
    def base_url(self) -> URL:
        """What paths are added to."""
        return self._aio.base_url

    @staticmethod
    def preload(*families: str) -> None:
        """Import what calls will need, so that the first ones are as quick as the others.

        With the families you will use (``"evses"``), or with none for all. Before a fork of many
        workers, it is done once for all of them.
        """
        aio.Client.preload(*families)
        for name in families or vars(Families):
            family = getattr(Families, name)
            if isinstance(family, Twin):
                family.load()  # pyright: ignore[reportUnknownMemberType]  # whatever family it is

    def close(self) -> None:
        """Close every connection. Clients made by `acting_for` and `with_options` close too."""
        self._portal.stop()

    def __enter__(self) -> Self:
        self._portal.refuse_if_stopped()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    if not TYPE_CHECKING:  # who checks types is told by those

        async def __aenter__(self) -> None:
            raise TypeError(
                "open this client with `with`, or use the one of ev_energy, whose calls are awaited"
            )

        async def __aexit__(self, *_: object) -> None: ...

    def __repr__(self) -> str:
        if not hasattr(self, "_aio"):  # a traceback shows one that could not be made
            return object.__repr__(self)
        return repr(self._aio)

    @classmethod
    def _of(cls, client: aio.Client, portal: Portal) -> Self:
        made = object.__new__(cls)
        made._aio, made._portal = client, portal
        return made
