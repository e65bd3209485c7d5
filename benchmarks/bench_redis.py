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

from harness import Chart, Row, Settings, Skip, redis_server

from ev_energy.budget import Acquire
from ev_energy.redis import RedisBudget

_LIMIT: Final = 1_000_000
_LATENCIES: Final = (0, 20, 50, 100, 200)
_CALLERS: Final = (1, 16, 64, 256)
#: Processes that share a budget, and the callers of each.
_PROCESSES: Final = (1, 2, 4)
_MANY: Final = 256
#: Seconds of the request itself: they differ, so that calls end and begin one after another.
_REQUEST_TIMES: Final = (0.001, 0.004)


def rows(settings: Settings) -> Iterator[Row | Chart]:
    if shutil.which("redis-server") is None:
        raise Skip("needs redis-server")
    yield _over_latency(settings)
    yield from _over_processes(settings)


def _over_latency(settings: Settings) -> Chart:
    latencies, callers = ((0, 20), (64,)) if settings.quick else (_LATENCIES, _CALLERS)
    series = {
        f"{count} callers": [(ms, sum(_rates(ms, 1, count, settings))) for ms in latencies]
        for count in callers
    }
    title = "One process that calls through a budget in Redis, over its latency"
    return Chart("redis_latency", title, "ms to Redis and back", "calls/s", series, linear=True)


def _over_processes(settings: Settings) -> Iterator[Row | Chart]:
    series: dict[str, list[tuple[float, float]]] = {}
    for ms in (20,) if settings.quick else (0, 20, 200):
        for processes in (2,) if settings.quick else _PROCESSES:
            rates = _rates(ms, processes, _MANY, settings)
            series.setdefault(f"{ms} ms to Redis", []).append((processes, sum(rates)))
            if processes > 1:
                name = f"{ms} ms, {processes} processes, slowest over mean"
                yield Row(name, min(rates) * processes / sum(rates), note="no target")
    title = f"Processes that share a budget in Redis, {_MANY} callers each"
    yield Chart("redis_processes", title, "processes", "calls/s of all", series, linear=True)


def _rates(ms: float, processes: int, callers: int, settings: Settings) -> list[float]:
    """Return the calls per second of each process."""
    return asyncio.run(_measure(ms / 1000, processes, callers, 0.5 if settings.quick else 4.0))


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
        await asyncio.sleep(min(1.5, seconds))  # connecting and the first calls
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
