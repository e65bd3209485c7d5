"""Run the benchmarks and print a table of ratios: ``python benchmarks/run.py``; see README.md."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import platform
import time
from collections.abc import Sequence
from typing import Final

from harness import Row, Settings, Skip

NAMES: Final = (
    *(
        "import",
        "families",
        "size",
        "decode",
        "memory",
        "http",
        "blocking",
        "inbox",
        "states",
        "fastapi",
        "simulator",
    ),
    "leak",
)
_DISTRIBUTIONS: Final = ("aiohttp", "attrs", "msgspec", "orjson", "requests", "uvloop", "httpx")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Compare the SDK with code written by hand.")
    parser.add_argument("--quick", action="store_true", help="one round: shows that all run")
    parser.add_argument("--only", choices=NAMES, action="append", help="may be repeated")
    parser.add_argument("--peers", action="store_true", help="also measure other clients")
    options = parser.parse_args(arguments)
    settings = Settings(quick=options.quick, peers=options.peers)
    print(_versions())
    started = time.perf_counter()
    for name in options.only or NAMES:
        print(f"\n{name:<56}{'ratio':>8}{'best':>8}{'target':>9}")
        try:
            for row in importlib.import_module(f"bench_{name}").rows(settings):
                print(_line(row), flush=True)
        except Skip as reason:
            print(f"  skipped: {reason}")
    print(f"\n{time.perf_counter() - started:.0f} s")


def _line(row: Row) -> str:
    if row.median is None:
        return f"  {row.name:<54}{'-':>8}{'':17}         {row.note}"
    best = f"{row.best:.2f}" if row.best is not None else ""
    result = "" if row.target is None else "met" if row.target.met(row.median) else "MISSED"
    target = str(row.target or "")
    return f"  {row.name:<54}{row.median:>8.2f}{best:>8}{target:>9} {result:<7} {row.note}".rstrip()


def _versions() -> str:
    versions = [f"Python {platform.python_version()}"]
    for name in _DISTRIBUTIONS:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{name} not installed")
    return ", ".join(versions)


if __name__ == "__main__":
    main()
