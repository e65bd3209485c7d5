"""What a long command says on stderr: a moving line on a terminal, few lines elsewhere."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from ev_energy.cli._connection import describe_wait
from ev_energy.cli._exit import count_of, notice

if TYPE_CHECKING:
    from ev_energy import Estimate
    from ev_energy.cli._export_files import Progress
    from ev_energy.cli._time_filters import TimeFilters
    from ev_energy.hooks import WaitEvent

_DAY: Final = 86_400.0
#: Pages after which an estimate is due, even if they cover less than a day.
_MANY_PAGES: Final = 20
#: The share by which an estimate must have changed to be said again.
_TOLERANCE: Final = 0.2


class Reporter:
    """Reports the pages of a listing that is ordered by time, the newest first."""

    def __init__(self, times: TimeFilters | None, since: datetime | None) -> None:
        self._times, self._since = times, since
        self._pages = 0
        self._announced: float | None = None
        """The number of requests of the whole listing, as it was estimated last."""
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("waiting for the first page", total=None)
            self._bar.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def waits(self, event: WaitEvent) -> None:
        """Report a wait. This is a hook of the client."""
        if line := describe_wait(event):
            self._say(line)

    def time_of_first(self, items: Sequence[Any]) -> datetime | None:
        """Return the time of the first item of a page."""
        return self._times.of_item(items[0]) if self._times is not None and items else None

    def page(
        self, items: Sequence[Any], progress: Progress, estimate: Callable[[int], Estimate]
    ) -> None:
        """Report a page; *progress* counts it, *estimate* is the method of the client."""
        self._pages += 1
        read = self._read(items, progress)
        if read is not None and not progress.complete:
            self._estimate(*read, progress.pages, estimate)
        if self._bar is not None:
            share = min(read[0] / read[1], 1.0) if read is not None else None
            self._bar.update(
                self._task,
                description=count_of(progress.rows, "row"),
                completed=share or 0,
                total=share and 1,
            )

    def _estimate(
        self, read: float, whole: float, pages: int, estimate: Callable[[int], Estimate]
    ) -> None:
        """Say how many requests are needed, once what was read is typical of what remains.

        Cars charge at night, so the pages of a part of a day say little about those of a week.
        """
        total = pages * whole / read
        is_typical = read >= min(_DAY, whole / 2) or self._pages >= _MANY_PAGES
        if not is_typical or read >= whole:
            return
        if self._announced is None or abs(total / self._announced - 1) > _TOLERANCE:
            self._announced = total
            self._say(f"still needed, about: {estimate(max(math.ceil(total) - pages, 1))}")

    def _read(self, items: Sequence[Any], progress: Progress) -> tuple[float, float] | None:
        """Return the seconds of the listing that were read, and those of all of it."""
        if not items or self._since is None or self._times is None or progress.newest is None:
            return None
        oldest, newest = self._times.of_item(items[-1]), datetime.fromisoformat(progress.newest)
        if oldest is None:
            return None
        read, whole = ((newest - one).total_seconds() for one in (oldest, self._since))
        return (read, whole) if whole > 0 and read > 0 else None

    def _say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False)
        else:
            notice(text)
