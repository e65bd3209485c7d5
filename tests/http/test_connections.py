"""Reuse and loss of connections, and failures to connect."""

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

#: Return the reply to a request line, or None to close the connection.
Replies = Callable[[str], bytes | None]


@attrs.define
class CountingServer:
    """A server on bare sockets that counts connections and requests."""

    port: int = 0
    connections: int = 0
    open: int = 0
    lines: list[str] = attrs.field(factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v2"

    async def serve(self, replies: Replies, *, once: bool = False) -> asyncio.Server:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            self.open += 1
            try:
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode()
                    _, _, length = head.lower().partition("content-length: ")
                    await reader.readexactly(int(length.partition("\r")[0] or 0))
                    self.lines.append(head.partition(" HTTP")[0])
                    reply = replies(self.lines[-1])
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

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server


@asynccontextmanager
async def serving(replies: Replies) -> AsyncIterator[CountingServer]:
    server = CountingServer()
    async with await server.serve(replies):
        yield server


@pytest.fixture
def threaded_server() -> Iterator[Callable[..., CountingServer]]:
    """Start servers in another thread, which keep running while the loop of the test stalls."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    servers: list[asyncio.Server] = []

    def start(replies: Replies, *, once: bool = False) -> CountingServer:
        server = CountingServer()
        started = asyncio.run_coroutine_threadsafe(server.serve(replies, once=once), loop)
        servers.append(started.result(10))
        return server

    async def stop() -> None:
        for server in servers:
            server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    yield start
    asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def ok(line: str) -> bytes:
    return DONE if line.startswith("DELETE") else OK + USER


def client_of(url: str, **settings: Any) -> Client:
    return Client(TOKEN, base_url=url, allow_insecure=True, **settings)


# --- Requests that were not sent ----------------------------------------------


@asynccontextmanager
async def no_listener() -> AsyncIterator[str]:
    with socket.socket() as bound:  # without listening
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/v2"


@asynccontextmanager
async def unknown_host() -> AsyncIterator[str]:
    yield "http://unknown.invalid/v2"


@asynccontextmanager
async def silent_tls() -> AsyncIterator[str]:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        yield f"https://127.0.0.1:{silent.getsockname()[1]}/v2"


@asynccontextmanager
async def no_tls() -> AsyncIterator[str]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(5)
        writer.write(EMPTY % b"400 Plain HTTP")
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v2"


@pytest.mark.parametrize("start", [no_listener, unknown_host, silent_tls, no_tls])
async def test_failure_to_connect_means_not_sent(start: Any) -> None:
    async with start() as url, client_of(url, timeout=0.3, retries=0) as client:
        with pytest.raises(errors.NotSentError):
            await client.vehicles.delete("vhcl01")


async def test_refusal_of_a_proxy_means_not_sent() -> None:
    def refuse(line: str) -> bytes:
        assert line.startswith("CONNECT")
        return EMPTY % b"403 Forbidden"

    async with (
        serving(refuse) as proxy,
        aiohttp.ClientSession(proxy=proxy.url) as session,
        client_of("https://api.ev.energy/v2", session=session, retries=0) as client,
    ):
        with pytest.raises(errors.NotSentError):
            await client.vehicles.delete("vhcl01")


async def test_unsent_request_is_retried_even_a_write(time: FakeTime) -> None:
    async with serving(ok) as server:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))  # not listening yet
        port = listener.getsockname()[1]

        async def sleep(seconds: float) -> None:
            await time.sleep(seconds)
            listener.listen()
            listener.setblocking(False)
            tasks.append(asyncio.create_task(forward()))

        async def forward() -> None:
            loop = asyncio.get_running_loop()
            accepted, _ = await loop.sock_accept(listener)
            with accepted:
                assert (await loop.sock_recv(accepted, 10_000)).startswith(b"DELETE")
                await loop.sock_sendall(accepted, DONE)

        tasks: list[asyncio.Task[None]] = []
        with listener:
            async with client_of(f"http://127.0.0.1:{port}/v2", clock=time, sleep=sleep) as client:
                await client.vehicles.delete("vhcl01")
                await tasks[0]
    assert server.connections == 0


@pytest.mark.parametrize("reply", ["none", "close"])
async def test_sent_write_may_have_been_carried_out(reply: str) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        async with serving(lambda _: None) as server:
            url = server.url if reply == "close" else f"http://127.0.0.1:{silent.getsockname()[1]}"
            async with client_of(url, timeout=0.3) as client:
                with pytest.raises(errors.UnconfirmedWriteError):
                    await client.vehicles.delete("vhcl01")


# --- Requests that are not repeated -------------------------------------------


def breaks_second(answers: list[bytes | None]) -> Replies:
    return lambda line: answers.pop(0) if answers else ok(line)


@pytest.mark.parametrize("injected", [False, True])
async def test_deletion_is_not_resent_when_a_reused_connection_breaks(injected: bool) -> None:
    sent: list[str] = []

    async def middleware(request: aiohttp.ClientRequest, handler: Any) -> Any:
        sent.append(request.method)
        return await handler(request)

    async with (
        serving(breaks_second([OK + USER, None])) as server,
        aiohttp.ClientSession(middlewares=[middleware]) as session,
        client_of(server.url, session=session if injected else None) as client,
    ):
        await client.users.get("user01")
        with pytest.raises(errors.UnconfirmedWriteError):
            await client.vehicles.delete("vhcl01")
    assert server.lines == ["GET /v2/users/user01", "DELETE /v2/vehicles/vhcl01"]
    assert sent == (["GET", "DELETE"] if injected else []), "a session keeps its own middlewares"


async def test_requests_of_a_read_are_all_reported_when_a_reused_connection_breaks(
    time: FakeTime,
) -> None:
    requests: list[Any] = []
    async with (
        serving(breaks_second([OK + USER, None])) as server,
        client_of(server.url, on_request=requests.append, clock=time, sleep=time.sleep) as client,
    ):
        await client.users.get("user01")
        await client.users.get("user01")
    assert len(server.lines) == len(requests) == 3
    assert server.connections == 2


def test_connection_closed_during_a_stall_of_the_loop_is_not_used_for_a_write(
    threaded_server: Callable[..., CountingServer],
) -> None:
    server = threaded_server(ok, once=True)

    async def delete() -> None:
        async with client_of(server.url, retries=0) as client:
            for _ in range(5):
                await client.vehicles.delete("vhcl01")
                deadline = time.monotonic() + 10
                while server.open and time.monotonic() < deadline:
                    time.sleep(0.001)  # noqa: ASYNC251  (a stall of the loop is tested)
                time.sleep(0.01)  # noqa: ASYNC251

    asyncio.run(delete())
    assert server.lines == ["DELETE /v2/vehicles/vhcl01"] * 5


# --- One connection for all calls ---------------------------------------------

ANSWERS = {
    "200": OK + USER,
    "204": DONE,
    "302": b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
    "404": EMPTY % b"404 Not Found",
    "500": EMPTY % b"500 Internal Server Error",
    "no JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{]}",
}


@pytest.mark.parametrize("blocking", [False, True])
async def test_calls_share_one_connection_with_any_reply(blocking: bool) -> None:
    replies = [reply for reply in ANSWERS.values() for _ in range(3)]

    async def try_call(call: Callable[[], Awaitable[Any]]) -> None:
        with contextlib.suppress(errors.CallError):
            await call()

    async with serving(lambda _: replies.pop()) as server:
        if blocking:

            def read_all() -> None:
                with ev_energy_sync.Client(TOKEN, base_url=server.url, retries=0) as client:
                    while replies:
                        with contextlib.suppress(errors.CallError):
                            client.users.get("user01")

            await asyncio.to_thread(read_all)
        else:
            async with client_of(server.url, retries=0) as client:
                while replies:
                    await try_call(lambda: client.users.get("user01"))
        assert server.connections == 1
        assert len(server.lines) == 3 * len(ANSWERS)


def test_sixteen_threads_open_at_most_sixteen_connections(
    threaded_server: Callable[..., CountingServer],
) -> None:
    server = threaded_server(ok)
    with (
        ev_energy_sync.Client(TOKEN, base_url=server.url) as client,
        ThreadPoolExecutor(16) as pool,
    ):
        found = list(pool.map(lambda _: client.users.get("user01").id, range(320)))
    assert found == ["user01"] * 320
    assert len(server.lines) == 320
    assert server.connections <= 16


async def test_timeout_closes_only_its_own_connection() -> None:
    held = asyncio.Event()

    def answer(line: str) -> bytes:
        return b"" if "slow" in line else ok(line)

    async with serving(answer) as server, client_of(server.url, retries=0) as client:
        short_timeout = client.with_options(timeout=0.1)
        await asyncio.gather(*(client.users.get("user01") for _ in range(3)))
        before = server.connections
        assert before <= 3
        with pytest.raises(errors.TransportError):
            await short_timeout.users.get("slow")
        call = asyncio.create_task(client.users.get("slow"))
        while len(server.lines) < 5:
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        while server.open > before - 2:  # the server notices the end of a connection later
            await asyncio.sleep(0.001)
        for _ in range(5):
            await client.users.get("user01")
        assert server.connections <= before + 1
        held.set()
    assert server.open == 0 or await _closed(server)


async def _closed(server: CountingServer) -> bool:
    for _ in range(1000):
        if server.open == 0:
            return True
        await asyncio.sleep(0.005)
    return False
