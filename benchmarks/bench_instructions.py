"""Count the instructions of calls with cachegrind: without a clock, other work does not disturb it.

Only those of this process are counted, not those of the kernel. `python bench_instructions.py CASE
URL COUNT` runs one case.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import clients
import peers
from clients import Get
from harness import HERE, Row, Settings, Skip, server

#: What is counted of a case: a function that is called with a number.
Step = Callable[[int], Awaitable[object]]
Connect = Callable[[str], AbstractAsyncContextManager[Step]]
#: Items of the listing, in pages of 100.
_ITEMS: Final = 500


class Case(NamedTuple):
    """One way to do something, and how often it is done to be counted."""

    connect: Connect
    counts: tuple[int, int]
    """Steps of the two runs whose difference is measured: start and end are the same in both."""
    warm_up: int
    """Steps before those, which fill caches."""


def rows(settings: Settings) -> Iterator[Row]:
    peers.need("orjson")
    with server(_ITEMS) as url:
        if settings.quick:  # shows that all cases run
            for name in _CASES:
                _process([], name, url, 1)
                yield Row(name, None, note="not counted with --quick")
            return
        if shutil.which("valgrind") is None:
            raise Skip("needs valgrind")
        found = {name: _instructions(name, url) for name in _CASES}
    for name in _GETS[1:]:
        yield _row(f"instructions of a GET: {name}", found[name], found[_GETS[0]])
    for what in clients.LISTS:
        ours, by_hand = found[f"{what}: client"], found[f"{what}: raw"]
        yield _row(f"instructions of {_ITEMS} {what}", ours, by_hand)


def _row(title: str, instructions: float, by_hand: float) -> Row:
    note = f"{instructions / 1e3:,.0f} thousand over {by_hand / 1e3:,.0f}"
    return Row(title, instructions / by_hand, note=note)


def _instructions(name: str, url: str) -> float:
    """Return the instructions of one step."""
    fewer, more = _CASES[name].counts
    return (_total(name, url, more) - _total(name, url, fewer)) / (more - fewer)


def _total(name: str, url: str, count: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "cachegrind"
        tool = ["valgrind", "--tool=cachegrind", "--cache-sim=no"]
        _process([*tool, f"--cachegrind-out-file={output}"], name, url, count)
        return int(re.findall(r"^summary: (\d+)", output.read_text(), re.MULTILINE)[0])


def _process(tool: Sequence[str], name: str, url: str, count: int) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(HERE.parent)}
    command = [*tool, sys.executable, __file__, name, url, str(count)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)


@asynccontextmanager
async def _raw(url: str) -> AsyncIterator[Get]:
    async with clients.raw(url) as raw:
        yield raw.get


@asynccontextmanager
async def _with_headers(url: str) -> AsyncIterator[Get]:
    """Pass the headers with each request, since the token changes, and the views of a client."""
    import orjson

    async with _by_hand(url, orjson.loads) as get:
        yield get


@asynccontextmanager
async def _with_model(url: str) -> AsyncIterator[Get]:
    """Decode into a model, with the check for unknown fields."""
    from ev_energy._codec.decode import Expected, decode_at_once
    from ev_energy.models import EVSE
    from ev_energy.models._json import DEFAULT_LIMITS

    expected = Expected(EVSE, expanded=False)
    async with _by_hand(url, lambda body: decode_at_once(body, expected, DEFAULT_LIMITS)) as get:
        yield get


@asynccontextmanager
async def _by_hand(url: str, load: Callable[[bytes], object]) -> AsyncIterator[Get]:
    import aiohttp

    headers = {"User-Agent": "by hand", "EvEnergy-Version": "2024-01-01", **clients.HEADERS}
    async with aiohttp.ClientSession() as session:

        async def get(id_: str) -> object:
            async with session.get(f"{url}/evses/{id_}", headers=headers) as response:
                response.raise_for_status()
                return load(await response.read())

        yield get


def _client(**options: Any) -> Callable[[str], AbstractAsyncContextManager[Get]]:
    @asynccontextmanager
    async def connect(url: str) -> AsyncIterator[Get]:
        import ev_energy

        auth = ev_energy.StaticToken(clients.TOKEN)
        async with ev_energy.Client(auth, base_url=url, **options) as client:
            yield client.evses.get

    return connect


def _gets(connect: Callable[[str], AbstractAsyncContextManager[Get]]) -> Case:
    @asynccontextmanager
    async def steps(url: str) -> AsyncIterator[Step]:
        async with connect(url) as get:

            async def step(number: int) -> None:
                assert await get(clients.IDS[number]), "the reply was not decoded"

            yield step

    return Case(steps, (50, 250), 60)


def _walks(connect: clients.Factory, what: str) -> Case:
    @asynccontextmanager
    async def steps(url: str) -> AsyncIterator[Step]:
        async with connect(url) as contender:

            async def step(_: int) -> None:
                assert await contender.count_items(what) == _ITEMS, "items are missing"

            yield step

    return Case(steps, (2, 8), 3)


_CASES: Final[dict[str, Case]] = {
    "raw": _gets(_raw),
    "headers of a call": _gets(_with_headers),
    "headers of a call, and a model": _gets(_with_model),
    "client without a budget": _gets(_client(budget=None)),
    "client": _gets(_client()),
}
_GETS: Final = tuple(_CASES)
for _what in clients.LISTS:
    _CASES[f"{_what}: raw"] = _walks(clients.raw, _what)
    _CASES[f"{_what}: client"] = _walks(clients.ours, _what)


async def _run(name: str, url: str, count: int) -> None:
    gc.disable()
    case = _CASES[name]
    async with case.connect(url) as step:
        for number in range(case.warm_up + count):
            await step(number)


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], sys.argv[2], int(sys.argv[3])))
