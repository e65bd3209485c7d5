"""A real server in a process of its own, blocking clients of it, and scripts run beside it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from support import starting_scripts

from ev_energy_sync import Client, _loop

HERE = Path(__file__).parent
HEAD = """
import os, sys, threading, time, warnings
if {loop!r} == "asyncio":
    sys.modules["uvloop"] = None
# 3.12 on: any fork of a process with a second thread is warned of.
warnings.filterwarnings("ignore", "This process", DeprecationWarning)
from ev_energy_sync import Client, ClientCredentials
client = Client("a-token", base_url={url!r})
"""


@attrs.frozen
class Server:
    """The server of ``server.py``."""

    origin: str

    @property
    def url(self) -> str:
        return f"{self.origin}/v2"

    def seen(self, what: str) -> int:
        """How often the server saw *what* so far."""
        with urllib.request.urlopen(f"{self.origin}/stats") as reply:
            return int(json.load(reply).get(what, 0))

    def wait_for(self, what: str, count: int) -> None:
        """Return once the server saw *what* so often."""
        over = time.monotonic() + 15
        while self.seen(what) < count:
            assert time.monotonic() < over, f"the server never saw {what} number {count}"
            time.sleep(0.01)


@attrs.frozen
class Script:
    """A Python process, its output being collected."""

    process: subprocess.Popen[str]

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def finish(self) -> tuple[int, str, str]:
        """Exit status, output and errors."""
        out, err = self.process.communicate(timeout=30)
        # In development mode, asyncio also tells how slow a busy machine is.
        return self.process.returncode, out, re.sub(r"(?m)^Executing .* took .* seconds\n", "", err)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    command = [sys.executable, HERE / "server.py"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Server(f"http://127.0.0.1:{process.stdout.readline().strip()}")
        process.kill()


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each kind of event loop that a portal may run."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    else:
        monkeypatch.setitem(sys.modules, "uvloop", None)
    _loop.kind.cache_clear()
    yield request.param
    _loop.kind.cache_clear()


@pytest.fixture
def client(server: Server, loop: str) -> Iterator[Client]:
    with Client("a-token", base_url=server.url) as made:
        yield made


@pytest.fixture
def run(server: Server, loop: str) -> Iterator[Callable[[str], Script]]:
    """Start a script that has a client."""
    with starting_scripts() as start:
        yield lambda body: Script(
            start(HEAD.format(loop=loop, url=server.url) + textwrap.dedent(body))
        )
