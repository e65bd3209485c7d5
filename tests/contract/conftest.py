from __future__ import annotations

import pytest

from tests.helpers.spec import description


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with one of these arguments runs once for each of them in the description."""
    found = description.at_hand()
    lists = {
        "described": lambda: {f"{o.method} {o.path}": o for o in found.operations},
        "schema_name": lambda: {name: name for name in sorted(found.schemas.keys() - {"Counts"})},
        # Of the many that are alike, one.
        "problem": lambda: {p.where: p for p in found.different_problems},
    }
    for argument in set(lists) & set(metafunc.fixturenames):
        if found is None:
            skip = pytest.mark.skip(reason=description.MISSING)
            metafunc.parametrize(argument, [pytest.param(None, marks=skip)])
        else:
            values = lists[argument]()
            metafunc.parametrize(argument, list(values.values()), ids=list(values))


@pytest.fixture(scope="session")
def spec() -> description.Description:
    """The official description."""
    found = description.at_hand()
    if found is None:
        pytest.skip(description.MISSING)
    return found
