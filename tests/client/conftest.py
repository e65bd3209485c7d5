"""A server without tasks, and what must hold after anything was broken off."""

from __future__ import annotations

import asyncio
import gc
import re
import signal
import subprocess
import sys
import textwrap
import time as real_time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.helpers.support import script_processes
from tests.helpers.taskless_server import Line

HERE = Path(__file__).parent


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    """The server, in this loop. No noise: whatever the loop is told of is a failure."""
    loop, told = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: told.append(context))
    made = Line()
    await made.start()
    yield made
    made.stop()
    await quiet()
    gc.collect()
    await quiet()
    assert told == []


async def quiet() -> None:
    """Return once no task is left but this one."""
    me = asyncio.current_task()
    async with asyncio.timeout(5):
        while asyncio.all_tasks() != {me}:
            await asyncio.sleep(0)
        for _ in range(3):  # what those tasks have left to the loop
            await asyncio.sleep(0)


@attrs.frozen
class Script:
    """A Python process, its output being collected."""

    process: subprocess.Popen[str]

    def wait_for(self, line: str) -> None:
        """Return once the script printed *line*."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == f"{line}\n"

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def finish(self) -> tuple[int, str, str]:
        """Exit status, output and errors; at once, or it hangs."""
        began = real_time.monotonic()
        out, err = self.process.communicate(timeout=30)
        assert real_time.monotonic() - began < 15
        # In development mode, asyncio also tells how slow a busy machine is.
        return self.process.returncode, out, re.sub(r"(?m)^Executing .* took .* seconds\n", "", err)


@pytest.fixture(scope="session")
def far() -> Iterator[str]:
    """The URL of the server in a process of its own. It does not answer what is called slow."""
    command = [sys.executable, HERE.parent / "helpers" / "taskless_server.py"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v2"
        process.kill()


HEAD = """
import asyncio, gc, os, signal, sys, threading, time, warnings
# 3.12 on: any fork of a process with a second thread is warned of.
warnings.filterwarnings("ignore", "This process", DeprecationWarning)
import ev_energy_sync
from ev_energy import Client, ClientCredentials, errors
URL = {url!r}
"""


@pytest.fixture
def run(far: str) -> Iterator[Callable[..., Script]]:
    """Start a script."""
    with script_processes() as start:
        yield lambda body, *options: Script(
            start(HEAD.format(url=far) + textwrap.dedent(body), *options)
        )
