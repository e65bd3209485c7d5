"""Which requests resolve many resources of one kind. Pure: it is told the outcome of each request.

The size of a listing is unknown in advance, so the plan decides online: it lists as long as fewer
pages were requested than resources are missing, and then gets what is still missing one by one.
With n wanted resources, k pages and r resources that are missing after them, this costs k + r
requests, at most twice as many as the best choice of k would have, which only hindsight knows:

- The page before the last was requested because more than k - 1 resources were missing. Fewer
  pages would have left at least as many, so every smaller choice of k costs at least k requests.
- Every larger choice costs at least k requests, for its pages.
- If the plan stopped, r is at most k: it costs at most 2 k.
- If the listing ended first, no choice costs less than the larger of k and r; k + r is at most
  twice that.

No rule that decides online can promise less than that factor (it is the ski-rental problem). In
practice most pages of a listing hold several wanted resources or none are left, and the plan costs
little more than the best choice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

#: Items on a page of a listing, the API's maximum.
PAGE_SIZE: Final = 100


class ResolvePlan:
    """The plan for the resources of one kind.

    Args:
        wanted: The ids of the resources.
        has_listing: Whether the API lists resources of this kind.
    """

    def __init__(self, wanted: Iterable[str], *, has_listing: bool) -> None:
        self.missing = dict.fromkeys(wanted)
        """The ids of the resources that no reply has contained so far."""
        self._pages = 0
        self._listing_continues = has_listing

    @property
    def wants_page(self) -> bool:
        """Whether to request the next page of the listing; otherwise, get what is missing."""
        return self._listing_continues and len(self.missing) > max(1, self._pages)

    def record_page(self, ids: Iterable[str], *, is_last: bool) -> None:
        """Record a page with the resources *ids*."""
        self._pages += 1
        self._listing_continues = not is_last
        for id_ in ids:
            self.missing.pop(id_, None)

    @property
    def at_least(self) -> int:
        """The number of requests if every page is full of wanted resources."""
        count = len(self.missing)
        return -(-count // PAGE_SIZE) if self.wants_page else count

    @property
    def at_most(self) -> int:
        """The number of requests in the worst case."""
        count = len(self.missing)
        return 2 * count - self._pages if self.wants_page else count
