"""Private Redis servers on free loopback ports, without persistence, and proxies for them."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self

import attrs
import pytest
from redis import Redis


@attrs.define
class PrivateRedis:
    """A Redis server that a test may stop and start."""

    folder: Path
    port: int
    options: tuple[str, ...] = ()
    password: str | None = None
    settings: Path | None = None
    """The configuration file of a Sentinel; other servers have none."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        secret = f":{self.password}@" if self.password else ""
        return f"redis://{secret}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        assert self.process is None
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *self.options]
        if self.password:
            options += ["--requirepass", self.password]
        command = ["redis-server", *options, "--appendonly", "no", "--dir", str(self.folder)]
        if self.settings is not None:
            port = ["--port", str(self.port), "--bind", "127.0.0.1"]
            command = ["redis-server", str(self.settings), "--sentinel", *port]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while True:
            with (
                suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), 1) as redis_client,
            ):
                redis_client.sendall(b"PING\r\n")
                if redis_client.recv(99):
                    return
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.01)

    def kill(self) -> None:
        """Kill the server, which loses its data."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Relay:
    """A proxy in front of Redis that disturbs connections as firewalls and load balancers do.

    *target* is the port for new connections; existing ones keep theirs.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.url = ""
        self.opened: list[int] = []
        self._connections: list[_Relayed] = []
        self._server: asyncio.Server | None = None
        self.is_silent = False
        self.delay = 0.0
        """Seconds that replies take longer, over the connections that are made from now on."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for each in self._connections:
            each.abort()
        await asyncio.gather(*(each.task for each in self._connections))
        await self._server.wait_closed()

    def treat(self, how: Treatment) -> None:
        """Disturb the existing connections in this way."""
        for each in self._connections:
            each.how = how
            if how == "close":
                each.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        made = _Relayed(task, reader, writer, delay=self.delay)
        if self.is_silent:
            made.how = "silence"
        self._connections.append(made)
        self.opened.append(self.target)
        await made.serve(self.target)


Treatment = Literal["pass", "silence", "reset", "close", "swallow replies"]


@attrs.define(eq=False)
class _Relayed:
    task: asyncio.Task[None]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    how: Treatment = "pass"
    delay: float = 0.0

    def abort(self) -> None:
        self.writer.transport.abort()

    async def serve(self, target: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", target)
        back = asyncio.ensure_future(self._back(reader))
        with suppress(OSError):
            while data := await self.reader.read(65536):
                if self.how == "reset":
                    redis_client = self.writer.get_extra_info("socket")
                    redis_client.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )
                    self.abort()
                elif self.how != "silence":
                    writer.write(data)
        back.cancel()
        await asyncio.wait({back})
        self.abort()
        writer.transport.abort()

    async def _back(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if self.how == "pass":
                    await asyncio.sleep(self.delay)
                    self.writer.write(data)
        self.abort()  # as when Redis closes the connection


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="session")
def make_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., PrivateRedis]]:
    if shutil.which("redis-server") is None:
        pytest.skip("needs redis-server: apt-get install redis-server")
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
def shared_redis(make_redis: Callable[..., PrivateRedis]) -> PrivateRedis:
    """A Redis for all tests that do not stop it."""
    return make_redis()


@pytest.fixture(scope="session")
def redis_client(shared_redis: PrivateRedis) -> Iterator[Redis]:
    """A client of `shared_redis`."""
    with Redis(port=shared_redis.port) as client:
        yield client


def script_calls(redis_client: Any) -> int:
    """Return how many scripts the server has run."""
    stats = redis_client.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("eval", "evalsha"))


@pytest.fixture
def redis(make_redis: Callable[..., PrivateRedis]) -> Iterator[PrivateRedis]:
    """A Redis for one test, which may stop it."""
    made = make_redis()
    yield made
    made.kill()


@pytest.fixture
def prefix() -> str:
    """A prefix for the keys of one test."""
    return f"test-{secrets.token_hex(4)}"


class ScriptedRedis:
    """A server with one list of replies, in lines, for each connection.

    It answers the commands with which clients connect as Redis does, and does not record them.
    """

    def __init__(self, *replies: list[str]) -> None:
        self._replies = list(replies)
        self.url = ""
        self.commands: list[list[list[bytes]]] = []
        """The commands of each connection, apart from connecting."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"redis://127.0.0.1:{port}/0?protocol=2"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()
        for task in self._tasks:  # of connections that a failed test left open
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        commands: list[list[bytes]] = []
        try:
            while True:
                options = await self._read(reader)
                if options[0] in {b"CLIENT", b"HELLO", b"SELECT"}:
                    writer.write(b"+OK\r\n")
                    continue
                if not commands:
                    self.commands.append(commands)
                    replies = self._replies.pop(0)
                commands.append(options)
                writer.write(f"{replies.pop(0)}\r\n".encode())
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.transport.abort()

    async def _read(self, reader: asyncio.StreamReader) -> list[bytes]:
        count = int((await reader.readuntil(b"\r\n"))[1:])
        options: list[bytes] = []
        for _ in range(count):
            size = int((await reader.readuntil(b"\r\n"))[1:])
            options.append((await reader.readexactly(size + 2))[:-2])
        return options


@pytest.fixture
def scripted_redis() -> type[ScriptedRedis]:
    """The class of scripted servers."""
    return ScriptedRedis


@pytest.fixture
def relay_class() -> type[Relay]:
    """The class of proxies."""
    return Relay


@pytest.fixture
async def relay(shared_redis: PrivateRedis) -> AsyncIterator[Relay]:
    """A proxy in front of `shared_redis`."""
    async with Relay(shared_redis.port) as relay:
        yield relay
