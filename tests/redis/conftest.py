"""A Redis of our own: on a free port of loopback, in a folder of its own, keeping nothing."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import attrs
import pytest
from redis import Redis


@attrs.define
class PrivateRedis:
    """A server that a test may stop, start and starve."""

    folder: Path
    port: int
    words: tuple[str, ...] = ()
    password: str | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        secret = f":{self.password}@" if self.password else ""
        return f"redis://{secret}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        assert self.process is None
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *self.words]
        if self.password:
            words += ["--requirepass", self.password]
        self.process = subprocess.Popen(
            ["redis-server", *words, "--appendonly", "no", "--dir", str(self.folder)],
            stdout=subprocess.DEVNULL,
        )
        over = time.monotonic() + 20
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as wire:
                wire.sendall(b"PING\r\n")
                if wire.recv(99):
                    return
            assert time.monotonic() < over, "redis-server does not answer"
            time.sleep(0.01)

    def kill(self) -> None:
        """At once; what it kept is lost."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="session")
def make_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., PrivateRedis]]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    started: list[PrivateRedis] = []

    def make(**settings: object) -> PrivateRedis:
        made = PrivateRedis(Path(tempfile.mkdtemp(prefix="redis")), free_port(), **settings)
        started.append(made)
        made.start()
        return made

    yield make
    for each in started:
        each.kill()
        shutil.rmtree(each.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def lasting(make_redis: Callable[..., PrivateRedis]) -> PrivateRedis:
    """One for all tests that leave it running."""
    return make_redis()


@pytest.fixture(scope="session")
def wire(lasting: PrivateRedis) -> Iterator[Redis]:
    """A client of that one."""
    with Redis(port=lasting.port) as client:
        yield client


@pytest.fixture
def redis(make_redis: Callable[..., PrivateRedis]) -> Iterator[PrivateRedis]:
    """One for a test that stops it."""
    made = make_redis()
    yield made
    made.kill()


@pytest.fixture
def prefix() -> str:
    """Keys of one test."""
    return f"test-{secrets.token_hex(4)}"
