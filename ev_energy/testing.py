"""Fixtures for tests of what uses ev.energy, wherever pytest and this package are installed.

``ev_energy_simulator`` is a fresh simulator, ``ev_energy_client`` and ``ev_energy_sync_client`` are
clients of it. Each test has its own; ``@pytest.mark.ev_energy_simulator(vehicles=...)`` says how
it is to be.
"""

# This module is loaded in every run of pytest: whatever is not needed to find the fixtures is
# imported when one of them is used.
from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from ev_energy import Client
    from ev_energy.simulator import Simulator
    from ev_energy_sync import Client as SyncClient

_MARK: Final = "ev_energy_simulator"
#: What the marker may say, and what holds if it does not.
_USUAL: Final[dict[str, Any]] = {
    "vehicles": 50,
    "seed": 1,
    "rate_limit": None,
    "speed": 0,
    "service_time": "real",
    "webhook_timestamps": "real",
}
#: How far the event loop of a test may reach, in the words of pytest-asyncio.
_LOOP_SCOPES: Final = ("function", "class", "module", "package", "session")


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of the marker, and whoever runs coroutines of the fixture that is one."""
    options = ", ".join(f"{name}={value}" for name, value in _USUAL.items())
    config.addinivalue_line(
        "markers", f"{_MARK}({options}): how the simulator of the test is to be."
    )
    if config.pluginmanager.has_plugin("asyncio"):
        config.pluginmanager.register(_run_by_asyncio())


@pytest.fixture
def ev_energy_simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """A fresh simulator whose clock stands still, on a thread of its own."""
    from ev_energy.simulator import Clock, Simulator

    chosen = _chosen(request.node)
    clock = Clock(speed=chosen.pop("speed"))
    with Simulator.in_thread(clock=clock, **chosen) as simulator:
        yield simulator


@pytest.fixture
def ev_energy_sync_client(ev_energy_simulator: Simulator) -> Iterator[SyncClient]:
    """A blocking client of the simulator, with every scope."""
    from ev_energy_sync import Client

    with Client(**_settings(ev_energy_simulator)) as client:
        yield client


@pytest.fixture
def ev_energy_client(request: pytest.FixtureRequest) -> Client:
    """A client of the simulator, with every scope, opened in the event loop of the test."""
    client: Client = request.getfixturevalue(_opened_by(request))
    return client


@pytest.fixture
async def _ev_energy_client_on_anyio(
    anyio_backend_name: str, ev_energy_simulator: Simulator
) -> AsyncIterator[Client]:
    if anyio_backend_name != "asyncio":
        pytest.fail(f"ev_energy_client runs on asyncio, not on {anyio_backend_name}", pytrace=False)
    async for client in _client(ev_energy_simulator):
        yield client


def _run_by_asyncio() -> ModuleType:
    """Return a plugin with what pytest-asyncio opens: a client in each loop a test may run in."""
    import pytest_asyncio

    def opener() -> Callable[[Simulator], AsyncIterator[Client]]:
        # A function of its own for each: pytest-asyncio writes the loop on it.
        async def opened(ev_energy_simulator: Simulator) -> AsyncIterator[Client]:
            async for client in _client(ev_energy_simulator):
                yield client

        return opened

    plugin = ModuleType("ev_energy_client on pytest-asyncio")
    for scope in _LOOP_SCOPES:
        name = _on_asyncio(scope)
        setattr(plugin, name, pytest_asyncio.fixture(opener(), loop_scope=scope, name=name))
    return plugin


async def _client(simulator: Simulator) -> AsyncIterator[Client]:
    from ev_energy import Client

    async with Client(**_settings(simulator)) as client:
        yield client


def _settings(simulator: Simulator) -> dict[str, Any]:
    """Return the arguments of a client that measures lifetimes and limits as the simulator does.

    A jump of the clock renews its token and frees its budget. Its timeouts and deadlines are in
    real seconds, so that a jump does not end a call that is on its way.
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


def _opened_by(request: pytest.FixtureRequest) -> str:
    """Return the fixture that opens a client in the loop of the test."""
    plugins = request.config.pluginmanager
    asyncio: pytest.Mark | None = request.node.get_closest_marker("asyncio")
    if asyncio is None and "anyio_backend" in request.fixturenames:
        return _ev_energy_client_on_anyio.__name__
    if not plugins.has_plugin("asyncio"):
        pytest.fail(
            "ev_energy_client needs pytest-asyncio, or a test that anyio runs; "
            "ev_energy_sync_client needs neither",
            pytrace=False,
        )
    said: Mapping[str, Any] = {} if asyncio is None else asyncio.kwargs
    usual: str = request.config.getini("asyncio_default_test_loop_scope")
    return _on_asyncio(said.get("loop_scope") or said.get("scope") or usual)


def _on_asyncio(scope: str) -> str:
    return f"_ev_energy_client_on_asyncio_{scope}"


def _chosen(item: pytest.Item) -> dict[str, Any]:
    """Return how the simulator is to be: what a nearer marker says holds."""
    chosen = dict(_USUAL)
    for marker in reversed(list(item.iter_markers(_MARK))):
        unknown = [*map(repr, marker.args), *(name for name in marker.kwargs if name not in _USUAL)]
        if unknown:
            pytest.fail(
                f"@pytest.mark.{_MARK} takes {', '.join(_USUAL)}, not {', '.join(unknown)}",
                pytrace=False,
            )
        chosen |= marker.kwargs
    return chosen
