"""The environment in which the benchmarks run, so that other clients stay out of the user's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def run(*options: str, **variables: str) -> str:
    """Return the output of a quick run of the cheapest benchmark."""
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "server", *options]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_run_starts_again_in_the_prepared_environment(benchmarks: Any, tmp_path: Path) -> None:
    folder = benchmarks.environment.folder_in(tmp_path)
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "here: $@"\n')
    python.chmod(0o755)
    (folder / "ready").touch()

    output = run("--cache", str(tmp_path))

    expected = f"here: -m benchmarks --quick --only server --cache {tmp_path}\n"
    assert output == expected


def test_a_run_goes_on_without_other_clients_if_it_cannot_install_them(tmp_path: Path) -> None:
    no_folder = tmp_path / "file"
    no_folder.touch()

    output = run("--cache", str(no_folder), "--output", str(tmp_path / "results"))

    message = "Other clients are not measured, because installing them failed: Error: "
    assert f"\n{message}[Errno 20] Not a directory: '{no_folder}" in output
    assert "the server alone, requests/s" in output


def test_a_run_without_other_clients_prepares_nothing(tmp_path: Path) -> None:
    cache = tmp_path / "cache"

    output = run("--no-peers", "--cache", str(cache), "--output", str(tmp_path / "results"))

    assert "the server alone, requests/s" in output
    assert not cache.exists()


@pytest.mark.slow
def test_a_run_goes_on_without_an_index(benchmarks: Any, tmp_path: Path) -> None:
    output = run(
        *("--cache", str(tmp_path / "cache"), "--output", str(tmp_path / "results")),
        PIP_NO_INDEX="1",
        PIP_CONFIG_FILE=os.devnull,
        PIP_FIND_LINKS="",
    )

    assert "measured, because installing them failed: ERROR: No matching distribution" in output
    assert "the server alone, requests/s" in output
    folder = benchmarks.environment.folder_in(tmp_path / "cache")
    assert not (folder / "ready").exists(), "the next run has to try again"
