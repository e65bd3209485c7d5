"""Measure the cost of starting: imports, the first decoded reply, and the size on disk."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import peers
from harness import Row, Settings, Target, fresh, ratio, run_code, server

RAW_REPLY: Final = """
import asyncio, json, aiohttp
async def main():
    async with aiohttp.ClientSession(headers={{"Authorization": "Bearer benchmark"}}) as session:
        async with session.get("{url}/evses/evse01") as reply:
            assert json.loads(await reply.read())["id"]
asyncio.run(main())
"""
_OUR_REPLY: Final = """
import asyncio, ev_energy
async def main():
    async with ev_energy.Client("benchmark", base_url="{url}") as client:
        evse = await client.evses.get("evse01")
        assert evse.id
asyncio.run(main())
"""
_PEER_REPLY: Final = """
import asyncio
from {package}.client import AuthenticatedClient
from {package}.api.evs_es import get_evses_evse_id
async def main():
    async with AuthenticatedClient(base_url="{url}", token="benchmark") as client:
        evse = await get_evses_evse_id.asyncio("evse01", client=client)
        assert evse.id
asyncio.run(main())
"""
_PEERS: Final = {
    **{name: f"import {name}" for name in ("httpx", "httpx2", "requests")},
    "pydantic": "from pydantic import BaseModel",
}
_MODULES: Final = "import sys; before = len(sys.modules); {code}; print(len(sys.modules) - before)"


def rows(settings: Settings) -> Iterator[Row]:
    codes = {
        "aiohttp": "import aiohttp",
        "import ev_energy": "import ev_energy",
        "from ev_energy import Client": "from ev_energy import Client",
    }
    generated = peers.generated() if settings.peers else None
    others = {c for peer, c in _PEERS.items() if settings.peers and peers.installed(peer)}
    codes |= {code: code for code in sorted(others)}
    with server() as url:
        codes["raw reply"] = RAW_REPLY.format(url=url)
        codes["our reply"] = _OUR_REPLY.format(url=url)
        if generated:
            package = peers.PACKAGE
            codes[f"{peers.GENERATOR}: client"] = (
                f"import {package}.client; import {package}.api.evs_es.get_evses_evse_id"
            )
            codes["peer reply"] = _PEER_REPLY.format(url=url, package=package)
        samples = fresh(codes, settings.rounds(15), [generated] if generated else ())

    yield ratio(samples, "import ev_energy", "aiohttp").row("import ev_energy", Target(0.35), " ")
    yield ratio(samples, "from ev_energy import Client", "aiohttp").row(
        "from ev_energy import Client", Target(0.35), "over aiohttp's"
    )
    for name in codes:
        if name.startswith(peers.GENERATOR) or name in others:
            yield ratio(samples, name, "aiohttp").row(name, note="peer")
    yield ratio(samples, "our reply", "raw reply").row(
        "import, client, first decoded reply", Target(1.15), "over aiohttp's"
    )
    if generated:
        yield ratio(samples, "peer reply", "raw reply").row(
            f"{peers.GENERATOR}: the same", note="peer"
        )
    yield from _modules()
    yield _size()


def _modules() -> Iterator[Row]:
    theirs = _count("import aiohttp")
    for code in ("import ev_energy", "from ev_energy import Client"):
        count = _count(code)
        note = f"{count} modules over aiohttp's {theirs}"
        yield Row(f"modules loaded by {code}", count / theirs, note=note)


def _count(code: str) -> int:
    return int(run_code(_MODULES.format(code=code))[1])


def _size() -> Row:
    """Compare all that ``pip install`` installs, without byte code, with the same for aiohttp."""
    ours, theirs = _closure("ev-energy"), _closure("aiohttp")
    count = f"{len(ours)} distributions over {len(theirs)}"
    return Row("installed size", _bytes(ours) / _bytes(theirs), note=count)


def _closure(name: str) -> set[str]:
    found: set[str] = set()
    pending = [name]
    while pending:
        distribution = pending.pop()
        try:
            requirements = importlib.metadata.requires(distribution) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform or Python
        if distribution in found:
            continue
        found.add(distribution)
        names = (re.match(r"[\w.-]+", text) for text in requirements if "extra ==" not in text)
        pending += [re.sub(r"[-_.]+", "-", name[0]).lower() for name in names if name]
    return found


def _bytes(names: set[str]) -> int:
    paths: set[Path] = set()
    for name in names:
        for file in importlib.metadata.files(name) or []:
            paths.add(Path(str(file.locate())))
    if "ev-energy" in names:  # installed editable, its files are not listed
        import ev_energy

        root = Path(ev_energy.__file__).parent
        for package in (root, root.parent / "ev_energy_sync"):
            paths.update(package.rglob("*"))
    return sum(p.stat().st_size for p in paths if p.suffix != ".pyc" and p.is_file())
