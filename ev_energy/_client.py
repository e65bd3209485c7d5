"""The asynchronous client."""

from __future__ import annotations

import asyncio
import os
from collections.abc import (
    AsyncIterable,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, cast, overload

from ev_energy._api import preload
from ev_energy._lazy_exports import Lazy
from ev_energy._misuse import NotCopied, UnlikeHttpClient, explain_credentials
from ev_energy._redaction.tracebacks import Secret
from ev_energy._runtime.build_lock import build_lock
from ev_energy._runtime.clocks import REAL
from ev_energy._runtime.in_thread import in_thread
from ev_energy._unset import UNSET, Unset

# All else is imported when a client is made, so that this module, which programs import as they
# start, costs a third of `import aiohttp`.
if TYPE_CHECKING:
    from ssl import SSLContext

    import aiohttp
    from yarl import URL

    from ev_energy._api.capture import CapturedCall
    from ev_energy._api.estimate import Estimate
    from ev_energy._api.paging import Pager
    from ev_energy._api.resolve import Resolve
    from ev_energy._api.resolved import Resolved
    from ev_energy._codec.drift import DriftHook
    from ev_energy._http.retry_policy import RetryPolicy
    from ev_energy._messages import RateLimit
    from ev_energy.auth import Auth as Credentials
    from ev_energy.auth import AuthorizationRequest, SecretProvider, TokenState
    from ev_energy.budget import Budget, Priority
    from ev_energy.budget._reservation import ReservationContext
    from ev_energy.hooks import RequestHook, ResponseHook, RetryHook, Tracer, WaitHook
    from ev_energy.models import User
    from ev_energy.models._base import Model
    from ev_energy.models._refs import Id, Ref
    from ev_energy.resources.account import Auth, Notifications, Root, Timezones, WebhookPortal
    from ev_energy.resources.boundary_meters import (
        BoundaryMeterMakes,
        BoundaryMeterModels,
        BoundaryMeters,
    )
    from ev_energy.resources.charging import ChargingSessions, ChargingSubSessions, DispatcherLogs
    from ev_energy.resources.ct_clamps import CtClamps
    from ev_energy.resources.dispatch import DispatchCoordinators
    from ev_energy.resources.energy_feeds import CarbonFeeds, GridFeeds
    from ev_energy.resources.evse_catalogue import (
        EvseCompatibility,
        EvseFirmwareVersions,
        EvseMakes,
        EvseModels,
    )
    from ev_energy.resources.evse_onboarding import EvseOnboarding, EvseWaitlist
    from ev_energy.resources.evses import Evses
    from ev_energy.resources.hem_systems import HemSystems
    from ev_energy.resources.home_batteries import (
        HomeBatteries,
        HomeBatteryMakes,
        HomeBatteryModels,
    )
    from ev_energy.resources.inverters import (
        InverterMakes,
        InverterModels,
        InverterOnboarding,
        Inverters,
    )
    from ev_energy.resources.programs import IncentiveSchemes, Programs
    from ev_energy.resources.rebate_upload import Rebates
    from ev_energy.resources.rebates import (
        RebateEvidenceFiles,
        RebateEvidenceTypes,
        RebateTypes,
        UserRebates,
    )
    from ev_energy.resources.regions import RegionGroups, Regions
    from ev_energy.resources.sites import CpmsProviders, EvseSites
    from ev_energy.resources.solar import SolarArrays, SolarForecasts
    from ev_energy.resources.subscriptions import SubscriptionOfferings, Subscriptions
    from ev_energy.resources.support_tickets import SupportTickets, SupportTicketStats
    from ev_energy.resources.tariffs import Suppliers, Tariffs
    from ev_energy.resources.users import Users
    from ev_energy.resources.vehicle_catalogue import (
        VehicleCompatibility,
        VehicleMakes,
        VehicleModels,
        VehicleTrims,
    )
    from ev_energy.resources.vehicle_onboarding import VehicleOnboarding, VehicleWaitlist
    from ev_energy.resources.vehicles import Vehicles

M = TypeVar("M", bound="Model")
T = TypeVar("T")


class Client(NotCopied, UnlikeHttpClient):
    """A client for the ev.energy v2 API. Close it, or use it in an ``async with`` statement.

    Its attributes, such as ``vehicles``, are families of operations; ``help(Client.vehicles)``
    lists those of one.

    Args:
        auth: Credentials, or an access token as a `str`, or a function that returns one for each
            attempt (see `StaticToken`). With None, only public operations can be called.
        base_url: ``"live"``, ``"mock"``, ``"staging"``, or the URL that paths are appended to.
        session: Your own `aiohttp.ClientSession`. The client uses its connections, does not send
            its cookies and credentials, and leaves it open when the client is closed.
        proxy: The URL of an HTTP proxy for all requests, which may contain a user name and a
            password. By default, the proxies of the environment are used.
        ssl: An `ssl.SSLContext`, for your own certificates.
        trust_env: Whether to use ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``,
            in upper or lower case, and ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, in upper case.
        timeout: Seconds for one attempt, connecting included.
        deadline: Seconds for a whole call: waiting for the budget and a token, all attempts, and
            the pauses between them.
        retries: How many times a call may be retried, or a `RetryPolicy`.
        budget: The rate limiter. By default, the client keeps to the rate limit of its application
            or of its user as the API states it. Pass the same `MemoryBudget` to clients that share
            a rate limit, a `ev_energy.redis.RedisBudget` to processes that share one, or None for
            no rate limiter.
        priority: With ``"batch"``, other calls of the same budget go first.
        when_exhausted: What to do if no request is available: ``"wait"`` for one within the
            deadline, or ``"raise"`` `BudgetExceeded` at once.
        max_pages: The maximum number of pages of a listing.
        max_body: The maximum size of the body of a reply, in bytes after decompression.
        max_items: The maximum number of items in a list. The API's pages have at most 100, but some
            of its lists are not paginated.
        max_values: The maximum number of JSON values in a reply; an object counts as ten.
        headers: Headers to send with every call.
        api_version: The header ``EvEnergy-Version`` of every call. The models are those of version
            2. With None, the header is not sent, and the server uses the version configured for
            your application.
        language: The header ``Accept-Language``, such as ``"en-GB"``.
        strict: Whether to raise `DecodeError` if a reply deviates from the models, instead of
            logging the deviation, reporting it to *on_drift* and decoding the rest.
        on_drift: Called once per deviation of a reply from the models.
        on_request: A hook, called on the event loop when an attempt starts.
        on_response: A hook, called on the event loop when an attempt ends.
        on_retry: A hook, called on the event loop before the pause that precedes another attempt.
        on_wait: A hook, called on the event loop when a wait starts.
        tracer: A tracer for calls and attempts; `ev_energy.otel` has one for OpenTelemetry.
        allow_insecure: Whether to allow ``http://`` to hosts other than this machine.
        clock: A monotonic clock in seconds, for tests.
        sleep: An async sleep in seconds, for tests.
        wall_clock: A clock in seconds since 1970, for tests.
    """

    auth: Lazy[Auth] = Lazy("account")
    boundary_meter_makes: Lazy[BoundaryMeterMakes] = Lazy("boundary_meters")
    boundary_meter_models: Lazy[BoundaryMeterModels] = Lazy("boundary_meters")
    boundary_meters: Lazy[BoundaryMeters] = Lazy("boundary_meters")
    carbon_feeds: Lazy[CarbonFeeds] = Lazy("energy_feeds")
    charging_sessions: Lazy[ChargingSessions] = Lazy("charging")
    charging_sub_sessions: Lazy[ChargingSubSessions] = Lazy("charging")
    cpms_providers: Lazy[CpmsProviders] = Lazy("sites")
    ct_clamps: Lazy[CtClamps] = Lazy("ct_clamps")
    dispatch_coordinators: Lazy[DispatchCoordinators] = Lazy("dispatch")
    dispatcher_logs: Lazy[DispatcherLogs] = Lazy("charging")
    evse_compatibility: Lazy[EvseCompatibility] = Lazy("evse_catalogue")
    evse_firmware_versions: Lazy[EvseFirmwareVersions] = Lazy("evse_catalogue")
    evse_makes: Lazy[EvseMakes] = Lazy("evse_catalogue")
    evse_models: Lazy[EvseModels] = Lazy("evse_catalogue")
    evse_onboarding: Lazy[EvseOnboarding] = Lazy("evse_onboarding")
    evse_sites: Lazy[EvseSites] = Lazy("sites")
    evse_waitlist: Lazy[EvseWaitlist] = Lazy("evse_onboarding")
    evses: Lazy[Evses] = Lazy("evses")
    grid_feeds: Lazy[GridFeeds] = Lazy("energy_feeds")
    hem_systems: Lazy[HemSystems] = Lazy("hem_systems")
    home_batteries: Lazy[HomeBatteries] = Lazy("home_batteries")
    home_battery_makes: Lazy[HomeBatteryMakes] = Lazy("home_batteries")
    home_battery_models: Lazy[HomeBatteryModels] = Lazy("home_batteries")
    incentive_schemes: Lazy[IncentiveSchemes] = Lazy("programs")
    inverter_makes: Lazy[InverterMakes] = Lazy("inverters")
    inverter_models: Lazy[InverterModels] = Lazy("inverters")
    inverter_onboarding: Lazy[InverterOnboarding] = Lazy("inverters")
    inverters: Lazy[Inverters] = Lazy("inverters")
    notifications: Lazy[Notifications] = Lazy("account")
    programs: Lazy[Programs] = Lazy("programs")
    rebate_evidence_files: Lazy[RebateEvidenceFiles] = Lazy("rebates")
    rebate_evidence_types: Lazy[RebateEvidenceTypes] = Lazy("rebates")
    rebate_types: Lazy[RebateTypes] = Lazy("rebates")
    rebates: Lazy[Rebates] = Lazy("rebate_upload")
    region_groups: Lazy[RegionGroups] = Lazy("regions")
    regions: Lazy[Regions] = Lazy("regions")
    root: Lazy[Root] = Lazy("account")
    solar_arrays: Lazy[SolarArrays] = Lazy("solar")
    solar_forecasts: Lazy[SolarForecasts] = Lazy("solar")
    subscription_offerings: Lazy[SubscriptionOfferings] = Lazy("subscriptions")
    subscriptions: Lazy[Subscriptions] = Lazy("subscriptions")
    suppliers: Lazy[Suppliers] = Lazy("tariffs")
    support_ticket_stats: Lazy[SupportTicketStats] = Lazy("support_tickets")
    support_tickets: Lazy[SupportTickets] = Lazy("support_tickets")
    tariffs: Lazy[Tariffs] = Lazy("tariffs")
    timezones: Lazy[Timezones] = Lazy("account")
    user_rebates: Lazy[UserRebates] = Lazy("rebates")
    users: Lazy[Users] = Lazy("users")
    vehicle_compatibility: Lazy[VehicleCompatibility] = Lazy("vehicle_catalogue")
    vehicle_makes: Lazy[VehicleMakes] = Lazy("vehicle_catalogue")
    vehicle_models: Lazy[VehicleModels] = Lazy("vehicle_catalogue")
    vehicle_onboarding: Lazy[VehicleOnboarding] = Lazy("vehicle_onboarding")
    vehicle_trims: Lazy[VehicleTrims] = Lazy("vehicle_catalogue")
    vehicle_waitlist: Lazy[VehicleWaitlist] = Lazy("vehicle_onboarding")
    vehicles: Lazy[Vehicles] = Lazy("vehicles")
    webhook_portal: Lazy[WebhookPortal] = Lazy("account")

    def __init__(
        self,
        auth: Credentials | str | SecretProvider | None = None,
        *,
        base_url: str | URL = "live",
        session: aiohttp.ClientSession | None = None,
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
        secret_auth = Secret(auth)
        del auth  # may be a token, and tools print the local variables of this frame
        with build_lock:  # no fork during these imports
            from ev_energy._api.caller import ApiCaller
            from ev_energy._api.options import CallOptions
            from ev_energy._api.settings import (
                as_credentials,
                checked_budget,
                client_repr,
                make_network,
                merge_headers,
                resolve_endpoints,
            )
            from ev_energy._api.state import ClientState, make_token_manager
            from ev_energy._codec.drift import Reporter
            from ev_energy._http.context import HttpContext
            from ev_energy._http.retry_policy import as_retry_policy
            from ev_energy._http.transport import AiohttpTransport
            from ev_energy._redaction.redactor import Redactor
            from ev_energy._servers import parse_base_url
            from ev_energy.budget import MemoryBudget
            from ev_energy.hooks import Hooks
            from ev_energy.models._json import limits_of

        credentials = as_credentials(secret_auth)
        api_url = parse_base_url(base_url, allow_insecure=allow_insecure)
        network = make_network(api_url, session, proxy, ssl, trust_env=trust_env)
        clock, sleep = clock or REAL.monotonic, sleep or asyncio.sleep
        wall_clock = wall_clock or REAL.now
        policy = as_retry_policy(retries)
        endpoints = resolve_endpoints(credentials, api_url, allow_insecure=allow_insecure)
        redactor = Redactor(
            lambda: (*network.secrets, *(credentials.secrets() if credentials else ()))
        )
        http = HttpContext(
            transport=AiohttpTransport(
                session, lambda: client_repr(api_url, credentials), max_body, network
            ),
            hooks=Hooks(
                on_request=on_request,
                on_response=on_response,
                on_retry=on_retry,
                on_wait=on_wait,
                tracer=tracer,
            ),
            redactor=redactor,
            clock=clock,
            sleep=sleep,
        )
        report = Reporter(on_drift, strict, redactor.redact)
        options = CallOptions(
            timeout=timeout,
            deadline=deadline,
            retries=policy,
            headers=merge_headers({}, headers, api_version or UNSET, language or UNSET),
            priority=priority,
            when_exhausted=when_exhausted,
            max_pages=max_pages,
        )
        tokens = None
        if credentials is not None:
            origin = str(api_url.origin())
            tokens = make_token_manager(
                credentials, endpoints, http, report, options, origin, wall_clock
            )
        state = ClientState(
            base_url=api_url,
            endpoints=endpoints,
            http=http,
            auth=credentials,
            tokens=tokens,
            budget=MemoryBudget(clock=clock, sleep=sleep)
            if isinstance(budget, Unset)
            else checked_budget(budget),
            report=report,
            limits=limits_of(max_items, max_values),
            allow_insecure=allow_insecure,
            wall_clock=wall_clock,
        )
        self._caller = ApiCaller(state, options)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **settings: Any) -> Self:
        """Create a client from environment variables; *settings* are passed to `Client`.

        Reads ``EV_ENERGY_CLIENT_ID`` and ``EV_ENERGY_CLIENT_SECRET``, or ``EV_ENERGY_TOKEN``, and
        ``EV_ENERGY_BASE_URL`` for a server other than the live one.
        """
        variables = Secret(os.environ if environ is None else environ)
        given = Secret(settings)  # may have a secret by mistake
        del environ, settings  # tools print the local variables of this frame
        with build_lock:  # no fork during this import
            from ev_energy._api.settings import credentials_from_env, server_from_env

        return cls(credentials_from_env(variables), **{**server_from_env(variables), **given.value})

    def acting_for(self, user: Id[User] | None) -> Self:
        """Return a client that makes its calls as *user* (header ``EvEnergy-User``).

        Use it with client credentials; None returns a client that acts as itself again. The new
        client shares connections, token and allowance with this one. The header holds the bare id
        of the user, or the URL if you pass a URL as text: the vendor's documentation is
        inconsistent on which of the two it should be.
        """
        from ev_energy._api.settings import headers_for_user
        from ev_energy._codec.id_check import check_id, kind_of
        from ev_energy._codec.text import as_id

        user_text: str | None
        if isinstance(user, str) and "://" in user:
            check_id("user", kind_of("User"), user)
            user_text = user
        else:
            user_text = as_id("user", "User", user)
        headers = headers_for_user(self._caller.options.headers, user_text)
        return self._view(user=user_text, headers=headers)

    def with_auth(self, auth: Credentials | str | SecretProvider) -> Self:
        """Return a client with other credentials that shares connections, budget and settings.

        It has the token and the allowance of *auth*, and acts for no user. Applications that sign
        in many users make one client, and one of these for each user: they cost no connection, and
        closing one of them closes all. A function that returns tokens needs an account:
        ``StaticToken(function, account="...")``.
        """
        secret_auth: Secret[Credentials | str | SecretProvider | None] = Secret(auth)
        del auth  # may be a token, and tools print the local variables of this frame
        from ev_energy._api.settings import as_own_credentials, headers_for_user

        caller = self._caller
        headers = headers_for_user(caller.options.headers, None)
        options = caller.options.evolve(user=None, headers=headers, reservation=None)
        view = object.__new__(type(self))
        state = caller.state.with_auth(as_own_credentials(secret_auth), options)
        view._caller = type(caller)(state, options)
        return view

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
        from ev_energy._api.settings import merge_headers
        from ev_energy._http.retry_policy import as_retry_policy

        changes: dict[str, Any] = {
            "timeout": timeout,
            "deadline": deadline,
            "retries": retries
            if isinstance(retries, Unset)
            else as_retry_policy(retries, self._caller.options.retries),
            "priority": priority,
            "when_exhausted": when_exhausted,
            "max_pages": max_pages,
        }
        changes["headers"] = merge_headers(
            self._caller.options.headers, headers, api_version, language
        )
        return self._view(**{name: value for name, value in changes.items() if value is not UNSET})

    def capture(self) -> AbstractContextManager[list[CapturedCall]]:
        """Record the calls made inside ``with client.capture() as calls:``.

        Each `CapturedCall` has the request, every attempt, the status, the headers and the raw
        body, and prints as a ``curl`` command without the token. Calls in tasks that were started
        inside and calls of clients made by `acting_for` and `with_options` are recorded too; token
        requests are not.
        """
        from ev_energy._api import capture

        return capture.record(self._caller.state)

    async def fetch(self, ref: Ref[M]) -> M:
        """Fetch the resource that *ref* links to, even if *ref* is expanded.

        Raises `ForeignOriginError` if the link leads to another server, and `ValueError` if the API
        has no operation that returns a single resource of that kind (a log entry of an inverter,
        for example).
        """
        from ev_energy import models

        with build_lock:
            from ev_energy._api.resource_paths import RESOURCE_PATHS
        from ev_energy._arguments import describe_type
        from ev_energy.models._refs import Ref

        if not isinstance(cast("object", ref), Ref):
            raise TypeError(
                f"ref must be a Ref, such as a field of a model, not {describe_type(ref)}; to get "
                "a resource by its id or URL, call the method get() of its family"
            )
        if not ref.url:
            raise ValueError(f"{ref!r} has no URL to fetch; the server sent only its .resource")
        name = ref.into.__name__
        if name not in RESOURCE_PATHS:
            raise ValueError(
                f"{ref!r} cannot be fetched: the API has no operation that returns a single "
                f"{name}; request it with expand=, or call a method that returns it"
            )
        path, model = RESOURCE_PATHS[name]
        return await self._caller.fetch(ref.url, path, cast("type[M]", getattr(models, model)))

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
    ) -> Resolve[M]: ...
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
    ) -> Resolve[M]: ...
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
    ) -> Resolve[Model]: ...
    def resolve(
        self,
        items: Iterable[Id[Model] | None],
        into: type[Model] | None = None,
        *,
        expand: Sequence[str] = (),
        resume: Resolved[Any] | None = None,
        refresh: bool = False,
        return_exceptions: bool = False,
    ) -> Resolve[Any]:
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
        from ev_energy._api.resolve import Resolve, ResolveContext
        from ev_energy._api.resolved import View

        state = self._caller.state

        def family_named(name: str) -> Any:
            return getattr(self, name)

        context = ResolveContext(
            family_named=family_named,
            require_own_link=state.require_own_link,
            view=View(str(state.base_url), state.application, self._caller.options.user),
            permits=self._permits,
        )
        return Resolve(
            items,
            into,
            expand,
            resume,
            context,
            refresh=refresh,
            return_exceptions=return_exceptions,
        )

    @overload
    async def gather(
        self,
        calls: Iterable[Awaitable[T]] | AsyncIterable[Awaitable[T]],
        *,
        limit: int | None = None,
        return_exceptions: Literal[False] = False,
    ) -> list[T]: ...
    @overload
    async def gather(
        self,
        calls: Iterable[Awaitable[T]] | AsyncIterable[Awaitable[T]],
        *,
        limit: int | None = None,
        return_exceptions: bool,
    ) -> list[T | BaseException]: ...
    async def gather(
        self, calls: Any, *, limit: int | None = None, return_exceptions: bool = False
    ) -> Any:
        """Await many calls, a few at a time, and return their results in order.

        Calls are taken from *calls* when they are about to start, so a generator of 100,000 calls
        never holds more than *limit* of them. No more run than the rate limit permits; if it is
        used up, one call waits for it. If one fails, the running ones are cancelled, the others are
        not started, and the error is raised. Its ``gathered`` has the results before.

        Args:
            calls: Awaitables such as ``client.vehicles.get(id)``: a list, a generator, or an
                asynchronous generator.
            limit: The number of calls that run at the same time; 16 by default.
            return_exceptions: Whether to return errors in place of results, and to go on. Those
                that all further calls would raise, too, are raised in any case: `BudgetExceeded`,
                `BudgetUnavailableError` and `ClientClosedError`.
        """
        from ev_energy._api.gather import gather

        return await gather(calls, limit, self._permits, return_exceptions=return_exceptions)

    def _permits(self) -> float:
        """Return how many calls may start now without waiting for the rate limit."""
        return self._caller.state.permits(self._caller.options)

    @overload
    def estimate(self, work: int | Resolve[Any]) -> Estimate: ...
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
        work: int | Pager[Any] | Resolve[Any] | Collection[Id[Model] | None],
        into: type[Model] | None = None,
        *,
        expand: Sequence[str] = (),
        resume: Resolved[Any] | None = None,
        items: int | None = None,
    ) -> Estimate:
        """Return how many requests *work* takes, and when the allowance permits them.

        Nothing is sent, and *work* is not used up.

        Args:
            work: A number of requests, a listing, what `resolve` takes: a list of ids, links or
                resources; or a `resolve` that was not awaited yet.
            into: The class of the resources, as in `resolve`.
            expand: Links to expand, as in `resolve`.
            resume: The partial result to continue from, as in `resolve`.
            items: The number of items that a listing will return, from the page where it starts, if
                you know it. The API does not state it.

        Raises:
            TypeError: *work* is something else, such as a call, or an argument is not for it.
            ValueError: A number is negative, or the last request could be sent after the year 9999.
        """
        from ev_energy._api.estimate import allowance_of, estimate, requests_of

        least, at_most = requests_of(
            work,
            into,
            expand,
            resume,
            items,
            lambda ids: self.resolve(ids, into, expand=expand, resume=resume),
        )
        state = self._caller.state
        allowance = allowance_of(state, self._caller.options)
        return estimate(least, at_most, allowance, state.wall_clock())

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
    ) -> Coroutine[Any, Any, M | None]: ...
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
    ) -> Coroutine[Any, Any, M]: ...
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
    ) -> Coroutine[Any, Any, Any]: ...
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
    ) -> Coroutine[Any, Any, Any] | Pager[Any]: ...
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
        with build_lock:
            from ev_energy._api.raw_request import raw_request

        return raw_request(
            self._caller,
            method,
            path,
            ids=ids,
            query=query,
            json=json,
            model=model,
            paged=paged,
            envelope_key=envelope_key,
        )

    async def sign_in(self, request: AuthorizationRequest, callback: str | URL) -> None:
        """Exchange the authorization code in *callback* for a token, and save it in the store.

        For `AuthorizationCode` credentials. *request* is the result of ``start_authorization``;
        *callback* is the URL (or path and query) that the server redirected the user to. Raises
        `AuthorizationError` if the user denied access or the callback does not belong to *request*,
        and `InvalidGrantError` if the code has expired, which happens after a minute.
        """
        state = self._caller.state
        secret_callback = Secret(callback)
        del callback  # it contains a code, and tools print the local variables of this frame
        endpoint = state.endpoints.get("authorize")
        tokens = state.token_manager
        with state.http.report_wait("sign_in()", "token", tokens.note_of_wait) as wait:
            await tokens.sign_in(request, secret_callback, endpoint, wait)

    async def sign_out(self) -> None:
        """Revoke the token, and delete it from memory and from the token store.

        With `AuthorizationCode` credentials, later calls raise `SignInRequiredError`; with
        `ClientCredentials`, they request a new token.
        """
        state = self._caller.state
        tokens = state.token_manager
        with state.http.report_wait("sign_out()", "token", tokens.note_of_wait) as wait:
            await tokens.sign_out(wait)

    def reserve(self, count: int) -> ReservationContext[Self]:
        """Reserve *count* requests for ``async with client.reserve(300) as reserved:``.

        *reserved* is a client whose calls use the reservation first; the rest of it is released at
        the end. Like a call, this waits until *count* requests are available at once, or raises
        `BudgetExceeded`. Raises `ValueError` if *count* exceeds the whole allowance. Inside,
        ``reserved.reserve()`` makes a separate reservation.
        """
        with build_lock:
            from ev_energy.budget._reservation import ReservationContext

        caller = self._caller
        return ReservationContext(
            lambda: caller.state.reserve(caller.options, count),
            caller.state.release,
            lambda reservation: self._view(reservation=reservation),
        )

    @property
    def rate_limit(self) -> RateLimit | None:
        """The allowance as the budget counts it.

        None until a reply has stated the limit, unless the budget has one of its own.
        """
        return self._caller.state.rate_limit

    @property
    def token_state(self) -> TokenState:
        """Whether this client holds an access token, and until when. Reading it sends nothing."""
        from ev_energy.auth import TokenState

        tokens = self._caller.state.tokens
        return TokenState(present=False, expires_in=None) if tokens is None else tokens.state()

    @property
    def base_url(self) -> URL:
        """The URL that paths are appended to."""
        return self._caller.state.base_url

    @staticmethod
    def preload(*families: str) -> None:
        """Import in advance the modules that calls need, so that no import blocks the event loop.

        Name the families that you will use, such as ``"evses"``; without names, all are imported.
        Call it before the event loop starts. Afterwards nothing is imported any more, not even for
        an error, a reply that deviates from the models, or a resource that a link leads to.
        """
        preload.load()
        preload.load_models()
        preload.load_seldom_used()
        known: dict[str, Lazy[Any]] = {
            name: value for name, value in vars(Client).items() if isinstance(value, Lazy)
        }
        for name in families or known:
            if name not in known:
                raise ValueError(
                    f"there is no family {name!r}: pass names of the client's attributes, such as "
                    "'evses'"
                )
            known[name].load()

    async def close(self) -> None:
        """Close all connections, also for the clients made by the methods of this one."""
        await self._caller.state.close()

    async def __aenter__(self) -> Self:
        if self._caller.state.http.close_scope.closed:
            from ev_energy.errors import ClientClosedError

            raise ClientClosedError
        tls = self.base_url.scheme == "https"
        if not preload.is_loaded(tls=tls):
            # In a thread if the loop has other tasks, which the imports would block.
            if len(asyncio.all_tasks()) > 1:
                await in_thread(preload.load, tls=tls)
            else:
                preload.load(tls=tls)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.close()

    if not TYPE_CHECKING:  # a type checker reports a plain `with` because these do not exist

        def __enter__(self) -> None:
            raise TypeError(
                "open this client with `async with`, or use ev_energy_sync.Client, whose calls "
                "block"
            )

        def __exit__(self, *_: object) -> None: ...

    def __repr__(self) -> str:
        if not hasattr(self, "_caller"):  # in a traceback of __init__
            return object.__repr__(self)
        from ev_energy._api.settings import client_repr

        state = self._caller.state
        return client_repr(state.base_url, state.auth, self._caller.options.user)

    def _view(self, **changes: Any) -> Self:
        view = object.__new__(type(self))
        caller = self._caller
        view._caller = type(caller)(caller.state, caller.options.evolve(**changes))
        return view


explain_credentials(Client)
