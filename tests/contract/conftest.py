from __future__ import annotations

import pytest

from tests.helpers.spec import description


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with one of these arguments runs once for each of them in the facts."""
    found = description.from_facts()
    lists = {
        "described": {f"{o.method} {o.path}": o for o in found.operations},
        "schema_name": {name: name for name in sorted(found.schemas.keys() - {"Counts"})},
    }
    for argument in set(lists) & set(metafunc.fixturenames):
        metafunc.parametrize(argument, lists[argument].values(), ids=lists[argument])


@pytest.fixture(scope="session")
def spec() -> description.Description:
    """The facts of the description."""
    return description.from_facts()


@pytest.fixture(scope="session")
def vendor() -> description.Description:
    """The vendor's description itself, for tests that are marked `description`."""
    return description.from_vendor()
