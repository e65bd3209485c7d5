"""Which requests resolve many resources of one kind. Pure: it is told the outcome of each request.

The size of a listing is unknown in advance, so the plan decides online between the next page of the
listing and getting what is still missing one by one. It lists while fewer pages were requested than
resources are missing. From then on it lists only as long as the pages so far have shown at least
one wanted resource each, and one more page without any would cost at most `SLACK` too much.

With k pages and r resources missing after them, k + r requests are spent. No choice of k, with the
listing known in advance, costs less than half of that, up to the slack:

- Let j be the first number of pages with at most j resources missing. Fewer pages leave at least j
  missing, so every choice costs at least j: for its pages or for what they leave.
- After j pages, j + r is at most 2 j; later pages keep k + r at 2 j + `SLACK` at most.
- If the listing ends before there is such a j, r is more than k. Every choice costs at least r, and
  k + r is less than 2 r.

No rule that decides online can promise less than that factor (it is the ski-rental problem). In
practice, the wanted resources are spread over the listing, and the plan is close to the best.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

#: Items on a page of a listing, the API's maximum.
PAGE_SIZE: Final = 100
#: Requests that the plan may waste, beyond the factor of two, on a listing that has paid so far.
SLACK: Final = 3


class Progress(NamedTuple):
    """How far a listing was read. A later plan for the same resources continues from it."""

    pages: int = 0
    shown: int = 0
    """The number of wanted resources that the pages contained."""
    limit: int | None = None
    """The number of requests not to exceed, once as many pages as missing were requested."""
    ended: bool = False
    """Whether no other page is wanted, or there is none."""


class ResolvePlan:
    """The plan for the resources of one kind.

    Args:
        wanted: The ids of the resources that are missing so far.
        has_listing: Whether the API lists resources of this kind.
        page_size: Items on a page of that; None if the server decides.
        max_pages: The number of its pages that may be read.
        progress: How far it was read before, for at least these resources.
    """

    def __init__(
        self,
        wanted: Iterable[str],
        *,
        has_listing: bool,
        page_size: int | None = PAGE_SIZE,
        max_pages: int = 100_000,
        progress: Progress = Progress(),  # noqa: B008  (it is immutable)
    ) -> None:
        self.missing = dict.fromkeys(wanted)
        """The ids of the resources that no reply has contained so far."""
        self._page_size, self._max_pages = page_size, max_pages
        self._pages, self._shown, self._limit = progress.pages, progress.shown, progress.limit
        self._listing_continues = has_listing and not progress.ended
        self._fix_limit()

    @property
    def wants_page(self) -> bool:
        """Whether to request the next page of the listing; otherwise, get what is missing."""
        missing, pages = len(self.missing), self._pages
        if not self._listing_continues or missing <= 1 or pages >= self._max_pages:
            return False
        return self._limit is None or (pages <= self._shown and pages + missing < self._limit)

    def record_page(self, ids: Iterable[str], *, is_last: bool) -> None:
        """Record a page with the resources *ids*."""
        self._pages += 1
        self._listing_continues = not is_last
        before = len(self.missing)
        for id_ in ids:
            self.missing.pop(id_, None)
        self._shown += before - len(self.missing)
        self._fix_limit()

    def end_listing(self) -> None:
        """Request no other page, even if fewer resources are missing later."""
        self._listing_continues = False

    @property
    def progress(self) -> Progress:
        """How far the listing was read."""
        return Progress(self._pages, self._shown, self._limit, not self._listing_continues)

    @property
    def at_least(self) -> int:
        """The number of requests if every page is full of wanted resources."""
        count = len(self.missing)
        if not self.wants_page:
            return count
        if self._page_size is None:
            return 1
        pages = min(-(-count // self._page_size), self._max_pages - self._pages)
        return pages + max(0, count - pages * self._page_size)

    @property
    def at_most(self) -> int:
        """The number of requests in the worst case."""
        count, pages = len(self.missing), self._pages
        if not self.wants_page:
            return count
        if self._limit is not None:
            bound = self._limit - pages
        else:
            bound = 2 * count - pages + (SLACK if self._shown else 0)
        return min(bound, self._max_pages - pages + count)

    def _fix_limit(self) -> None:
        if self._limit is None and self._pages and self._pages >= len(self.missing):
            self._limit = 2 * self._pages + SLACK
