"""A walk over the part of a log between two times."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, Generic, TypeVar

from ev_energy._changes.digest import Projection
from ev_energy._changes.levels import MARGIN
from ev_energy._changes.log_source import LogPage, LogSource
from ev_energy.models._base import Model

M = TypeVar("M", bound=Model)

#: The server may show times with fewer digits than it compares them with.
_RESOLUTION: Final = timedelta(seconds=1)


class LogWalk(Generic[M]):
    """Collects the entries of a window from *low* to *high*, page by page.

    *end* is where the next window begins, or None for the last one.

    The next request asks for what is as old as the oldest entry of a page or older, instead of
    following the page's link: a cursor that is a time would leave out entries of the same time on
    the next page. The link is followed where that leads no further, because a whole page has one
    time, and where the entries are not in the order of time.
    """

    def __init__(
        self,
        source: LogSource[M],
        projection: Projection,
        low: datetime,
        high: datetime | None,
        *,
        end: datetime | None,
        deep: bool,
    ) -> None:
        self.low, self.end = low, end
        self.entries: dict[tuple[datetime, str], M] = {}
        """The entries by time and digest, those of the first page first."""
        self.is_complete = False
        self.pages_read = 0
        self.span: timedelta | None = None
        """The time between the entries of the first page, if that is not the last one."""
        self._source, self._projection, self._deep = source, projection, deep
        self._list(high)

    async def read_page(self) -> LogPage[M] | None:
        """Read the next page, or return None if there is none. After an error, read it again."""
        page = await anext(self._pages, None)
        if page is None:
            self.is_complete = True
            return None
        self.pages_read += 1
        for at, entry in page.entries:
            self.entries.setdefault((at, self._projection.digest(entry)), entry)
        self._go_on_after(page)
        return page

    def _go_on_after(self, page: LogPage[M]) -> None:
        if not page.has_next:
            self.is_complete = True
            return
        times = [at for at, _ in page.entries]
        if not times or any(earlier < later for earlier, later in pairwise(times)):
            return  # the iterator follows the link
        if self.pages_read == 1:
            self.span = times[0] - times[-1]
        oldest = times[-1]
        if oldest < self.low - MARGIN:  # a server that ignores the filter
            self.is_complete = True
        elif self._bound is None or oldest + _RESOLUTION < self._bound:
            self._list(oldest + _RESOLUTION)
        elif oldest < self._bound:
            self._list(oldest)

    def _list(self, bound: datetime | None) -> None:
        self._bound = bound
        self._pages = self._source.pages(self.low - MARGIN, bound, deep=self._deep)
