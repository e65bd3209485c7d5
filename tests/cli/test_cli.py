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


def test_unknown_option_is_refused_with_a_similar_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["operations", "--famly", "evses"]) == 2
    said = "error: there is no option or place for '--famly'\nhint: did you mean --family?\n"
    assert capsys.readouterr() == ("", said)


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
