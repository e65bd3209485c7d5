"""Servers and clients for all tests, on loopback only."""

from __future__ import annotations

import gc
import itertools
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import hypothesis
import pytest

from ev_energy import Client, ClientCredentials
from ev_energy.simulator import Simulator
from tests.helpers import secret_leaks
from tests.helpers.recording_server import Handler, RecordingServer
from tests.helpers.support import FakeTime

#: The tiers of tests, and fixtures that tests of several packages use.
pytest_plugins = [
    "tests.helpers.conformity.plugin",
    "tests.helpers.raw_server",
    "tests.helpers.redis_server",
    "tests.helpers.tiers",
]

# Tests start hundreds of interpreters. Containers often set PYTHONDONTWRITEBYTECODE, with which
# each of them would compile the packages again.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    os.environ["PYTHONPYCACHEPREFIX"] = str(Path(__file__).parents[1] / ".bytecode")

# No test depends on the speed of this machine. Tests that need more examples say so.
_PROFILE = "ci" if "CI" in os.environ else "default"
hypothesis.settings.register_profile(
    "tests", hypothesis.settings.get_profile(_PROFILE), max_examples=20, deadline=None
)
hypothesis.settings.load_profile("tests")

#: The number of tests that have run in this process.
_started = itertools.count(1)

# Child processes inherit that SIGINT is ignored, as some runners do; tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Start one more process than there are cores: many tests wait for a server or a process."""
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else 4


def pytest_configure(config: pytest.Config) -> None:
    """Start the search for leaked secrets."""
    secret_leaks.install(config)


def pytest_collection_finish() -> None:
    """Exempt modules and collected tests from garbage collection, which many tests trigger."""
    gc.collect()
    gc.freeze()


def pytest_runtest_logstart() -> None:
    """Exempt what earlier tests left, too: reports, caches, modules that they imported."""
    if next(_started) % 250 == 0:
        gc.collect()
        gc.freeze()


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Handler], Awaitable[RecordingServer]]]:
    """Start recording servers with the handlers of the test."""
    async with AsyncExitStack() as running:

        async def start(handler: Handler) -> RecordingServer:
            return await running.enter_async_context(RecordingServer(handler))

        yield start


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[Client]:
    """A client of the simulator, with client credentials and all scopes."""
    auth = ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret)
    async with Client(auth, base_url=simulator.base_url) as opened:
        yield opened


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Fail if a test was skipped and EV_ENERGY_NO_SKIPS is set, as in CI, which has all tools."""
    skipped = terminalreporter.stats.get("skipped", [])
    if os.environ.get("EV_ENERGY_NO_SKIPS") and skipped:
        for report in skipped:
            terminalreporter.write_line(f"SKIPPED {report.nodeid}: {report.longrepr}", red=True)
        pytest.exit(f"{len(skipped)} tests were skipped", returncode=1)
