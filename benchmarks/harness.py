"""Measuring: interleaved rounds, CPU time, ratios. No figure here means anything by itself."""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
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


class Settings(NamedTuple):
    """How thorough a run is to be."""

    quick: bool = False
    peers: bool = False

    def rounds(self, count: int) -> int:
        return max(3, count // 3) if self.quick else count


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
    """The base URL of a server in a process of its own, on a core of its own where that can be."""
    command = [sys.executable, str(HERE / "server.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        try:
            with _apart(process.pid):
                yield f"http://127.0.0.1:{int(process.stdout.readline())}/v2"
        finally:
            process.stdin.close()
            process.wait(10)


@contextlib.contextmanager
def _apart(other: int) -> Iterator[None]:
    """Keep this process and *other* off each other's cores."""
    if not hasattr(os, "sched_setaffinity") or len(cores := os.sched_getaffinity(0)) < 2:
        yield
        return
    first, *_, last = sorted(cores)
    os.sched_setaffinity(other, {last})
    os.sched_setaffinity(0, {first})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def run_code(code: str, *, path: Path | None = None) -> tuple[float, str]:
    """CPU seconds and output of a fresh interpreter that runs *code*."""
    before = _children()
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env=_environment(path), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{code}\n{done.stderr}")
    return _children() - before, done.stdout


def fresh(
    codes: Mapping[str, str], count: int, path: Path | None = None, *, warm: bool = False
) -> Samples:
    """`rounds` of fresh interpreters, less what a bare one takes. Once *warm*, none unmeasured."""
    codes = {"nothing": "pass", **codes}
    samples: dict[str, list[Sample]] = {name: [] for name in codes}
    for number in range(0 if warm else -1, count):
        took = {name: run_code(codes[name], path=path)[0] for name in _order(codes, number)}
        if number >= 0:  # the first one compiles
            for name, cpu in took.items():
                samples[name].append(Sample(cpu, cpu))
    bare = statistics.median(sample.cpu for sample in samples.pop("nothing"))
    return {
        name: [Sample(s.cpu - bare, s.wall - bare) for s in found]
        for name, found in samples.items()
    }


def _environment(path: Path | None) -> dict[str, str]:
    """With byte code in a folder of our own: what is compiled twice is not what is installed."""
    variables = {**os.environ, "PYTHONPYCACHEPREFIX": _byte_code()}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    if path:
        variables["PYTHONPATH"] = str(path)
    return variables


@functools.cache
def _byte_code() -> str:
    folder = tempfile.mkdtemp(prefix="bytecode-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
