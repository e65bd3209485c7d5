"""Check that finished calls leave no memory and no file descriptors behind.

``python benchmarks/bench_leak.py`` makes 200,000 calls of every kind in one process, over a socket,
and exits with status 1 if the process has grown since it warmed up. It takes some minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from harness import HERE, Row, Settings, Skip, Target, run_code
from server import Connection

import ev_energy_sync
from ev_energy import Client, ClientCredentials, MemoryBudget, errors

CALLS: Final = 200_000
QUICK: Final = 3_000
SAMPLES: Final = 12
#: The first samples, during which the process still warms up.
WARM: Final = 3
#: Requests before the first sample, in which the latest thousand replies are remembered.
FILL: Final = 1_500
#: Tolerances: bytes that Python has allocated, resident bytes of the process, open files.
TRACED: Final = 128 * 1024
RESIDENT: Final = 4 * 1024 * 1024
FILES: Final = 2
#: Seconds after which the measurement is aborted.
MAX_SECONDS: Final = 1800.0


class Replies:
    """Short replies, some of them errors."""

    port = 0

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def of(self, path: bytes, query: bytes) -> bytes:
        name = path.decode().rpartition("/")[2]
        one = {"id": name, "url": f"https://api.ev.energy{path.decode()}", "cpid": "CP-1"}
        if path == b"/o/token/":
            return _reply({"access_token": f"t{next(self._numbers)}", "expires_in": 3600})
        if path == b"/v2/evses":
            found = re.search(rb"page=(\d+)", query)
            page = int(found[1]) if found else 0
            url = f"http://127.0.0.1:{self.port}/v2/evses?page={page + 1}"
            return _reply([one] * 10, link=f'<{url}>; rel="next"' if page < 4 else "")
        if "reconnect" in name:
            return _reply({"url": "https://api.ev.energy/reconnect"})
        if name == "missing":
            return _reply({"title": "Not found"}, status=404)
        if name == "busy" and next(self._numbers) % 2:
            return _reply({"title": "Busy"}, status=503)
        return b"" if name == "silent" else _reply(one)


def _reply(body: object, *, status: int = 200, link: str = "") -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"HTTP/1.1 {status} So\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n" + (f"Link: {link}\r\n" if link else "")
    )
    return f"{head}\r\n".encode() + content


async def serve() -> None:
    replies, loop = Replies(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(replies), "127.0.0.1", 0)
    replies.port = server.sockets[0].getsockname()[1]
    print(replies.port, flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


class Time:
    """The real clock, on which sleeping takes no time but moves it forward."""

    def __init__(self) -> None:
        self.offset = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.offset

    async def sleep(self, seconds: float) -> None:
        self.offset += seconds
        await asyncio.sleep(0)


class Sample(NamedTuple):
    """The state of the process while no call is in progress."""

    calls: int
    traced: int
    resident: int
    files: int


class Calls:
    """Calls of every kind, repeated."""

    def __init__(self, url: str, *, leak: bool) -> None:
        self._time = Time()
        self._leak: list[bytes] | None = [] if leak else None
        self.made = 0
        auth = ClientCredentials(client_id="leak", client_secret="no-secret-at-all")
        # With the real limit of 1000 per hour, the budget has to wait and to discard old requests.
        settings = {
            "base_url": url,
            "budget": MemoryBudget(1000, clock=self._time, sleep=self._time.sleep),
            "on_request": self._count,
            "clock": self._time,
            "sleep": self._time.sleep,
            "wall_clock": self._time,
            "deadline": 7200.0,
        }
        self.client = Client(auth, **settings)
        self.blocking = ev_energy_sync.Client(auth, **settings)

    def _count(self, _: object) -> None:
        self.made += 1
        if self._leak is not None:
            self._leak.append(bytes(1000))

    async def round(self) -> None:
        """Make some two hundred calls of every kind, most of them reads."""
        client = self.client
        await asyncio.gather(*(self._reads(client) for _ in range(16)))
        view = client.with_options(headers={"X-Round": str(self.made)}, retries=3)
        await asyncio.gather(self._lists(view), self._fails(view), self._cancels(view))
        async with client.reserve(5) as reserved:
            with reserved.capture() as calls:
                await reserved.evses.reconnect("one")
            assert len(calls) == 1
        self._time.offset += 1200  # the token expires in every third round
        for name in ("one", "busy"):
            self.blocking.evses.get(name)
        with contextlib.suppress(errors.NotFoundError):
            self.blocking.evses.get("missing")
        assert len(self.blocking.evses.list().collect()) == 50

    async def _reads(self, client: Client) -> None:
        for _ in range(8):
            await client.evses.get("one")

    async def _lists(self, client: Client) -> None:
        assert len(await client.evses.list().collect()) == 50
        async for _ in client.evses.list().prefetch():  # the next page is still being fetched
            break

    async def _fails(self, client: Client) -> None:
        for _ in range(10):
            with contextlib.suppress(errors.NotFoundError):
                await client.evses.get("missing")
            with contextlib.suppress(errors.ServerError):
                await client.evses.get("busy")

    async def _cancels(self, client: Client) -> None:
        for steps in range(4):
            call = asyncio.ensure_future(client.evses.get("silent"))
            for _ in range(steps * 5):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait({call})
        with contextlib.suppress(errors.TransportError):
            await client.with_options(timeout=0.001, retries=0).evses.get("silent")

    async def sample(self) -> Sample:
        me = asyncio.current_task()
        while len(asyncio.all_tasks()) > 1:  # such as a prefetched page
            await asyncio.wait(asyncio.all_tasks() - {me})
        await asyncio.sleep(0.01)
        gc.collect()
        with open("/proc/self/statm") as file:  # noqa: PTH123, ASYNC230  (nothing else runs)
            resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        traced, _ = tracemalloc.get_traced_memory()
        files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  (the fastest way)
        return Sample(self.made, traced, resident, files)

    async def close(self) -> None:
        await self.client.close()
        self.blocking.close()


async def measure(url: str, count: int, *, leak: bool) -> list[Sample]:
    """Return samples of the process while it makes *count* calls."""
    tracemalloc.start()
    calls, samples = Calls(url, leak=leak), list[Sample]()
    try:
        async with asyncio.timeout(MAX_SECONDS):
            for number in range(1, SAMPLES + 1):
                while calls.made < FILL + count * number // SAMPLES:
                    await calls.round()
                samples.append(await calls.sample())
    finally:
        await calls.close()
        tracemalloc.stop()
    return samples


class Growth(NamedTuple):
    """The growth of the process since it warmed up."""

    traced: float
    resident: float
    files: float

    @staticmethod
    def of(samples: Sequence[Sample]) -> Growth:
        """Return the growth from the first third of the warm samples to the last third."""
        warm = samples[WARM:]
        third = len(warm) // 3
        first, last = warm[:third], warm[-third:]
        return Growth(
            *(
                statistics.median(getattr(s, name) for s in last)
                - statistics.median(getattr(s, name) for s in first)
                for name in Growth._fields
            )
        )

    @property
    def is_flat(self) -> bool:
        return self.traced < TRACED and self.resident < RESIDENT and self.files <= FILES


@contextlib.contextmanager
def server() -> Iterator[str]:
    command = [sys.executable, str(Path(__file__)), "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v2"
        finally:
            process.stdin.close()
            process.wait(10)


def samples_of(count: int, *, leak: bool = False) -> list[Sample]:
    with server() as url:
        return asyncio.run(measure(url, count, leak=leak))


def rows(settings: Settings) -> Iterator[Row]:
    if not Path("/proc/self/statm").exists():
        raise Skip("needs Linux, to see memory and files of the process")
    count = QUICK if settings.quick else CALLS // 10
    # In a process of its own: other benchmarks would have filled this one's caches in part.
    code = f"import bench_leak, json; print(json.dumps(bench_leak.samples_of({count})))"
    samples = [Sample(*values) for values in json.loads(run_code(code, path=[HERE])[1])]
    growth = Growth.of(samples)
    warm, last = samples[WARM], samples[-1]
    note = f"{growth.traced / 1024:+.0f} kB, {growth.files:+.0f} files in {last.calls} calls"
    name = "memory after thousands of calls, over warm"
    yield Row(name, last.traced / warm.traced, target=Target(1.02), note=note)


def main() -> int:
    parser = argparse.ArgumentParser(description="Check that calls leak no memory and no files.")
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument(
        "--leak", action="store_true", help="leak on purpose, to see that it is detected"
    )
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
        return 0
    started = time.perf_counter()
    samples = samples_of(options.calls, leak=options.leak)
    print(f"{'calls':>8}{'traced kB':>12}{'resident kB':>13}{'files':>7}")
    for number, one in enumerate(samples):
        note = "" if number >= WARM else "  warming up"
        print(
            f"{one.calls:>8}{one.traced / 1024:>12.0f}{one.resident / 1024:>13.0f}"
            f"{one.files:>7}{note}"
        )
    growth = Growth.of(samples)
    print(
        f"growth: {growth.traced / 1024:+.0f} kB traced, {growth.resident / 1024:+.0f} kB "
        f"resident, {growth.files:+.0f} files: {'flat' if growth.is_flat else 'NOT FLAT'}, "
        f"{time.perf_counter() - started:.0f} s"
    )
    return 0 if growth.is_flat else 1


if __name__ == "__main__":
    sys.exit(main())
