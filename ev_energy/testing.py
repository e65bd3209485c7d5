"""The pytest plugin: fixtures for testing applications that use this package.

``ev_energy_simulator`` is a fresh simulator; ``ev_energy_client`` and ``ev_energy_sync_client`` are
clients of it, and ``ev_energy_webhook_receiver`` receives its webhooks. Each test gets its own.
``@pytest.mark.ev_energy_simulator(vehicles=...)`` configures the simulator.
"""

# Every run of pytest loads this module if the package is installed. So it imports only what pytest
# needs to find the fixtures; the rest is imported when a fixture is used.
from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager, contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Callable,
        Generator,
        Iterator,
        Mapping,
    )

    from aiohttp import web

    from ev_energy import Client
    from ev_energy.errors import WebhookError
    from ev_energy.simulator import Simulator
    from ev_energy.webhooks import Delivery, Event
    from ev_energy_sync import Client as SyncClient

__all__ = ["RecordingReceiver"]

_MARKER: Final = "ev_energy_simulator"
#: The arguments of the marker and their defaults.
_DEFAULTS: Final[dict[str, Any]] = {
    "vehicles": 50,
    "seed": 1,
    "rate_limit": None,
    "speed": 0,
    "service_time": "real",
    "webhook_timestamps": "real",
}
#: The statuses that a sender of webhooks takes for a failure.
_FIRST_FAILURE: Final = 300
_LAST_STATUS: Final = 599
#: The loop scopes of pytest-asyncio.
_LOOP_SCOPES: Final = ("function", "class", "module", "package", "session")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and the async fixtures if pytest-asyncio is installed."""
    options = ", ".join(f"{name}={value}" for name, value in _DEFAULTS.items())
    config.addinivalue_line(
        "markers", f"{_MARKER}({options}): configure the simulator of the test."
    )
    if config.pluginmanager.has_plugin("asyncio"):
        config.pluginmanager.register(_asyncio_plugin())


@pytest.fixture
def ev_energy_simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """A fresh simulator with a stopped clock, in a thread of its own."""
    from ev_energy.simulator import Clock, Simulator

    options = _marker_options(request.node)
    clock = Clock(speed=options.pop("speed"))
    with Simulator.in_thread(clock=clock, **options) as simulator:
        yield simulator


@pytest.fixture
def ev_energy_sync_client(ev_energy_simulator: Simulator) -> Iterator[SyncClient]:
    """A blocking client of the simulator with every scope."""
    from ev_energy_sync import Client

    with Client(**_settings(ev_energy_simulator)) as client:
        yield client


@pytest.fixture
def ev_energy_client(request: pytest.FixtureRequest) -> Client:
    """A client of the simulator with every scope, opened in the event loop of the test."""
    client: Client = request.getfixturevalue(_client_fixture(request))
    return client


@pytest.fixture
def ev_energy_webhook_receiver(ev_energy_simulator: Simulator) -> Iterator[RecordingReceiver]:
    """A receiver on loopback for all webhooks of the simulator; it verifies and records them."""
    receiver = RecordingReceiver(ev_energy_simulator)
    with receiver.serve():
        yield receiver


class RecordingReceiver:
    """A receiver of the webhooks of a simulator, which verifies and records them.

    It answers 204 to a delivery, and 400 to a request that is not a valid one. It runs in a thread
    of its own, so that it works in asynchronous and in blocking tests. Its clock is the one that
    the simulator signs deliveries with.
    """

    def __init__(self, simulator: Simulator) -> None:
        from ev_energy.simulator.clock._broadcast_event import BroadcastEvent

        self._simulator = simulator
        self._lock = threading.Lock()
        self._changed = BroadcastEvent()
        self._accepted = threading.Condition(self._lock)
        self._deliveries: list[Delivery] = []
        self._failed: list[Delivery] = []
        self._refused: list[WebhookError] = []
        self._failures, self._failure_status = 0, 0
        self.url: str = ""
        """The URL that the simulator delivers to."""
        self.endpoint_id: str = ""
        """The id of the endpoint of the simulator (`Webhooks.endpoints`)."""
        self.secret: str = ""
        """The signing secret of the endpoint, as it was registered."""

    @property
    def deliveries(self) -> list[Delivery]:
        """The deliveries that were accepted, the newest last. A repeated one has the same id."""
        with self._lock:
            return list(self._deliveries)

    @property
    def events(self) -> list[Event]:
        """The events of `deliveries`."""
        return [delivery.event for delivery in self.deliveries]

    @property
    def failed(self) -> list[Delivery]:
        """The deliveries that were valid, but answered with a failure because of `fail_next`."""
        with self._lock:
            return list(self._failed)

    @property
    def refused(self) -> list[WebhookError]:
        """The reasons why requests were answered with 400."""
        with self._lock:
            return list(self._refused)

    def fail_next(self, deliveries: int = 1, *, status: int = 503) -> None:
        """Answer the next *deliveries* with a failure, instead of an earlier number of them.

        The simulator repeats them; each retry counts as one. `ValueError` if the number is
        negative, or if the status is not that of a failure.
        """
        if deliveries < 0:
            raise ValueError(f"deliveries: must be 0 or more, not {deliveries}")
        if not _FIRST_FAILURE <= status <= _LAST_STATUS:
            raise ValueError(
                f"status: must be from {_FIRST_FAILURE} to {_LAST_STATUS}, not {status}"
            )
        with self._lock:
            self._failures, self._failure_status = deliveries, status

    async def wait_for(self, deliveries: int, *, timeout: float = 10.0) -> list[Delivery]:
        """Return the accepted deliveries once there are *deliveries* of them in all.

        Raises:
            TimeoutError: There are fewer after *timeout* real seconds.
        """
        with self._changed.listen() as changed:
            try:
                async with asyncio.timeout(timeout):
                    while len(accepted := self.deliveries) < deliveries:
                        await changed.wait()
                        changed.clear()
            except TimeoutError:
                raise self._too_few(deliveries, timeout) from None
        return accepted

    def block_until(self, deliveries: int, *, timeout: float = 10.0) -> list[Delivery]:
        """Return the accepted deliveries once there are *deliveries* of them, in blocking tests.

        Raises:
            TimeoutError: There are fewer after *timeout* real seconds.
        """
        with self._accepted:
            complete = self._accepted.wait_for(lambda: len(self._deliveries) >= deliveries, timeout)
        if not complete:
            raise self._too_few(deliveries, timeout)
        return self.deliveries

    def _too_few(self, deliveries: int, timeout: float) -> TimeoutError:
        return TimeoutError(
            f"{len(self.deliveries)} of {deliveries} deliveries were accepted in {timeout:g} s, "
            f"{len(self.failed)} were answered with a failure and {len(self.refused)} refused: "
            "advance the clock of the simulator, so that events happen and retries are due"
        )

    @contextmanager
    def serve(self) -> Generator[None]:
        """Listen on a free port, as an endpoint of the simulator, until the ``with`` block ends."""
        from ev_energy.simulator._threads import run_in_thread

        with run_in_thread(self._serving(), "ev-energy-webhook-receiver"):
            endpoint = self._simulator.webhooks.add(self.url)
            self.endpoint_id, self.secret = endpoint.id, endpoint.secret
            yield

    @asynccontextmanager
    async def _serving(self) -> AsyncGenerator[None]:
        from aiohttp import web

        app = web.Application()
        app.router.add_post("/", self._receive)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
            yield
        finally:
            await runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        from aiohttp import web

        from ev_energy.errors import WebhookError
        from ev_energy.webhooks import Webhook

        webhook = Webhook(*self._secrets(), clock=self._simulator.webhooks.signing_time)
        try:
            delivery = webhook.receive(await request.read(), request.headers)
        except WebhookError as error:
            with self._lock:
                self._refused.append(error)
            return web.Response(status=400, text=str(error))
        with self._accepted:
            if self._failures:
                self._failures -= 1
                self._failed.append(delivery)
                return web.Response(status=self._failure_status)
            self._deliveries.append(delivery)
            self._accepted.notify_all()
        self._changed.notify()
        return web.Response(status=204)

    def _secrets(self) -> list[str]:
        """Return the secrets of the endpoint; a test may have rotated them, or reset everything."""
        webhooks, now = self._simulator.webhooks, self._simulator.clock.now()
        for endpoint in webhooks.endpoints:
            if endpoint.id == self.endpoint_id:
                return endpoint.secrets(now)
        return [self.secret]


@pytest.fixture
async def _ev_energy_client_on_anyio(
    anyio_backend_name: str, ev_energy_simulator: Simulator
) -> AsyncIterator[Client]:
    if anyio_backend_name != "asyncio":
        pytest.fail(f"ev_energy_client runs on asyncio, not on {anyio_backend_name}", pytrace=False)
    async for client in _client(ev_energy_simulator):
        yield client


def _asyncio_plugin() -> ModuleType:
    """Return a plugin with one client fixture per loop scope of pytest-asyncio."""
    import pytest_asyncio

    def new_fixture() -> Callable[[Simulator], AsyncIterator[Client]]:
        # One function per scope: pytest-asyncio stores the scope as an attribute of the function.
        async def open_client(ev_energy_simulator: Simulator) -> AsyncIterator[Client]:
            async for client in _client(ev_energy_simulator):
                yield client

        return open_client

    plugin = ModuleType("ev_energy_client on pytest-asyncio")
    for scope in _LOOP_SCOPES:
        name = _asyncio_fixture(scope)
        setattr(plugin, name, pytest_asyncio.fixture(new_fixture(), loop_scope=scope, name=name))
    return plugin


async def _client(simulator: Simulator) -> AsyncIterator[Client]:
    from ev_energy import Client

    async with Client(**_settings(simulator)) as client:
        yield client


def _settings(simulator: Simulator) -> dict[str, Any]:
    """Return the arguments of a client whose token and budget follow the simulator's clock.

    When a test advances that clock, the client renews its token and regains its budget. Timeouts
    and deadlines are in real seconds, so that advancing does not end a running call.
    """
    from ev_energy import ClientCredentials, MemoryBudget

    clock = simulator.service_clock
    return {
        "auth": ClientCredentials(
            client_id=simulator.client_id, client_secret=simulator.client_secret
        ),
        "base_url": simulator.base_url,
        "budget": MemoryBudget(clock=clock.monotonic, sleep=clock.sleep),
        "wall_clock": clock.timestamp,
    }


def _client_fixture(request: pytest.FixtureRequest) -> str:
    """Return the name of the fixture that opens a client in the event loop of the test."""
    plugins = request.config.pluginmanager
    asyncio: pytest.Mark | None = request.node.get_closest_marker("asyncio")
    if asyncio is None and "anyio_backend" in request.fixturenames:
        return _ev_energy_client_on_anyio.__name__
    if not plugins.has_plugin("asyncio"):
        pytest.fail(
            "ev_energy_client needs pytest-asyncio, or a test that anyio runs. "
            "ev_energy_sync_client needs neither",
            pytrace=False,
        )
    arguments: Mapping[str, Any] = {} if asyncio is None else asyncio.kwargs
    default: str = request.config.getini("asyncio_default_test_loop_scope")
    return _asyncio_fixture(arguments.get("loop_scope") or arguments.get("scope") or default)


def _asyncio_fixture(scope: str) -> str:
    return f"_ev_energy_client_on_asyncio_{scope}"


def _marker_options(item: pytest.Item) -> dict[str, Any]:
    """Return the options of the markers of *item*; those of the nearest marker take precedence."""
    options = dict(_DEFAULTS)
    for marker in reversed(list(item.iter_markers(_MARKER))):
        unknown = [
            *map(repr, marker.args),
            *(name for name in marker.kwargs if name not in _DEFAULTS),
        ]
        if unknown:
            pytest.fail(
                f"@pytest.mark.{_MARKER} takes {', '.join(_DEFAULTS)}, not {', '.join(unknown)}",
                pytrace=False,
            )
        options |= marker.kwargs
    return options
