"""What the blocking classes stand on: the async object behind them, and the way to its loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from importlib import import_module
from typing import Any, Generic, TypeVar, cast, overload

from ev_energy._api.paging import Pager as AsyncPager
from ev_energy._messages import Page
from ev_energy._runtime.build_lock import build_lock
from ev_energy_sync._loop_thread import Portal

A = TypeVar("A")
T = TypeVar("T")


class Blocking(Generic[A]):
    """The blocking twin of an async object."""

    __slots__ = ("_aio", "_portal")

    def __init__(self, aio: A, portal: Portal) -> None:
        self._aio, self._portal = aio, portal

    def __repr__(self) -> str:
        return repr(self._aio)

    def _pager(self, aio: AsyncPager[T]) -> Pager[T]:
        return Pager(aio, self._portal)


class Pager(Blocking[AsyncPager[T]]):
    """A listing: ``for`` over it gives every item; pages are fetched as you get there."""

    __slots__ = ()

    def __iter__(self) -> Iterator[T]:
        """Every item."""
        return _Items(self.pages())

    def pages(self) -> Iterator[Page[T]]:
        """Every page; each has the reply's headers and a ``cursor``."""
        return _Pages(self._aio.pages(), self._portal)

    def page(self) -> Page[T]:
        """The page this listing starts at."""
        return self._portal.call(self._aio.page())

    def first(self) -> T | None:
        """The first item; None if there is none. Costs one request, unless pages are empty."""
        return self._portal.call(self._aio.first())

    def collect(self, *, limit: int | None = None) -> list[T]:
        """The items in a list, *limit* of them at most."""
        return self._portal.call(self._aio.collect(limit=limit))

    def prefetch(self) -> Pager[T]:
        """The same listing, fetching one page ahead of the one you are looking at."""
        return self._pager(self._aio.prefetch())

    def backward(self) -> Pager[T]:
        """The same listing towards its beginning, by the server's ``previous`` links.

        For a listing that resumes somewhere. Pages come in reverse; inside each page the items
        stay in the server's order.
        """
        return self._pager(self._aio.backward())

    def resume(self, cursor: str) -> Pager[T]:
        """The same listing from the page of *cursor* on.

        The listing must be made with the same arguments as the one the cursor came from, or it is
        refused with `CursorError`; only ``page_size`` may differ, and stays as it was.
        """
        return self._pager(self._aio.resume(cursor))


class _Pages(Blocking[AsyncIterator[Page[T]]], Iterator[Page[T]]):
    """One trip to the loop a page. No generator: those are over after an error."""

    def __next__(self) -> Page[T]:
        page = self._portal.call(_next(self._aio))
        if page is None:
            raise StopIteration
        return page


class _Items(Iterator[T]):
    def __init__(self, pages: Iterator[Page[T]]) -> None:
        self._pages = pages
        self._items = iter(tuple[T]())

    def __next__(self) -> T:
        while True:
            for item in self._items:
                return item
            self._items = iter(next(self._pages).items)


async def _next(pages: AsyncIterator[Page[T]]) -> Page[T] | None:
    return await anext(pages, None)


class Twin(Generic[T]):
    """``evses: Twin[Evses] = Twin("evses")``: the blocking family, imported when first used."""

    def __init__(self, module: str) -> None:
        self.module = f"ev_energy_sync.resources.{module}"

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name
        self.type_name = "".join(word.title() for word in name.split("_"))

    def load(self) -> Callable[[Any, Portal], T]:
        """The class of the family; imports it."""
        with build_lock:
            found = getattr(import_module(self.module), self.type_name)
        return cast("Callable[[Any, Portal], T]", found)

    @overload
    def __get__(self, client: None, owner: type[Any]) -> Twin[T]: ...
    @overload
    def __get__(self, client: object, owner: type[Any]) -> T: ...
    def __get__(self, client: Any, owner: type[Any]) -> Twin[T] | T:
        if client is None:
            return self
        load = self.load()  # first: the async family is imported with it, under the lock
        made = load(getattr(client._aio, self.name), client._portal)  # noqa: SLF001  (our own)
        # Found before this non-data descriptor from now on, and the same one in every thread.
        return cast(T, client.__dict__.setdefault(self.name, made))
