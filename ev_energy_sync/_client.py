"""The blocking client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

from ev_energy import _client as aio
from ev_energy._misuse import NotCopied, UnlikeHttpClient, explain_credentials
from ev_energy._redaction.tracebacks import Secret
from ev_energy._unset import UNSET, Unset
from ev_energy.errors import ClientClosedError
from ev_energy_sync._blocking import LazyResource, Pager, work_of
from ev_energy_sync._families import Families
from ev_energy_sync._loop_thread import Portal

if TYPE_CHECKING:
    from ssl import SSLContext

    from yarl import URL

    from ev_energy import Estimate, Resolved, RetryPolicy
    from ev_energy._api.capture import CapturedCall
    from ev_energy._codec.drift import DriftHook
    from ev_energy._messages import RateLimit
    from ev_energy.auth import Auth as Credentials
    from ev_energy.auth import AuthorizationRequest, SecretProvider, TokenState
    from ev_energy.budget import Budget, Priority
    from ev_energy.hooks import RequestHook, ResponseHook, RetryHook, Tracer, WaitHook
    from ev_energy.models import User
    from ev_energy.models._base import Model
    from ev_energy.models._refs import Id, Ref

M = TypeVar("M", bound="Model")
T = TypeVar("T")


class Client(NotCopied, UnlikeHttpClient, Families):
    """A blocking client for the ev.energy v2 API. Close it, or use it in a ``with`` statement.

    Its attributes, such as ``vehicles``, are families of operations; ``help(Client.vehicles)``
    lists those of one.

    Any thread may call it, even a thread that runs an event loop, such as a notebook's; that loop
    is blocked during the call. The client runs its calls on its own event loop in its own thread.

    The arguments are those of `ev_energy.Client`, except *session*: an aiohttp session belongs to
    the event loop that it was created on and cannot be used on another one. *on_drift*, the hooks
    and *sleep* run in the client's own thread.
    """

    def __init__(
        self,
        auth: Credentials | str | SecretProvider | None = None,
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
        del auth  # may be a token, and tools print the local variables of this frame
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
        """Create a client from environment variables; *settings* are passed to `Client`.

        Reads ``EV_ENERGY_CLIENT_ID`` and ``EV_ENERGY_CLIENT_SECRET``, or ``EV_ENERGY_TOKEN``, and
        ``EV_ENERGY_BASE_URL`` for a server other than the live one.
        """
        if "session" in settings:
            raise TypeError("a blocking client takes no session")
        given = Secret((environ, settings))  # the settings may have a secret by mistake
        del environ, settings  # tools print the local variables of this frame
        async_client = aio.Client.from_env(given.value[0], **given.value[1])
        return cls._wrap(async_client, Portal(async_client.close))

    def acting_for(self, user: Id[User] | None) -> Self:
        """Return a client that makes its calls as *user* (header ``EvEnergy-User``).

        Use it with client credentials; None returns a client that acts as itself again. The new
        client shares connections, token and allowance with this one. The header holds the bare id
        of the user, or the URL if you pass a URL as text: the vendor's documentation is
        inconsistent on which of the two it should be.
        """
        return self._wrap(self._aio.acting_for(user), self._portal)

    def with_auth(self, auth: Credentials | str | SecretProvider) -> Self:
        """Return a client with other credentials that shares connections, budget and settings.

        It has the token and the allowance of *auth*, and acts for no user. Applications that sign
        in many users make one client, and one of these for each user: they cost no connection, and
        closing one of them closes all. A function that returns tokens needs an account:
        ``StaticToken(function, account="...")``.
        """
        secret_auth = Secret(auth)
        del auth  # may be a token, and tools print the local variables of this frame
        return self._wrap(self._aio.with_auth(secret_auth.value), self._portal)

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
        """Return a client with other settings that shares connections, token and allowance.

        Settings that are not given stay the same. *headers* are added to the present ones; None for
        *api_version* or *language* removes that header.
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
        return self._wrap(view, self._portal)

    def capture(self) -> AbstractContextManager[list[CapturedCall]]:
        """Record the calls made inside ``with client.capture() as calls:``.

        Each `CapturedCall` has the request, every attempt, the status, the headers and the raw
        body, and prints as a ``curl`` command without the token. Calls of clients made by
        `acting_for` and `with_options` are recorded too; token requests and the calls of other
        threads are not.
        """
        return self._aio.capture()

    def fetch(self, ref: Ref[M]) -> M:
        """Fetch the resource that *ref* links to, even if *ref* is expanded.

        Raises `ForeignOriginError` if the link leads to another server, and `ValueError` if the API
        has no operation that returns a single resource of that kind (a log entry of an inverter,
        for example).
        """
        return self._portal.call(self._aio.fetch(ref))

    @overload
    def resolve(
        self,
        items: Iterable[Ref[M] | M | None],
        into: None = None,
        *,
        expand: Sequence[str] = (),
        resume: Resolved[Any] | None = None,
        refresh: bool = False,
        return_exceptions: bool = False,
    ) -> Resolved[M]: ...
    @overload
    def resolve(
        self,
        items: Iterable[Id[Model] | None],
        into: type[M],
        *,
        expand: Sequence[str] = (),
        resume: Resolved[Any] | None = None,
        refresh: bool = False,
        return_exceptions: bool = False,
    ) -> Resolved[M]: ...
    @overload
    def resolve(
        self,
        items: Iterable[Id[Model] | None],
        into: None = None,
        *,
        expand: Sequence[str] = (),
        resume: Resolved[Any] | None = None,
        refresh: bool = False,
        return_exceptions: bool = False,
    ) -> Resolved[Model]: ...
    def resolve(
        self,
        items: Iterable[Id[Model] | None],
        into: type[Model] | None = None,
        *,
        expand: Sequence[str] = (),
        resume: Resolved[Any] | None = None,
        refresh: bool = False,
        return_exceptions: bool = False,
    ) -> Resolved[Any]:
        """Retrieve the resources that ids, links or URLs name, in few requests.

        The result has a resource, or None, for each of *items* in their order; None stands for one
        that is gone, and for an item that is None. Each resource is requested once, however often
        it is named; those that *items* contain already cost nothing. The listing of the family is
        used as long as it seems cheaper than single requests. In the worst case, this takes twice
        as many requests as the better of the two, and three, also if it is resumed.

        Resources that a complete listing does not show are requested one by one, since not
        everything that exists is listed. So are all others if a page of it cannot be decoded.

        The resources have the class *into*, or that of their links. ``RegionDetail`` and
        ``TariffDetail`` take a request for each, and so does an *expand* that only these have.

        Args:
            items: Ids, links, URLs or resources, also of several classes. An item of None, such as
                an empty link, is skipped.
            into: The class of the resources; required for ids.
            expand: Links to expand, as in the methods of the family. Resources that were expanded
                already are requested again if they lack one of these.
            resume: The ``partial`` result of an error, to continue from.
            refresh: Whether to request the resources that *items* contain, too.
            return_exceptions: Whether to go on after an error about a single resource, such as a
                403, and to return it in ``errors`` of the result. Errors that concern every
                request, such as `BudgetExceeded`, are raised in any case.

        Raises:
            ValueError: An item names no resource with an id of its own, a value of *expand* does
                not exist, or *resume* is of another user. Nothing is sent then.
            TypeError: An item is of another class than *into*. Nothing is sent then.
            ForeignOriginError: An item is of another server. Nothing is sent then.
            EvEnergyError: A request failed. ``error.partial`` has what was resolved before, and the
                errors about single resources.
        """
        return self._portal.call(
            self._aio.resolve(
                items,
                into,
                expand=expand,
                resume=resume,
                refresh=refresh,
                return_exceptions=return_exceptions,
            )
        )

    @overload
    def gather(
        self,
        calls: Iterable[Callable[[], T]],
        *,
        limit: int | None = None,
        return_exceptions: Literal[False] = False,
    ) -> list[T]: ...
    @overload
    def gather(
        self,
        calls: Iterable[Callable[[], T]],
        *,
        limit: int | None = None,
        return_exceptions: bool,
    ) -> list[T | Exception]: ...
    def gather(
        self, calls: Any, *, limit: int | None = None, return_exceptions: bool = False
    ) -> Any:
        """Make many calls, a few at a time, and return their results in order.

        Calls are taken from *calls* when they are about to start, so a generator of 100,000 calls
        never holds more than *limit* of them. No more run than the rate limit permits; if it is
        used up, one call waits for it. If one fails, the running ones are cancelled, the others are
        not started, and the error is raised. Its ``gathered`` has the results before.

        Each of the calls that run at the same time has a thread of its own.

        Args:
            calls: Functions without arguments that call this client, such as
                ``partial(client.vehicles.get, id)``: a list or a generator.
            limit: The number of calls that run at the same time; 16 by default.
            return_exceptions: Whether to return errors in place of results, and to go on. Those
                that all further calls would raise, too, are raised in any case: `BudgetExceeded`,
                `BudgetUnavailableError` and `ClientClosedError`.
        """
        from ev_energy_sync._gather import gather

        permits = self._aio._permits  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        return gather(calls, self._portal, limit, permits, return_exceptions=return_exceptions)

    @overload
    def estimate(self, work: int) -> Estimate: ...
    @overload
    def estimate(self, work: Pager[Any], *, items: int | None = None) -> Estimate: ...
    @overload
    def estimate(
        self,
        work: Collection[Id[Model] | None],
        into: type[Model] | None = None,
        *,
        expand: Sequence[str] = (),
        resume: Resolved[Any] | None = None,
    ) -> Estimate: ...
    def estimate(
        self,
        work: int | Pager[Any] | Collection[Id[Model] | None],
        into: type[Model] | None = None,
        *,
        expand: Sequence[str] = (),
        resume: Resolved[Any] | None = None,
        items: int | None = None,
    ) -> Estimate:
        """Return how many requests *work* takes, and when the allowance permits them.

        Nothing is sent, and *work* is not used up.

        Args:
            work: A number of requests, a listing, or what `resolve` takes: a list of ids, links or
                resources.
            into: The class of the resources, as in `resolve`.
            expand: Links to expand, as in `resolve`.
            resume: The partial result to continue from, as in `resolve`.
            items: The number of items that a listing will return, from the page where it starts, if
                you know it. The API does not state it.

        Raises:
            TypeError: *work* is something else, such as a function, or an argument is not for it.
            ValueError: A number is negative, or the last request could be sent after the year 9999.
        """
        estimate: Callable[..., Estimate] = self._aio.estimate
        return estimate(work_of(work), into, expand=expand, resume=resume, items=items)

    @overload
    def request(
        self,
        method: str,
        path: str | URL,
        *,
        ids: Mapping[str, object] | None = None,
        query: Mapping[str, object] | None = None,
        json: object = None,
        model: type[M],
        paged: Literal[True],
        envelope_key: str | None = None,
    ) -> Pager[M]: ...
    @overload
    def request(
        self,
        method: str,
        path: str | URL,
        *,
        ids: Mapping[str, object] | None = None,
        query: Mapping[str, object] | None = None,
        json: object = None,
        model: None = None,
        paged: Literal[True],
        envelope_key: str | None = None,
    ) -> Pager[dict[str, Any]]: ...
    @overload
    def request(
        self,
        method: str,
        path: str | URL,
        *,
        ids: Mapping[str, object] | None = None,
        query: Mapping[str, object] | None = None,
        json: object = None,
        model: type[M],
        paged: Literal[False] = False,
        envelope_key: str,
    ) -> M | None: ...
    @overload
    def request(
        self,
        method: str,
        path: str | URL,
        *,
        ids: Mapping[str, object] | None = None,
        query: Mapping[str, object] | None = None,
        json: object = None,
        model: type[M],
        paged: Literal[False] = False,
        envelope_key: None = None,
    ) -> M: ...
    @overload
    def request(
        self,
        method: str,
        path: str | URL,
        *,
        ids: Mapping[str, object] | None = None,
        query: Mapping[str, object] | None = None,
        json: object = None,
        model: None = None,
        paged: Literal[False] = False,
        envelope_key: None = None,
    ) -> Any: ...
    @overload
    def request(
        self,
        method: str,
        path: str | URL,
        *,
        ids: Mapping[str, object] | None = None,
        query: Mapping[str, object] | None = None,
        json: object = None,
        model: type[M] | None = None,
        paged: bool,
        envelope_key: str | None = None,
    ) -> Any | Pager[Any]: ...
    def request(
        self,
        method: str,
        path: str | URL,
        *,
        ids: Mapping[str, object] | None = None,
        query: Mapping[str, object] | None = None,
        json: object = None,
        model: type[Any] | None = None,
        paged: bool = False,
        envelope_key: str | None = None,
    ) -> Any:
        """Call an operation that this version of the SDK has no method for.

        The call is made like all others: with the same token, headers, rate limit, retries,
        deadline, hooks and errors. Only a GET request is retried after it may have been sent.

        Args:
            method: ``"GET"``, ``"POST"``, ``"PUT"``, ``"PATCH"`` or ``"DELETE"``.
            path: The path after the base URL, such as ``"/evses/{evse_id}/firmware_logs"``, or a
                whole URL of the API, such as a link in a reply. A path has no query of its own.
            ids: For each placeholder in *path* an id, a `Ref`, a model, a URL, or for a log entry
                a datetime. Each is quoted, so that it stays one segment of the path.
            query: The query by its names in the API. A list is sent as one parameter for each
                value, as ``expand`` is; joined with commas if the name ends in ``__in`` or
                ``__range``. A model or a `Ref` is sent as its id. None and UNSET are left out.
            json: The body, if it is not None: JSON values, which may contain models, sent as
                `Model.to_dict` returns them, and `Ref`, sent as URLs. Members that are UNSET are
                left out.
            model: The class of the reply, or of the items of a listing: a model of the SDK, or one
                of your own that `ev_energy.models.model` decorates. Without it, they are decoded to
                dictionaries and other JSON values, and a reply without a body to None.
            paged: Whether the operation is a listing. Then this returns a `Pager`, as all listings
                do, and sends nothing until that is iterated.
            envelope_key: The key of the list, if the API wraps it in an object; see
                `Page.envelope`. Without *paged*, that of the model; a reply without it is None.

        Raises:
            ValueError: *path* is not a path, or has a segment that is no id, such as ``..``;
                another argument is invalid.
            TypeError: An argument has a wrong type.
            ForeignOriginError: *path* is a URL outside the client's base URL.
        """
        request: Any = self._aio.request
        result = request(
            method,
            path,
            ids=ids,
            query=query,
            json=json,
            model=model,
            paged=paged,
            envelope_key=envelope_key,
        )
        return Pager(result, self._portal) if paged else self._portal.call(result)

    def sign_in(self, request: AuthorizationRequest, callback: str | URL) -> None:
        """Exchange the authorization code in *callback* for a token, and save it in the store.

        For `AuthorizationCode` credentials. *request* is the result of ``start_authorization``;
        *callback* is the URL (or path and query) that the server redirected the user to. Raises
        `AuthorizationError` if the user denied access or the callback does not belong to *request*,
        and `InvalidGrantError` if the code has expired, which happens after a minute.
        """
        coro = self._aio.sign_in(request, callback)
        del callback  # it contains a code, and tools print the local variables of this frame
        self._portal.call(coro)

    def sign_out(self) -> None:
        """Revoke the token, and delete it from memory and from the token store.

        With `AuthorizationCode` credentials, later calls raise `SignInRequiredError`; with
        `ClientCredentials`, they request a new token.
        """
        self._portal.call(self._aio.sign_out())

    @contextmanager
    def reserve(self, count: int) -> Generator[Self]:
        """Reserve *count* requests for ``with client.reserve(300) as reserved:``.

        *reserved* is a client whose calls use the reservation first; the rest of it is released at
        the end. Like a call, this waits until *count* requests are available at once, or raises
        `BudgetExceeded`. Raises `ValueError` if *count* exceeds the whole allowance. Inside,
        ``reserved.reserve()`` makes a separate reservation.
        """
        reservation = self._aio.reserve(count)
        try:  # includes the entry: an interrupt may arrive just after it has succeeded
            yield self._wrap(self._portal.call(reservation.__aenter__()), self._portal)
        finally:
            with suppress(ClientClosedError):  # closing the client has released the reservation
                self._portal.call(reservation.__aexit__(None, None, None))

    @property
    def rate_limit(self) -> RateLimit | None:
        """The allowance as the budget counts it.

        None until a reply has stated the limit, unless the budget has one of its own.
        """
        return self._aio.rate_limit

    @property
    def token_state(self) -> TokenState:
        """Whether this client holds an access token, and until when. Reading it sends nothing."""
        return self._aio.token_state

    @property
    def base_url(self) -> URL:
        """The URL that paths are appended to."""
        return self._aio.base_url

    @staticmethod
    def preload(*families: str) -> None:
        """Import in advance the modules that calls need, so that first calls are not slower.

        Name the families that you will use, such as ``"evses"``; without names, all are imported.
        Call it before forking workers to import the modules once for all of them.
        """
        aio.Client.preload(*families)
        for name in families or vars(Families):
            family = vars(Families)[name]
            if isinstance(family, LazyResource):
                family.load()  # pyright: ignore[reportUnknownMemberType]  # a resource of any type

    def close(self) -> None:
        """Close all connections, also for the clients made by the methods of this one."""
        self._portal.stop()

    def __enter__(self) -> Self:
        self._portal.check_open()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    if not TYPE_CHECKING:  # a type checker reports `async with` because these do not exist

        async def __aenter__(self) -> None:
            raise TypeError(
                "open this client with `with`, or use ev_energy.Client, whose calls are awaited"
            )

        async def __aexit__(self, *_: object) -> None: ...

    def __repr__(self) -> str:
        if not hasattr(self, "_aio"):  # in a traceback of __init__
            return object.__repr__(self)
        return repr(self._aio)

    @classmethod
    def _wrap(cls, async_client: aio.Client, portal: Portal) -> Self:
        client = object.__new__(cls)
        client._aio, client._portal = async_client, portal
        return client


explain_credentials(Client)
