"""A command ends silently when its reader closes the pipe, as ``| head -1`` does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


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
