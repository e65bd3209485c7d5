"""Nothing is left of calls that are over: the small edition of ``benchmarks/bench_leak.py``."""

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
@pytest.mark.parametrize(("words", "status"), [((), 0), (("--leak",), 1)], ids=["flat", "leaking"])
def test_a_process_that_made_thousands_of_calls_is_no_larger(
    words: tuple[str, ...], status: int
) -> None:
    done = subprocess.run(
        [sys.executable, "bench_leak.py", "--calls", "2000", *words],
        cwd=BENCHMARKS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert ("NOT FLAT" in done.stdout) == bool(status)
