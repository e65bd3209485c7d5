"""Say which counts rose, and where the rise comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.workshop.counts.measure import ONCE

Counts = Mapping[str, Any]
WRITE: Final = "python -m tests.workshop.counts.write"
#: The details that explain a number, and where their names are found now.
_DETAILS: Final = {
    "calls": ("functions", "lines"),
    "C calls": ("callers", "lines"),
    "calls in all packages": ("functions", "lines"),
    "blocks": ("allocations", "places"),
    "bytes": ("allocations", "places"),
    "bytes at the peak": ("allocations", "places"),
}
#: Numbers that do not depend on the versions of other packages.
_OWN: Final = ("calls", "C calls", "modules", "requests")
#: How much more than on record is allowed for work that imports: importing the standard library
#: takes 0.5 % fewer calls in Python 3.11.7 than in 3.11.2, and the bytes depend on the length of
#: the paths of the modules and on whether their byte code was there already.
_TOLERANCE: Final = {"calls in all packages": 0.01, "bytes": 0.03, "bytes at the peak": 0.03}
#: The interpreter itself frees or keeps a block now and then: 79 were seen instead of 80.
_BLOCKS: Final = {"one more item": 0.1}
_BLOCKS_OTHERWISE: Final = 2
#: A fall by more than this share is to be recorded, or a later rise would go unnoticed.
_FALL: Final = 0.05
_MOST: Final = 15


def numbers(counts: Counts) -> dict[str, float]:
    """Return the counts without their details."""
    return {name: n for name, n in counts.items() if isinstance(n, int | float)}


def complaints(work: str, record: Counts, found: Counts, *, same_versions: bool) -> list[str]:
    """Return one message for each count that rose, or that fell by more than 5 %."""
    said: list[str] = []
    for name, before in numbers(record).items():
        if not same_versions and name not in _OWN:
            continue
        now = found[name]
        tolerance = _TOLERANCE.get(name, 0) if work in ONCE else 0
        spare = _BLOCKS.get(work, _BLOCKS_OTHERWISE) if name == "blocks" else 0
        if now > round(before * (1 + tolerance) + spare, 1):
            causes = "".join(f"\n    {cause}" for cause in _causes(name, record, found))
            said.append(f"{work}: {name} rose from {before} to {now}{causes}")
        elif now < before * (1 - _FALL) - spare:
            said.append(f"{work}: {name} fell from {before} to {now}; record that: {WRITE}")
    return said


def _causes(name: str, record: Counts, found: Counts) -> Iterator[str]:
    if "modules" in name:
        yield from (f"{one} is loaded" for one in found["loaded"] if one not in record["loaded"])
        return
    if name not in _DETAILS:
        return
    detail, places = _DETAILS[name]
    known = record[detail]
    rises = {k: n - known.get(k, 0) for k, n in found[detail].items() if n > known.get(k, 0)}
    for key in sorted(rises, key=lambda key: -rises[key])[:_MOST]:
        unit = " bytes" if detail == "allocations" else ""
        place = found[places][key]
        text = "" if places == "lines" else f" {key.partition(': ')[2]}".rstrip()
        yield f"{place}{text}: {known.get(key, 0)} -> {found[detail][key]}{unit}"
    if len(rises) > _MOST:
        yield f"and {len(rises) - _MOST} more"
