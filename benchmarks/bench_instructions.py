"""Count the instructions of a GET with cachegrind: without a clock, other work does not disturb it.

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
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import clients
import peers
from clients import Get
from harness import HERE, Row, Settings, Skip, server

#: Calls of the two runs whose difference is measured: start and end are the same in both.
_COUNTS: Final = (50, 250)
#: Calls before those, which fill caches.
_WARM_UP: Final = 60


def rows(settings: Settings) -> Iterator[Row]:
    peers.need("orjson")
    with server() as url:
        if settings.quick:  # shows that all cases run
            for name in _CASES:
                _process([], name, url, 1)
                yield Row(name, None, note="not counted with --quick")
            return
        if shutil.which("valgrind") is None:
            raise Skip("needs valgrind")
        found = {name: _instructions(name, url) for name in _CASES}
    for name in list(found)[1:]:
        note = f"{found[name] / 1e3:,.0f} thousand over {found['raw'] / 1e3:,.0f}"
        yield Row(f"instructions of a GET: {name}", found[name] / found["raw"], note=note)


def _instructions(name: str, url: str) -> float:
    """Return the instructions of one call."""
    fewer, more = (_total(name, url, count) for count in _COUNTS)
    return (more - fewer) / (_COUNTS[1] - _COUNTS[0])


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


_CASES: Final[dict[str, Callable[[str], AbstractAsyncContextManager[Get]]]] = {
    "raw": _raw,
    "headers of a call": _with_headers,
    "headers of a call, and a model": _with_model,
    "client without a budget": _client(budget=None),
    "client": _client(),
}


async def _run(name: str, url: str, count: int) -> None:
    gc.disable()
    async with _CASES[name](url) as get:
        for number in range(_WARM_UP + count):
            assert await get(clients.IDS[number]), "the reply was not decoded"


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], sys.argv[2], int(sys.argv[3])))
