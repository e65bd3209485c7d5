"""Which tests run when none are selected: the fast tier.

Slow tests take long, or send more data through code that a test of the fast tier covers. They run
if ``-m`` selects them, if their file is named on the command line, or with ``--all``. Tests with
the marker ``description`` read a file that users do not have, those with ``measurement`` take
minutes to measure; both run only if ``-m`` selects them.
The markers are described in pyproject.toml.
"""

from __future__ import annotations

from typing import Final

import pytest

#: Each of these markers implies the marker ``slow``.
SLOW: Final = frozenset(
    {"browser", "crash_injection", "fuzz", "schemathesis", "swarm", "type_checkers"}
)

#: Tests with one of these markers run only if ``-m`` selects them.
ON_REQUEST: Final = frozenset({"description", "measurement"})


def examples(*, fast: int, slow: int) -> pytest.MarkDecorator:
    """Give a test the parameter ``examples``, with one value for each tier."""
    return pytest.mark.parametrize("examples", [fast, pytest.param(slow, marks=pytest.mark.slow)])


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option ``--all``."""
    parser.addoption("--all", action="store_true", help="run slow tests too")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark slow tests; deselect them unless the command line asks for them."""
    folder = config.invocation_params.dir
    named = {(folder / argument.partition("::")[0]).resolve() for argument in config.args}
    groups: set[tuple[str, object]] = set()
    selected: list[pytest.Item] = []
    deselected: list[pytest.Item] = []
    for item in items:
        marks = {mark.name: mark for mark in item.iter_markers()}
        slow = not SLOW.isdisjoint(marks)
        if "matrix" in marks:
            group = _group(item, marks["matrix"])
            slow = slow or group in groups
            groups.add(group)
        if slow:
            item.add_marker("slow")
        asked_for = config.option.all or item.path in named
        is_slow = slow or "slow" in marks
        if (is_slow and not asked_for) or not ON_REQUEST.isdisjoint(marks):
            deselected.append(item)
        else:
            selected.append(item)
    if deselected and not config.option.markexpr:  # if there is one, pytest selects
        config.hook.pytest_deselected(items=deselected)
        items[:] = selected


def _group(item: pytest.Item, matrix: pytest.Mark) -> tuple[str, object]:
    """Return what the cases of a group have in common: the test, and some of its parameters."""
    case = item.callspec  # type: ignore[attr-defined]  # pytest does not export its class
    of = matrix.kwargs.get("of")
    if of is None:
        values = [id(case.params[name]) for name in matrix.args]  # the same object in all cases
    else:
        values = of(*(case.params[name] for name in matrix.args))
    return item.nodeid.partition("[")[0], repr(values)
