"""The command ``operations``, and what all commands have in common."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from ev_energy import __version__
from ev_energy.__main__ import COMMANDS, main
from ev_energy._operations import operation_table
from ev_energy.cli._table import display_width, table
from tests.cli.test_cli import clean_environment
from tests.helpers.terminal import run_in_terminal


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def calls(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines()[2:-2]]


def test_words_select_operations(capsys: pytest.CaptureFixture[str]) -> None:
    found = calls(printed(capsys, "operations", "Dispatch", "cancel"))
    assert found == ["dispatch_coordinators.cancel_dispatch_event"]
    assert printed(capsys, "operations", "nonesuch") == "0 operations\n"
    assert printed(capsys, "operations", "timezones", "{").endswith("\n\n1 operation\n")


def test_family_selects_operations(capsys: pytest.CaptureFixture[str]) -> None:
    found = calls(printed(capsys, "operations", "--family", "evses"))
    assert found == [o.call for o in operation_table() if o.family == "evses"]
    listed = json.loads(printed(capsys, "operations", "--family", "evses", "logs", "--json"))
    assert {one["call"] for one in listed} >= {"evses.status_logs", "evses.ocpp_logs"}
    assert all("logs" in f"{one['call']} {one['path']}" for one in listed)


def test_unknown_family_is_refused_with_the_near_miss(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["operations", "--family", "vehicels"]) == 2
    assert capsys.readouterr() == (
        "",
        "error: --family: there is no family 'vehicels'\nhint: did you mean vehicles?\n",
    )


def test_operations_are_not_shortened_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "operations")
    assert "…" not in text
    assert max(map(len, text.splitlines())) > 200


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX terminal")
@pytest.mark.matrix
@pytest.mark.parametrize("width", [60, 80, 200])
def test_operations_fit_the_terminal(width: int) -> None:
    command = [sys.executable, "-m", "ev_energy", "operations"]
    ended = run_in_terminal(command, clean_environment(), width=width)
    assert ended.status == 0
    lines = ended.output.splitlines()
    assert max(map(display_width, lines)) <= width
    assert len(lines) == 4 + len({(o.method, o.path) for o in operation_table()})
    assert ("scope" in lines[0]) == (width == 200)
    assert "\x1b" not in ended.output


def test_columns_are_shortened_or_left_out_to_fit() -> None:
    head, rows = ("name", "text", "more"), [("ab", "c" * 30, "d" * 9), ("漢字" * 5, "é", "")]
    whole = table(head, rows).splitlines()
    assert [display_width(line) for line in whole[1:3]] == [2 + 20 + 2 + 30 + 2 + 9] * 2
    for width in range(14, 70):
        lines = table(head, rows, width).splitlines()
        assert max(map(display_width, lines)) <= width
        assert len(lines) == 4
    narrow = table(head, rows, 40).splitlines()
    assert narrow[0] == "  name                  text"
    assert narrow[2] == "  ab                    ccccccccccccccc…"


def test_version_and_help_need_no_extra_and_little_time() -> None:
    code = (
        "import sys\nfrom ev_energy.__main__ import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "print(sorted({'aiohttp', 'asyncio', 'cyclopts', 'rich', 'msgspec'} & set(sys.modules)))"
    )
    outputs = []
    for word in ("--version", "--help"):
        command = [sys.executable, "-W", "error", "-c", code, word]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.endswith("[]\n")
        outputs.append(done.stdout.removesuffix("[]\n"))
    assert outputs[0] == f"ev-energy {__version__}\n"
    listed = {line.split()[0] for line in outputs[1].splitlines() if line.startswith("    ")}
    assert {command.name for command in COMMANDS} <= listed


def test_script_runs_the_same_function() -> None:
    (script,) = [one for one in entry_points(group="console_scripts") if one.name == "ev-energy"]
    assert script.load() is main


def test_unknown_command_is_refused_with_the_near_miss(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["operatoins"])
    assert left.value.code == 2
    assert "there is no command 'operatoins': did you mean operations?" in capsys.readouterr().err
