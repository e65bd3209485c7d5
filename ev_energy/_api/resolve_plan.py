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
from typing import Final

#: Items on a page of a listing, the API's maximum.
PAGE_SIZE: Final = 100
#: Requests that the plan may waste, beyond the factor of two, on a listing that has paid so far.
SLACK: Final = 3


class ResolvePlan:
    """The plan for the resources of one kind.

    Args:
        wanted: The ids of the resources.
        has_listing: Whether the API lists resources of this kind.
    """

    def __init__(self, wanted: Iterable[str], *, has_listing: bool) -> None:
        self.missing = dict.fromkeys(wanted)
        """The ids of the resources that no reply has contained so far."""
        self._wanted = len(self.missing)
        self._pages = 0
        self._listing_continues = has_listing
        self._limit: int | None = None
        """The number of requests not to exceed, once as many pages as missing were requested."""

    @property
    def wants_page(self) -> bool:
        """Whether to request the next page of the listing; otherwise, get what is missing."""
        missing, pages = len(self.missing), self._pages
        if not self._listing_continues or missing <= 1:
            return False
        if self._limit is None:
            return True
        return pages <= self._wanted - missing and pages + missing < self._limit

    def record_page(self, ids: Iterable[str], *, is_last: bool) -> None:
        """Record a page with the resources *ids*."""
        self._pages += 1
        self._listing_continues = not is_last
        for id_ in ids:
            self.missing.pop(id_, None)
        if self._limit is None and self._pages >= len(self.missing):
            self._limit = 2 * self._pages + SLACK

    @property
    def at_least(self) -> int:
        """The number of requests if every page is full of wanted resources."""
        count = len(self.missing)
        return -(-count // PAGE_SIZE) if self.wants_page else count

    @property
    def at_most(self) -> int:
        """The number of requests in the worst case."""
        count, pages = len(self.missing), self._pages
        if not self.wants_page:
            return count
        if self._limit is not None:
            return self._limit - pages
        return 2 * count - pages + (SLACK if count < self._wanted else 0)
