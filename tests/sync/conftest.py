"""A real server in a separate process, blocking clients for it, and scripts that use them."""

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

from ev_energy_sync import Client, _loop_thread
from tests.helpers.support import script_processes

HERE = Path(__file__).parent
HEAD = """
import os, sys, threading, time, warnings
if {loop!r} == "asyncio":
    sys.modules["uvloop"] = None
# Since 3.12, Python warns about any fork of a process with a second thread.
warnings.filterwarnings("ignore", "This process", DeprecationWarning)
from ev_energy_sync import Client, ClientCredentials
# Some scripts send as many requests as they can, and could use up the rate limit of an hour.
client = Client("a-token", base_url={url!r}, budget=None)
"""


@attrs.frozen
class Server:
    """The server of ``server.py``."""

    origin: str

    @property
    def url(self) -> str:
        return f"{self.origin}/v2"

    def count(self, event: str) -> int:
        """Return how often the server has counted *event* so far."""
        with urllib.request.urlopen(f"{self.origin}/stats") as reply:
            return int(json.load(reply).get(event, 0))

    def wait_for(self, event: str, count: int) -> None:
        """Wait until the server has counted *event* at least *count* times."""
        deadline = time.monotonic() + 15
        while self.count(event) < count:
            assert time.monotonic() < deadline, f"{event} was counted less than {count} times"
            time.sleep(0.01)


@attrs.frozen
class Script:
    """A running Python process and its output."""

    process: subprocess.Popen[str]

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def finish(self) -> tuple[int, str, str]:
        """Return the exit status, the output and the error output."""
        out, err = self.process.communicate(timeout=30)
        # In development mode, asyncio reports slow callbacks of a busy machine.
        return self.process.returncode, out, re.sub(r"(?m)^Executing .* took .* seconds\n", "", err)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    command = [sys.executable, HERE / "server.py"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Server(f"http://127.0.0.1:{process.stdout.readline().strip()}")
        process.kill()


@pytest.fixture(params=["asyncio", pytest.param("uvloop", marks=pytest.mark.slow)])
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of the event loop implementation that portals use."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop", reason="needs uvloop: pip install -e '.[speed]'")
    else:
        monkeypatch.setitem(sys.modules, "uvloop", None)
    _loop_thread.uvloop_class.cache_clear()
    yield request.param
    _loop_thread.uvloop_class.cache_clear()


@pytest.fixture
def client(server: Server, loop: str) -> Iterator[Client]:
    with Client("a-token", base_url=server.url) as client:
        yield client


@pytest.fixture
def run(server: Server, loop: str) -> Iterator[Callable[[str], Script]]:
    """Return a function that starts a script with a client."""
    with script_processes() as start:
        yield lambda body: Script(
            start(HEAD.format(loop=loop, url=server.url) + textwrap.dedent(body))
        )
