"""A reader that has enough (``| head -1``) ends a command quietly."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.skipif(sys.platform == "win32", reason="there, a pipe breaks in another way")
@pytest.mark.matrix("unbuffered")
@pytest.mark.parametrize("unbuffered", [True, False])
@pytest.mark.parametrize(
    "words",
    [["operations"], ["operations", "--json"], ["demo"], ["--help"], ["simulator", "--port", "0"]],
    ids=" ".join,
)
def test_a_command_ends_quietly_when_its_reader_has_enough(
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
    if words != ["--help"]:  # argparse takes no notice
        assert done.returncode == 141  # as a Unix tool that SIGPIPE ended
