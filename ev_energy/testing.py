"""The pytest plugin: fixtures for testing applications that use this package.

``ev_energy_simulator`` is a fresh simulator; ``ev_energy_client`` and ``ev_energy_sync_client`` are
clients of it. Each test gets its own. ``@pytest.mark.ev_energy_simulator(vehicles=...)`` configures
the simulator.
"""

# Every run of pytest loads this module if the package is installed. So it imports only what pytest
# needs to find the fixtures; the rest is imported when a fixture is used.
from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from ev_energy import Client
    from ev_energy.simulator import Simulator
    from ev_energy_sync import Client as SyncClient

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
