"""Measure what users wait for: the slowest of concurrent calls, and stalls of the event loop."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import data
import peers
from clients import IDS, LISTS, Contender, CountItems, Get, connected
from harness import Row, Settings, Target, schedule, server

_TASKS: Final = 64
#: Seconds, the longest first.
Times = list[float]
Measure = Callable[[], Awaitable[Times]]


def rows(settings: Settings) -> Iterator[Row]:
    peers.need("orjson")
    pages = 10 if settings.quick else 100
    with server(pages * data.PAGE) as url:
        yield from asyncio.run(_rows(url, pages, settings))
    yield from peers.skipped(settings)


async def _rows(url: str, pages: int, settings: Settings) -> list[Row]:
    async with connected(url, settings) as contenders:
        percentiles = await _percentiles(contenders, settings)
        return percentiles + [await _stalls(contenders, what, pages, settings) for what in LISTS]


async def _percentiles(contenders: dict[str, Contender], settings: Settings) -> list[Row]:
    calls = 200 if settings.quick else len(IDS)
    times = await _measure(
        {name: _latencies(one.get, calls) for name, one in contenders.items()}, settings.rounds(15)
    )
    p99 = {name: [found[len(found) // 100] for found in each] for name, each in times.items()}
    rows = []
    for name, each in p99.items():
        if name == "raw":
            continue
        median = statistics.median(a / b for a, b in zip(each, p99["raw"], strict=True))
        best = min(each) / min(p99["raw"])
        if name == "ours":
            ours, raw = (statistics.median(p99[one]) * 1e3 for one in ("ours", "raw"))
            note = f"{ours:.1f} ms over {raw:.1f} elapsed"
            rows.append(Row(f"p99 of {_TASKS} concurrent", median, best, Target(1.3), note))
        else:
            rows.append(Row(f"{name}: p99 of {_TASKS} concurrent", median, best, note="peer"))
    return rows


def _latencies(get: Get, calls: int) -> Measure:
    async def run() -> Times:
        ids, times = iter(IDS[:calls]), Times()

        async def work() -> None:
            for id_ in ids:
                started = time.perf_counter()
                await get(id_)
                times.append(time.perf_counter() - started)

        await asyncio.gather(*(work() for _ in range(_TASKS)))
        return sorted(times, reverse=True)

    return run


async def _stalls(
    contenders: dict[str, Contender], what: str, pages: int, settings: Settings
) -> Row:
    """Walk a listing beside a task that only wants to run in every turn of the event loop.

    A turn is measured in CPU time: elapsed, it would be that of other work on the machine.
    """
    cases = {name: _turns(contenders[name].count_items, what, pages) for name in ("ours", "raw")}
    cases["no garbage collection"] = _without_collections(cases["ours"])
    cases["after gc.freeze()"] = _frozen(cases["ours"])
    times = await _measure(cases, settings.rounds(9))
    longest = {
        name: [statistics.median(found[rank] for found in each) * 1e3 for rank in (0, 1)]
        for name, each in times.items()
    }
    note = "; ".join(f"{name} {one:.1f}, {two:.1f}" for name, (one, two) in longest.items())
    return Row(
        f"longest stall, ms: {pages} pages of {what}",
        longest["ours"][0],
        min(found[0] for found in times["ours"]) * 1e3,
        Target(5.0),
        f"the longest two: {note}",
    )


def _turns(count_items: CountItems, what: str, pages: int) -> Measure:
    async def run() -> Times:
        times = Times()

        async def beat() -> None:
            last = time.thread_time()
            while True:
                await asyncio.sleep(0)
                now = time.thread_time()
                times.append(now - last)
                last = now

        heart = asyncio.ensure_future(beat())
        try:
            assert await count_items(what) == pages * data.PAGE
        finally:
            heart.cancel()
        return sorted(times, reverse=True)[:2]

    return run


def _without_collections(measure: Measure) -> Measure:
    async def run() -> Times:
        gc.disable()
        try:
            return await measure()
        finally:
            gc.enable()

    return run


def _frozen(measure: Measure) -> Measure:
    """Exempt from collections what is there before, as a program can once it has started."""

    async def run() -> Times:
        gc.collect()
        gc.freeze()
        try:
            return await measure()
        finally:
            gc.unfreeze()

    return run


async def _measure(cases: dict[str, Measure], count: int) -> dict[str, list[Times]]:
    measured: dict[str, list[Times]] = {name: [] for name in cases}
    for name, counts in schedule(cases, count):
        times = await cases[name]()
        if counts:
            measured[name].append(times)
    return measured
