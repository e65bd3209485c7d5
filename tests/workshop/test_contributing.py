"""CONTRIBUTING's example of a new operation works, and a test names each step that is left out.

The steps are read from the section "Add an operation" and carried out in a copy of the repository.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import attrs
import pytest

ROOT: Final = Path(__file__).parents[2]

_NOT_COPIED: Final = shutil.ignore_patterns(
    *(".git", ".venv*", "__pycache__", ".*_cache", ".hypothesis", "*.egg-info"),
    *("build", "dist", "site"),
)
_STEP: Final = re.compile(r"^\d+\. \*\*(.+?)\.?\*\*", re.MULTILINE)
_BLOCK: Final = re.compile(
    r"^   (?:In `(?P<path>[^`]+)`(?P<end>, at the end)?"
    r"(?:, after the line `(?P<line>[^`]+)`)?:\n\n   )?"
    r"```(?P<language>\w+)\n(?P<text>.*?)^   ```$",
    re.MULTILINE | re.DOTALL,
)

_OPERATIONS: Final = "tests/contract/test_operations.py::test_table_and_description_agree"
_FROZEN: Final = "tests/workshop/frozen/test_frozen.py"
_SUCCEEDS_ON_RECORD: Final = (
    "tests/workshop/frozen/test_simulator_replies.py"
    "::test_every_operation_succeeds_somewhere_on_record"
)

#: Lists the entries of the new log through both clients, two pages of them.
_PROGRAM: Final = """
import asyncio

import ev_energy
import ev_energy_sync
from ev_energy import ClientCredentials
from ev_energy.models import EVSE
from ev_energy.simulator import Simulator

def check(entries):
    assert 4 < len(entries) <= 8, entries
    assert all(isinstance(entry.evse.value, EVSE) for entry in entries), entries
    assert entries[0].installed_at > entries[-1].installed_at, entries

def blocking(url, app):
    with ev_energy_sync.Client(app, base_url=url) as client:
        evse = next(iter(client.evses.list()))
        check(list(client.evses.firmware_logs(evse, page_size=4, expand=["evse"])))

async def main():
    async with Simulator() as simulator:
        url = simulator.base_url
        app = ClientCredentials(
            client_id=simulator.client_id, client_secret=simulator.client_secret
        )
        async with ev_energy.Client(app, base_url=url) as client:
            evse = await anext(aiter(client.evses.list()))
            pager = client.evses.firmware_logs(evse, page_size=4, expand=["evse"])
            check([entry async for entry in pager])
        await asyncio.to_thread(blocking, url, app)
        pages = [seen for seen in simulator.requests if seen.path.endswith("/firmware_logs")]
        assert len(pages) == 4, pages

asyncio.run(main())
"""


@attrs.frozen
class Edit:
    """A code block of the example that goes into a file."""

    step: str
    path: str
    line: str | None
    """The line that it follows; None if it goes to the end of the file."""
    text: str

    def apply(self, root: Path) -> None:
        file = root / self.path
        before = file.read_text(encoding="utf-8")
        if self.line is None:
            blank_lines = "\n" if self.text.startswith(" ") else "\n\n"
            file.write_text(before + blank_lines + self.text, encoding="utf-8")
            return
        lines = before.splitlines()
        assert lines.count(self.line) == 1, (
            f"CONTRIBUTING.md names the line `{self.line}` of {self.path}, which has it "
            f"{lines.count(self.line)} times: name another line"
        )
        lines.insert(lines.index(self.line) + 1, self.text.removesuffix("\n"))
        file.write_text("\n".join([*lines, ""]), encoding="utf-8")


@attrs.frozen
class Command:
    """A command of the example."""

    step: str
    text: str


def _example() -> Iterator[Edit | Command]:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = page.partition("## Add an operation\n")[2].partition("\n## ")[0]
    _, *parts = _STEP.split(section)
    for step, part in zip(parts[::2], parts[1::2], strict=True):
        for found in _BLOCK.finditer(part):
            text = re.sub(r"^   ", "", found["text"], flags=re.MULTILINE)
            if found["language"] == "sh":
                yield Command(step, text.strip())
            elif found["language"] == "diff":
                line, *added = text.splitlines(keepends=True)
                assert line[0] == " ", f"the first line of a diff is not in the file: {text}"
                assert all(one[0] == "+" for one in added), f"more than additions: {text}"
                text = "".join(one[1:] for one in added)
                yield Edit(step, found["path"], line[1:].rstrip("\n"), text)
            else:
                assert found["end"] or found["line"], f"the block has no place to go to: {text}"
                yield Edit(step, found["path"], found["line"], text)


EXAMPLE: Final = tuple(_example())


class Copy:
    """A copy of the repository.

    Tests share it: in a new one, each would compile all packages and tests again.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(ROOT, root, ignore=_NOT_COPIED)
        self._written = self._when_written()

    def _when_written(self) -> dict[Path, tuple[int, int]]:
        """Return time and size of each file."""
        files = (Path(folder, name) for folder, _, names in os.walk(self.root) for name in names)
        caches = {"__pycache__", ".hypothesis"}
        status = {path: path.stat() for path in files if caches.isdisjoint(path.parts)}
        return {path: (found.st_mtime_ns, found.st_size) for path, found in status.items()}

    def restore(self) -> None:
        """Undo all changes of files."""
        now = self._when_written()
        for path in now.keys() - self._written.keys():
            path.unlink()
        for path, written in self._written.items():
            if now.get(path) != written:
                shutil.copy2(ROOT / path.relative_to(self.root), path)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run Python with *command* in the copy, with the packages of the copy."""
        # The options of this test run must not apply to the inner one.
        plain = {n: text for n, text in os.environ.items() if not n.startswith(("PYTEST_", "COV_"))}
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.root,
            env={**plain, "PYTHONPATH": str(self.root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def succeed(self, *command: str) -> None:
        done = self.run(*command)
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}"

    def follow(self, *steps: Edit | Command) -> None:
        """Carry out steps of the example."""
        for step in steps:
            if isinstance(step, Edit):
                step.apply(self.root)
            else:
                python, *command = shlex.split(step.text)
                assert python == "python", step.text
                self.succeed(*command)


def in_a_copy(test: Callable[..., None]) -> Callable[..., None]:
    """Mark *test*, which carries out the example in a copy of the repository."""
    marks = (
        pytest.mark.slow,
        # Most of the time goes into starting interpreters; on a busy machine that takes long.
        pytest.mark.timeout(900),
    )
    for mark in marks:
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("repository") / "copy")


@pytest.fixture
def copy(shared: Copy) -> Iterator[Copy]:
    yield shared
    shared.restore()


#: The tests that notice what is missing.
COMPLETENESS: Final = (
    "tests/contract/test_facts.py",
    _OPERATIONS,
    "tests/contract/test_models.py",
    "tests/docs/test_docs.py::test_counts_in_the_documentation_are_right",
    "tests/docs/test_docs.py::test_simulator_has_every_operation_of_the_client",
    "tests/simulator/http/test_dispatcher.py",
    f"{_FROZEN}::test_public_names_change_only_as_intended",
    f"{_FROZEN}::test_operations_are_on_record",
    _SUCCEEDS_ON_RECORD,
    "tests/workshop/test_architecture.py",
)


@in_a_copy
def test_example_of_a_new_operation_works(copy: Copy) -> None:
    if importlib.util.find_spec("ruff") is None:
        pytest.skip("needs ruff: pip install -e '.[lint]'")
    copy.follow(*EXAMPLE)
    copy.succeed("-m", "ruff", "check", "--no-cache", ".")
    copy.succeed("-m", "ruff", "format", "--no-cache", "--check", ".")
    copy.succeed("-m", "ev_energy_sync._generate", "--check")
    copy.succeed("-c", _PROGRAM)
    copy.succeed("-m", "pytest", "-q", "-W", "error", *COMPLETENESS)
    # What other tests do with each operation, they do with the new one.
    about_all = ("tests/contract", "tests/simulator/contract", "tests/workshop/frozen")
    copy.succeed("-m", "pytest", "-q", "-W", "error", "-k", "firmware_logs", *about_all)


@attrs.frozen(kw_only=True)
class Omission:
    """A part of the example that is left out, and the checks that notice."""

    step: str
    of: str = ""
    """A pattern in the omitted blocks of the step."""
    checks: tuple[str, ...] = ()
    """Tests; without any, the generator is what notices."""
    read_generated_files: bool = False
    """Whether the tests need files that the generator writes."""
    messages: tuple[str, ...]
    """What their output says."""

    def omits(self, part: Edit | Command) -> bool:
        return part.step == self.step and re.search(self.of, part.text) is not None


OMISSIONS: Final = {
    "facts of the operation": Omission(
        step="The facts",
        of='"operationId"',
        checks=(_OPERATIONS,),
        messages=(
            "api.json has no facts about GET /evses/{evse_id}/firmware_logs.",
            "add a line to the file by hand",
        ),
    ),
    "facts of the schema": Omission(
        step="The facts",
        of='"properties"',
        checks=("tests/contract/test_models.py",),
        messages=(
            "EVSEFirmwareLog is unexpected: ev_energy/_contract/api.json has no such schema",
            "add it by hand",
        ),
    ),
    "order of the facts": Omission(
        step="The facts",
        of="--format",
        checks=("tests/contract/test_facts.py::test_file_is_formatted_as_by_the_script",),
        messages=("run `python tests/contract/write_facts.py --format`",),
    ),
    "model": Omission(
        step="The model",
        checks=("tests/contract/test_models.py", "-k", "EVSEFirmwareLog"),
        read_generated_files=True,
        messages=("add a class EVSEFirmwareLog to a module of ev_energy/models/",),
    ),
    "import of the model": Omission(
        step="The method",
        of=r"\A    EVSEFirmwareLog,",
        messages=(
            "ev_energy/resources/evses.py: firmware_logs uses the name EVSEFirmwareLog, ",
            "which is neither imported at the top nor defined",
        ),
    ),
    "method": Omission(
        step="The method",
        checks=(_OPERATIONS,),
        messages=(
            "GET /evses/{evse_id}/firmware_logs has no method: add one to ev_energy/resources/",
        ),
    ),
    "generated files": Omission(
        step="Generated files",
        checks=("tests/sync/test_generated.py::test_generated_files_are_current",),
        messages=(
            "differs: ev_energy_sync/resources/evses.py",
            "differs: README.md",
            "run `python -m ev_energy_sync._generate`",
        ),
    ),
    "route of the simulator": Omission(
        step="The simulator",
        of=r'\("GET", ',
        checks=("tests/simulator/http/test_dispatcher.py",),
        messages=(
            "GET /evses/{evse_id}/firmware_logs is missing: ",
            "add it to ROUTES in ev_energy/simulator/resources/<family>.py",
        ),
    ),
    "log of the simulator": Omission(
        step="The simulator",
        of='"evses/firmware_logs": ',
        checks=("tests/simulator/contract/test_description.py", "-k", "firmware_logs"),
        messages=("reads the log evses/firmware_logs, which no module adds", "World.logs"),
    ),
    "records": Omission(
        step="The records",
        checks=(
            f"{_FROZEN}::test_public_names_change_only_as_intended",
            f"{_FROZEN}::test_operations_are_on_record",
            _SUCCEEDS_ON_RECORD,
        ),
        messages=(
            "accept it with `python -m tests.workshop.frozen.write --names`",
            "evses.firmware_logs is missing: run `python -m tests.workshop.frozen.write --names",
            "no request of ['GET /evses/{evse_id}/firmware_logs'] is on record",
        ),
    ),
}


@in_a_copy
@pytest.mark.parametrize("omission", OMISSIONS.values(), ids=OMISSIONS)
def test_step_that_is_left_out_is_named(copy: Copy, omission: Omission) -> None:
    omitted = [part for part in EXAMPLE if omission.omits(part)]
    assert omitted, f"CONTRIBUTING.md has no such part: {omission}"
    # Writing files takes long, so those that no check reads are left as they are.
    not_followed = {"The records"}
    if not omission.read_generated_files:
        not_followed.add("Generated files")
    copy.follow(
        *(part for part in EXAMPLE if part not in omitted and part.step not in not_followed)
    )
    if omission.checks:
        done = copy.run("-m", "pytest", "-q", "-W", "error", *omission.checks)
    else:
        done = copy.run("-m", "ev_energy_sync._generate")
    assert done.returncode in {1, 2}, done.stdout
    assert [text for text in omission.messages if text not in done.stdout] == [], done.stdout


def test_each_step_of_the_example_is_left_out_once() -> None:
    steps = {part.step for part in EXAMPLE}
    assert {omission.step for omission in OMISSIONS.values()} == steps, (
        "add a step of CONTRIBUTING.md to OMISSIONS, with the test that notices its absence"
    )


def test_named_tests_exist() -> None:
    named = [*COMPLETENESS, *(one for omission in OMISSIONS.values() for one in omission.checks)]
    for name in named:
        if not name.startswith("tests/"):
            continue  # the option -k, or its value
        path, _, test = name.partition("::")
        text = (ROOT / path).read_text(encoding="utf-8")
        assert f"def {test}" in text, f"{path} has no {test}: name it in this file as it is there"
