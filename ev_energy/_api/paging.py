"""Listings: pages, cursors, and walking them. A page is one coroutine; nothing is held open."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Generic, Literal, TypeVar

import attrs
from yarl import URL

from ev_energy._api.cursors import Listing
from ev_energy._messages import Page, Request
from ev_energy.errors import CursorError, EvEnergyError, PagingError

T = TypeVar("T")


@attrs.frozen(eq=False)
class _Walk(Generic[T]):
    """Which pages, and in what order."""

    fetch: Callable[[URL], Coroutine[Any, Any, Page[T]]]
    start: URL
    listing: Listing
    template: str
    max_pages: int
    direction: Literal["next", "previous"] = "next"
    ahead: bool = False

    async def page(self, url: URL) -> Page[T]:
        try:
            return await self.fetch(url)
        except EvEnergyError as error:
            error.cursor = self.cursor(url)
            raise

    def lost(self, message: str, url: URL, page: Page[T] | None = None) -> PagingError:
        """The error of a walk that does not get beyond *url*."""
        error = PagingError(message, Request("GET", url, template=self.template), page)
        error.cursor = self.cursor(url)
        return error

    def cursor(self, url: URL) -> str | None:
        """Return the cursor of the page at *url*, or None if no cursor can lead there."""
        try:
            return self.listing.cursor(url)
        except CursorError:
            return None


class Pager(Generic[T]):
    """A listing: ``async for`` over it gives every item; pages are fetched as you get there."""

    def __init__(
        self,
        fetch: Callable[[URL], Coroutine[Any, Any, Page[T]]],
        start: URL,
        user: str | None = None,
        *,
        template: str = "",
        max_pages: int = 100_000,
    ) -> None:
        self._walk = _Walk(fetch, start, Listing(start, user), template, max_pages)

    def __aiter__(self) -> AsyncIterator[T]:
        """Every item."""
        return _Items(self.pages())

    def pages(self) -> AsyncIterator[Page[T]]:
        """Every page; each has the reply's headers and a ``cursor``."""
        return _Pages(self._walk)

    async def page(self) -> Page[T]:
        """The page this listing starts at."""
        return await self._walk.page(self._walk.start)

    async def first(self) -> T | None:
        """The first item; None if there is none. Costs one request, unless pages are empty."""
        async for item in self:
            return item
        return None

    async def collect(self, *, limit: int | None = None) -> list[T]:
        """The items in a list, *limit* of them at most."""
        if limit is not None and limit < 0:
            raise ValueError(f"limit must not be negative, got {limit}")
        found: list[T] = []
        if limit == 0:
            return found
        async for page in self.pages():
            found.extend(page.items)
            if limit is not None and len(found) >= limit:
                return found[:limit]
        return found

    def prefetch(self) -> Pager[T]:
        """The same listing, fetching one page ahead of the one you are looking at."""
        return self._like(ahead=True)

    def backward(self) -> Pager[T]:
        """The same listing towards its beginning, by the server's ``previous`` links.

        For a listing that resumes somewhere. Pages come in reverse; inside each page the items
        stay in the server's order.
        """
        return self._like(direction="previous")

    def resume(self, cursor: str) -> Pager[T]:
        """The same listing from the page of *cursor* on.

        The listing must be made with the same arguments as the one the cursor came from, or it is
        refused with `CursorError`; only ``page_size`` may differ, and stays as it was.
        """
        return self._like(start=self._walk.listing.resume(cursor))

    def _like(self, **changes: Any) -> Pager[T]:
        like = object.__new__(type(self))
        like._walk = attrs.evolve(self._walk, **changes)
        return like


class _Pages(AsyncIterator[Page[T]], Generic[T]):
    def __init__(self, walk: _Walk[T]) -> None:
        self._walk = walk
        self._url: URL | None = walk.start
        self._coming: asyncio.Task[Page[T]] | None = None
        self._visited: set[bytes] = set()
        self._names_both = False
        """Whether the page before named both its neighbours, as this API does on every page."""

    async def __anext__(self) -> Page[T]:
        walk, url = self._walk, self._url
        if url is None:
            raise StopAsyncIteration
        if len(self._visited) >= walk.max_pages:
            raise walk.lost(f"there are more than {walk.max_pages} pages (max_pages)", url)
        coming, self._coming = self._coming, None
        page = await (coming or walk.page(url))
        following = page.next_url if walk.direction == "next" else page.previous_url
        here = _key(url)
        if following is not None:
            link = page.response.header("link")
            self._names_both = "next" in link and "previous" in link
        elif self._names_both and "link" not in page.response.headers:
            # To take it for the last page would lose the others.
            raise walk.lost("it has no Link header, unlike the page before", url, page)
        if following is not None and (_key(following) == here or _key(following) in self._visited):
            # It would go round for ever, and what lies behind the circle would be lost.
            raise walk.lost(f"its {walk.direction} link leads to a page seen before", url, page)
        self._visited.add(here)
        self._url = following
        if walk.ahead and following is not None and len(self._visited) < walk.max_pages:
            self._coming = asyncio.ensure_future(walk.page(following))
            self._coming.add_done_callback(_seen)
        return page


class _Items(AsyncIterator[T], Generic[T]):
    def __init__(self, pages: AsyncIterator[Page[T]]) -> None:
        self._pages = pages
        self._items = iter(tuple[T]())

    async def __anext__(self) -> T:
        while True:
            for item in self._items:
                return item
            self._items = iter((await anext(self._pages)).items)


def _key(url: URL) -> bytes:
    """What *url* is known again by, in any order of its query, and in few bytes."""
    text = repr([url.raw_path, sorted(url.query.items())])
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _seen(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # if nobody asks for the page, nobody is to hear that it failed
