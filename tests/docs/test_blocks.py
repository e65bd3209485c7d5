"""Every Python block of the documentation is run by a test, and prints what it says."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator

import pytest

from tests.helpers.guides import DOCS, ELSEWHERE, missing_output
from tests.helpers.names import assert_no_problems
from tests.helpers.pages import ROOT, Page

TEST_DOCS = (ROOT / "tests" / "docs" / "test_docs.py").read_text(encoding="utf-8")
#: What the tests of the pages with programs contain: the names of the pages and of the programs.
TESTS_OF_PROGRAMS = "".join(
    path.read_text(encoding="utf-8")
    for name in ("docs/test_start.py", "docs/test_recipes*.py", "http/network/test_recipe.py")
    for path in (ROOT / "tests").glob(name)
)


def collected() -> set[str]:
    """Return page and line of the blocks that are tests of the folder ``docs``."""
    plain = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "docs"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env=plain,
        check=True,
    ).stdout
    return {
        f"{page}:{line}"
        for page, line in re.findall(r"^docs/(\S+)::.*\[line:(\d+)\]$", listed, re.MULTILINE)
    }


def not_run(run_as_tests: set[str]) -> Iterator[str]:
    """Yield the Python blocks of ``docs`` that no test runs, and those that two tests run."""
    for path in sorted(DOCS.rglob("*.md")):
        name = path.relative_to(DOCS).as_posix()
        page = Page.read(name)
        for number, line in enumerate(page.text.splitlines(), 1):
            fence = re.match(r"\s*(?:```+|~~~+)\s*\{?\s*\.?(?:py|python|python3)\b(.*)", line)
            if fence is None:
                continue
            title = re.search('title="(.+)"', fence[1])
            others = names_program(name, page, title[1]) if title else name in ELSEWHERE
            if others == (f"{name}:{number}" in run_as_tests):
                yield f"docs/{name}, line {number}: {line.strip()}"


def names_program(name: str, page: Page, program: str) -> bool:
    """Whether a test reads the page, and the program is used there or by others of the page."""
    others = [code for other, code in page.programs.items() if other != program]
    used = re.compile(rf"\b{re.escape(program.removesuffix('.py'))}\b")
    texts = (TESTS_OF_PROGRAMS, *page.commands, *others)
    return f'"{name}"' in TESTS_OF_PROGRAMS and any(map(used.search, texts))


def test_every_block_of_the_site_is_run_once() -> None:
    assert_no_problems(
        not_run(collected()),
        "No test runs these blocks, or two do. A block without a title runs by itself, with the "
        "names of page_names in tests/helpers/guides.py, unless its page is in ELSEWHERE there. "
        "Run a block with a title, which is a program, in tests/docs/test_recipes*.py.",
    )


def test_blocks_of_the_site_belong_to_the_fast_tier() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert options["testpaths"] == ["tests", "docs"]


@pytest.mark.parametrize(("page", "module"), ELSEWHERE.items())
def test_pages_that_run_elsewhere_are_read_whole(page: str, module: str) -> None:
    assert f'Page.read("{page}")' in (ROOT / module).read_text(encoding="utf-8")
    assert Page.read(page).snippets


def test_every_block_of_the_readme_is_run() -> None:
    marks = [ast.literal_eval(mark) for mark in re.findall(r'snippet\((".*?")\)', TEST_DOCS)]
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert_no_problems(
        [block for block in blocks if not any(mark in block for mark in marks)],
        "Run these blocks of README.md in tests/docs/test_docs.py.",
    )


@pytest.mark.parametrize(
    ("code", "printed", "missing"),
    [
        ("print(1)  # -> 1\n", "1\n", None),
        ("print(1)  # -> 2\n", "1\n", "2"),
        ("print(1)  # -> 1\n", "", "1"),
        ("for n in (1, 2):\n    print(n)\n    # -> 2\n", "1\n2\n", None),
        ("print(1)  # -> 2\nprint(2)  # -> 1\n", "1\n2\n", "1"),
        ('print("an id: 77")  # -> an ...: 77\n', "an id: 77\n", None),
        ("print(7)  # a number, not an output\n", "7\n", None),
    ],
)
def test_outputs_are_compared(code: str, printed: str, missing: str | None) -> None:
    assert missing_output(code, printed) == missing
