"""The simulator: a world, the API in front of it, and a socket."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypedDict, TypeVar

from aiohttp import web

from ev_energy.simulator import _status_page as status
from ev_energy.simulator import admin as control
from ev_energy.simulator import oauth, onboarding_pages
from ev_energy.simulator._request_log import Journal, SeenRequest
from ev_energy.simulator._secrets import Secrets
from ev_energy.simulator._state_file import Keeper, Kept, chosen, read_state, write_state
from ev_energy.simulator._threads import done_in, entered_in_thread
from ev_energy.simulator.admin import HostCheck
from ev_energy.simulator.clock._clock import Clock
from ev_energy.simulator.clock._service_time import ServiceClock, checked_source
from ev_energy.simulator.faults import Faults
from ev_energy.simulator.http._dispatcher import Dispatcher
from ev_energy.simulator.http._rate_limit import RateLimiter
from ev_energy.simulator.pages import BrowserSessions
from ev_energy.simulator.resources import _evidence_bucket
from ev_energy.simulator.resources._device_linking import WorldConnector
from ev_energy.simulator.resources._operations import OPERATIONS
from ev_energy.simulator.resources._seed_world import build_world
from ev_energy.simulator.resources.regions import DEFAULT_ORGANISATION, link_organisation
from ev_energy.simulator.resources.users import WorldUsers
from ev_energy.simulator.webhooks import Portal, Webhooks
from ev_energy.simulator.webhooks._event_publisher import EventPublisher

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Iterable, Sequence
    from types import TracebackType
    from typing import Unpack

    from aiohttp.typedefs import Middleware

    from ev_energy.simulator.clock._service_time import TimeSource


__all__ = ["SeenRequest", "Simulator"]

T = TypeVar("T")

#: The largest body that is read.
_MOST_BYTES: Final = 20 * 2**20


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
    webhook_timestamps: TimeSource


class Simulator:
    """The ev.energy v2 API on a port of this machine, with made-up users, cars and charge points.

    Use it as ``async with Simulator() as simulator`` to serve in the running event loop, or as
    ``with Simulator.in_thread() as simulator`` to serve beside blocking code. The data are the
    same for the same ``seed`` and ``vehicles``; what requests change lasts as long as the object,
    or as the file that ``state`` names. Any thread may use what is public here.

    Args:
        seed: Which data to make up; 1 unless the state file says otherwise.
        vehicles: How many vehicles there are; 50 unless the state file says otherwise.
        port: Where to listen; 0 for a free port.
        host: The name or address to listen at. With another than a loopback one, whoever can
            reach this machine can do as they like here.
        rate_limit: Requests in a rolling hour, by application and user; None for no limit.
        clock: What time it is in there; it follows the one on the wall if left out.
        log: Called with every request once it is answered; its text is a line for people.
        state: A file to go on from if it is there, and to save in, every few seconds and at the
            end. `ValueError` if it is damaged, or was made with another seed or other vehicles.
        fixed_secrets: Whether client secrets, tokens, codes and the signing secrets of webhooks
            follow from the seed, so that they are the same in every run. They are random
            otherwise, and a state file keeps them.
        service_time: What lifetimes of tokens and codes and the hour of the rate limit go by:
            ``"real"`` seconds, whatever the speed of the clock, or those of the ``"world"``. In
            both, a jump of the clock counts.
        webhook_timestamps: Which time deliveries are signed with: the ``"real"`` one, which
            receivers compare it with, or that of the ``"world"``.
    """

    _middlewares: ClassVar[Sequence[Middleware]] = ()
    """What every reply passes through on its way to the faults; for tests that look at them."""
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
        webhook_timestamps: TimeSource = "real",
    ) -> None:
        service_time = checked_source("service_time", service_time)
        webhook_timestamps = checked_source("webhook_timestamps", webhook_timestamps)
        path = None if state is None else Path(state)
        found = None if path is None else read_state(path)
        self.seed = chosen(found, "seed", seed, 1)
        """Which data were made up."""
        self.vehicles = chosen(found, "vehicles", vehicles, 50)
        """How many vehicles there are before requests connect more."""
        self.clock = clock or Clock()
        """What time it is in there; move it as you like."""
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
        self.faults = Faults(self._world.random, revoke=self._auth_server.revoke_any)
        """What is to go wrong."""
        self.webhooks = Webhooks(
            self.clock, self._world.random, secrets, timestamps=webhook_timestamps
        )
        """The endpoints of webhooks, and what became of the deliveries."""
        self._event_publisher = EventPublisher(
            self._world, self.webhooks, root=lambda: self.base_url
        )
        self._portal = Portal(self.webhooks, secrets, self._browser_sessions)
        self._world.portal_link = self._portal.link
        self._rate_limiter = RateLimiter(rate_limit, self.service_clock)
        self._dispatcher = Dispatcher(
            self._world, self._auth_server, self._rate_limiter, OPERATIONS
        )
        self._journal = Journal(self._auth_server, self.clock.now, log)
        application = self._auth_server.register(
            oauth.ALL_SCOPES, ("https://drivers.example.com/",)
        )
        self.client_id = application.client_id
        """An application with all scopes, for the client credentials grant."""
        self.user_id: str = self._world.user_id(0)
        """A user with several EVSEs, two cars, solar panels and a home battery."""
        parts = self._world, self._auth_server, self.webhooks, self._rate_limiter
        self._kept = Kept(self.seed, self.vehicles, *parts)
        self._first_day = write_state(self._kept.dump())
        self._keeper: Keeper | None = None
        if path is not None:
            self._keeper = Keeper(path, self._kept.dump, every=self._save_every)
        if found is not None:
            pace = self.clock.speed
            self._kept.load(found, str(path))
            if self.client_id not in self._auth_server.applications:
                raise ValueError(f"{path}: damaged: its first application is missing")
            if clock is not None:  # a clock that was passed in has the speed that is wanted
                self.clock.run(pace)
            # A reset leads back to the secret that clients were told, not to one of this run.
            self._first_day = write_state(_with_secret(self._first_day, self.client_secret))

    @property
    def client_secret(self) -> str:
        """The secret of `client_id`."""
        return self._auth_server.applications[self.client_id].client_secret

    @property
    def service_clock(self) -> ServiceClock:
        """The clock that lifetimes of tokens and the rate limit go by."""
        return self._world.service_clock

    @property
    def requests(self) -> list[SeenRequest]:
        """What came in for the API and for tokens, the newest last. Clear it as you like."""
        return self._journal.requests

    @property
    def base_url(self) -> str:
        """The root of the API, without a slash at the end."""
        return f"{self._origin}/v2"

    @property
    def token_url(self) -> str:
        """Where tokens are issued."""
        return f"{self._origin}/o/token/"

    @property
    def page_url(self) -> str:
        """The page that shows a browser how things are."""
        return f"{self._origin}/"

    @property
    def control_url(self) -> str:
        """Where other programs steer the simulator, without a slash at the end."""
        return f"{self._origin}/__sim"

    @property
    def _origin(self) -> str:
        if self._runner is None:
            raise RuntimeError("the simulator is not running: enter it first")
        port: int = self._runner.addresses[0][1]
        return f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{port}"

    def curl(self, origin: str | None = None) -> str:
        """Return lines for a shell that get a token and list EVSEs with it.

        ``origin`` is how the shell's machine reaches this one, if not at `base_url`.
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
        """Register one more application; return its client id and secret.

        It may ask for all ``scopes`` there are unless told otherwise. A ``public`` one has no
        secret, and proves itself with PKCE. One without an ``organisation`` has no regions.
        `ValueError` names what will not do.
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
    ) -> dict[str, Any]:
        """Return the tokens of a user who went through login and consent.

        That is what the token endpoint answers: ``access_token``, ``refresh_token`` and more. The
        user and the application are the first ones unless told otherwise, the scopes all that the
        application may have. `ValueError` names what is not there.
        """
        who, what = user_id or self.user_id, client_id or self.client_id

        def sign_in() -> dict[str, Any]:
            if self._world.tables["users"].get(who) is None:
                raise ValueError(f"user_id: there is no {who}")
            if what not in self._auth_server.applications:
                raise ValueError(f"client_id: there is no {what}")
            return self._auth_server.sign_in(what, who, scopes)

        return self._in_loop(sign_in)

    def expire_tokens(self) -> None:
        """Make every access token issued so far invalid: the next request with one gets 401.

        Refresh tokens stay good.
        """
        self._in_loop(self._auth_server.expire_tokens)

    def revoke_token(self, token: str) -> bool:
        """Make an access or refresh token invalid; return whether it was one.

        A refresh token takes its access token along.
        """
        return self._in_loop(lambda: self._auth_server.revoke_any(token))

    def reset(self) -> None:
        """Make everything as it was on the first day, before any request and any state file.

        The clock goes back too; faults, endpoints of webhooks and seen requests are gone.
        """
        self._in_loop(self._reset)

    def save(self) -> None:
        """Write the state file now; `RuntimeError` if there is none."""
        if self._keeper is None:
            raise RuntimeError("there is no file to save in: make it with Simulator(state=...)")
        self._in_loop(self._keeper.save)

    def state(self) -> str:
        """Return what the state file would hold now. There are tokens and secrets in it."""
        return self._in_loop(lambda: write_state(self._kept.dump()))

    async def __aenter__(self) -> Self:
        if self._runner is not None:
            raise RuntimeError("the simulator is running already")
        if self._keeper is not None:
            self._keeper.save()  # whoever cannot is told now, and not when all is lost
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
        if self._keeper is not None:
            self._keeper.start(self.clock)
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
            if self._keeper is not None:
                await self._keeper.close()

    @classmethod
    @contextmanager
    def in_thread(cls, **options: Unpack[_Options]) -> Generator[Self, None, None]:
        """Serve on an event loop in a thread of its own until the ``with`` block ends."""
        simulator = cls(**options)
        with entered_in_thread(simulator, "ev-energy-simulator"):
            yield simulator

    def _app(self) -> web.Application:
        host_check = HostCheck(self._host)
        app = web.Application(
            middlewares=[self._journal.middleware, host_check.middleware],
            client_max_size=_MOST_BYTES,
        )
        self.faults.install(app)
        app.middlewares.extend(self._middlewares)
        self._dispatcher.install(app.router, "/v2")
        directory = WorldUsers(self._world)
        oauth.install(app, self._auth_server, directory, self._browser_sessions)
        onboarding_pages.install(
            app,
            WorldConnector(self._world),
            directory,
            self._auth_server.applications,
            self._browser_sessions,
            self.clock,
        )
        _evidence_bucket.add_routes(app, self._world)
        self._portal.install(app)
        control.install(app, self, self._world, self._auth_server)
        status.install(app, self, self._world, self._browser_sessions)
        return app

    def _in_loop(self, work: Callable[[], T]) -> T:
        return done_in(self._loop, work)

    def _reset(self) -> None:
        self._kept.load(json.loads(self._first_day), "the first day")
        self.faults.clear()
        self.requests.clear()
        if self._keeper is not None:
            self._keeper.touch()


def _with_secret(first_day: str, secret: str) -> dict[str, Any]:
    """Return the state of the first day with this secret of the first application."""
    state: dict[str, Any] = json.loads(first_day)
    state["oauth"]["applications"][0]["client_secret"] = secret
    return state
