"""Completion of the command line, by its own command and in a real shell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ev_energy.__main__ import main
from ev_energy._operations import operation_table
from ev_energy.cli._commands import COMMANDS
from ev_energy.cli._complete import complete
from ev_energy.cli.completion import SCRIPTS
from tests.cli.test_cli import clean_environment
from tests.helpers.terminal import run_in_terminal


def candidates(*words: str) -> list[str]:
    return [line.partition("\t")[0] for line in complete(COMMANDS, words)]


def test_commands_are_completed() -> None:
    assert candidates("") == [*(one.name for one in COMMANDS), "--help", "--version"]
    assert candidates("op") == ["operations"]
    assert candidates("nonesuch", "") == []


def test_operations_are_completed_by_family() -> None:
    families = {f"{one.family}." for one in operation_table()}
    assert set(candidates("call", "")) == families
    assert candidates("call", "evse_m") == ["evse_makes.", "evse_models."]
    assert candidates("call", "timez") == ["timezones.list", "timezones.get"]
    assert candidates("call", "evses.s") == ["evses.status_logs", "evses.status_log"]
    assert complete(COMMANDS, ["call", "timezones.l"]) == ["timezones.list\tList the time zones."]


def test_listings_are_completed_for_export() -> None:
    assert candidates("export", "evses") == [
        *("evses", "evses.status_logs", "evses.command_logs", "evses.error_logs"),
        "evses.ocpp_logs",
    ]


def test_options_are_completed() -> None:
    found = candidates("call", "vehicles.list", "--")
    assert set(found) == {
        *("--expand", "--page-size", "--limit", "--all", "--cursor", "--json", "--csv", "--table"),
        *("--base-url", "--acting-for", "--simulator", "--help"),
    }
    assert candidates("call", "vehicles.list", "--all", "--json", "--al") == []
    assert candidates("call", "vehicles.list", "--expand", "trim", "--exp") == ["--expand"]
    assert {"--since", "--until", "--to"} <= set(candidates("export", "vehicles.status_logs", "--"))
    assert "--since" not in candidates("export", "vehicles", "--")
    assert candidates("budget", "--j") == ["--json"]
    assert candidates("operations", "--f") == ["--family"]
    assert candidates("operations", "--family", "evse_m") == ["evse_makes", "evse_models"]
    assert candidates("completion", "") == ["bash", "zsh", "fish"]
    assert candidates("completion", "bash", "") == []
    assert candidates("simulator", "r") == []
    assert candidates("contract", "op") == candidates("contract", "--ignore", "") == [":files"]
    assert candidates("contract", "--i") == ["--ignore", "--ids"]
    assert candidates("simulator", "--fix") == ["--fixed-secrets"]


def test_values_are_completed() -> None:
    words = ("call", "evses.list", "--expand")
    assert candidates(*words, "m") == ["model", "model.make"]
    assert candidates(*words, "=", "m") == ["model", "model.make"]  # as bash splits the line
    assert candidates(*words, "=") == [
        "user",
        "model",
        "model.make",
        "latest_status_log",
        "ct_clamp",
    ]
    assert candidates("call", "evses.list", "--expand=us") == ["--expand=user"]
    assert candidates("call", "charging_sub_sessions.list", "--is_finished", "t") == ["true"]
    assert candidates("call", "charging_sub_sessions.list", "--mode", "B") == ["BOOST"]
    assert candidates("call", "evses.list", "--cpid", "") == []
    assert candidates("export", "vehicles", "--to", "x") == [":files"]
    assert candidates("call", "evses.list", "--base-url", "") == ["live", "mock", "staging"]


def test_completion_needs_no_extra_and_loads_no_client() -> None:
    code = (
        "import sys\nsys.modules['cyclopts'] = sys.modules['rich'] = None\n"
        "from ev_energy.__main__ import main\n"
        "main(['__complete', 'call', 'timez'])\nprint('aiohttp' in sys.modules)"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
    assert done.stdout.startswith("timezones.list\tList the time zones.\n")


@pytest.mark.parametrize("shell", SCRIPTS)
def test_script_is_valid(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "__complete" in script
    if path := shutil.which(shell):
        subprocess.run([path, "-n"], input=script, text=True, check=True)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
def test_bash_completes_with_the_tab_key() -> None:
    folder = str(Path(sys.executable).parent)
    environment = clean_environment(PATH=f"{folder}{os.pathsep}{os.environ['PATH']}", PS1="$ ")
    typed = (
        'eval "$(ev-energy completion bash)"; echo rea""dy\n'
        "ev-energy oper\ttimez\t{ --js\t | wc -l\n"
        "echo ev-energy call timez\t\n"
        "ev-energy call timezones.l\t--sim\t--limit=1\n"
        "exit\n"
    )
    ended = run_in_terminal(
        ["bash", "--norc", "--noprofile", "-i"], environment, typed=typed, width=200
    )
    assert "ready" in ended.output
    assert "ev-energy operations timez{" in ended.output.replace("\x07", "")
    assert "ev-energy call timezones.list --simulator --limit=1" in ended.output
    assert "Africa/Cairo" in ended.output
