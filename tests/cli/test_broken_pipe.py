"""A command whose output cannot be written ends without a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX pipes")
@pytest.mark.parametrize(
    ("words", "unbuffered"),
    [
        (["operations"], True),
        (["operations"], False),
        (["operations", "--json"], False),
        (["demo"], True),
        (["call", "timezones.list", "--all", "--simulator"], False),
        (["--help"], False),
        (["simulator", "--port", "0"], False),
    ],
)
def test_command_ends_silently_when_its_reader_closes_the_pipe(
    words: list[str], unbuffered: bool
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    options = ["-u"] if unbuffered else []
    try:
        done = subprocess.run(
            [sys.executable, *options, "-m", "ev_energy", *words],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)
    assert done.stderr == ""
    if words != ["--help"]:  # argparse ignores the closed pipe
        assert done.returncode == 141  # the status of a process that SIGPIPE ended


@pytest.mark.slow
@pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")
def test_full_disk_is_named_without_a_traceback() -> None:
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ev_energy", "operations"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "error: the output cannot be written: No space left on device\n"
