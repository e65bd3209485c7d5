"""A plugin of pytest: the replies of all simulators in all tests are compared with the facts."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from ev_energy.simulator import Simulator
from tests.helpers.conformity.monitor import MONITOR

Simulator._middlewares = (*Simulator._middlewares, MONITOR.middleware)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """Check the replies to a test."""
    yield
    MONITOR.assert_no_deviations()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None]:
    """Check the replies after a failed test and during teardown."""
    yield
    MONITOR.assert_no_deviations()
