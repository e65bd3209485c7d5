"""Compare the blocking twin with requests: one thread, and threads that share a client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final
from unittest.mock import patch

import peers
from bench_curves import Points, add_rates
from blocking_clients import LOOPS, Get, getters
from clients import IDS
from harness import Chart, Row, Samples, Settings, Target, ratio, rounds, server

_THREADS: Final = (1, 4, 16, 64)


def rows(settings: Settings) -> Iterator[Row | Chart]:
    peers.need("requests")
    with ExitStack() as stack:
        url = stack.enter_context(server())
        contenders = getters(stack, url, settings)
        yield from _one_thread(contenders, stack, settings)
        samples = _samples(contenders, 16, 15, settings)
        for name in samples:
            rate = ratio(samples, name, "requests").inverse()
            if name in LOOPS:
                yield rate.row(f"16 threads, calls/s ({name})", Target(5, at_least=True))
            elif name != "requests":
                yield rate.row(f"{name}: 16 threads, calls/s", note="peer")
        yield _over_threads(contenders, settings)
    yield from peers.skipped(settings)


def _one_thread(contenders: dict[str, Get], stack: ExitStack, settings: Settings) -> Iterator[Row]:
    samples = rounds(
        {name: _gets(get) for name, get in contenders.items()} | _empty_calls(stack),
        settings.rounds(21),
    )
    for kind in LOOPS:
        yield ratio(samples, f"empty call, {kind}", "requests").row(f"one empty call ({kind})")
    for name in contenders:
        if name in LOOPS:
            yield ratio(samples, name, "requests").row(f"blocking GET ({name})", Target(0.24))
        elif name != "requests":
            yield ratio(samples, name, "requests").row(f"{name}: blocking GET", note="peer")


def _gets(get: Get) -> Callable[[], None]:
    def run() -> None:
        for id_ in IDS[:100]:
            get(id_)

    return run


def _over_threads(contenders: dict[str, Get], settings: Settings) -> Chart:
    series: dict[str, Points] = {}
    for threads in _THREADS[::3] if settings.quick else _THREADS:
        samples = _samples(contenders, threads, 5, settings)
        named = {f"ours, {n}" if n in LOOPS else n: found for n, found in samples.items()}
        add_rates(series, threads, named, _calls(settings))
    title = "Blocking GETs over threads that share a client"
    return Chart("threads", title, "threads", "calls per CPU second", series)


def _calls(settings: Settings) -> int:
    """Return how many calls a round has, which the threads share."""
    return 64 if settings.quick else 480


def _samples(contenders: dict[str, Get], threads: int, count: int, settings: Settings) -> Samples:
    """Measure *count* rounds of calls by so many threads."""
    with ThreadPoolExecutor(threads) as pool:

        def case(get: Get) -> Callable[[], None]:
            def run() -> None:
                for _ in pool.map(get, IDS[: _calls(settings)], chunksize=1):
                    pass

            return run

        cases = {name: case(get) for name, get in contenders.items()}
        return rounds(cases, settings.rounds(count))


def _empty_calls(stack: ExitStack) -> dict[str, Callable[[], None]]:
    """Return cases that run an empty coroutine on the loop thread, for each kind of loop."""
    from ev_energy_sync._loop_thread import Portal

    async def nothing() -> None:
        pass

    def case(kind: str) -> Callable[[], None]:
        portal = Portal(nothing)
        stack.callback(portal.stop)
        with patch("ev_energy_sync._loop_thread.new_loop", LOOPS[kind]):
            portal.call(nothing())

        def run() -> None:
            for _ in range(100):
                portal.call(nothing())

        return run

    return {f"empty call, {kind}": case(kind) for kind in LOOPS}
