"""A process that stores the stream is killed at any point, and another one continues."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ev_energy.models import ChargingSubSession
from ev_energy.simulator import Clock, Simulator
from ev_energy_sync import Client, ClientCredentials

WORKER = Path(__file__).parents[1] / "helpers" / "changes" / "worker.py"
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("seed", [0])
def test_killed_process_loses_nothing(seed: int, tmp_path: Path) -> None:
    rng, kills = random.Random(seed), 0
    with Simulator.in_thread(vehicles=60, seed=seed, clock=Clock(speed=0)) as simulator:
        since = simulator.clock.now() - timedelta(days=6)
        environment = {
            **os.environ,
            "EV_ENERGY_CLIENT_ID": simulator.client_id,
            "EV_ENERGY_CLIENT_SECRET": simulator.client_secret,
            "EV_ENERGY_BASE_URL": simulator.base_url,
            "PYTHONPATH": str(ROOT),
        }
        while True:
            words = [str(tmp_path), since.isoformat(), str(rng.randrange(1, 40))]
            done = subprocess.run(
                [sys.executable, str(WORKER), *words],
                env=environment,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
                check=False,
            )
            if done.returncode == 0:
                break
            assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
            kills += 1
            assert kills < 60, "the processes get nowhere"
        auth = ClientCredentials(
            client_id=simulator.client_id, client_secret=simulator.client_secret
        )
        with Client(auth, base_url=simulator.base_url) as client:
            listed = client.charging_sub_sessions.list(start__gt=since - timedelta(days=5))
            truth = {one.id: one for one in listed if max(one.start, one.end or one.start) > since}
    assert kills > 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["changes", "state"]
    records: list[dict[str, Any]] = [
        json.loads(line) for line in (tmp_path / "changes").read_text().splitlines()
    ]
    got = {record["id"]: ChargingSubSession.from_dict(record["session"]) for record in records}
    assert got == truth
    counts = Counter((record["kind"], record["id"]) for record in records)
    assert max(counts.values()) <= kills + 1
    assert {kind for kind, _ in counts} == {"Created", "Ended"}
