"""What each family costs a fresh process: importing it, and the first decoded reply of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from bench_import import RAW_REPLY
from families import Family, families
from harness import Ratio, Row, Settings, Target, fresh, ratio, run_code, server

_IMPORT: Final = "import ev_energy; ev_energy.Client.preload({family!r})"
_REPLY: Final = """
import asyncio, ev_energy
async def main():
    async with ev_energy.Client("benchmark", base_url="{url}", strict=True) as client:
        reply = await client.{call}({arguments})
        assert not reply.extra
asyncio.run(main())
"""
_EVERYTHING: Final = """
import importlib, pkgutil, ev_energy
from ev_energy import models
ev_energy.Client.preload()
for module in pkgutil.iter_modules(models.__path__, models.__name__ + "."):
    importlib.import_module(module.name)
"""
#: What is measured of each, and over what.
_BASES: Final = {"import": "aiohttp", "reply": "raw reply"}
#: So many have the same rounds, and the same aiohttp to be compared with.
_GROUP: Final = 5
#: So many of the slowest are measured again, as often as the other rows.
_AGAIN: Final = 3


def rows(settings: Settings) -> Iterator[Row]:
    with server() as url:
        _compile(url)
        costs: dict[str, Ratio] = {}
        waiting = list(families().values())
        while waiting:
            few, waiting = waiting[:_GROUP], waiting[_GROUP:]
            costs |= _measure(url, few, 1 if settings.quick else 5)
            for family in few:
                yield _row(costs, family)
        slowest = [name for what in _BASES for name in _by_cost(costs, what)[-_AGAIN:]]
        again = {name.split()[1] for name in slowest}
        costs = _measure(url, (families()[name] for name in again), settings.rounds(15))
    for what, said, target in (
        ("import", "the worst family: import", None),
        ("reply", "the worst family: first decoded reply", Target(1.15)),
    ):
        worst = _by_cost(costs, what)[-1]
        yield costs[worst].row(said, target, worst.split()[1])


def _by_cost(costs: Mapping[str, Ratio], what: str) -> list[str]:
    """By the best rounds, which other work on the machine disturbs least."""
    found = [name for name in costs if name.startswith(f"{what} ")]
    return sorted(found, key=lambda name: costs[name].best)


def _row(costs: Mapping[str, Ratio], family: Family) -> Row:
    imported = costs[f"import {family.module}"].median
    if not family.call:
        return Row(family.module, None, note=f"import {imported:.2f}; no GET")
    reply = costs[f"reply {family.module}"]
    return reply.row(f"{family.module}: {family.call}", note=f"import {imported:.2f}")


def _measure(url: str, of: Iterable[Family], count: int) -> dict[str, Ratio]:
    codes = {"aiohttp": "import aiohttp", "raw reply": RAW_REPLY.format(url=url)}
    for family in of:
        codes[f"import {family.module}"] = _IMPORT.format(family=family.attributes[0])
        if family.call:
            codes[f"reply {family.module}"] = _reply(url, family)
    samples = fresh(codes, count, warm=True)
    measured = [name for name in codes if name not in _BASES.values()]
    return {name: ratio(samples, name, _BASES[name.split()[0]]) for name in measured}


def _reply(url: str, family: Family) -> str:
    arguments = ", ".join(f'{name}="x01"' for name in family.arguments)
    return _REPLY.format(url=url, call=family.call, arguments=arguments)


def _compile(url: str) -> None:
    """Make the byte code of everything, so that no family pays for what it is the first to use."""
    for code in (_EVERYTHING, RAW_REPLY.format(url=url), _reply(url, families()["evses"])):
        run_code(code)
