"""Programs of the documentation and of the examples, run in processes of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from ev_energy.simulator import Simulator


def environment_of(simulator: Simulator, **more: str) -> dict[str, str]:
    """Return the environment of a program that uses *simulator* as the API."""
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith(("EV_ENERGY_", "OTEL_"))},
        "EV_ENERGY_CLIENT_ID": simulator.client_id,
        "EV_ENERGY_CLIENT_SECRET": simulator.client_secret,
        "EV_ENERGY_BASE_URL": simulator.base_url,
        "MPLBACKEND": "Agg",
        **more,
    }


def output_of(words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Return what ``python`` prints with these arguments. A warning fails, as does stderr."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        cwd=folder,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def printed_by(commands: str, folder: Path, environment: Mapping[str, str]) -> str:
    """Return what commands of a page print, run by a shell whose ``python`` is this one.

    The address that the pages have for the simulator becomes that of the environment.
    """
    api = environment["EV_ENERGY_BASE_URL"].removesuffix("/v2")
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        ["sh", "-c", commands.replace("http://127.0.0.1:8420", api)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        env={**environment, "PATH": path},
        cwd=folder,
        check=False,
    ).stdout


@contextmanager
def started(
    words: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """Run ``python`` with these arguments, and kill it at the end if it still runs."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def running(
    words: Sequence[str], folder: Path, environment: Mapping[str, str], *, ready: str
) -> Iterator[re.Match[str]]:
    """Run ``python`` with these arguments, a server, until the block ends.

    Yields the match of the pattern *ready* in what the server prints.
    """
    with subprocess.Popen(
        [sys.executable, *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        assert server.stdout is not None
        try:
            printed = []
            for line in server.stdout:
                printed.append(line)
                if found := re.search(ready, line):
                    break
            else:
                pytest.fail(f"the server ended before it was ready:\n{''.join(printed)}")
            yield found
        finally:
            server.terminate()
            rest = server.stdout.read()
        assert "Traceback" not in rest, rest


@contextmanager
def serving(
    application: str, folder: Path, environment: Mapping[str, str], *, port: int = 0
) -> Iterator[str]:
    """Serve an ASGI application, such as ``app:app``, with uvicorn. Yields its URL."""
    words = ["-m", "uvicorn", application, "--port", str(port)]
    with running(words, folder, environment, ready=r"Uvicorn running on (http://\S+)") as found:
        yield found[1]
