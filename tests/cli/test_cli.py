"""The command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from ev_energy.__main__ import main
from ev_energy._operations import operation_table
from ev_energy.simulator import Simulator


def clean_environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("EV_ENERGY_")}
    return {**kept, **more}


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "ev_energy", *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(**environment),
        check=False,
    )


def test_demo_runs_against_the_simulator() -> None:
    done = run("demo")
    assert (done.returncode, done.stderr) == (0, "")
    for said in (
        "Source: the embedded simulator at http://127.0.0.1:",
        "make and model",
        "entries on 3 pages, newest first",
        "fetched by its timestamp 2026-",
        "opens\n  http://127.0.0.1:",
    ):
        assert said in done.stdout
    assert max(map(len, done.stdout.splitlines())) < 130


def test_demo_only_reads_from_the_live_api() -> None:
    with Simulator.in_thread() as simulator:
        done = run(
            "demo",
            EV_ENERGY_CLIENT_ID=simulator.client_id,
            EV_ENERGY_CLIENT_SECRET=simulator.client_secret,
            EV_ENERGY_BASE_URL=simulator.base_url,
        )
        asked, base_url = simulator.requests, simulator.base_url
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Source: {base_url}, with your credentials" in done.stdout
    assert simulator.client_secret not in done.stdout
    assert {request.method for request in asked if "/o/token" not in request.path} == {"GET"}
    assert not any("onboarding" in request.path for request in asked)


@pytest.mark.slow
def test_demo_prints_errors_without_a_traceback() -> None:
    with Simulator.in_thread() as simulator:
        done = run(
            "demo",
            EV_ENERGY_CLIENT_ID=simulator.client_id,
            EV_ENERGY_CLIENT_SECRET="not-the-secret",
            EV_ENERGY_BASE_URL=simulator.base_url,
        )
    assert done.returncode == 1
    assert "InvalidClientError: no token (401 invalid_client" in done.stdout
    assert "not-the-secret" not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    incomplete = run("demo", EV_ENERGY_CLIENT_ID="an-app")
    assert "set EV_ENERGY_CLIENT_SECRET" in incomplete.stdout


def test_simulator_serves_until_it_is_interrupted() -> None:
    with subprocess.Popen(
        [
            *[sys.executable, "-m", "ev_energy", "simulator", "--port", "0"],
            *["--redirect-uri", "http://127.0.0.1:1/back"],
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    ) as process:
        assert process.stdout is not None
        lines = list[str]()
        for line in process.stdout:
            lines.append(line)
            if "EV_ENERGY_CLIENT_SECRET" in line and "Signs users in" in lines[-3]:
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")


def test_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["demmo"])
    assert left.value.code == 2
    assert "demmo" in capsys.readouterr().err


@pytest.mark.slow
def test_operations_are_listed_as_text_and_as_json() -> None:
    listed = run("operations")
    assert (listed.returncode, listed.stderr) == (0, "")
    count = len({(operation.method, operation.path) for operation in operation_table()})
    assert f"{count} operations" in listed.stdout
    (line,) = [line for line in listed.stdout.splitlines() if " GET /suppliers " in line]
    assert line.split() == ["suppliers.list", "GET", "/suppliers", "tariff:read", "yes"]
    as_json = run("operations", "--json")
    found = json.loads(as_json.stdout)
    assert len(found) == len({one["operation_id"] for one in found}) == count
    (onboarding,) = [one for one in found if one["path"] == "/evse_onboarding"]
    assert onboarding == {
        "operation_id": "get-evse_onboarding",
        "method": "GET",
        "path": "/evse_onboarding",
        "call": "evse_onboarding.get",
        "scopes": [],
        "public": True,
        "paginated": False,
        "expand": [],
    }
    (prices,) = [one for one in found if one["path"] == "/tariffs/{tariff_id}/prices"]
    assert prices["scopes"] == ["tariff:prices:read", "tariff:read"]
    assert prices["paginated"]
