"""Clients of the API on asyncio: the SDK, code written by hand, and other clients.

They send the same requests, get the same bytes and check the status of each reply. Code written by
hand does nothing else; see `Contender`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final, NamedTuple

import data
import peers
import sub_sessions
from harness import Settings

#: Listings: the path, and the links to expand.
LISTS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "expanded EVSEs": ("evses", ("model", "model.make", "user", "latest_status_log")),
    **{
        shape: ("charging_sub_sessions", expand)
        for shape, expand in sub_sessions.EXPAND.items()
        if expand
    },
}
_MODELS: Final = {"evses": "EVSE", "charging_sub_sessions": "ChargingSubSession"}
IDS: Final = tuple(data.Maker(9).id("evse") for _ in range(1000))
TOKEN: Final = "benchmark"
HEADERS: Final = {"Authorization": f"Bearer {TOKEN}"}
#: Connections that a client may open and keep: aiohttp's default, which the SDK does not change.
CONNECTIONS: Final = 100
#: Seconds. With 1,024 tasks, a request waits longer for a connection than httpx does by default.
TIMEOUT: Final = 60
Get = Callable[[str], Awaitable[object]]
CountItems = Callable[[str], Awaitable[int]]


class Contender(NamedTuple):
    """One client of the API."""

    get: Get
    """Get one EVSE by its id, decoded."""
    count_items: CountItems
    """Walk the list of that name in pages of 100, decoded, and return the number of its items."""


Factory = Callable[[str], AbstractAsyncContextManager[Contender]]


def factories(settings: Settings) -> dict[str, Factory]:
    """Return what makes each client that can be measured here, by name."""
    found: dict[str, Factory] = {"raw": raw, "ours": ours}
    if settings.peers:
        found |= {n: partial(_httpx, n) for n in ("httpx", "httpx2") if peers.installed(n)}
        if peers.installed("pydantic"):
            found["pydantic"] = _pydantic
        if peers.generated():
            found[peers.GENERATOR] = _generated
    return found


@asynccontextmanager
async def connected(url: str, settings: Settings) -> AsyncIterator[dict[str, Contender]]:
    """Yield the clients, each of which has proved that it decodes the server's reply."""
    async with AsyncExitStack() as stack:
        contenders = {
            name: await stack.enter_async_context(factory(url))
            for name, factory in factories(settings).items()
        }
        for name, contender in contenders.items():
            evse: Any = await contender.get(IDS[0])
            cpid = evse["cpid"] if isinstance(evse, dict) else evse.cpid
            assert cpid.startswith("BX"), f"{name}: {evse!r}"
        yield contenders


def _first_page(url: str, what: str) -> str:
    path, expand = LISTS[what]
    return f"{url}/{path}?page_size=100&" + "&".join(f"expand={name}" for name in expand)


@asynccontextmanager
async def ours(url: str) -> AsyncIterator[Contender]:
    async with sdk(url) as client:

        async def count_items(what: str) -> int:
            count = 0
            async for _ in pager(client, what):
                count += 1
            return count

        yield Contender(client.evses.get, count_items)


def sdk(url: str) -> Any:
    """Return a client of the SDK with its default settings: everything is enabled."""
    import ev_energy

    auth = ev_energy.ClientCredentials(client_id=TOKEN, client_secret=TOKEN)
    return ev_energy.Client(auth, base_url=url)


def pager(client: Any, what: str) -> Any:
    """Return the list of that name, as a client of the SDK iterates over it."""
    family, expand = LISTS[what]
    return getattr(client, family).list(expand=expand)


@asynccontextmanager
async def raw(url: str) -> AsyncIterator[Contender]:
    """Code written by hand with aiohttp and orjson: dictionaries."""
    import orjson

    async with _aiohttp(url, orjson.loads, lambda _: orjson.loads) as contender:
        yield contender


@asynccontextmanager
async def _pydantic(url: str) -> AsyncIterator[Contender]:
    """The same with models of pydantic."""
    from pydantic_models import one_of, page_of

    async with _aiohttp(
        url, one_of("EVSE").validate_json, lambda path: page_of(_MODELS[path]).validate_json
    ) as contender:
        yield contender


@asynccontextmanager
async def _aiohttp(
    url: str,
    decode: Callable[[bytes], object],
    page_decoder: Callable[[str], Callable[[bytes], Any]],
) -> AsyncIterator[Contender]:
    import aiohttp
    from yarl import URL

    async with aiohttp.ClientSession(headers=HEADERS) as session:

        async def get(id_: str) -> object:
            async with session.get(f"{url}/evses/{id_}") as reply:
                reply.raise_for_status()
                return decode(await reply.read())

        async def count_items(what: str) -> int:
            count, target = 0, _first_page(url, what)
            decode_page = page_decoder(LISTS[what][0])
            while target:
                async with session.get(URL(target, encoded=True)) as reply:
                    reply.raise_for_status()
                    for _ in decode_page(await reply.read()):
                        count += 1
                    target = str(reply.links.get("next", {}).get("url", ""))
            return count

        yield Contender(get, count_items)


@asynccontextmanager
async def _httpx(module: str, url: str) -> AsyncIterator[Contender]:
    """Code written by hand with httpx or its successor: dictionaries."""
    httpx = importlib.import_module(module)
    async with httpx.AsyncClient(headers=HEADERS, **httpx_settings(httpx)) as session:

        async def get(id_: str) -> object:
            return (await session.get(f"{url}/evses/{id_}")).raise_for_status().json()

        async def count_items(what: str) -> int:
            count, target = 0, _first_page(url, what)
            while target:
                reply = (await session.get(target)).raise_for_status()
                for _ in reply.json():
                    count += 1
                target = reply.links.get("next", {}).get("url", "")
            return count

        yield Contender(get, count_items)


@asynccontextmanager
async def _generated(url: str) -> AsyncIterator[Contender]:
    from generated_peer.api.charging_sessions import get_charging_sub_sessions
    from generated_peer.api.evs_es import get_evses, get_evses_evse_id
    from generated_peer.models.get_charging_sub_sessions_expand_item import (
        GetChargingSubSessionsExpandItem,
    )
    from generated_peer.models.get_evses_expand_item import GetEvsesExpandItem

    lists = {
        "evses": (get_evses, GetEvsesExpandItem),
        "charging_sub_sessions": (get_charging_sub_sessions, GetChargingSubSessionsExpandItem),
    }
    async with generated_client(url) as client:

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


def generated_client(url: str) -> Any:
    """Return the generated client; it is used with ``with`` or with ``async with``."""
    import httpx
    from generated_peer.client import AuthenticatedClient

    settings = httpx_settings(httpx)
    return AuthenticatedClient(
        base_url=url,
        token=TOKEN,
        timeout=settings.pop("timeout"),
        raise_on_unexpected_status=True,
        httpx_args=settings,
    )


def httpx_settings(httpx: Any) -> dict[str, Any]:
    """Return settings without which many tasks or threads would close connections, or fail."""
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    return {"limits": limits, "timeout": httpx.Timeout(TIMEOUT)}
