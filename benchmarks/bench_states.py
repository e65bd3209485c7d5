"""Measure a commit: the whole state in a file, or the rows that have changed in SQLite."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from harness import Row, Samples, Settings, async_rounds, ratio

from ev_energy._changes.batch import Batch
from ev_energy._changes.digest import Projection
from ev_energy._changes.saving import AnyStateStore, Saving
from ev_energy._changes.state import Remembered, SubSessionState
from ev_energy.changes import FileStateStore, SQLiteStateStore
from ev_energy.models import ChargingSubSession

_COMMITS: Final = 5
#: The sub-sessions that one page of a listing brings.
_CHANGED: Final = 100
_SINCE: Final = datetime(2026, 10, 1, tzinfo=UTC)


def rows(settings: Settings) -> Iterator[Row]:
    # About as many as are remembered of 1,000, 10,000 and 100,000 a day.
    for remembered in (1_300, 13_000, 130_000):
        samples = asyncio.run(_commits(remembered, settings.rounds(5)))
        file, sqlite = (
            min(sample.wall for sample in samples[name]) / _COMMITS * 1e3
            for name in ("file", "sqlite")
        )
        yield ratio(samples, "sqlite", "file").row(
            f"commit of 100 changes with {remembered:,} remembered, SQLite over a file",
            note=f"{sqlite:.1f} ms, file {file:.1f} ms elapsed",
        )


async def _commits(remembered: int, count: int) -> Samples:
    with tempfile.TemporaryDirectory() as folder:
        cases: dict[str, Callable[[], Awaitable[object]]] = {
            "file": await _case(FileStateStore(Path(folder) / "state"), remembered),
            "sqlite": await _case(SQLiteStateStore(Path(folder) / "state.db", "fleet"), remembered),
        }
        return await async_rounds(cases, count)


async def _case(store: AnyStateStore, remembered: int) -> Callable[[], Awaitable[object]]:
    state = SubSessionState.new(_SINCE, "host", None, Projection.of(ChargingSubSession))
    ids, numbers = [f"csub{number:026}" for number in range(remembered)], itertools.count()
    saving = Saving(store)

    async def commit(changed: list[str]) -> None:
        end = next(numbers)
        for id_ in changed:
            state.seen[id_] = Remembered(end, end, "0123456789ab", was_read=True)
        await Batch((), state, saving, caught_up=False).commit()

    await commit(ids)

    async def commits() -> None:
        for _ in range(_COMMITS):
            await commit(ids[:_CHANGED])

    return commits
