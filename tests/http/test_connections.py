"""Connections: which are used again, which are dropped, and what failed before there was one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import attrs
import pytest

import ev_energy_sync
from ev_energy import Client, errors
from tests.helpers.support import TOKEN, FakeTime

USER = b'{"id": "user01", "url": "https://api.ev.energy/v2/users/user01"}'
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(USER)
DONE = b"HTTP/1.1 204 No Content\r\n\r\n"
EMPTY = b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n"

#: What is answered to a request line; None closes the connection instead.
Answer = Callable[[str], bytes | None]


@attrs.define
class Wire:
    """A server of bare sockets, which counts."""

    port: int = 0
    connections: int = 0
    open: int = 0
    lines: list[str] = attrs.field(factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v2"

    async def serve(self, answer: Answer, *, once: bool = False) -> asyncio.Server:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            self.open += 1
            try:
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode()
                    _, _, length = head.lower().partition("content-length: ")
                    await reader.readexactly(int(length.partition("\r")[0] or 0))
                    self.lines.append(head.partition(" HTTP")[0])
                    reply = answer(self.lines[-1])
                    if reply is None:
                        break
                    writer.write(reply)
                    if once:
                        break
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                self.open -= 1
                writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server


@asynccontextmanager
async def wire(answer: Answer) -> AsyncIterator[Wire]:
    found = Wire()
    async with await found.serve(answer):
        yield found


@pytest.fixture
def elsewhere() -> Iterator[Callable[..., Wire]]:
    """A server that goes on while the loop of the test stands still."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    servers: list[asyncio.Server] = []

    def start(answer: Answer, *, once: bool = False) -> Wire:
        found = Wire()
        work = asyncio.run_coroutine_threadsafe(found.serve(answer, once=once), loop)
        servers.append(work.result(10))
        return found

    async def end() -> None:
        for server in servers:
            server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    yield start
    asyncio.run_coroutine_threadsafe(end(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def fine(line: str) -> bytes:
    return DONE if line.startswith("DELETE") else OK + USER


def client(url: str, **settings: Any) -> Client:
    return Client(TOKEN, base_url=url, allow_insecure=True, **settings)


# --- What was never sent ------------------------------------------------------


@asynccontextmanager
async def nobody() -> AsyncIterator[str]:
    with socket.socket() as bound:  # and not listening
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/v2"


@asynccontextmanager
async def no_name() -> AsyncIterator[str]:
    yield "http://nowhere.invalid/v2"


@asynccontextmanager
async def silent_tls() -> AsyncIterator[str]:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        yield f"https://127.0.0.1:{silent.getsockname()[1]}/v2"


@asynccontextmanager
async def no_tls() -> AsyncIterator[str]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(5)
        writer.write(EMPTY % b"400 Plain HTTP")
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v2"


@pytest.mark.parametrize("where", [nobody, no_name, silent_tls, no_tls])
async def test_what_fails_before_there_is_a_connection_was_not_sent(where: Any) -> None:
    async with where() as url, client(url, timeout=0.3, retries=0) as it:
        with pytest.raises(errors.NotSentError):
            await it.vehicles.delete("vhcl01")


async def test_a_proxy_that_says_no_has_sent_nothing_on() -> None:
    def refuse(line: str) -> bytes:
        assert line.startswith("CONNECT")
        return EMPTY % b"403 Forbidden"

    async with (
        wire(refuse) as proxy,
        aiohttp.ClientSession(proxy=proxy.url) as session,
        client("https://api.ev.energy/v2", session=session, retries=0) as it,
    ):
        with pytest.raises(errors.NotSentError):
            await it.vehicles.delete("vhcl01")


async def test_what_was_not_sent_is_tried_again_also_if_it_is_a_write(time: FakeTime) -> None:
    async with wire(fine) as server:
        waiting = socket.socket()
        waiting.bind(("127.0.0.1", 0))  # nobody listens yet
        port = waiting.getsockname()[1]

        async def sleep(seconds: float) -> None:
            await time.sleep(seconds)
            waiting.listen()
            waiting.setblocking(False)
            tasks.append(asyncio.create_task(forward()))

        async def forward() -> None:
            loop = asyncio.get_running_loop()
            taken, _ = await loop.sock_accept(waiting)
            with taken:
                assert (await loop.sock_recv(taken, 10_000)).startswith(b"DELETE")
                await loop.sock_sendall(taken, DONE)

        tasks: list[asyncio.Task[None]] = []
        with waiting:
            async with client(f"http://127.0.0.1:{port}/v2", clock=time, sleep=sleep) as it:
                await it.vehicles.delete("vhcl01")
                await tasks[0]
    assert server.connections == 0


@pytest.mark.parametrize("reply", ["nothing", "the end"])
async def test_what_was_sent_may_have_been_carried_out(reply: str) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        async with wire(lambda _: None) as server:
            url = (
                server.url if reply == "the end" else f"http://127.0.0.1:{silent.getsockname()[1]}"
            )
            async with client(url, timeout=0.3) as it:
                with pytest.raises(errors.UnconfirmedWriteError):
                    await it.vehicles.delete("vhcl01")


# --- Once means once ----------------------------------------------------------


def breaks_second(answers: list[bytes | None]) -> Answer:
    return lambda line: answers.pop(0) if answers else fine(line)


@pytest.mark.parametrize("injected", [False, True])
async def test_a_deletion_is_not_sent_again_when_a_used_connection_breaks(injected: bool) -> None:
    sent: list[str] = []

    async def middleware(request: aiohttp.ClientRequest, handler: Any) -> Any:
        sent.append(request.method)
        return await handler(request)

    async with (
        wire(breaks_second([OK + USER, None])) as server,
        aiohttp.ClientSession(middlewares=[middleware]) as session,
        client(server.url, session=session if injected else None) as it,
    ):
        await it.users.get("user01")
        with pytest.raises(errors.UnconfirmedWriteError):
            await it.vehicles.delete("vhcl01")
    assert server.lines == ["GET /v2/users/user01", "DELETE /v2/vehicles/vhcl01"]
    assert sent == (["GET", "DELETE"] if injected else []), "a session keeps its own middlewares"


async def test_every_request_of_a_read_is_told_when_a_used_connection_breaks(
    time: FakeTime,
) -> None:
    told: list[Any] = []
    async with (
        wire(breaks_second([OK + USER, None])) as server,
        client(server.url, on_request=told.append, clock=time, sleep=time.sleep) as it,
    ):
        await it.users.get("user01")
        await it.users.get("user01")
    assert len(server.lines) == len(told) == 3
    assert server.connections == 2


def test_a_connection_that_was_closed_while_the_loop_stood_still_takes_no_write(
    elsewhere: Callable[..., Wire],
) -> None:
    server = elsewhere(fine, once=True)

    async def delete() -> None:
        async with client(server.url, retries=0) as it:
            for _ in range(5):
                await it.vehicles.delete("vhcl01")
                until = time.monotonic() + 10
                while server.open and time.monotonic() < until:
                    time.sleep(0.001)  # noqa: ASYNC251  (that is the point)
                time.sleep(0.01)  # noqa: ASYNC251

    asyncio.run(delete())
    assert server.lines == ["DELETE /v2/vehicles/vhcl01"] * 5


# --- One connection for all ---------------------------------------------------

ANSWERS = {
    "200": OK + USER,
    "204": DONE,
    "302": b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
    "404": EMPTY % b"404 Not Found",
    "500": EMPTY % b"500 Oh",
    "no JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{]}",
}


@pytest.mark.parametrize("blocking", [False, True])
async def test_all_calls_share_one_connection_whatever_is_answered(blocking: bool) -> None:
    replies = [reply for reply in ANSWERS.values() for _ in range(3)]

    async def ask(call: Callable[[], Awaitable[Any]]) -> None:
        with contextlib.suppress(errors.CallError):
            await call()

    async with wire(lambda _: replies.pop()) as server:
        if blocking:

            def walk() -> None:
                with ev_energy_sync.Client(TOKEN, base_url=server.url, retries=0) as it:
                    while replies:
                        with contextlib.suppress(errors.CallError):
                            it.users.get("user01")

            await asyncio.to_thread(walk)
        else:
            async with client(server.url, retries=0) as it:
                while replies:
                    await ask(lambda: it.users.get("user01"))
        assert server.connections == 1
        assert len(server.lines) == 3 * len(ANSWERS)


def test_sixteen_threads_make_no_more_connections_than_there_are_of_them(
    elsewhere: Callable[..., Wire],
) -> None:
    server = elsewhere(fine)
    with ev_energy_sync.Client(TOKEN, base_url=server.url) as it, ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: it.users.get("user01").id, range(320)))
    assert found == ["user01"] * 320
    assert len(server.lines) == 320
    assert server.connections <= 16


async def test_a_timeout_costs_its_own_connection_and_no_other() -> None:
    held = asyncio.Event()

    def answer(line: str) -> bytes:
        return b"" if "slow" in line else fine(line)

    async with wire(answer) as server, client(server.url, retries=0) as it:
        hasty = it.with_options(timeout=0.1)
        await asyncio.gather(*(it.users.get("user01") for _ in range(3)))
        before = server.connections
        assert before <= 3
        with pytest.raises(errors.TransportError):
            await hasty.users.get("slow")
        call = asyncio.create_task(it.users.get("slow"))
        while len(server.lines) < 5:
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        while server.open > before - 2:  # the server notices a little later
            await asyncio.sleep(0.001)
        for _ in range(5):
            await it.users.get("user01")
        assert server.connections <= before + 1
        held.set()
    assert server.open == 0 or await _closed(server)


async def _closed(server: Wire) -> bool:
    for _ in range(1000):
        if server.open == 0:
            return True
        await asyncio.sleep(0.005)
    return False
