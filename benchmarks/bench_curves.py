"""Measure how cost grows: with tasks, pages and items."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

import peers
from bench_http import gets
from clients import IDS, connected, sdk
from harness import HERE, Chart, Row, Samples, Settings, async_rounds, run_code, server

_TASKS: Final = (1, 4, 16, 64, 256, 1024)
_ITEMS: Final = (1_000, 10_000, 100_000, 1_000_000)
_PAGES: Final = (2, 10, 100, 1000)
#: Pages whose median cost stands for one page.
_AROUND: Final = 9
#: Late pages that are compared with a second page, each with one that is fetched after it.
_PAIRS: Final = 25
Points = list[tuple[float, float]]


def rows(settings: Settings) -> Iterator[Row | Chart]:
    peers.need("orjson")
    with server(2_000_000) as url:
        yield asyncio.run(_over_tasks(url, settings))
        yield from asyncio.run(_over_pages(url, settings))
        yield from _over_items(url, settings)


async def _over_tasks(url: str, settings: Settings) -> Chart:
    series: dict[str, Points] = {}
    async with connected(url, settings) as contenders:
        for tasks in _TASKS[::3] if settings.quick else _TASKS:
            ids = (IDS * 2)[: max(200 if settings.quick else len(IDS), tasks)]
            cases = {name: gets(one.get, tasks, ids) for name, one in contenders.items()}
            samples = await async_rounds(cases, settings.rounds(3 if settings.peers else 5))
            add_rates(series, tasks, samples, len(ids))
    title = "Requests over tasks (one process, one EVSE per request)"
    return Chart("tasks", title, "concurrent tasks", "requests per CPU second", series)


def add_rates(series: dict[str, Points], x: int, samples: Samples, count: int) -> None:
    """Add to each series how many of *count* operations it makes in a CPU second."""
    for name, measured in samples.items():
        cost = statistics.median(sample.cpu for sample in measured)
        series.setdefault(name, []).append((x, count / cost))


async def _over_pages(url: str, settings: Settings) -> list[Row | Chart]:
    """Measure single pages of one listing: a late page must not cost more than an early one."""
    last = 100 if settings.quick else _PAGES[-1]
    ratios: list[float] = []
    async with sdk(url) as client:
        listing = client.evses.list(expand=("model",))
        pages = listing.pages()
        costs = [await _cost(pages) for _ in range(last - 1)]
        for _ in range(_PAIRS):
            early = listing.pages()
            await anext(early)
            costs.append(await _cost(pages))
            ratios.append(costs[-1] / await _cost(early))
    points = [
        (float(page), statistics.median(costs[page - 1 : page - 1 + _AROUND]) * 1e3)
        for page in _PAGES
        if page <= last
    ]
    row = Row(f"page {last:,} over page 2", statistics.median(ratios), note="in turns")
    title = "Cost of a page over its number in the listing"
    return [row, Chart("pages", title, "page", "ms of CPU", {"ev-energy": points})]


async def _cost(pages: AsyncIterator[object]) -> float:
    """Return the CPU seconds of the next page."""
    before = time.process_time()
    await anext(pages)
    return time.process_time() - before


def _over_items(url: str, settings: Settings) -> list[Row | Chart]:
    """Walk one listing without keeping its items: memory must not grow."""
    steps = _ITEMS[:2] if settings.quick else _ITEMS
    # In a process of its own: caches that other benchmarks have filled would hide a growth.
    code = f"import asyncio, bench_curves; asyncio.run(bench_curves.print_memory({url!r}, {steps}))"
    sizes = [int(line) / 1e3 for line in run_code(code, path=[HERE])[1].split()]
    # The caches of recent URLs and replies have filled up before the last step.
    *_, first, last = sizes
    row = Row(
        f"memory after {steps[-1]:,} items over {steps[-2]:,}",
        last / first,
        note=f"{last:,.0f} kB over {first:,.0f}",
    )
    title = "Python's memory while a listing is walked"
    points: Points = list(zip(steps, sizes, strict=True))
    return [row, Chart("items", title, "items", "kB", {"ev-energy": points})]


async def print_memory(url: str, steps: Sequence[int]) -> None:
    """Walk a listing, and print the bytes that Python holds after each of *steps* items."""
    count = 0
    async with sdk(url) as client:
        await client.evses.list().first()  # imports everything: that is not growth
        tracemalloc.start()
        async for _ in client.evses.list():
            count += 1
            if count in steps:
                gc.collect()
                print(tracemalloc.get_traced_memory()[0])
                if count == steps[-1]:
                    return
