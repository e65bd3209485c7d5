"""Which tests run when none are selected: the fast tier.

Slow tests take long, or send more data through code that a test of the fast tier covers. They run
if ``-m`` selects them, if their file is named on the command line, or with ``--all``. Tests with
the marker ``description`` read a file that users do not have, and run only if ``-m`` selects them.
The markers are described in pyproject.toml.
"""

from __future__ import annotations

from typing import Final

import pytest

#: Each of these markers implies the marker ``slow``.
SLOW: Final = frozenset(
    {"browser", "crash_injection", "fuzz", "schemathesis", "swarm", "type_checkers"}
)


def examples(*, fast: int, slow: int) -> pytest.MarkDecorator:
    """Give a test the parameter ``examples``, with one value for each tier."""
    return pytest.mark.parametrize("examples", [fast, pytest.param(slow, marks=pytest.mark.slow)])


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option ``--all``."""
    parser.addoption("--all", action="store_true", help="run slow tests too")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark slow tests; deselect them unless the command line asks for them."""
    _mark_slow(items)
    if config.option.markexpr:
        return  # pytest selects
    folder = config.invocation_params.dir
    named = {(folder / argument.partition("::")[0]).resolve() for argument in config.args}
    selected: list[pytest.Item] = []
    deselected: list[pytest.Item] = []
    for item in items:
        slow = item.get_closest_marker("slow") is not None
        asked_for = config.option.all or item.path in named
        if (slow and not asked_for) or item.get_closest_marker("description") is not None:
            deselected.append(item)
        else:
            selected.append(item)
    if deselected:
        config.hook.pytest_deselected(items=deselected)
        items[:] = selected


def _mark_slow(items: list[pytest.Item]) -> None:
    """Add the marker ``slow`` where another marker implies it."""
    groups: set[tuple[str, object]] = set()
    for item in items:
        if any(mark.name in SLOW for mark in item.iter_markers()):
            item.add_marker("slow")
        matrix = item.get_closest_marker("matrix")
        if matrix is not None:
            group = _group(item, matrix)
            if group in groups:
                item.add_marker("slow")
            groups.add(group)


def _group(item: pytest.Item, matrix: pytest.Mark) -> tuple[str, object]:
    """Return what the cases of a group have in common: the test, and some of its parameters."""
    case = item.callspec  # type: ignore[attr-defined]  # pytest does not export its class
    of = matrix.kwargs.get("of")
    if of is None:
        values = [id(case.params[name]) for name in matrix.args]  # the same object in all cases
    else:
        values = of(*(case.params[name] for name in matrix.args))
    return item.nodeid.partition("[")[0], repr(values)
