"""Secrets, a clock, and child processes that many tests use."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest.mock import Mock

import aiohttp
import attrs

#: Secrets for tests. `secret_leaks` fails each test whose output contains one of them.
TOKEN = "t0ken-that-must-never-be-seen"
SECRET = "s3cret-that-must-never-be-seen"
#: The signature of a presigned URL.
SIGNATURE = "s1gnature-that-must-never-be-seen"


@contextmanager
def script_processes() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Yield a function that runs Python code in a new process; kill all processes at the end.

    Python runs in development mode, which reports leaks on standard error.
    """
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *options: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-X", "dev", *options, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its forks are in the same process group
        process.communicate()


class MockableResponse(aiohttp.ClientResponse):
    """The response class for aioresponses 0.7.9, with the argument that aiohttp 3.14 requires."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


@attrs.define
class FakeTime:
    """A clock that moves only when `sleep` is called or a test sets `now`."""

    now: float = 1000.0
    slept: list[float] = attrs.field(factory=list)
    """The arguments of `sleep` so far."""

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Move the clock by *seconds* at once."""
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)
