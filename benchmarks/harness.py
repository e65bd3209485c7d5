"""Measuring: interleaved rounds, CPU time, ratios. No figure here means anything by itself."""

from __future__ import annotations

import contextlib
import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

HERE: Final = Path(__file__).parent


class Skip(Exception):  # noqa: N818  (no error)
    """These rows cannot be measured here; the message says why."""


class Sample(NamedTuple):
    """What one round of one case cost, in seconds."""

    cpu: float
    wall: float


class Target(NamedTuple):
    """What design says a ratio must reach."""

    limit: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:g}"


class Row(NamedTuple):
    """One line of the table. *best* compares the best rounds of either side."""

    name: str
    median: float | None
    best: float | None = None
    target: Target | None = None
    note: str = ""


Samples = Mapping[str, list[Sample]]
Case = Callable[[], object]
AsyncCase = Callable[[], Awaitable[object]]


def rounds(cases: Mapping[str, Case], count: int) -> Samples:
    """Run every case once a round, each time in another order, after one round unmeasured."""
    samples: dict[str, list[Sample]] = {name: [] for name in cases}
    for number in range(-1, count):
        for name in _order(cases, number):
            gc.collect()
            cpu, wall = time.process_time(), time.perf_counter()
            cases[name]()
            if number >= 0:
                samples[name].append(_since(cpu, wall))
    return samples


async def async_rounds(cases: Mapping[str, AsyncCase], count: int) -> Samples:
    """`rounds` inside a running loop."""
    samples: dict[str, list[Sample]] = {name: [] for name in cases}
    for number in range(-1, count):
        for name in _order(cases, number):
            gc.collect()
            cpu, wall = time.process_time(), time.perf_counter()
            await cases[name]()
            if number >= 0:
                samples[name].append(_since(cpu, wall))
    return samples


def _order(cases: Mapping[str, object], number: int) -> list[str]:
    names = list(cases)
    turn = number % len(names)
    return names[turn:] + names[:turn]


def _since(cpu: float, wall: float) -> Sample:
    return Sample(time.process_time() - cpu, time.perf_counter() - wall)


class Ratio(NamedTuple):
    """What one case cost, over another one of the same rounds."""

    median: float
    best: float
    wall: float

    def row(self, name: str, target: Target | None = None, note: str = "") -> Row:
        return Row(name, self.median, self.best, target, note or f"wall {self.wall:.2f}")

    def inverse(self) -> Ratio:
        """As a rate: calls for the same CPU time."""
        return Ratio(1 / self.median, 1 / self.best, 1 / self.wall)


def ratio(samples: Samples, name: str, base: str) -> Ratio:
    ours, theirs = samples[name], samples[base]
    return Ratio(
        statistics.median(a.cpu / b.cpu for a, b in zip(ours, theirs, strict=True)),
        min(a.cpu for a in ours) / min(b.cpu for b in theirs),
        statistics.median(a.wall / b.wall for a, b in zip(ours, theirs, strict=True)),
    )


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The base URL of a server in a process of its own."""
    command = [sys.executable, str(HERE / "server.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v2"
        finally:
            process.stdin.close()
            process.wait(10)
