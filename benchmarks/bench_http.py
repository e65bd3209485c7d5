"""Send requests over a socket: one by one, 64 concurrently, and listings of 20,000 items in pages.

The server sends prebuilt bytes from another process. Every request has a different URL.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, NamedTuple

import data
import peers
import sub_sessions
from harness import Row, Samples, Settings, Target, async_rounds, ratio, server

#: Listings: the path, and the links to expand.
LISTS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "expanded EVSEs": ("evses", ("model", "model.make", "user", "latest_status_log")),
    **{
        shape: ("charging_sub_sessions", expand)
        for shape, expand in sub_sessions.EXPAND.items()
        if expand
    },
}
IDS: Final = tuple(data.Maker(9).id("evse") for _ in range(1000))
_WORKERS: Final = 64
Get = Callable[[str], Awaitable[object]]
CountItems = Callable[[str], Awaitable[int]]


class Contender(NamedTuple):
    """One client of the API."""

    get: Get
    count_items: CountItems


def rows(settings: Settings) -> Iterator[Row]:
    peers.need("orjson")
    yield from asyncio.run(_rows(settings))


async def _rows(settings: Settings) -> list[Row]:
    found: list[Row] = []
    async with AsyncExitStack() as stack:
        url = stack.enter_context(server())
        contenders = {
            name: await stack.enter_async_context(factory(url))
            for name, factory in factories(settings).items()
        }
        others = [name for name in contenders if name not in {"raw", "ours"}]

        samples = await _sequential(contenders, settings)
        found.append(ratio(samples, "ours", "raw").row("one GET", Target(1.10)))
        found += [ratio(samples, n, "raw").row(f"{n}: one GET", note="peer") for n in others]

        samples = await _concurrent(contenders, settings)
        target = Target(0.85, at_least=True)
        rate = ratio(samples, "ours", "raw").inverse()
        found.append(rate.row("64 concurrent, requests/s", target))
        for name in others:
            rate = ratio(samples, name, "raw").inverse()
            found.append(rate.row(f"{name}: 64 concurrent, requests/s"))

        target = Target(0.60, at_least=True)
        for what in LISTS:
            samples = await _paging(contenders, what, settings)
            rate = ratio(samples, "ours", "raw").inverse()
            found.append(rate.row(f"20,000 {what}, items/s", target))
            for name in others:
                rate = ratio(samples, name, "raw").inverse()
                found.append(rate.row(f"{name}: the same, items/s", note="peer"))
    if settings.peers and (reason := peers.skip_reason()):
        found.append(Row(peers.GENERATOR, None, note=f"skipped: {reason}"))
    return found


async def _sequential(contenders: dict[str, Contender], settings: Settings) -> Samples:
    def case(get: Get) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            for id_ in IDS[:200]:
                await get(id_)

        return run

    cases = {name: case(contender.get) for name, contender in contenders.items()}
    return await async_rounds(cases, settings.rounds(21 if settings.peers else 45))


async def _concurrent(contenders: dict[str, Contender], settings: Settings) -> Samples:
    def case(get: Get) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            ids = iter(IDS)

            async def work() -> None:
                for id_ in ids:
                    await get(id_)

            await asyncio.gather(*(work() for _ in range(_WORKERS)))

        return run

    cases = {name: case(contender.get) for name, contender in contenders.items()}
    return await async_rounds(cases, settings.rounds(9 if settings.peers else 21))


async def _paging(contenders: dict[str, Contender], what: str, settings: Settings) -> Samples:
    def case(count_items: CountItems) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            assert await count_items(what) == data.ITEMS

        return run

    cases = {name: case(contender.count_items) for name, contender in contenders.items()}
    return await async_rounds(cases, settings.rounds(3 if settings.peers else 9))


def factories(settings: Settings) -> dict[str, Any]:
    found: dict[str, Any] = {"raw": _raw, "ours": _ours}
    if settings.peers and peers.installed("httpx"):
        found["httpx"] = _httpx
    if settings.peers and peers.generated():
        found[peers.GENERATOR] = _generated
    return found


def _first_page(url: str, what: str) -> str:
    path, expand = LISTS[what]
    return f"{url}/{path}?page_size=100&" + "&".join(f"expand={name}" for name in expand)


@asynccontextmanager
async def _raw(url: str) -> AsyncIterator[Contender]:
    """Code written by hand with aiohttp and orjson."""
    import aiohttp
    import orjson
    from yarl import URL

    async with aiohttp.ClientSession(headers={"Authorization": "Bearer benchmark"}) as session:

        async def get(id_: str) -> object:
            async with session.get(f"{url}/evses/{id_}") as reply:
                return orjson.loads(await reply.read())

        async def count_items(what: str) -> int:
            count, target = 0, _first_page(url, what)
            while target:
                async with session.get(URL(target, encoded=True)) as reply:
                    for _ in orjson.loads(await reply.read()):
                        count += 1
                    target = str(reply.links.get("next", {}).get("url", ""))
            return count

        yield Contender(get, count_items)


@asynccontextmanager
async def _ours(url: str) -> AsyncIterator[Contender]:
    import ev_energy

    auth = ev_energy.ClientCredentials(client_id="benchmark", client_secret="benchmark")
    async with ev_energy.Client(auth, base_url=url) as client:

        async def count_items(what: str) -> int:
            family, expand = LISTS[what]
            count = 0
            async for _ in getattr(client, family).list(expand=expand):
                count += 1
            return count

        yield Contender(client.evses.get, count_items)


@asynccontextmanager
async def _httpx(url: str) -> AsyncIterator[Contender]:
    import httpx

    headers = {"Authorization": "Bearer benchmark"}
    async with httpx.AsyncClient(headers=headers) as session:

        async def get(id_: str) -> object:
            return (await session.get(f"{url}/evses/{id_}")).json()

        async def count_items(what: str) -> int:
            count, target = 0, _first_page(url, what)
            while target:
                reply = await session.get(target)
                for _ in reply.json():
                    count += 1
                target = reply.links.get("next", {}).get("url", "")
            return count

        yield Contender(get, count_items)


@asynccontextmanager
async def _generated(url: str) -> AsyncIterator[Contender]:
    from generated_peer.api.charging_sessions import get_charging_sub_sessions
    from generated_peer.api.evs_es import get_evses, get_evses_evse_id
    from generated_peer.client import AuthenticatedClient
    from generated_peer.models.get_charging_sub_sessions_expand_item import (
        GetChargingSubSessionsExpandItem,
    )
    from generated_peer.models.get_evses_expand_item import GetEvsesExpandItem

    lists = {
        "evses": (get_evses, GetEvsesExpandItem),
        "charging_sub_sessions": (get_charging_sub_sessions, GetChargingSubSessionsExpandItem),
    }
    async with AuthenticatedClient(base_url=url, token="benchmark") as client:

        async def get(id_: str) -> object:
            return await get_evses_evse_id.asyncio(id_, client=client)

        async def count_items(what: str) -> int:
            family, names = LISTS[what]
            endpoint, item = lists[family]
            expand = [item(name) for name in names]
            count = 0
            position: dict[str, str] = {}
            while True:
                reply = await endpoint.asyncio_detailed(
                    client=client, page_size=100, expand=expand, **position
                )
                for _ in reply.parsed:
                    count += 1
                # It does not follow pages: its users have to read the header.
                found = re.search(r"page_after=(\d+)>; rel=\"next\"", reply.headers["link"])
                if found is None:
                    return count
                position = {"page_after": found[1]}

        yield Contender(get, count_items)
