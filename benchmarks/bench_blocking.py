"""The blocking twin over requests: one thread, and 16 that share a client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, Final
from unittest.mock import patch

import peers
from bench_http import IDS
from harness import Row, Settings, Skip, Target, ratio, rounds, server

_THREADS: Final = 16
Get = Callable[[str], object]


def rows(settings: Settings) -> Iterator[Row]:
    peers.need("requests")
    try:
        import ev_energy_sync

        _ = ev_energy_sync.Client  # imported here, not before
    except (ImportError, AttributeError) as error:
        raise Skip(f"the blocking twin does not import: {error}") from None
    with ExitStack() as stack:
        url = stack.enter_context(server())
        ways: dict[str, Get] = {"requests": _requests(stack, url)}
        kinds = [("asyncio's loop", asyncio.new_event_loop)]
        if peers.installed("uvloop"):
            from ev_energy_sync._loop_thread import new_loop

            kinds.insert(0, ("uvloop", new_loop))
        for kind, loop in kinds:
            # A portal makes its loop at the first call: make that here.
            with patch("ev_energy_sync._loop_thread.new_loop", loop):
                client = stack.enter_context(_client(url))
                ways[kind] = client.evses.get
                client.evses.get("evse01")
        if settings.peers and peers.installed("httpx"):
            ways["httpx"] = _httpx(stack, url)
        if settings.peers and peers.generated():
            ways[peers.GENERATOR] = _generated(stack, url)
        yield from _measure(ways, [kind for kind, _ in kinds], stack, settings)
    if settings.peers and (why := peers.why_not()):
        yield Row(peers.GENERATOR, None, note=f"skipped: {why}")


def _measure(
    ways: dict[str, Get], kinds: list[str], stack: ExitStack, settings: Settings
) -> Iterator[Row]:
    samples = rounds(
        {name: _alone(get) for name, get in ways.items()} | _hops(kinds, stack),
        settings.rounds(21),
    )
    for kind in kinds:
        yield ratio(samples, f"hop, {kind}", "requests").row(f"one hop ({kind})")
    for kind in kinds:
        yield ratio(samples, kind, "requests").row(f"blocking GET ({kind})", Target(0.50))
    others = [name for name in ways if name not in {"requests", *kinds}]
    for name in others:
        yield ratio(samples, name, "requests").row(f"{name}: blocking GET")

    pool = stack.enter_context(ThreadPoolExecutor(_THREADS))
    samples = rounds({n: _shared(g, pool) for n, g in ways.items()}, settings.rounds(15))
    goal = Target(4, at_least=True)
    for kind in kinds:
        rate = ratio(samples, kind, "requests").inverse()
        yield rate.row(f"16 threads, calls/s ({kind})", goal)
    for name in others:
        yield ratio(samples, name, "requests").inverse().row(f"{name}: 16 threads, calls/s")


def _alone(get: Get) -> Callable[[], None]:
    def run() -> None:
        for id_ in IDS[:100]:
            get(id_)

    return run


def _shared(get: Get, pool: ThreadPoolExecutor) -> Callable[[], None]:
    def run() -> None:
        for _ in pool.map(get, IDS[:480], chunksize=1):
            pass

    return run


def _hops(kinds: list[str], stack: ExitStack) -> dict[str, Callable[[], None]]:
    """A coroutine that does nothing, through a portal of each kind of loop."""
    from ev_energy_sync._loop_thread import Portal, new_loop

    async def nothing() -> None:
        pass

    def case(loop: Callable[[], Any]) -> Callable[[], None]:
        portal = Portal(nothing)
        stack.callback(portal.stop)
        with patch("ev_energy_sync._loop_thread.new_loop", loop):
            portal.call(nothing())

        def run() -> None:
            for _ in range(100):
                portal.call(nothing())

        return run

    return {
        f"hop, {kind}": case(new_loop if kind == "uvloop" else asyncio.new_event_loop)
        for kind in kinds
    }


def _client(url: str) -> Any:
    import ev_energy_sync

    auth = ev_energy_sync.ClientCredentials(client_id="benchmark", client_secret="benchmark")
    return ev_energy_sync.Client(auth, base_url=url)


def _requests(stack: ExitStack, url: str) -> Get:
    import requests
    from requests.adapters import HTTPAdapter

    session = stack.enter_context(requests.Session())
    # A connection for each thread; its own default of 10 would be thrown away all the time.
    session.mount("http://", HTTPAdapter(pool_maxsize=_THREADS))
    session.headers["Authorization"] = "Bearer benchmark"
    return lambda id_: session.get(f"{url}/evses/{id_}").json()


def _httpx(stack: ExitStack, url: str) -> Get:
    import httpx

    headers = {"Authorization": "Bearer benchmark"}
    session = stack.enter_context(httpx.Client(headers=headers))
    return lambda id_: session.get(f"{url}/evses/{id_}").json()


def _generated(stack: ExitStack, url: str) -> Get:
    from generated_peer.api.evs_es import get_evses_evse_id
    from generated_peer.client import AuthenticatedClient

    client = stack.enter_context(AuthenticatedClient(base_url=url, token="benchmark"))
    return lambda id_: get_evses_evse_id.sync(id_, client=client)
