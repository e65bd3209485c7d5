from __future__ import annotations

import functools
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ev_energy import Client
from ev_energy._lazy_exports import Lazy
from tests.helpers.names import assert_no_problems, assert_same_names

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
MARK = "# expect-error"
THEMES = ["api", "api_fleets", "api_homes", "api_people", "api_running", "api_vehicles"]
ACCEPTED = [
    *(f"{theme}{twin}.py" for theme in THEMES for twin in ("", "_sync")),
    "gathering.py",
    "own_store.py",
    "fastapi_app.py",
]
REJECTED = ["rejected.py", "rejected_families.py", "rejected_fastapi.py"]
FILES = [*ACCEPTED, *REJECTED]
#: Examples with requirements that no extra has, and a module of these. CI installs them, except
#: for Home Assistant.
REQUIRED = {
    "dlt_source": "dlt",
    "home_assistant": "homeassistant",
    "mcp_server": "mcp",
    "nightly_export/plot.py": "matplotlib",
    "prometheus_exporter": "prometheus_client",
}
MISSING = [
    ROOT / "examples" / path
    for path, module in REQUIRED.items()
    if importlib.util.find_spec(module) is None
]
EXAMPLES = sorted(
    path
    for path in (ROOT / "examples").rglob("*.py")
    if not any(path.is_relative_to(missing) for missing in MISSING)
)
PATHS = [*map(HERE.joinpath, FILES), *EXAMPLES]

#: The lines that a type checker reports, by file.
Report = Mapping[str, set[int]]


@functools.cache
def mypy() -> Report:
    """Run mypy once over all files, and return the lines that it reports."""
    command = ["mypy", "--config-file", str(ROOT / "pyproject.toml"), "--no-pretty"]
    output = _run([*command, "--hide-error-context", *map(str, PATHS)]).stdout
    reported: dict[str, set[int]] = {_name(path): set() for path in PATHS}
    for line in output.splitlines():
        if ": error: " in line:
            position = re.match(r"(.+?):(\d+):", line)
            assert position, output
            reported[_name(ROOT / position[1])].add(int(position[2]))
    assert f"(checked {len(PATHS)} source files)" in output, output
    return reported


@functools.cache
def pyright() -> Report:
    """Run pyright once over all files in strict mode, and return the lines that it reports."""
    command = ["pyright", "--outputjson", "--project", str(ROOT / "pyproject.toml")]
    output = _run([*command, "--pythonpath", sys.executable, *map(str, PATHS)]).stdout
    report = json.loads(output)
    assert report["summary"]["filesAnalyzed"] == len(PATHS)
    reported: dict[str, set[int]] = {_name(path): set() for path in PATHS}
    for diagnostic in report["generalDiagnostics"]:
        if diagnostic["severity"] == "error":
            line = diagnostic["range"]["start"]["line"] + 1
            reported[_name(Path(diagnostic["file"]))].add(line)
    return reported


def _name(path: Path) -> str:
    """Return the name of a file of this folder, or the path of an example in the repository."""
    return path.name if path.parent == HERE else path.relative_to(ROOT).as_posix()


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    module = [sys.executable, "-m", *command]
    return subprocess.run(module, capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.fixture(
    params=[
        pytest.param(checker, id=checker.__name__, marks=pytest.mark.type_checkers)
        for checker in (mypy, pyright)
    ]
)
def reported(request: pytest.FixtureRequest) -> Report:
    check: Callable[[], Report] = request.param
    name = request.param.__name__
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"needs {name}: pip install -e '.[lint]'")
    return check()


@pytest.mark.parametrize("name", ACCEPTED)
def test_correct_code_is_accepted(reported: Report, name: str) -> None:
    assert_no_problems(
        (f"{name}:{number}" for number in sorted(reported[name])),
        "A type checker reports these lines of correct code: correct the annotations of the SDK.",
    )


def test_examples_are_accepted(reported: Report) -> None:
    assert EXAMPLES
    assert_no_problems(
        (f"{name}:{line}" for name in map(_name, EXAMPLES) for line in sorted(reported[name])),
        "A type checker reports these lines of an example that users copy.",
    )


@pytest.mark.parametrize("name", REJECTED)
def test_mistakes_are_reported_on_the_marked_lines_only(reported: Report, name: str) -> None:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    marked = {number for number, line in enumerate(lines, 1) if MARK in line}
    assert marked
    assert_same_names(
        (f"{name}:{number}" for number in reported[name]),
        (f"{name}:{number}" for number in marked),
        missing=f"a type checker has to report this line, which is marked with `{MARK}`",
        unexpected=f"a type checker reports this line; correct it or mark it with `{MARK}`",
    )


@pytest.mark.parametrize("theme", THEMES)
def test_blocking_file_is_the_async_one_without_await(theme: str) -> None:
    text = (HERE / f"{theme}.py").read_text(encoding="utf-8")
    text = re.sub(r"\b(async|await) ", "", text)
    text = re.sub(r"(?m)^from ev_energy(\.changes)? import", r"from ev_energy_sync\1 import", text)
    text = text.replace("User code", "Blocking user code", 1)
    head = f'run."""\n\n# ruff: noqa: I001  (in the order of {theme}.py)\n'
    text = text.replace('run."""\n', head, 1)
    found = (HERE / f"{theme}_sync.py").read_text(encoding="utf-8")
    assert found == text, f"copy {theme}.py to {theme}_sync.py, without async and await"


def test_families_are_used_in_accepted_code() -> None:
    texts = [(HERE / f"{theme}.py").read_text(encoding="utf-8") for theme in THEMES]
    families = {name for name, value in vars(Client).items() if isinstance(value, Lazy)}
    used = set(re.findall(r"\bclient\.(\w+)\b", "".join(texts)))
    assert_no_problems(
        families - used,
        "Call these families in tests/workshop/typing/api_<theme>.py and api_<theme>_sync.py.",
    )


def test_files_of_this_folder_are_checked() -> None:
    assert_same_names(
        {path.name for path in HERE.glob("*.py")},
        {*FILES, "__init__.py", Path(__file__).name},
        missing="take it out of THEMES, ACCEPTED or REJECTED",
        unexpected="add it to THEMES, ACCEPTED or REJECTED",
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_files_are_valid_python(name: str) -> None:
    compile((HERE / name).read_text(encoding="utf-8"), name, "exec")
