"""What a long command says on stderr: a moving line on a terminal, few lines elsewhere."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ev_energy.cli._connection import describe_wait
from ev_energy.cli._exit import notice

if TYPE_CHECKING:
    from ev_energy import Estimate
    from ev_energy.cli._time_filters import TimeFilters
    from ev_energy.hooks import WaitEvent


class Reporter:
    """Reports the pages of a listing that is ordered by time, the newest first."""

    def __init__(self, times: TimeFilters | None, since: datetime | None) -> None:
        self._times, self._since = times, since
        self._newest: datetime | None = None
        self._pages = 0
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

    def page(self, items: Sequence[Any], rows: int, estimate: Callable[[int], Estimate]) -> None:
        """Report a page; *rows* are those of all pages, *estimate* is the method of the client."""
        self._pages += 1
        share = self._share(items)
        if self._pages == 1 and share is not None and share < 1:
            # The times of one page tell about how many there are.
            self._say(f"still needed, about: {estimate(math.ceil(1 / share) - 1)}")
        if self._bar is not None:
            self._bar.update(
                self._task, description=f"{rows:,} rows", completed=share or 0, total=share and 1
            )

    def _share(self, items: Sequence[Any]) -> float | None:
        """Return the share of the listing that has been read, judged by the times of its items."""
        if not items or self._since is None or self._times is None:
            return None
        newest, oldest = self._times.of_item(items[0]), self._times.of_item(items[-1])
        if newest is None or oldest is None:
            return None
        start = self._newest = self._newest or newest
        whole, read = ((start - one).total_seconds() for one in (self._since, oldest))
        return min(read / whole, 1.0) if whole > 0 and read > 0 else None

    def _say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False)
        else:
            notice(text)
