"""More recipes of the documentation: their programs print what the pages show."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from ev_energy.simulator import Clock, Simulator
from tests.helpers.pages import Page
from tests.helpers.programs import environment_of, output_of, running
from tests.helpers.redis_server import PrivateRedis, free_port

pytestmark = pytest.mark.slow

SIMULATOR = "http://127.0.0.1:8420"


def printed_by(command: str, folder: Path, environment: Mapping[str, str]) -> str:
    """Return what commands of a page print, run by a shell whose ``python`` is this one."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    api = environment["EV_ENERGY_BASE_URL"].removesuffix("/v2")
    return subprocess.run(
        ["sh", "-c", command.replace(SIMULATOR, api)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        env={**environment, "PATH": path},
        cwd=folder,
        check=False,
    ).stdout


def test_dispatch(tmp_path: Path) -> None:
    page = Page.read("recipes/dispatch.md")
    page.write_programs(tmp_path)
    with Simulator.in_thread(clock=Clock(speed=0)) as simulator:
        environment = environment_of(simulator)
        printed = [printed_by(command, tmp_path, environment) for command in page.commands]
        sent = [seen.status for seen in simulator.requests if "dispatch_events" in seen.path]
    assert printed == page.outputs
    assert sent == [201, 400, 201]


def test_dispatch_that_was_not_carried_out_can_be_told_from_one_that_was(tmp_path: Path) -> None:
    page = Page.read("recipes/dispatch.md")
    page.write_programs(tmp_path)
    with Simulator.in_thread(clock=Clock(speed=0)) as simulator:
        simulator.clock.advance(hours=18)
        words = ["dispatch.py", "check", "2026-10-06T03:00+00:00"]
        printed = output_of(words, tmp_path, environment_of(simulator))
    assert printed == "2 of 6 readings above 10000 W, the highest 14720 W\n"
    assert "two of the readings would be 14720 W" in page.text


def test_rebates(tmp_path: Path) -> None:
    page = Page.read("recipes/rebates.md")
    page.write_programs(tmp_path)
    with Simulator.in_thread(clock=Clock(speed=0)) as simulator:
        environment = environment_of(simulator)
        fails, works = page.commands
        assert simulator.user_id in works
        assert printed_by(fails, tmp_path, environment) == page.outputs[0]
        saved = tmp_path / "started_upload.json"
        assert saved.stat().st_mode & 0o777 == 0o600
        assert printed_by(works, tmp_path, environment) == page.outputs[1]
        assert not saved.exists()

        # A URL that has expired is not tried for ever.
        printed_by(fails, tmp_path, environment)
        simulator.clock.advance(hours=2)
        assert "403" in printed_by(works, tmp_path, environment)
        assert printed_by(works, tmp_path, environment) == page.outputs[1]


def test_processes(tmp_path: Path, redis: PrivateRedis) -> None:
    for module in ("gunicorn", "celery"):
        pytest.importorskip(module, reason=f"needs {module}: pip install -e '.[test]'")
    page = Page.read("recipes/processes.md")
    page.write_programs(tmp_path)
    serve, request, work, count, invoke = page.commands
    (output,) = page.outputs
    with Simulator.in_thread(clock=Clock(speed=0), rate_limit=6) as simulator:
        environment = environment_of(simulator, REDIS_URL=redis.url)
        assert printed_by(invoke, tmp_path, environment) == output * 2

        port = str(free_port())
        words = ["-m", *serve.replace("8000", port).split()]
        with running(words, tmp_path, environment, ready="Booting worker"):
            url = request.split()[1].replace("8000", port)
            for _ in range(2):
                with urllib.request.urlopen(url) as reply:
                    assert reply.read().decode() == output

        with running(["-m", *work.split()], tmp_path, environment, ready=r" ready\."):
            for _ in range(2):
                assert printed_by(count, tmp_path, environment) == output
            # All six requests are sent, so the next task comes again later.
            waits = (
                "import time; from tasks import charging; task = charging.delay()\n"
                "while task.state == 'PENDING': time.sleep(0.01)\n"
                "print(task.state, 'allows no request now' in str(task.result))"
            )
            assert output_of(["-c", waits], tmp_path, environment) == "RETRY True\n"
        statuses = [(seen.path, seen.status) for seen in simulator.requests]
    assert statuses == [("/o/token/", 200), *[("/v2/vehicles", 200)] * 6]
