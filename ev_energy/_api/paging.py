"""Listings: pages and items, fetched on demand. No connection is held open between pages."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import msgspec
from yarl import URL

from ev_energy._api.cursors import Listing
from ev_energy._arguments import require_whole_number
from ev_energy._messages import Page, Request
from ev_energy._misuse import UnlikeList, refuse
from ev_energy._redaction.show import redact_query
from ev_energy.errors import CursorError, EvEnergyError, PagingError

T = TypeVar("T")


class _PageFetcher(msgspec.Struct, Generic[T], frozen=True, eq=False):
    """Fetches the pages of a listing, and holds the options of an iteration over them."""

    fetch: Callable[[URL], Coroutine[Any, Any, Page[T]]]
    start: URL
    listing: Listing
    template: str
    max_pages: int
    item: str
    """The name of the class of the items."""
    direction: Literal["next", "previous"] = "next"
    prefetch: bool = False

    async def page(self, url: URL) -> Page[T]:
        """Fetch the page at *url*. An error gets the cursor of that page."""
        try:
            return await self.fetch(url)
        except EvEnergyError as error:
            error.cursor = self.cursor(url)
            raise

    def error(self, message: str, url: URL, page: Page[T] | None = None) -> PagingError:
        """Return the error of an iteration that cannot continue after the page at *url*."""
        error = PagingError(message, Request("GET", url, template=self.template), page)
        error.cursor = self.cursor(url)
        return error

    def describe(self) -> str:
        """Return the request of the first page, what it lists, and how."""
        label = Request("GET", self.start, template=self.template).label
        query = redact_query(self.start)
        is_first = self.start == self.listing.start
        words = ["from the first page" if is_first else "resumed at a cursor"]
        words += ["backward"] * (self.direction == "previous") + ["prefetching"] * self.prefetch
        return f"{label}{f'?{query}' if query else ''}: {self.item}, {', '.join(words)}"

    def cursor(self, url: URL) -> str | None:
        """Return the cursor of the page at *url*, or None if it cannot have one."""
        try:
            return self.listing.cursor(url)
        except CursorError:
            return None


class Pager(UnlikeList, Generic[T]):
    """A listing. Iterate over it for all items; each page is fetched when it is needed.

    `first` returns one item, `collect` a list, and `pages` iterates over whole pages. `resume`
    begins at the cursor of a page.
    """

    def __init__(
        self,
        fetch: Callable[[URL], Coroutine[Any, Any, Page[T]]],
        start: URL,
        user: str | None = None,
        *,
        template: str = "",
        max_pages: int = 100_000,
        item: str = "items",
    ) -> None:
        listing = Listing(start, user)
        self._fetcher = _PageFetcher(fetch, start, listing, template, max_pages, item)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._fetcher.describe()}>"

    def __aiter__(self) -> AsyncIterator[T]:
        """Return an iterator over all items."""
        return _ItemIterator(self.pages())

    if not TYPE_CHECKING:  # type checkers report these uses because the methods do not exist
        __iter__ = refuse(
            "a listing is asynchronous: use `async for`, or `await listing.collect()` for a list"
        )
        __await__ = refuse(
            "a listing is not awaited: use `async for`, `await listing.collect()` for a list, or "
            "`await listing.page()` for one page"
        )

    def pages(self) -> AsyncIterator[Page[T]]:
        """Return an iterator over all pages, each with its response headers and a ``cursor``."""
        return _PageIterator(self._fetcher)

    async def page(self) -> Page[T]:
        """Fetch the page at which this listing starts."""
        return await self._fetcher.page(self._fetcher.start)

    async def first(self) -> T | None:
        """Return the first item, or None if there are no items.

        Takes one request, and one more for each empty page before the first item.
        """
        async for item in self:
            return item
        return None

    async def collect(self, *, limit: int | None = None) -> list[T]:
        """Return the items as a list, at most *limit* of them."""
        if limit is not None:
            require_whole_number("limit", limit, 0)
        items: list[T] = []
        if limit == 0:
            return items
        async for page in self.pages():
            items.extend(page.items)
            if limit is not None and len(items) >= limit:
                return items[:limit]
        return items

    def prefetch(self) -> Pager[T]:
        """Return the same listing, but with the next page fetched ahead during iteration."""
        return self._evolve(prefetch=True)

    def backward(self) -> Pager[T]:
        """Return the same listing towards its beginning, by the server's ``previous`` links.

        Use it after `resume`. The pages are in reverse order; the items within each page stay in
        the server's order.
        """
        return self._evolve(direction="previous")

    def resume(self, cursor: str) -> Pager[T]:
        """Return the same listing, starting at the page of *cursor*.

        The listing must have the same arguments as the listing that gave the cursor; otherwise this
        raises `CursorError`. Only ``page_size`` may differ, and keeps the value it had there.
        """
        return self._evolve(start=self._fetcher.listing.resume(cursor))

    def _evolve(self, **changes: Any) -> Pager[T]:
        pager = object.__new__(type(self))
        pager._fetcher = msgspec.structs.replace(self._fetcher, **changes)
        return pager


def page_limits_of(pager: Pager[Any]) -> tuple[int | None, int]:
    """Return how many items the pages of a listing have, and how many pages may be read.

    The number of items is None if the server decides.
    """
    fetcher = pager._fetcher  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # of this module
    size = fetcher.start.query.get("page_size")
    return None if size is None else int(size), fetcher.max_pages


class _PageIterator(AsyncIterator[Page[T]], Generic[T]):
    """An iterator over pages.

    Not a generator: a generator is finished after an error, but this can be continued.
    """

    def __init__(self, fetcher: _PageFetcher[T]) -> None:
        self._fetcher = fetcher
        self._url: URL | None = fetcher.start
        """The next page to return; None after the last one."""
        self._digest = _digest(fetcher.start)
        """That of the next page; empty after the last one."""
        self._prefetch_task: asyncio.Task[Page[T]] | None = None
        self._visited: set[bytes] = set()
        self._expects_links = False
        """Whether the last page linked to both its neighbours, as this API does on every page."""

    async def __anext__(self) -> Page[T]:
        fetcher, url = self._fetcher, self._url
        if url is None:
            raise StopAsyncIteration
        if len(self._visited) >= fetcher.max_pages:
            raise fetcher.error(f"there are more than {fetcher.max_pages} pages (max_pages)", url)
        prefetch_task, self._prefetch_task = self._prefetch_task, None
        page = await (prefetch_task or fetcher.page(url))
        following = page.next_url if fetcher.direction == "next" else page.previous_url
        digest = b"" if following is None else _digest(following)
        if following is not None:
            link = page.response.header("link")
            self._expects_links = "next" in link and "previous" in link
        elif self._expects_links and "link" not in page.response.headers:
            # Treating it as the last page would silently lose the pages after it.
            raise fetcher.error("it has no Link header, unlike the page before", url, page)
        if digest == self._digest or digest in self._visited:
            # Following the link would repeat the same pages for ever and never reach the others.
            raise fetcher.error(
                f"its {fetcher.direction} link leads to a page seen before", url, page
            )
        self._visited.add(self._digest)
        self._url, self._digest = following, digest
        if fetcher.prefetch and following is not None and len(self._visited) < fetcher.max_pages:
            self._prefetch_task = asyncio.ensure_future(fetcher.page(following))
            self._prefetch_task.add_done_callback(_retrieve_exception)
        return page


class _ItemIterator(AsyncIterator[T], Generic[T]):
    def __init__(self, pages: AsyncIterator[Page[T]]) -> None:
        self._pages = pages
        self._items = iter(tuple[T]())

    async def __anext__(self) -> T:
        while True:
            for item in self._items:
                return item
            self._items = iter((await anext(self._pages)).items)


def _digest(url: URL) -> bytes:
    """Return 16 bytes that are the same for every order of the parameters of *url*."""
    text = repr([url.raw_path, sorted(url.query.items())])
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _retrieve_exception(task: asyncio.Task[Any]) -> None:
    """Mark the exception of *task* as retrieved, so that asyncio does not log it.

    The iteration may end before the prefetched page; then its failure does not matter.
    """
    if not task.cancelled():
        task.exception()
