"""Compare the blocking twin with requests: one thread, and 16 threads that share a client."""

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

        _ = ev_energy_sync.Client  # imported on first use
    except (ImportError, AttributeError) as error:
        raise Skip(f"the blocking twin does not import: {error}") from None
    with ExitStack() as stack:
        url = stack.enter_context(server())
        getters: dict[str, Get] = {"requests": _requests(stack, url)}
        loops = [("asyncio's loop", asyncio.new_event_loop)]
        if peers.installed("uvloop"):
            from ev_energy_sync._loop_thread import new_loop

            loops.insert(0, ("uvloop", new_loop))
        for kind, loop in loops:
            # The first call creates the event loop, so it has to be made under the patch.
            with patch("ev_energy_sync._loop_thread.new_loop", loop):
                client = stack.enter_context(_client(url))
                getters[kind] = client.evses.get
                client.evses.get("evse01")
        if settings.peers and peers.installed("httpx"):
            getters["httpx"] = _httpx(stack, url)
        if settings.peers and peers.generated():
            getters[peers.GENERATOR] = _generated(stack, url)
        yield from _measure(getters, [kind for kind, _ in loops], stack, settings)
    if settings.peers and (reason := peers.skip_reason()):
        yield Row(peers.GENERATOR, None, note=f"skipped: {reason}")


def _measure(
    getters: dict[str, Get], loops: list[str], stack: ExitStack, settings: Settings
) -> Iterator[Row]:
    samples = rounds(
        {name: _one_thread(get) for name, get in getters.items()} | _empty_calls(loops, stack),
        settings.rounds(21),
    )
    for kind in loops:
        yield ratio(samples, f"empty call, {kind}", "requests").row(f"one empty call ({kind})")
    for kind in loops:
        yield ratio(samples, kind, "requests").row(f"blocking GET ({kind})", Target(0.50))
    others = [name for name in getters if name not in {"requests", *loops}]
    for name in others:
        yield ratio(samples, name, "requests").row(f"{name}: blocking GET")

    pool = stack.enter_context(ThreadPoolExecutor(_THREADS))
    samples = rounds({n: _many_threads(g, pool) for n, g in getters.items()}, settings.rounds(15))
    target = Target(4, at_least=True)
    for kind in loops:
        rate = ratio(samples, kind, "requests").inverse()
        yield rate.row(f"16 threads, calls/s ({kind})", target)
    for name in others:
        yield ratio(samples, name, "requests").inverse().row(f"{name}: 16 threads, calls/s")


def _one_thread(get: Get) -> Callable[[], None]:
    def run() -> None:
        for id_ in IDS[:100]:
            get(id_)

    return run


def _many_threads(get: Get, pool: ThreadPoolExecutor) -> Callable[[], None]:
    def run() -> None:
        for _ in pool.map(get, IDS[:480], chunksize=1):
            pass

    return run


def _empty_calls(loops: list[str], stack: ExitStack) -> dict[str, Callable[[], None]]:
    """Return cases that run an empty coroutine on the loop thread, for each kind of loop."""
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
        f"empty call, {kind}": case(new_loop if kind == "uvloop" else asyncio.new_event_loop)
        for kind in loops
    }


def _client(url: str) -> Any:
    import ev_energy_sync

    auth = ev_energy_sync.ClientCredentials(client_id="benchmark", client_secret="benchmark")
    return ev_energy_sync.Client(auth, base_url=url)


def _requests(stack: ExitStack, url: str) -> Get:
    import requests
    from requests.adapters import HTTPAdapter

    session = stack.enter_context(requests.Session())
    # One connection per thread. With the default of 10, connections would be closed constantly.
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
