from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
MARK = "# expect-error"
ACCEPTED = ["api.py", "api_sync.py"]

Checker = Callable[[str], set[int]]


def mypy(name: str) -> set[int]:
    """The lines of *name* that mypy reports."""
    command = ["mypy", "--config-file", str(ROOT / "pyproject.toml"), "--no-error-summary"]
    output = _run([*command, "--no-pretty", "--hide-error-context", str(HERE / name)]).stdout
    lines = [
        re.match(r"(.+?):(\d+):(?:\d+:)? (error|note): (.*)", line) for line in output.splitlines()
    ]
    found = {int(m[2]): m for m in lines if m and m[3] == "error" and Path(m[1]).name == name}
    unplaced = [
        line for line in output.splitlines() if ": error: " in line and f"{name}:" not in line
    ]
    assert not unplaced, output
    return set(found)


def pyright(name: str) -> set[int]:
    """The lines of *name* that pyright reports, in strict mode."""
    command = ["pyright", "--outputjson", "--project", str(ROOT / "pyproject.toml")]
    output = _run([*command, "--pythonpath", sys.executable, str(HERE / name)]).stdout
    # It reads no settings where files are named, so the file asks for strictness itself.
    report = json.loads(output)
    assert report["summary"]["filesAnalyzed"] == 1
    return {
        diagnostic["range"]["start"]["line"] + 1
        for diagnostic in report["generalDiagnostics"]
        if diagnostic["severity"] == "error"
    }


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    module = [sys.executable, "-m", *command]
    return subprocess.run(module, capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.fixture(params=[mypy, pyright], ids=["mypy", "pyright"])
def checker(request: pytest.FixtureRequest) -> Checker:
    name = request.param.__name__
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    found: Checker = request.param
    return found


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_users_write_is_accepted(checker: Checker, name: str) -> None:
    assert checker(name) == set()


def test_what_users_must_not_write_is_refused_line_by_line(checker: Checker) -> None:
    lines = (HERE / "rejected.py").read_text(encoding="utf-8").splitlines()
    marked = {number for number, line in enumerate(lines, 1) if MARK in line}
    assert len(marked) >= 35
    assert checker("rejected.py") == marked


def test_the_blocking_file_is_the_other_one_without_await() -> None:
    text = (HERE / "api.py").read_text(encoding="utf-8")
    text = re.sub(r"\b(async|await) ", "", text)
    text = text.replace("from ev_energy import (", "from ev_energy_sync import (")
    text = text.replace("What users write.", "What users write, blocking.")
    text = text.replace('run."""\n', 'run."""\n\n# ruff: noqa: I001  (in the order of api.py)\n', 1)
    assert (HERE / "api_sync.py").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", [*ACCEPTED, "rejected.py"])
def test_what_users_write_is_python(name: str) -> None:
    compile((HERE / name).read_text(encoding="utf-8"), name, "exec")
