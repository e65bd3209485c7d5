"""Send requests over a socket: one by one, 64 concurrently, and listings of 20,000 items in pages.

The server sends prebuilt bytes from another process. Every request has a different URL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import data
import peers
from clients import IDS, LISTS, Contender, CountItems, Get, connected, pager, sdk
from harness import Row, Samples, Settings, Target, async_rounds, ratio, server


def rows(settings: Settings) -> Iterator[Row]:
    peers.need("orjson")
    items = data.ITEMS // 20 if settings.quick else data.ITEMS
    with server(items) as url:
        yield from asyncio.run(_rows(url, items, settings))
    yield from peers.skipped(settings)


async def _rows(url: str, items: int, settings: Settings) -> list[Row]:
    found: list[Row] = []
    async with connected(url, settings) as contenders:
        cases = {name: gets(one.get, 1, IDS[:200]) for name, one in contenders.items()}
        samples = await async_rounds(cases, settings.rounds(21 if settings.peers else 45))
        found += _compare(samples, "one GET", Target(1.10))

        ids = IDS[:200] if settings.quick else IDS
        cases = {name: gets(one.get, 64, ids) for name, one in contenders.items()}
        samples = await async_rounds(cases, settings.rounds(9 if settings.peers else 21))
        found += _rates(samples, "64 concurrent, requests/s", Target(0.85, at_least=True))

        for what in LISTS:
            samples = await _paging(contenders, what, items, settings)
            found += _rates(samples, f"{items:,} {what}, items/s", Target(0.60, at_least=True))
    found.append(await _collecting(url, items, settings))
    return found


def _compare(samples: Samples, what: str, target: Target) -> Iterator[Row]:
    for name in samples:
        if name == "ours":
            yield ratio(samples, name, "raw").row(what, target)
        elif name != "raw":
            yield ratio(samples, name, "raw").row(f"{name}: {what}", note="peer")


def _rates(samples: Samples, what: str, target: Target) -> Iterator[Row]:
    for name in samples:
        rate = ratio(samples, name, "raw").inverse()
        if name == "ours":
            yield rate.row(what, target)
        elif name != "raw":
            yield rate.row(f"{name}: {what}", note="peer")


def gets(get: Get, tasks: int, ids: tuple[str, ...]) -> Callable[[], Awaitable[None]]:
    """Return a case in which so many tasks share the GETs of *ids*."""

    async def run() -> None:
        remaining = iter(ids)

        async def work() -> None:
            for id_ in remaining:
                await get(id_)

        await asyncio.gather(*(work() for _ in range(tasks)))

    return run


async def _paging(
    contenders: dict[str, Contender], what: str, items: int, settings: Settings
) -> Samples:
    def case(count_items: CountItems) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            assert await count_items(what) == items

        return run

    cases = {name: case(contender.count_items) for name, contender in contenders.items()}
    return await async_rounds(cases, settings.rounds(3 if settings.peers else 9))


async def _collecting(url: str, items: int, settings: Settings) -> Row:
    """Compare the two ways to a list of all items."""
    what = "expanded EVSEs"
    async with sdk(url) as client:

        async def collect() -> None:
            assert len(await pager(client, what).collect()) == items

        async def iterate() -> None:
            assert len([item async for item in pager(client, what)]) == items

        cases = {"collect": collect, "iterate": iterate}
        samples = await async_rounds(cases, settings.rounds(9))
    return ratio(samples, "collect", "iterate").row(
        f"collect() of {items:,} {what}, over iterating", Target(1.0)
    )
