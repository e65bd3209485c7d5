"""Run the benchmarks, print a table of ratios and write a report: see README.md."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import environment
import peers
import report
from harness import HERE, Chart, Row, Settings, Skip

#: The order of the table. A benchmark that is not listed comes last.
_ORDER: Final = (
    *("server", "curves", "import", "families", "size", "decode", "memory", "http"),
    *(
        "instructions",
        "latency",
        "blocking",
        "inbox",
        "states",
        "redis",
        "fastapi",
        "simulator",
        "leak",
    ),
)
_FOUND: Final = {path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py")}
NAMES: Final = (*(n for n in _ORDER if n in _FOUND), *sorted(_FOUND.difference(_ORDER)))


def main(arguments: Sequence[str] | None = None) -> None:
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments)
    has_peers = options.peers and _has_peers(options.cache, arguments)
    settings = Settings(quick=options.quick, peers=has_peers)
    if settings.peers:
        peers.load()
    print(", ".join(f"{name} {version}" for name, version in report.versions().items()))
    started = time.perf_counter()
    results: report.Results = {}
    for name in options.only or NAMES:
        print(f"\n{name:<74}{'ratio':>8}{'best':>8}{'target':>9}")
        results[name] = []
        try:
            for result in importlib.import_module(f"bench_{name}").rows(settings):
                results[name].append(result)
                print(_line(result), flush=True)
        except Skip as reason:
            results[name].append(Row(name, None, note=f"skipped: {reason}"))
            print(f"  skipped: {reason}")
    report.write(results, options.output, quick=options.quick)
    print(f"\n{time.perf_counter() - started:.0f} s; the report is {options.output / 'README.md'}")


def _has_peers(cache: Path, arguments: Sequence[str]) -> bool:
    """Return whether the other clients are here; start again in their environment if possible."""
    if not environment.is_active(cache):
        try:
            python = environment.prepare(cache)
        except environment.Unavailable as reason:
            print(f"Other clients are not measured, because installing them failed: {reason}")
            return False
        os.execv(python, [python, "-m", "benchmarks", *arguments])
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Compare the SDK with code written by hand."
    )
    parser.add_argument("--quick", action="store_true", help="one round: shows that all run")
    parser.add_argument("--only", choices=NAMES, action="append", help="may be repeated")
    parser.add_argument(
        "--no-peers",
        dest="peers",
        action="store_false",
        help="run in this environment, and measure no other clients",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=environment.default_cache(),
        help="folder of the environment with other clients (%(default)s)",
    )
    parser.add_argument(
        "--output", type=Path, default=HERE / "results", help="folder of the report (%(default)s)"
    )
    return parser


def _line(result: Row | Chart) -> str:
    if isinstance(result, Chart):
        return "\n".join(f"  {line}" for line in result.lines())
    if result.median is None:
        return f"  {result.name:<72}{'-':>8}{'':17}         {result.note}"
    best = f"{result.best:.2f}" if result.best is not None else ""
    target = str(result.target or "")
    return (
        f"  {result.name:<72}{result.median:>8.2f}{best:>8}{target:>9} "
        f"{result.verdict:<7} {result.note}"
    ).rstrip()


if __name__ == "__main__":
    main()
