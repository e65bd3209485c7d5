"""The simulator: the simulated world, the API in front of it, and the server."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypedDict, TypeVar

from aiohttp import web

from ev_energy.simulator import _status_page, admin, oauth, onboarding_pages
from ev_energy.simulator._request_log import RequestLog, SeenRequest
from ev_energy.simulator._secrets import Secrets
from ev_energy.simulator._state_file import (
    SimulatorState,
    StateFile,
    choose,
    read_state,
    write_state,
)
from ev_energy.simulator._threads import run_in_loop, run_in_thread
from ev_energy.simulator.admin import HostCheck
from ev_energy.simulator.clock._clock import Clock
from ev_energy.simulator.clock._service_time import ServiceClock, checked_source
from ev_energy.simulator.faults import Faults
from ev_energy.simulator.http._date import DateHeader
from ev_energy.simulator.http._dispatcher import Dispatcher
from ev_energy.simulator.http._rate_limit import RateLimiter
from ev_energy.simulator.pages import BrowserSessions
from ev_energy.simulator.resources import _evidence_bucket
from ev_energy.simulator.resources._device_linking import WorldConnector
from ev_energy.simulator.resources._operations import OPERATIONS
from ev_energy.simulator.resources._seed_world import build_world
from ev_energy.simulator.resources.charging_sessions._unreliable_data import (
    UnreliableData,
    set_unreliable_data,
    unreliable_data,
)
from ev_energy.simulator.resources.regions import DEFAULT_ORGANISATION, link_organisation
from ev_energy.simulator.resources.users import WorldUsers
from ev_energy.simulator.webhooks import Portal, Webhooks
from ev_energy.simulator.webhooks._event_publisher import EventPublisher

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Iterable, Sequence
    from datetime import datetime
    from types import TracebackType
    from typing import Unpack

    from aiohttp.typedefs import Middleware

    from ev_energy.auth import Token
    from ev_energy.simulator.clock._service_time import TimeSource


__all__ = ["SeenRequest", "Simulator"]

T = TypeVar("T")

#: The largest request body.
_MAX_BODY_BYTES: Final = 20 * 2**20


class _Options(TypedDict, total=False):
    seed: int | None
    vehicles: int | None
    port: int
    host: str
    rate_limit: int | None
    clock: Clock | None
    log: Callable[[SeenRequest], None] | None
    state: str | os.PathLike[str] | None
    fixed_secrets: bool
    service_time: TimeSource
    webhook_timestamps: TimeSource | Callable[[], datetime]


class Simulator:
    """The ev.energy v2 API on a port of this machine, with invented users, vehicles and EVSEs.

    Use ``async with Simulator() as simulator`` to serve in the running event loop, or
    ``with Simulator.in_thread() as simulator`` to serve beside blocking code. The same ``seed``
    and ``vehicles`` give the same data. Changes that requests make last as long as the object, or
    as the file ``state``. All public methods and attributes are thread-safe.

    Args:
        seed: The seed of the data; by default that of the state file, else 1.
        vehicles: The number of vehicles; by default that of the state file, else 50.
        port: The port to listen on; 0 for a free port.
        host: The name or address to listen on. Unless it is a loopback address, every client
            that can reach this machine can control the simulator.
        rate_limit: Requests per rolling hour for each application and user; None for no limit.
        clock: The clock of the simulated world; by default it follows real time.
        log: Called with every request after its reply; ``str(request)`` is a line of a log.
        state: A file to resume from if it exists, and to save to, every few seconds and at the
            end. `ValueError` if it is damaged, or has another seed or number of vehicles.
        fixed_secrets: Whether client secrets, tokens, codes and the signing secrets of webhooks
            are derived from the seed, and so are the same in every run. Otherwise they are
            random, and a state file preserves them.
        service_time: The time of token and code lifetimes and of the rate limit: ``"real"``,
            independent of the speed of the clock, or ``"world"``. Both include jumps of the
            clock.
        webhook_timestamps: The time that deliveries are signed with: ``"real"``, which receivers
            compare with their own clock, ``"world"``, or for receivers with a clock of their
            own a function that returns its time.
    """

    _middlewares: ClassVar[Sequence[Middleware]] = ()
    """Middlewares between the API and the faults, for tests that check all replies."""
    _save_every: ClassVar[float] = 5.0

    def __init__(
        self,
        *,
        seed: int | None = None,
        vehicles: int | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
        rate_limit: int | None = 1000,
        clock: Clock | None = None,
        log: Callable[[SeenRequest], None] | None = None,
        state: str | os.PathLike[str] | None = None,
        fixed_secrets: bool = False,
        service_time: TimeSource = "real",
        webhook_timestamps: TimeSource | Callable[[], datetime] = "real",
    ) -> None:
        service_time = checked_source("service_time", service_time)
        if not callable(webhook_timestamps):
            webhook_timestamps = checked_source("webhook_timestamps", webhook_timestamps)
        path = None if state is None else Path(state)
        saved = None if path is None else read_state(path)
        self.seed: int = choose(saved, "seed", seed, 1)
        """The seed of the data."""
        self.vehicles: int = choose(saved, "vehicles", vehicles, 50)
        """The number of vehicles before requests connect more."""
        self.clock: Clock = clock or Clock()
        """The clock of the simulated world, which may be moved."""
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._world = build_world(self.seed, self.vehicles, self.clock)
        self._world.secrets = secrets = Secrets(self._world.random, fixed=fixed_secrets)
        self._world.service_clock = ServiceClock(self.clock, service_time)
        self._auth_server = oauth.AuthorizationServer(
            self._world.random, self.service_clock, secrets
        )
        self._browser_sessions = BrowserSessions()
        self.faults: Faults = Faults(
            self._world.random, revoke=self._auth_server.revoke_any, now=self.clock.now
        )
        """The faults of this simulator."""
        self.webhooks: Webhooks = Webhooks(
            self.clock, self._world.random, secrets, timestamps=webhook_timestamps
        )
        """The endpoints of webhooks and their deliveries."""
        self._event_publisher = EventPublisher(
            self._world, self.webhooks, root=lambda: self.base_url
        )
        self._portal = Portal(self.webhooks, secrets, self._browser_sessions)
        self._world.portal_link = self._portal.link
        self._rate_limiter = RateLimiter(rate_limit, self.service_clock)
        self._dispatcher = Dispatcher(
            self._world, self._auth_server, self._rate_limiter, OPERATIONS
        )
        self._request_log = RequestLog(self._auth_server, self.clock.now, log)
        application = self._auth_server.register(
            oauth.ALL_SCOPES, ("https://drivers.example.com/",)
        )
        self.client_id: str = application.client_id
        """The client id of an application with all scopes, for the client credentials grant."""
        self.user_id: str = self._world.user_id(0)
        """The id of a user with several EVSEs, two vehicles, solar panels and a home battery."""
        parts = self._world, self._auth_server, self.webhooks, self._rate_limiter
        self._state = SimulatorState(self.seed, self.vehicles, *parts)
        self._initial_state = write_state(self._state.dump())
        self._state_file: StateFile | None = None
        if path is not None:
            self._state_file = StateFile(path, self._state.dump, interval=self._save_every)
        if saved is not None:
            speed = self.clock.speed
            self._state.load(saved, str(path))
            if self.client_id not in self._auth_server.applications:
                raise ValueError(f"{path}: damaged: its first application is missing")
            if clock is not None:  # a clock that the caller passes keeps its speed
                self.clock.run(speed)
            # A reset must keep the secret that clients use, not restore that of this run.
            self._initial_state = write_state(_with_secret(self._initial_state, self.client_secret))

    @property
    def client_secret(self) -> str:
        """The secret of `client_id`."""
        return self._auth_server.applications[self.client_id].client_secret

    @property
    def service_clock(self) -> ServiceClock:
        """The clock of token lifetimes and of the rate limit."""
        return self._world.service_clock

    @property
    def requests(self) -> list[SeenRequest]:
        """All requests but those to admin endpoints and the status page, the newest last.

        The list may be cleared.
        """
        return self._request_log.requests

    @property
    def unreliable_data(self) -> UnreliableData:
        """How unreliable the sub-sessions are that the API shows; reliable by default.

        Setting it has an effect on sub-sessions that start later, or from its ``since`` on.
        ``UnreliableData()`` makes all of them reliable again, as if nothing had happened.
        """
        return self._in_loop(lambda: unreliable_data(self._world)) or UnreliableData()

    @unreliable_data.setter
    def unreliable_data(self, options: UnreliableData) -> None:
        """Make data unreliable, or reliable again."""
        if not isinstance(options, UnreliableData):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"unreliable_data: must be UnreliableData, not {options!r}")
        self._in_loop(lambda: set_unreliable_data(self._world, options))

    @property
    def base_url(self) -> str:
        """The root of the API, without a slash at the end."""
        return f"{self._origin}/v2"

    @property
    def token_url(self) -> str:
        """The URL of the token endpoint."""
        return f"{self._origin}/o/token/"

    @property
    def page_url(self) -> str:
        """The URL of the status page."""
        return f"{self._origin}/"

    @property
    def admin_url(self) -> str:
        """The URL of the admin endpoints, without a slash at the end."""
        return f"{self._origin}/__sim"

    @property
    def _origin(self) -> str:
        if self._runner is None:
            raise RuntimeError("the simulator is not running: enter it first")
        port: int = self._runner.addresses[0][1]
        return f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{port}"

    def curl(self, origin: str | None = None) -> str:
        """Return a shell script that gets a token and lists EVSEs.

        ``origin`` replaces the origin of `base_url`, for a shell on another machine.
        """
        origin = origin or self._origin
        return (
            f"TOKEN=$(curl -s -u {self.client_id}:{self.client_secret} \\\n"
            f"  -d grant_type=client_credentials {origin}/o/token/ \\\n"
            """  | python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')\n"""
            'curl -H "Authorization: Bearer $TOKEN" '
            f'"{origin}/v2/evses?page_size=2&expand=model"'
        )

    def add_application(
        self,
        *,
        scopes: Iterable[str] | None = None,
        redirect_uris: Iterable[str] = (),
        public: bool = False,
        name: str | None = None,
        onboarding_redirect_url: str | None = None,
        organisation: str | None = DEFAULT_ORGANISATION,
    ) -> tuple[str, str]:
        """Register an application; return its client id and secret.

        It may request all scopes by default. A ``public`` application has no secret and uses
        PKCE. An application without ``organisation`` has no regions. `ValueError` names an
        invalid argument.
        """

        def add() -> tuple[str, str]:
            application = self._auth_server.register(
                oauth.ALL_SCOPES if scopes is None else scopes,
                redirect_uris,
                public=public,
                name=name,
                onboarding_redirect_url=onboarding_redirect_url,
            )
            if organisation != DEFAULT_ORGANISATION:
                link_organisation(self._world, application.client_id, organisation)
            return application.client_id, application.client_secret

        return self._in_loop(add)

    def sign_in(
        self,
        user_id: str | None = None,
        *,
        client_id: str | None = None,
        scopes: Iterable[str] | None = None,
    ) -> Token:
        """Return the token of a user, as after login and consent.

        Pass its ``access_token`` to a `Client`, or save it in a token store under
        ``auth.key(origin)``. The defaults are the first user, the first application and all its
        scopes. ``expires_at`` is by the clock of this machine, as a client would have it.
        `ValueError` names a user or application that does not exist.
        """
        from ev_energy.auth import Token

        reply = self.token_reply(user_id, client_id=client_id, scopes=scopes)
        lifetime = float(reply["expires_in"])
        return Token(
            access_token=reply["access_token"],
            refresh_token=reply["refresh_token"],
            expires_at=time.time() + lifetime,
            lifetime=lifetime,
            scope=reply["scope"],
        )

    def token_reply(
        self,
        user_id: str | None = None,
        *,
        client_id: str | None = None,
        scopes: Iterable[str] | None = None,
    ) -> dict[str, Any]:
        """Return the reply of the token endpoint after login and consent; see `sign_in`."""
        user, application = user_id or self.user_id, client_id or self.client_id

        def sign_in() -> dict[str, Any]:
            if self._world.tables["users"].get(user) is None:
                raise ValueError(f"user_id: {user} does not exist")
            if application not in self._auth_server.applications:
                raise ValueError(f"client_id: {application} does not exist")
            return self._auth_server.sign_in(application, user, scopes)

        return self._in_loop(sign_in)

    def expire_tokens(self) -> None:
        """Make all access tokens invalid: the next request with one gets 401.

        Refresh tokens stay valid.
        """
        self._in_loop(self._auth_server.expire_tokens)

    def revoke_token(self, token: str) -> bool:
        """Revoke an access or refresh token; return whether it was valid.

        A refresh token is revoked with its access token.
        """
        return self._in_loop(lambda: self._auth_server.revoke_any(token))

    def reset(self) -> None:
        """Restore the initial state, before any request and any state file.

        The clock is set back, and faults, endpoints of webhooks and requests are removed. The
        client secret stays.
        """
        self._in_loop(self._reset)

    def save(self) -> None:
        """Write the state file now; `RuntimeError` without a state file."""
        if self._state_file is None:
            raise RuntimeError(
                "there is no state file: create the simulator with Simulator(state=...)"
            )
        self._in_loop(self._state_file.save)

    def state(self) -> str:
        """Return the current content of a state file. It contains tokens and secrets."""
        return self._in_loop(lambda: write_state(self._state.dump()))

    async def __aenter__(self) -> Self:
        if self._runner is not None:
            raise RuntimeError("the simulator is already running")
        if self._state_file is not None:
            self._state_file.save()  # fails now if the file cannot be written, not at the end
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner, self._loop = runner, asyncio.get_running_loop()
        await self.webhooks.start()
        self._event_publisher.start()
        if self._state_file is not None:
            self._state_file.start(self.clock)
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        runner, self._runner = self._runner, None
        if runner is None:
            return
        try:
            await self._event_publisher.close()
            await self.webhooks.close()
            await runner.cleanup()
        finally:
            self._loop = None
            if self._state_file is not None:
                await self._state_file.close()

    @classmethod
    @contextmanager
    def in_thread(cls, **options: Unpack[_Options]) -> Generator[Self, None, None]:
        """Serve on an event loop in a new thread until the ``with`` block ends."""
        simulator = cls(**options)
        with run_in_thread(simulator, "ev-energy-simulator"):
            yield simulator

    def _app(self) -> web.Application:
        host_check = HostCheck(self._host)
        app = web.Application(
            middlewares=[
                DateHeader(self.clock.now).middleware,
                self._request_log.middleware,
                host_check.middleware,
            ],
            client_max_size=_MAX_BODY_BYTES,
        )
        self.faults.install(app)
        app.middlewares.extend(self._middlewares)
        self._dispatcher.install(app, "/v2")
        users = WorldUsers(self._world)
        oauth.install(app, self._auth_server, users, self._browser_sessions)
        onboarding_pages.install(
            app,
            WorldConnector(self._world),
            users,
            self._auth_server.applications,
            self._browser_sessions,
            self.clock,
        )
        _evidence_bucket.add_routes(app, self._world)
        self._portal.install(app)
        admin.install(app, self, self._world, self._auth_server)
        _status_page.install(app, self, self._world, self._browser_sessions)
        return app

    def _in_loop(self, function: Callable[[], T]) -> T:
        return run_in_loop(self._loop, function)

    def _reset(self) -> None:
        self._state.load(json.loads(self._initial_state), "the initial state")
        self.faults.clear()
        self.requests.clear()
        if self._state_file is not None:
            self._state_file.mark_changed()


def _with_secret(initial_state: str, secret: str) -> dict[str, Any]:
    """Return the initial state with this secret of the first application."""
    state: dict[str, Any] = json.loads(initial_state)
    state["oauth"]["applications"][0]["client_secret"] = secret
    return state
