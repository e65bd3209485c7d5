"""A simulator for the commands, as the environment names the API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from ev_energy.__main__ import main
from ev_energy.simulator import Clock, Simulator


class Printed(NamedTuple):
    """The end of a command."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="module")
def shared_simulator() -> Iterator[Simulator]:
    """A simulator for all tests of a module, without a rate limit and with a stopped clock."""
    with Simulator.in_thread(rate_limit=None, clock=Clock(speed=0)) as running:
        yield running


def variables(simulator: Simulator) -> dict[str, str]:
    return {
        "EV_ENERGY_CLIENT_ID": simulator.client_id,
        "EV_ENERGY_CLIENT_SECRET": simulator.client_secret,
        "EV_ENERGY_BASE_URL": simulator.base_url,
    }


@pytest.fixture
def command(
    shared_simulator: Simulator,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Printed]:
    """Run a command in this process, with the simulator as the API."""
    monkeypatch.setattr("sys.argv", ["ev-energy"])
    for name, value in variables(shared_simulator).items():
        monkeypatch.setenv(name, value)

    def run(*words: str) -> Printed:
        status = main(words)
        return Printed(status, *capsys.readouterr())

    return run
