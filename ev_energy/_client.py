"""The client: what to call, and how."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, cast

import attrs
from yarl import URL

from ev_energy._api import preload
from ev_energy._api.settings import (
    credentials_in,
    credentials_of,
    described,
    endpoints_of,
    headers_of,
    network_of,
    server_in,
    with_user,
)
from ev_energy._lazy_exports import Lazy
from ev_energy._redaction.tracebacks import Secret
from ev_energy._runtime.build_lock import build_lock
from ev_energy._runtime.clocks import REAL
from ev_energy._runtime.in_thread import in_thread
from ev_energy._servers import root_of
from ev_energy._unset import UNSET, Unset
from ev_energy.auth import Auth as Credentials
from ev_energy.errors import ClientClosedError

if TYPE_CHECKING:
    from ssl import SSLContext

    import aiohttp

    from ev_energy._api.capture import CapturedCall
    from ev_energy._codec.drift import DriftHook
    from ev_energy._http.retry_policy import RetryPolicy
    from ev_energy._messages import RateLimit
    from ev_energy.auth import AuthorizationRequest
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


class Client:
    """A client of the ev.energy v2 API. Close it, or use it in ``async with``.

    Args:
        auth: Credentials, or an access token as text. None: only public operations can be called.
        base_url: ``"live"``, ``"mock"``, ``"staging"``, or the URL that paths are added to.
        session: Your own `aiohttp.ClientSession`, for its connections: its cookies and credentials
            are not sent. It stays open when the client is closed.
        proxy: The URL of an HTTP proxy for all requests, with user and password in it if need be.
            Left out, proxies are those of the environment.
        ssl: An `ssl.SSLContext`, for certificates of your own.
        trust_env: Whether ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY``,
            ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` count, in large letters and in small.
        timeout: Seconds for one attempt, from its first byte to the last.
        deadline: Seconds for a call as a whole: its turn, attempts and the pauses between them.
        retries: How often a call may be tried again, or a `RetryPolicy`.
        budget: Who may send when. Left out, the client keeps the allowance of its application, or
            of its user, as the API states it. Give the same `MemoryBudget` to clients that share
            an allowance, a `ev_energy.redis.RedisBudget` to processes that do, None for none.
        priority: ``"batch"`` lets other calls of the same budget go first.
        when_exhausted: What to do if no request is left: ``"wait"`` as long as the deadline
            allows, or ``"raise"`` `BudgetExceeded` at once.
        max_pages: How many pages a listing may have.
        max_body: How many bytes the body of a reply may have, unpacked.
        max_items: How many items a list may have. The API's pages have 100 at most, but some of
            its lists have no pages.
        max_values: How many JSON values a reply may hold; an object counts as ten.
        headers: Sent with every call.
        api_version: ``EvEnergy-Version`` of every call. The models are those of version 2; with
            None, the header is not sent, and the server uses the version configured for your
            application.
        language: ``Accept-Language``, such as ``"en-GB"``.
        strict: Raise `DecodeError` where a reply deviates from the models, instead of reporting
            it to *on_drift* and the log and reading on.
        on_drift: Called once per deviation of a reply from the models.
        on_request, on_response, on_retry, on_wait: Called as an attempt begins, as it ends, before
            a pause that another attempt follows, and as a wait begins. On the event loop.
        tracer: What surrounds calls and attempts; `ev_energy.otel` has one.
        allow_insecure: Allow ``http://`` to other hosts than this one.
        clock, sleep, now: For tests: seconds that never run backwards, waiting for some, and
            seconds since 1970.
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
        auth: Credentials | str | None = None,
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
        with build_lock:  # no fork in the middle of it
            from ev_energy._api.caller import ApiCaller
            from ev_energy._api.options import CallOptions
            from ev_energy._api.state import ClientState
            from ev_energy._codec.drift import Reporter
            from ev_energy._http.context import HttpContext
            from ev_energy._http.retry_policy import RetryPolicy
            from ev_energy._http.transport import AiohttpTransport
            from ev_energy._redaction.redactor import Redactor
            from ev_energy.auth._token_endpoint import TokenEndpoint
            from ev_energy.auth._token_manager import TokenManager
            from ev_energy.budget import MemoryBudget
            from ev_energy.hooks import Hooks
            from ev_energy.models._json import limits_of

        given = Secret(auth)
        del auth  # it may be a token, and tools print the local variables of this frame
        credentials = credentials_of(given)
        api_url = root_of(base_url, allow_insecure=allow_insecure)
        network = network_of(api_url, session, proxy, ssl, trust_env=trust_env)
        clock, sleep = clock or REAL.monotonic, sleep or asyncio.sleep
        wall_clock = wall_clock or REAL.now
        policy = retries if isinstance(retries, RetryPolicy) else RetryPolicy(retries=retries)
        endpoints = endpoints_of(credentials, api_url, allow_insecure=allow_insecure)
        redactor = Redactor(
            lambda: (*network.secrets, *(credentials.secrets() if credentials else ()))
        )
        http = HttpContext(
            transport=AiohttpTransport(
                session, lambda: described(api_url, credentials), max_body, network
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
            headers=headers_of({}, headers, api_version or UNSET, language or UNSET),
            priority=priority,
            when_exhausted=when_exhausted,
            max_pages=max_pages,
        )
        tokens = None
        if credentials is not None:
            endpoint = TokenEndpoint(http, endpoints, report, policy, timeout, deadline)
            origin = str(api_url.origin())
            tokens = TokenManager(credentials, endpoint.post, wall_clock, origin, redactor)
        state = ClientState(
            base_url=api_url,
            endpoints=endpoints,
            http=http,
            auth=credentials,
            tokens=tokens,
            budget=MemoryBudget(clock=clock, sleep=sleep) if isinstance(budget, Unset) else budget,
            report=report,
            limits=limits_of(max_items, max_values),
            wall_clock=wall_clock,
        )
        self._caller = ApiCaller(state, options)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **settings: Any) -> Self:
        """A client from the environment.

        ``EV_ENERGY_CLIENT_ID`` and ``EV_ENERGY_CLIENT_SECRET``, or ``EV_ENERGY_TOKEN``; and
        ``EV_ENERGY_BASE_URL`` for another server than the live one. *settings* go to `Client`.
        """
        given = Secret(os.environ if environ is None else environ)
        del environ  # tools print the local variables of this frame
        return cls(credentials_in(given), **{**server_in(given), **settings})

    def acting_for(self, user: Id[User] | None) -> Self:
        """This client, making its calls as *user* (``EvEnergy-User``); None: as itself again.

        For client credentials. It shares this client's connections, token and allowance. The
        bare id is sent, unless you give a URL as text, which is sent as it is: the vendor's pages
        disagree on which of the two it should be.
        """
        from ev_energy._codec.text import id_text

        if user is None:
            sent = None
        else:
            sent = user if isinstance(user, str) and "://" in user else id_text("user", user)
        headers = with_user(self._caller.options.headers, sent)
        return self._view(user=sent, headers=headers)

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
        changes: dict[str, Any] = {
            "timeout": timeout,
            "deadline": deadline,
            "retries": attrs.evolve(self._caller.options.retries, retries=retries)
            if isinstance(retries, int)
            else retries,
            "priority": priority,
            "when_exhausted": when_exhausted,
            "max_pages": max_pages,
        }
        changes["headers"] = headers_of(
            self._caller.options.headers, headers, api_version, language
        )
        return self._view(**{name: v for name, v in changes.items() if v is not UNSET})

    def capture(self) -> AbstractContextManager[list[CapturedCall]]:
        """``with client.capture() as calls:`` records the calls made inside, for a closer look.

        Each has its request, every attempt, status, headers and raw body, and prints as a
        ``curl`` command without the token. Calls in tasks that were started inside count too, and
        those of clients made by `acting_for` and `with_options`. Token requests do not.
        """
        from ev_energy._api import capture

        return capture.record(self._caller.state)

    async def fetch(self, ref: Ref[M]) -> M:
        """The resource that *ref* leads to, fetched anew even if *ref* is expanded.

        `ForeignOriginError` if it leads away from this API; `ValueError` if the API has no
        operation that gives one such resource (an entry of an inverter's log, say).
        """
        from ev_energy import models
        from ev_energy._api.resource_paths import RESOURCE_PATHS
        from ev_energy._arguments import describe_type
        from ev_energy.models._refs import Ref

        if not isinstance(cast("object", ref), Ref):
            raise TypeError(
                f"ref must be a Ref, such as a field of a model, not {describe_type(ref)}; to get "
                "a resource by its id or URL, call the method get() of its family"
            )
        if not ref.url:
            raise ValueError(f"{ref!r} has no URL to fetch; its .resource is all the server sent")
        name = ref.into.__name__
        if name not in RESOURCE_PATHS:
            raise ValueError(
                f"the API has no one operation that gets a single {name}, so that {ref!r} cannot "
                "be fetched; ask for it with expand=, or call the method that answers with it"
            )
        path, model = RESOURCE_PATHS[name]
        return await self._caller.fetch(ref.url, path, cast("type[M]", getattr(models, model)))

    async def sign_in(self, request: AuthorizationRequest, callback: str | URL) -> None:
        """Exchange the authorization code in *callback* for a token, and save it in the store.

        For `AuthorizationCode` credentials. *request* is the result of ``start_authorization``;
        *callback* is the URL (or path and query) that the server redirected the user to.
        `AuthorizationError` if the user refused or the callback does not belong to *request*,
        `InvalidGrantError` if the code has expired: it lives for a minute.
        """
        state = self._caller.state
        returned = Secret(callback)
        del callback  # there is a code in it, and tools print the local variables of this frame
        await state.token_manager.sign_in(request, returned, state.endpoints.get("authorize"))

    async def sign_out(self) -> None:
        """Revoke the token, and delete it here and in the token store.

        With `AuthorizationCode` credentials, later calls raise `SignInRequiredError`; with
        `ClientCredentials`, they ask for a new token.
        """
        await self._caller.state.token_manager.sign_out()

    def reserve(self, count: int) -> ReservationContext[Self]:
        """``async with client.reserve(300) as reserved:`` sets aside that many requests.

        *reserved* is this client, whose calls use them up first; what is left is given back in the
        end. Waits until there are as many at once, or raises `BudgetExceeded`, as calls do;
        `ValueError` if the allowance never has as many. Within, ``reserved.reserve()`` sets aside
        others.
        """
        from ev_energy.budget._reservation import ReservationContext

        caller = self._caller
        return ReservationContext(
            lambda: caller.state.reserve(caller.options, count),
            caller.state.release,
            lambda reservation: self._view(reservation=reservation),
        )

    @property
    def rate_limit(self) -> RateLimit | None:
        """How the allowance stands, by the budget's reckoning; None before the API stated one."""
        return self._caller.state.rate_limit

    @property
    def base_url(self) -> URL:
        """What paths are added to."""
        return self._caller.state.base_url

    @staticmethod
    def preload(*families: str) -> None:
        """Import what calls will need, so that no call made in a running loop has to wait for it.

        Call it before the loop starts, with the families you will use (``"evses"``), or with none
        for all. Nothing is left to import then: not for an error, a reply that deviates from the
        models, or a resource at the end of a link.
        """
        preload.load()
        preload.load_models()
        for name in families or [n for n, v in vars(Client).items() if isinstance(v, Lazy)]:
            family = getattr(Client, name, None)
            if not isinstance(family, Lazy):
                raise ValueError(f"there is no family {name!r}")  # noqa: TRY004  (the name is wrong)
            family.load()  # pyright: ignore[reportUnknownMemberType]  # whatever family it is

    async def close(self) -> None:
        """Close every connection. Clients made by `acting_for` and `with_options` close too."""
        await self._caller.state.close()

    async def __aenter__(self) -> Self:
        if self._caller.state.http.close_scope.closed:
            raise ClientClosedError
        tls = self.base_url.scheme == "https"
        if not preload.is_loaded(tls=tls):
            # It takes its time, which the loop's other tasks should not have to wait for.
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

    if not TYPE_CHECKING:  # who checks types is told by those

        def __enter__(self) -> None:
            raise TypeError(
                "open this client with `async with`, or use the one of ev_energy_sync, "
                "whose calls block"
            )

        def __exit__(self, *_: object) -> None: ...

    def __repr__(self) -> str:
        if not hasattr(self, "_caller"):  # a traceback shows one that could not be made
            return object.__repr__(self)
        state = self._caller.state
        return described(state.base_url, state.auth, self._caller.options.user)

    def _view(self, **changes: Any) -> Self:
        view = object.__new__(type(self))
        options = attrs.evolve(self._caller.options, **changes)
        view._caller = attrs.evolve(self._caller, options=options)
        return view
