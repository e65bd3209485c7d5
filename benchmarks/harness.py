"""Measure CPU time in interleaved rounds. Only ratios within a run are meaningful."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import gc
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from pathlib import Path
from typing import Final, NamedTuple

HERE: Final = Path(__file__).parent


class Skip(Exception):  # noqa: N818  (control flow, not an error)
    """The rows of a benchmark cannot be measured here; the message says why."""


class Sample(NamedTuple):
    """The cost of one round of one case, in seconds."""

    cpu: float
    wall: float
    """Elapsed time."""


class Target(NamedTuple):
    """The target for a ratio."""

    limit: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:g}"


class Row(NamedTuple):
    """One row of the table. *best* compares the best round of each side."""

    name: str
    median: float | None
    best: float | None = None
    target: Target | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.target is None or self.median is None:
            return ""
        return "met" if self.target.met(self.median) else "MISSED"


class Chart(NamedTuple):
    """Measurements over a growing size, drawn as lines."""

    name: str
    """The name of its file, without a suffix."""
    title: str
    x: str
    y: str
    series: Mapping[str, list[tuple[float, float]]]
    linear: bool = False
    """Whether the x axis is linear and begins at zero; otherwise it is logarithmic."""

    def positions(self) -> list[float]:
        return sorted({x for points in self.series.values() for x, _ in points})

    def table(self) -> Iterator[list[str]]:
        """Yield a header and one list of cells per position."""
        yield [f"{self.y} by {self.x}", *self.series]
        for position in self.positions():
            values = [dict(points).get(position) for points in self.series.values()]
            yield [f"{position:,g}", *("" if v is None else f"{v:,.4g}" for v in values)]

    def lines(self) -> Iterator[str]:
        """Yield the lines of a table for the terminal."""
        yield self.title
        for first, *cells in self.table():
            yield f"  {first:<42}" + "".join(f"{cell:>24}" for cell in cells)


class Settings(NamedTuple):
    """The options of a run."""

    quick: bool = False
    peers: bool = False

    def rounds(self, count: int) -> int:
        return 1 if self.quick else count


Samples = Mapping[str, list[Sample]]
Case = Callable[[], object]
AsyncCase = Callable[[], Awaitable[object]]


def rounds(cases: Mapping[str, Case], count: int) -> Samples:
    """Run every case once per round, in a different order each time, after an unmeasured round.

    A single round shows only that the cases run, so nothing precedes it.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in cases}
    for name, measured in schedule(cases, count):
        cpu, wall = time.process_time(), time.perf_counter()
        cases[name]()
        if measured:
            samples[name].append(_since(cpu, wall))
    return samples


async def async_rounds(cases: Mapping[str, AsyncCase], count: int) -> Samples:
    """Do the same as `rounds`, on the running event loop."""
    samples: dict[str, list[Sample]] = {name: [] for name in cases}
    for name, measured in schedule(cases, count):
        cpu, wall = time.process_time(), time.perf_counter()
        await cases[name]()
        if measured:
            samples[name].append(_since(cpu, wall))
    return samples


def schedule(
    names: Iterable[str], count: int, *, unmeasured: bool = True
) -> Iterator[tuple[str, bool]]:
    """Yield the case to run next, and whether to measure it, without garbage of the one before.

    If *unmeasured*, a round that is not measured precedes more than one.
    """
    names = list(names)
    for number in range(-1 if unmeasured and count > 1 else 0, count):
        offset = number % len(names)
        for name in names[offset:] + names[:offset]:
            gc.collect()
            yield name, number >= 0


def _since(cpu: float, wall: float) -> Sample:
    return Sample(time.process_time() - cpu, time.perf_counter() - wall)


class Ratio(NamedTuple):
    """The cost of one case relative to another one in the same rounds."""

    median: float
    best: float
    wall: float

    def row(self, name: str, target: Target | None = None, note: str = "") -> Row:
        return Row(name, self.median, self.best, target, note or f"wall {self.wall:.2f}")

    def inverse(self) -> Ratio:
        """Return the ratio of rates: calls per CPU time."""
        return Ratio(1 / self.median, 1 / self.best, 1 / self.wall)


def ratio(samples: Samples, name: str, base: str) -> Ratio:
    ours, theirs = samples[name], samples[base]
    return Ratio(
        statistics.median(a.cpu / b.cpu for a, b in zip(ours, theirs, strict=True)),
        min(a.cpu for a in ours) / min(b.cpu for b in theirs),
        statistics.median(a.wall / b.wall for a, b in zip(ours, theirs, strict=True)),
    )


@contextlib.contextmanager
def server(items: int = 20_000) -> Iterator[str]:
    """Yield the base URL of a server in another process, on another core if possible.

    Its listings have *items* items.
    """
    command = [sys.executable, str(HERE / "server.py"), str(items)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        try:
            with _on_separate_cores(process.pid):
                yield f"http://127.0.0.1:{int(process.stdout.readline())}/v2"
        finally:
            process.stdin.close()
            process.wait(10)


@contextlib.asynccontextmanager
async def redis_server() -> AsyncIterator[int]:
    """Yield the port of a new, empty Redis that saves nothing."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    command += ["--appendonly", "no"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:  # noqa: ASYNC220  (it returns at once)
        try:
            deadline = time.monotonic() + 20
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    await asyncio.sleep(0.01)
            yield port
        finally:
            process.kill()


@contextlib.contextmanager
def _on_separate_cores(other: int) -> Iterator[None]:
    """Run this process and *other* on different cores."""
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


def run_code(code: str, *, path: Sequence[Path] = ()) -> tuple[float, str]:
    """Return the CPU seconds and the output of a new interpreter that runs *code*.

    It finds the modules in the folders of *path*, such as `HERE`.
    """
    before = _children()
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env=_environment(path), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{code}\n{done.stderr}")
    return _children() - before, done.stdout


def fresh(
    codes: Mapping[str, str], count: int, path: Sequence[Path] = (), *, warm: bool = False
) -> Samples:
    """Run rounds of new interpreters, and subtract the cost of an empty one.

    If *warm*, the byte code is compiled already, and there is no unmeasured round.
    """
    codes = {"empty": "pass", **codes}
    samples: dict[str, list[Sample]] = {name: [] for name in codes}
    for name, measured in schedule(codes, count, unmeasured=not warm):
        cpu = run_code(codes[name], path=path)[0]
        if measured:  # the first round compiles
            samples[name].append(Sample(cpu, cpu))
    empty = statistics.median(sample.cpu for sample in samples.pop("empty"))
    return {
        name: [Sample(s.cpu - empty, s.wall - empty) for s in measured]
        for name, measured in samples.items()
    }


def _environment(path: Sequence[Path]) -> dict[str, str]:
    """Return variables for new interpreters, with a separate folder for byte code."""
    variables = {**os.environ, "PYTHONPYCACHEPREFIX": _byte_code_folder()}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    if path:
        variables["PYTHONPATH"] = os.pathsep.join(map(str, path))
    return variables


@functools.cache
def _byte_code_folder() -> str:
    folder = tempfile.mkdtemp(prefix="bytecode-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _children() -> float:
    """Return the CPU seconds of all child processes so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
