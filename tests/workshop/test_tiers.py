"""The tiers of tests: what a command line selects."""

from __future__ import annotations

import pytest

pytest_plugins = "pytester"

INI = """
[pytest]
asyncio_default_fixture_loop_scope = function
markers =
    description
    fuzz
    matrix
    slow
"""
TESTS = """
import pytest

def test_fast(): ...

@pytest.mark.fuzz
def test_fuzzed(): ...

@pytest.mark.description
def test_description(): ...

@pytest.mark.matrix("method")
@pytest.mark.parametrize("variant", ["a", "b"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_matrix(method, variant): ...

@pytest.mark.matrix("number", of=lambda number: number % 2)
@pytest.mark.parametrize("number", range(4))
def test_function(number): ...
"""
FIRST_CASES = {"test_matrix[get-a]", "test_matrix[post-a]", "test_function[0]", "test_function[1]"}
FAST = {"test_fast", *FIRST_CASES}
SLOW = {
    "test_fuzzed",
    *("test_matrix[get-b]", "test_matrix[post-b]", "test_function[2]", "test_function[3]"),
}


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], FAST),
        (["-m", "slow"], SLOW),
        (["-m", "fuzz"], {"test_fuzzed"}),
        (["-m", "description"], {"test_description"}),
        (["--all"], FAST | SLOW),
        (["test_all.py"], FAST | SLOW),
        (["test_all.py::test_fuzzed"], {"test_fuzzed"}),
        (["test_all.py", "-m", "not slow and not description"], FAST),
    ],
    ids=lambda value: " ".join(value) or "no arguments" if isinstance(value, list) else "selects",
)
def test_command_line_selects_the_tier(
    pytester: pytest.Pytester, arguments: list[str], expected: set[str]
) -> None:
    pytester.makeini(INI)
    pytester.makepyfile(test_all=TESTS)
    ran = pytester.inline_run("-p", "tests.helpers.tiers", *arguments)
    passed, skipped, failed = ran.listoutcomes()
    assert not skipped
    assert not failed
    assert {report.nodeid.partition("::")[2] for report in passed} == expected
