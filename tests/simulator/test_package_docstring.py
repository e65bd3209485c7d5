from __future__ import annotations

import doctest

from ev_energy import simulator


def test_worked_example_of_the_package_runs() -> None:
    result = doctest.testmod(simulator)
    assert result.attempted
    assert not result.failed
