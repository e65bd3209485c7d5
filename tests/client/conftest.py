"""A taskless server in this process and in another one, and Python scripts that use it."""

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
from tests.helpers.taskless_server import TasklessServer

HERE = Path(__file__).parent


@pytest.fixture
async def server() -> AsyncIterator[TasklessServer]:
    """The taskless server, in the loop of the test, whose exception handler must not be called."""
    loop, unhandled = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: unhandled.append(context))
    running = TasklessServer()
    await running.start()
    yield running
    running.stop()
    await wait_for_tasks()
    gc.collect()
    await wait_for_tasks()
    assert unhandled == []


async def wait_for_tasks() -> None:
    """Return when all other tasks have ended."""
    this_task = asyncio.current_task()
    async with asyncio.timeout(5):
        while asyncio.all_tasks() != {this_task}:
            await asyncio.sleep(0)
        for _ in range(3):  # run the callbacks of those tasks
            await asyncio.sleep(0)


@attrs.frozen
class Script:
    """A running Python script."""

    process: subprocess.Popen[str]

    def wait_for(self, line: str) -> None:
        """Return when the script prints *line*."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == f"{line}\n"

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def finish(self) -> tuple[int, str, str]:
        """Return exit status, output and errors; a script that takes long is a failure."""
        started = real_time.monotonic()
        out, err = self.process.communicate(timeout=30)
        assert real_time.monotonic() - started < 15
        # In development mode, asyncio also logs slow callbacks, which a busy machine causes.
        return self.process.returncode, out, re.sub(r"(?m)^Executing .* took .* seconds\n", "", err)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The URL of a taskless server in another process; requests for "slow" are not answered."""
    command = [sys.executable, HERE.parent / "helpers" / "taskless_server.py"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v2"
        process.kill()


HEAD = """
import asyncio, gc, os, signal, sys, threading, time, warnings
# Since 3.12, Python warns about any fork of a process with a second thread.
warnings.filterwarnings("ignore", "This process", DeprecationWarning)
import ev_energy_sync
from ev_energy import Client, ClientCredentials, errors
URL = {url!r}
"""


@pytest.fixture
def run(server_url: str) -> Iterator[Callable[..., Script]]:
    """Start scripts."""
    with script_processes() as start:
        yield lambda body, *options: Script(
            start(HEAD.format(url=server_url) + textwrap.dedent(body), *options)
        )
