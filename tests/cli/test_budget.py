"""The command ``budget``, and the page about all commands."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ev_energy._contract.facts import facts
from ev_energy.cli._commands import COMMANDS
from ev_energy.cli._exit import ExitCode
from ev_energy.cli._options import CONNECTION_OPTIONS
from ev_energy.simulator import Simulator
from tests.cli.conftest import Printed, variables
from tests.helpers.names import assert_same_names
from tests.helpers.spec.openapi import described

pytest.importorskip("cyclopts", reason="needs cyclopts: pip install -e '.[test]'")

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()

Command = Callable[..., Printed]


@pytest.fixture(scope="module")
def shared_simulator() -> Iterator[Simulator]:
    """A simulator with the API's rate limit."""
    with Simulator.in_thread() as running:
        yield running


def test_allowance_is_what_the_server_counts(command: Command) -> None:
    assert command("budget") == (
        0,
        "999 of 1,000 requests an hour are left: 1 was used in the last hour.\n",
        "",
    )
    assert command("call", "evses.list", "--limit", "1").status == 0
    done = command("budget", "--json")
    assert json.loads(done.out) == {"limit": 1000, "remaining": 997, "used": 3}


def test_exhausted_allowance_is_no_error(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with Simulator.in_thread(rate_limit=1) as limited:
        for name, value in variables(limited).items():
            monkeypatch.setenv(name, value)
        command("budget")
        done, as_json = command("budget"), command("budget", "--json")
    found = re.fullmatch(
        r"0 of 1 requests an hour are left: the next one is allowed at (.*) UTC\.\n", done.out
    )
    assert (done.status, done.err) == (0, "")
    assert found
    counts = json.loads(as_json.out)
    next_at = datetime.fromisoformat(counts.pop("next_at"))
    assert counts == {"limit": 1, "remaining": 0, "used": 1}
    for time in (next_at, datetime.fromisoformat(f"{found[1]}+00:00")):
        assert timedelta(minutes=59) < time - datetime.now(UTC) <= timedelta(hours=1)


def test_allowance_of_a_server_that_states_none(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Simulator.in_thread(rate_limit=None) as unlimited:
        for name, value in variables(unlimited).items():
            monkeypatch.setenv(name, value)
        done = command("budget")
    assert done == (1, "", "error: the reply did not state the allowance\n")


@pytest.mark.slow
def test_commands_of_the_page_run(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [
        line
        for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
        for line in block.splitlines()
        if line.startswith("ev-energy ") and line != "ev-energy --help"
    ]
    assert len(lines) > 10
    (tmp_path / "openapi.json").write_text(json.dumps(described(facts())))
    vehicle_id = json.loads(command("call", "vehicles.list", "--limit=1").out)["id"]
    for line in lines:
        words = shlex.split(line.replace("vhcl01...", vehicle_id))[1:]
        done = command(*words)
        assert done.status == 0, f"{line}: {done.err}"
        assert done.out or "export" in words
    assert {path.name for path in tmp_path.iterdir()} == {
        "october.csv",
        "log.jsonl",
        "openapi.json",
    }


def test_page_lists_commands_options_and_exit_statuses() -> None:
    headings = {"demo", "simulator", "completion"} | set(
        re.findall(r"^ev-energy (\w+)", PAGE, re.MULTILINE)
    )
    assert_same_names(
        headings,
        (command.name for command in COMMANDS),
        missing="describe the command in docs/cli.md",
        unexpected="there is no such command; take it out of docs/cli.md",
    )
    table = PAGE.partition("| Option |")[2].partition("\n\n")[0]
    assert re.findall(r"`(--[\w-]+)", table) == [option.name for option in CONNECTION_OPTIONS]
    statuses = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)
    assert [int(status) for status in statuses] == list(ExitCode)
