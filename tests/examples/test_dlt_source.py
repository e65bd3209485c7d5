"""The dlt source, run as a process after another, into DuckDB, with a simulator as the API."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ev_energy.simulator import Clock, Simulator
from ev_energy_sync import Client, ClientCredentials

pytestmark = pytest.mark.slow

LOAD = Path(__file__).parents[2] / "examples" / "dlt_source" / "load.py"
SINCE = datetime(2026, 10, 3, tzinfo=UTC)
INSTALL = "pip install -r examples/dlt_source/requirements.txt"


@pytest.fixture(autouse=True)
def packages() -> None:
    for module in ("duckdb", "pyarrow", "dlt"):
        pytest.importorskip(module, reason=f"needs dlt, DuckDB and pyarrow: {INSTALL}")


def run(sim: Simulator, folder: Path, *, works: bool = True) -> str:
    """Run the pipeline once, and return what it printed."""
    done = subprocess.run(
        [sys.executable, str(LOAD), "fleet.duckdb", f"{SINCE:%Y-%m-%d}"],
        cwd=folder,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("EV_ENERGY_")},
            "EV_ENERGY_CLIENT_ID": sim.client_id,
            "EV_ENERGY_CLIENT_SECRET": sim.client_secret,
            "EV_ENERGY_BASE_URL": sim.base_url,
            "DLT_DATA_DIR": str(folder / "dlt"),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode == 0) is works, done.stderr
    assert sim.client_secret not in done.stdout + done.stderr
    return done.stdout


def loaded(folder: Path) -> list[tuple[Any, ...]]:
    import duckdb

    with duckdb.connect(str(folder / "fleet.duckdb"), read_only=True) as database:
        return database.execute(
            'SELECT id, energy_delivered_watt_hours, epoch_us("end"), vehicle__id'
            " FROM ev_energy.charging_sub_sessions ORDER BY id"
        ).fetchall()


def expected(sim: Simulator) -> list[tuple[Any, ...]]:
    """Return the same rows, as the API has them."""
    auth = ClientCredentials(client_id=sim.client_id, client_secret=sim.client_secret)
    with Client(auth, base_url=sim.base_url) as client:
        return sorted(
            (
                session.id,
                session.energy_delivered_watt_hours,
                round(session.end.timestamp() * 1_000_000),
                session.vehicle.id if session.vehicle else None,
            )
            for session in client.charging_sub_sessions.list(end__gt=SINCE, is_finished=True)
            if session.end is not None
        )


def test_runs_load_each_sub_session_once(tmp_path: Path) -> None:
    with Simulator.in_thread(vehicles=60, clock=Clock(speed=0)) as sim:
        run(sim, tmp_path)
        first = loaded(tmp_path)
        assert first == expected(sim)
        assert len(first) > 50
        sim.clock.advance(hours=20)
        run(sim, tmp_path)
        second = loaded(tmp_path)
        assert second == expected(sim)
        assert len(second) > len(first)
        sent = len(sim.requests)
        shutil.rmtree(tmp_path / "dlt")  # as on another machine: the database has the state, too
        run(sim, tmp_path)  # nothing has changed
        assert loaded(tmp_path) == second
        assert len(sim.requests) - sent < 8


def test_run_that_fails_is_repeated_by_the_next(tmp_path: Path) -> None:
    with Simulator.in_thread(vehicles=60, clock=Clock(speed=0)) as sim:
        run(sim, tmp_path)
        sim.clock.advance(hours=20)
        fault = sim.faults.add("problem", operation="/charging_sub_sessions", after=1)
        run(sim, tmp_path, works=False)
        sim.faults.remove(fault)
        run(sim, tmp_path)
        assert loaded(tmp_path) == expected(sim)
