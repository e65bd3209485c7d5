from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import ev_energy.simulator

FOLDER = Path(ev_energy.simulator.__file__).parent
#: What few simulators need, and those only for some of their requests.
LOADED_WHEN_USED = ("cattrs", "ev_energy.simulator.faults._kinds", "statistics", "xml.sax")
START = f"""
import asyncio, sys
from ev_energy.simulator import Simulator

async def main():
    async with Simulator():
        return [name for name in {LOADED_WHEN_USED} if name in sys.modules]

print(*asyncio.run(main()))
"""


def _output(code: str) -> str:
    environment = {"PYTHONPATH": str(FOLDER.parent.parent)}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_package_import_does_not_load_the_simulator() -> None:
    assert _output("import sys, ev_energy; print('ev_energy.simulator' in sys.modules)") == "False"


@pytest.mark.slow
def test_start_of_a_simulator_loads_only_what_it_needs() -> None:
    assert _output(START) == ""
