"""The simulator: a world, the API in front of it, and a socket."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Self, TypedDict

import attrs
from aiohttp import hdrs, web
from multidict import CIMultiDict

from ev_energy.simulator._budget import Budget
from ev_energy.simulator._build import build_world
from ev_energy.simulator._desk import Desk
from ev_energy.simulator._instants import ANCHOR
from ev_energy.simulator._oauth import ALL_SCOPES, Authority, TokenRefusedError
from ev_energy.simulator._operations import OPERATIONS
from ev_energy.simulator._pages import onboarding_page

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType
    from typing import Unpack

    from aiohttp.typedefs import Handler

#: So that a simulator which runs for weeks does not grow for weeks.
_REQUESTS_KEPT: Final = 10_000


class _Options(TypedDict, total=False):
    seed: int
    evses: int
    port: int
    host: str
    rate_limit: int | None
    clock: Callable[[], datetime] | None
    log: Callable[[str], None] | None


@attrs.frozen
class SeenRequest:
    """A request as the simulator saw it. Credentials are not kept."""

    method: str
    path: str
    """As it came over the wire, percent signs and all."""
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    """All but Authorization; names in capitals or not."""
    authorization_scheme: str | None
    """``Bearer`` or ``Basic``; None if there was no such header."""
    status: int
    """What it was answered with."""


def _running_clock() -> Callable[[], datetime]:
    """Return a clock that starts at the world's own date and runs as fast as ours."""
    started = time.monotonic()
    return lambda: ANCHOR + timedelta(seconds=time.monotonic() - started)


class Simulator:
    """The ev.energy v2 API on a port of this machine, with made-up users and charge points.

    Use it as ``async with Simulator() as simulator`` to serve in the running event loop, or as
    ``with Simulator.in_thread() as simulator`` to serve beside blocking code. The data are the
    same for the same ``seed`` and ``evses``; what requests change lasts as long as the object.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        evses: int = 40,
        port: int = 0,
        host: str = "127.0.0.1",
        rate_limit: int | None = 1000,
        clock: Callable[[], datetime] | None = None,
        log: Callable[[str], None] | None = None,
    ) -> None:
        if evses < 1:
            raise ValueError(f"evses: {evses} is fewer than one")
        clock = clock or _running_clock()
        self._host = host
        self._port = port
        self._log = log
        self._runner: web.AppRunner | None = None
        self._world = build_world(seed, evses)
        self._authority = Authority(self._world.chance, clock)
        self._desk = Desk(
            self._world, self._authority, Budget(rate_limit, clock), clock, OPERATIONS
        )
        application = self._authority.add(ALL_SCOPES, ("https://drivers.example.com/",))
        self.client_id = application.client_id
        """An application with all scopes, for the client credentials grant."""
        self.client_secret = application.client_secret
        self.user_id: str = self._world.tables["users"].rows()[0]["id"]
        """A user with several EVSEs and a CT clamp."""
        self.requests: list[SeenRequest] = []
        """What came in, the newest last."""

    @property
    def base_url(self) -> str:
        """The root of the API, without a slash at the end."""
        return f"{self._origin}/v2"

    @property
    def token_url(self) -> str:
        """Where tokens are issued."""
        return f"{self._origin}/o/token/"

    @property
    def _origin(self) -> str:
        if self._runner is None:
            raise RuntimeError("the simulator is not running: enter it first")
        port: int = self._runner.addresses[0][1]
        return f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{port}"

    def add_application(self, *, scopes: Sequence[str]) -> tuple[str, str]:
        """Register one more application; return its client id and secret."""
        application = self._authority.add(scopes)
        return application.client_id, application.client_secret

    def expire_tokens(self) -> None:
        """Make every token issued so far invalid: the next request with one gets 401."""
        self._authority.expire_tokens()

    async def __aenter__(self) -> Self:
        if self._runner is not None:
            raise RuntimeError("the simulator is running already")
        app = web.Application(middlewares=[self._record])
        self._desk.install(app.router, "/v2")
        for path in ("/o/token/", "/o/token"):
            app.router.add_post(path, self._token)
        app.router.add_get("/onboarding/{step}", onboarding_page)
        app.router.add_get("/onboarding/{step}/", onboarding_page)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    @classmethod
    @contextmanager
    def in_thread(cls, **options: Unpack[_Options]) -> Generator[Self, None, None]:
        """Serve on an event loop in a thread of its own until the ``with`` block ends."""
        simulator = cls(**options)
        started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

        async def serve() -> None:
            try:
                async with simulator:
                    done = asyncio.Event()
                    started.set_result((asyncio.get_running_loop(), done))
                    await done.wait()
            except BaseException as error:
                if started.done():
                    raise
                started.set_exception(error)

        thread = threading.Thread(
            target=lambda: asyncio.run(serve()), name="ev-energy-simulator", daemon=True
        )
        thread.start()
        try:
            loop, done = started.result()
            try:
                yield simulator
            finally:
                loop.call_soon_threadsafe(done.set)
        finally:
            thread.join()

    async def _token(self, request: web.Request) -> web.Response:
        form = {
            name: text for name, text in (await request.post()).items() if isinstance(text, str)
        }
        headers = {hdrs.CACHE_CONTROL: "no-store", hdrs.PRAGMA: "no-cache"}
        try:
            body = self._authority.issue(request.headers.get(hdrs.AUTHORIZATION), form)
        except TokenRefusedError as refused:
            if refused.status == 401:  # noqa: PLR2004 - a status
                headers[hdrs.WWW_AUTHENTICATE] = "Basic"
            return web.json_response(refused.body, status=refused.status, headers=headers)
        return web.json_response(body, headers=headers)

    @web.middleware
    async def _record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Note what came in and what went out."""
        status = 500
        try:
            response = await handler(request)
            status = response.status
        except web.HTTPException as error:
            status = error.status
            raise
        else:
            return response
        finally:
            self._note(request, status)

    def _note(self, request: web.Request, status: int) -> None:
        headers = CIMultiDict(request.headers)
        authorization = headers.popall(hdrs.AUTHORIZATION, [])
        self.requests.append(
            SeenRequest(
                method=request.method,
                path=request.rel_url.raw_path,
                query=tuple(request.query.items()),
                headers=headers,
                authorization_scheme=authorization[0].partition(" ")[0] if authorization else None,
                status=status,
            )
        )
        del self.requests[:-_REQUESTS_KEPT]
        if self._log is not None:
            self._log(f"{status} {request.method:6} {request.path_qs}")
