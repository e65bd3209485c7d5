"""Calls leave no memory behind: ``benchmarks/bench_leak.py`` with few calls."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="needs Linux, to see the memory of a process"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "status"), [((), 0), (("--leak",), 1)], ids=["flat", "leaking"]
)
def test_memory_does_not_grow_over_thousands_of_calls(
    options: tuple[str, ...], status: int
) -> None:
    result = subprocess.run(
        [sys.executable, "bench_leak.py", "--calls", "2000", *options],
        cwd=BENCHMARKS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == status, result.stdout + result.stderr
    assert ("NOT FLAT" in result.stdout) == bool(status)
