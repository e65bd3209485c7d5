"""Measure each family in a new process: its import, and its first decoded reply."""

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
#: The measurements of each family, and the case to compare with.
_BASES: Final = {"import": "aiohttp", "reply": "raw reply"}
#: Families that are measured in the same rounds, with the same runs of aiohttp.
_GROUP_SIZE: Final = 5
#: The slowest families are measured again, with as many rounds as the other rows.
_REMEASURED: Final = 3


def rows(settings: Settings) -> Iterator[Row]:
    with server() as url:
        _compile(url)
        costs: dict[str, Ratio] = {}
        pending = list(families().values())
        if settings.quick:
            pending = pending[:2]
        while pending:
            group, pending = pending[:_GROUP_SIZE], pending[_GROUP_SIZE:]
            costs |= _measure(url, group, 1 if settings.quick else 5)
            for family in group:
                yield _row(costs, family)
        if not settings.quick:
            slowest = [name for what in _BASES for name in _by_cost(costs, what)[-_REMEASURED:]]
            again = {name.split()[1] for name in slowest}
            costs = _measure(url, (families()[name] for name in again), 15)
    for what, label, target in (
        ("import", "the slowest family: import", None),
        ("reply", "the slowest family: first decoded reply", Target(1.15)),
    ):
        slowest_name = _by_cost(costs, what)[-1]
        yield costs[slowest_name].row(label, target, slowest_name.split()[1])


def _by_cost(costs: Mapping[str, Ratio], what: str) -> list[str]:
    """Return the names, cheapest first, by the best rounds: other work disturbs those least."""
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
    """Compile all byte code, so that no family pays for being the first to use a module."""
    for code in (_EVERYTHING, RAW_REPLY.format(url=url), _reply(url, families()["evses"])):
        run_code(code)
