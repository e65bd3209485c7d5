"""Compare the memory of decoded items with that of the same items as dictionaries."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import peers
from harness import HERE, Row, Settings, Target, run_code

#: 5,500 of 7,184 bytes: the target, relative to a sub-session as a dictionary.
_TARGET: Final = Target(0.77)
_HOLD: Final = """
import gc, tracemalloc
import data
from sub_sessions import sub_sessions
{prepare}
make = {make}
pages = [data.body(make(seed)) for seed in range(20)]
decode(pages[0])
gc.collect()
gc.disable()  # slow, and frees nothing here
{before}
held = [decode(pages[number % len(pages)]) for number in range({count} // data.PAGE)]
print({after})
"""
_TRACED: Final = {"before": "tracemalloc.start()", "after": "tracemalloc.get_traced_memory()[0]"}
_RESIDENT: Final = {
    "before": "size = lambda: int(open('/proc/self/statm').read().split()[1]); before = size()",
    "after": "(size() - before) * __import__('resource').getpagesize()",
}
_OURS: Final = """
from ev_energy import models
from ev_energy._codec.decode import decode as read
from ev_energy._codec.drift import Reporter
report = Reporter()
decode = lambda body: read(body, models.{model}, report, as_list=True)
"""
_ORJSON: Final = "from orjson import loads as decode"
_EVSES: Final = ("EVSE", "lambda seed: data.evses(expanded=True, seed=seed)")
_MAX_ITEMS: Final = 100_000
#: Upper bound for the memory of a page of 100 items as dictionaries.
_BYTES_PER_PAGE: Final = 5_000_000


def rows(settings: Settings) -> Iterator[Row]:
    peers.need("orjson")
    count = 2000 if settings.quick else 20_000
    ours, theirs = _both(_EVSES, count, _TRACED)
    yield Row("bytes held per expanded EVSE", ours / theirs, None, _TARGET, _note(ours, theirs))
    for shape in ("sub-sessions with vehicle and EVSE", "expanded sub-sessions"):
        ours, theirs = _both(_sub_sessions(shape), count, _TRACED)
        name = f"bytes held: {shape}"
        yield Row(name, ours / theirs, None, _TARGET, _note(ours, theirs))
    if settings.quick:
        return
    yield from _resident()


def _resident() -> Iterator[Row]:
    """Measure the growth of the process, which is the memory that the machine needs."""
    available = _available_memory()
    if available is None:
        yield Row("resident bytes", None, note="skipped: needs /proc")
        return
    for shape in ("sub-sessions with vehicle and EVSE", "expanded sub-sessions"):
        count = min(_MAX_ITEMS, 100 * (available // _BYTES_PER_PAGE))
        ours, theirs = _both(_sub_sessions(shape), count, _RESIDENT)
        name = f"resident: {count:,} {shape.replace('sub-sessions with', 'with')}"
        yield Row(name, ours / theirs, None, None, _note(ours, theirs))


def _both(what: tuple[str, str], count: int, measure: dict[str, str]) -> tuple[float, float]:
    """Return bytes per item, as models and as dictionaries."""
    model, make = what
    ours, theirs = (
        run_code(_HOLD.format(prepare=prepare, make=make, count=count, **measure), path=HERE)[1]
        for prepare in (_OURS.format(model=model), _ORJSON)
    )
    return int(ours) / count, int(theirs) / count


def _sub_sessions(shape: str) -> tuple[str, str]:
    return "ChargingSubSession", f"lambda seed: sub_sessions({shape!r}, seed=seed)"


def _note(ours: float, theirs: float) -> str:
    return f"{ours:,.0f} bytes over orjson's {theirs:,.0f}"


def _available_memory() -> int | None:
    """Return the bytes of available memory, or None if the system does not tell."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
