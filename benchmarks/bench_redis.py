"""Measure the calls per second of a budget in Redis, near and far, of one and more processes."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Final

from harness import Row, Settings, Skip, redis_server

from ev_energy.budget import Acquire
from ev_energy.redis import RedisBudget

_LIMIT: Final = 1_000_000
#: Seconds of the request itself: they differ, so that calls end and begin one after another.
_REQUEST_TIMES: Final = (0.001, 0.004)


def rows(settings: Settings) -> Iterator[Row]:
    if shutil.which("redis-server") is None:
        raise Skip("needs redis-server")
    if settings.quick:
        yield _row(0.2, 1, 64, 1.0)
        return
    seconds = 4.0
    for latency in (0.0, 0.02, 0.2):
        for callers in (64, 128, 256):
            yield _row(latency, 1, callers, seconds)
    for processes in (2, 4):
        yield _row(0.2, processes, 256, seconds)


def _row(latency: float, processes: int, callers: int, seconds: float) -> Row:
    each = asyncio.run(_measure(latency, processes, callers, seconds))
    slowest = "" if processes == 1 else f"; slowest process {min(each):,.0f}"
    name = (
        f"{latency * 1000:.0f} ms, {processes} process{'es' * (processes > 1)}, {callers} callers"
    )
    return Row(name, None, note=f"{sum(each):,.0f} calls/s{slowest}")


async def _measure(latency: float, processes: int, callers: int, seconds: float) -> list[float]:
    async with redis_server() as port, _distant(port, latency / 2) as url:
        workers = [
            await asyncio.create_subprocess_exec(
                sys.executable, __file__, url, str(callers), str(seconds), stdout=subprocess.PIPE
            )
            for _ in range(processes)
        ]
        return [float((await worker.communicate())[0]) for worker in workers]


async def _work(url: str, callers: int, seconds: float) -> None:
    """Print the calls per second of *callers* tasks that call one after another."""
    done, measuring = 0, False

    async def call_repeatedly(number: int) -> None:
        nonlocal done
        shortest, longest = _REQUEST_TIMES
        request_time = shortest + (longest - shortest) * number / callers
        while True:
            ticket = await budget.acquire(Acquire("app"))
            await asyncio.sleep(request_time)
            ticket.complete(None, success=False, retry_after=None)
            done += measuring

    async with RedisBudget(url, limit=_LIMIT) as budget:
        tasks = [asyncio.ensure_future(call_repeatedly(number)) for number in range(callers)]
        await asyncio.sleep(1.5)  # connecting and the first calls
        measuring, started = True, time.monotonic()
        await asyncio.sleep(seconds)
        measuring, elapsed = False, time.monotonic() - started
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    print(done / elapsed)


@contextlib.asynccontextmanager
async def _distant(port: int, delay: float) -> AsyncIterator[str]:
    """Relay connections to *port*, and delay each direction by *delay* seconds."""
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1_048_576):
                if delay:
                    loop.call_later(delay, writer.write, data)
                else:
                    writer.write(data)
        loop.call_later(delay, writer.close)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back_reader, back_writer = await asyncio.open_connection("127.0.0.1", port)
        back = asyncio.ensure_future(copy(back_reader, writer))
        tasks.add(back)
        await copy(reader, back_writer)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
