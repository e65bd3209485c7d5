"""Compare the memory of decoded items with that of the same items as dictionaries."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import data
import peers
from decoders import typed_peers
from harness import Chart, Row, Settings, Target, run_code

#: 5,500 of 7,184 bytes: the target, relative to a sub-session as a dictionary.
_TARGET: Final = Target(0.77)
#: Prints a number after each of the *steps*, in pages.
_HOLD: Final = """
import gc, tracemalloc
import data
from decoders import decoder
from sub_sessions import sub_sessions
decode = decoder({library!r}, {model!r})
make = {make}
pages = [data.body(make(seed)) for seed in range(min(20, {steps}[-1]))]
decode(pages[0])
gc.collect()
gc.disable()  # slow, and frees nothing here
{before}
held = []
for step in {steps}:
    while len(held) < step:
        held.append(decode(pages[len(held) % len(pages)]))
    print({after})
"""
_TRACED: Final = {"before": "tracemalloc.start()", "after": "tracemalloc.get_traced_memory()[0]"}
_RESIDENT: Final = {
    "before": "size = lambda: int(open('/proc/self/statm').read().split()[1]); before = size()",
    "after": "(size() - before) * __import__('resource').getpagesize()",
}
_SUB_SESSIONS: Final = ("sub-sessions with vehicle and EVSE", "expanded sub-sessions")
#: What is held: the model, and a function that makes a page.
_WHAT: Final = {
    "expanded EVSEs": ("EVSE", "lambda seed: data.evses(expanded=True, seed=seed)"),
    **{
        shape: ("ChargingSubSession", f"lambda seed: sub_sessions({shape!r}, seed=seed)")
        for shape in _SUB_SESSIONS
    },
}
#: What is drawn as a chart.
_DRAWN: Final = "sub-sessions with vehicle and EVSE"
_MAX_ITEMS: Final = 100_000
#: Upper bound for the memory of a page of 100 items as dictionaries.
_BYTES_PER_PAGE: Final = 5_000_000


def rows(settings: Settings) -> Iterator[Row | Chart]:
    peers.need("orjson")
    count = 400 if settings.quick else 20_000
    steps = [count // 4 * quarter for quarter in range(1, 5)]
    for name, what in _WHAT.items():
        if settings.quick and name != _DRAWN:
            continue
        libraries = ["orjson", "ours", *typed_peers(settings)]
        sizes = {one: _sizes(one, what, steps, _TRACED, settings) for one in libraries}
        yield from _rows(name, {one: found[-1] / count for one, found in sizes.items()})
        if name == _DRAWN:
            series = {
                one: [(step, size / 1e6) for step, size in zip(steps, found, strict=True)]
                for one, found in sizes.items()
            }
            yield Chart("memory", f"Memory of {name}", "items held", "MB", series, linear=True)
    yield from peers.skipped(settings)
    if not settings.quick:
        yield from _resident(settings)


def _rows(name: str, sizes: dict[str, float]) -> Iterator[Row]:
    base = sizes["orjson"]
    for library, size in sizes.items():
        note = f"{size:,.0f} bytes over orjson's {base:,.0f}"
        if library == "ours":
            yield Row(f"bytes held: {name}", size / base, None, _TARGET, note)
        elif library != "orjson":
            yield Row(f"{library}: bytes held: {name}", size / base, None, None, f"{note}; peer")


def _resident(settings: Settings) -> Iterator[Row]:
    """Measure the growth of the process, which is the memory that the machine needs."""
    available = _available_memory()
    if available is None:
        yield Row("resident bytes", None, note="skipped: needs /proc")
        return
    for name in _SUB_SESSIONS:
        count = min(_MAX_ITEMS, 100 * (available // _BYTES_PER_PAGE))
        ours, theirs = (
            _sizes(library, _WHAT[name], [count], _RESIDENT, settings)[0] / count
            for library in ("ours", "orjson")
        )
        row = f"resident: {count:,} {name.replace('sub-sessions with', 'with')}"
        note = f"{ours:,.0f} bytes over orjson's {theirs:,.0f}"
        yield Row(row, ours / theirs, None, None, note)


def _sizes(
    library: str,
    what: tuple[str, str],
    steps: list[int],
    measure: dict[str, str],
    settings: Settings,
) -> list[int]:
    """Return the bytes of so many items that *library* has decoded."""
    model, make = what
    pages = [step // data.PAGE for step in steps]
    code = _HOLD.format(library=library, model=model, make=make, steps=pages, **measure)
    return [int(line) for line in run_code(code, path=peers.search_path(settings))[1].split()]


def _available_memory() -> int | None:
    """Return the bytes of available memory, or None if the system does not tell."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
