"""The base of the blocking classes, and the blocking pager."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from ev_energy._lazy_exports import complete_docs
from ev_energy._misuse import OnlyMethods, UnlikeList
from ev_energy._runtime.build_lock import build_lock
from ev_energy_sync._loop_thread import Portal

if TYPE_CHECKING:
    from ev_energy._api.paging import Pager as AsyncPager
    from ev_energy._changes.log_pager import LogPager as AsyncLogPager
    from ev_energy._changes.rows import RowStateStore
    from ev_energy._changes.stores import StateStore
    from ev_energy._changes.stream import SubSessionStream as AsyncSubSessionStream
    from ev_energy._messages import Page
    from ev_energy.models._base import Model
    from ev_energy_sync.changes import LogStream, SubSessionStream

A = TypeVar("A")
M = TypeVar("M", bound="Model")
T = TypeVar("T")


class Blocking(Generic[A]):
    """The blocking twin of an async object: its methods run on the loop of a portal."""

    __slots__ = ("_aio", "_portal")

    def __init__(self, aio: A, portal: Portal) -> None:
        self._aio, self._portal = aio, portal

    def __repr__(self) -> str:
        return repr(self._aio)

    def _pager(self, aio: AsyncPager[T]) -> Pager[T]:
        return Pager(aio, self._portal)

    def _log_pager(self, aio: AsyncLogPager[M]) -> LogPager[M]:
        return LogPager(aio, self._portal)

    def _sub_session_stream(self, aio: AsyncSubSessionStream) -> SubSessionStream:
        from ev_energy_sync.changes import SubSessionStream

        return SubSessionStream(aio, self._portal)


def work_of(work: Any) -> Any:
    """Return the async object that *work* is the blocking twin of, or else *work* itself."""
    is_blocking = isinstance(cast("object", work), Blocking)
    return work._aio if is_blocking else work  # noqa: SLF001  (of this module)


class BlockingFamily(OnlyMethods, Blocking[A]):
    """The blocking twin of a family of operations."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        complete_docs(cls)


# The base is text, so that `from ev_energy_sync import Client` does not import what calls need.
class Pager(UnlikeList, Blocking["AsyncPager[T]"], Generic[T]):
    """A listing. Iterate over it for all items; each page is fetched when it is needed.

    `first` returns one item, `collect` a list, and `pages` iterates over whole pages. `resume`
    begins at the cursor of a page.
    """

    __slots__ = ()

    def __iter__(self) -> Iterator[T]:
        """Return an iterator over all items."""
        return _Items(self.pages())

    # No `__aiter__` and no `__await__` that say what to use: generic code, such as Starlette's,
    # first asks for these, and would no longer iterate over a blocking listing.

    def pages(self) -> Iterator[Page[T]]:
        """Return an iterator over all pages, each with its response headers and a ``cursor``."""
        return _Pages(self._aio.pages(), self._portal)

    def page(self) -> Page[T]:
        """Fetch the page at which this listing starts."""
        return self._portal.call(self._aio.page())

    def first(self) -> T | None:
        """Return the first item, or None if there are no items.

        Takes one request, and one more for each empty page before the first item.
        """
        return self._portal.call(self._aio.first())

    def collect(self, *, limit: int | None = None) -> list[T]:
        """Return the items as a list, at most *limit* of them."""
        return self._portal.call(self._aio.collect(limit=limit))

    def prefetch(self) -> Pager[T]:
        """Return the same listing, but with the next page fetched ahead during iteration."""
        return self._pager(self._aio.prefetch())

    def backward(self) -> Pager[T]:
        """Return the same listing towards its beginning, by the server's ``previous`` links.

        Use it after `resume`. The pages are in reverse order; the items within each page stay in
        the server's order.
        """
        return self._pager(self._aio.backward())

    def resume(self, cursor: str) -> Pager[T]:
        """Return the same listing, starting at the page of *cursor*.

        The listing must have the same arguments as the listing that gave the cursor; otherwise this
        raises `CursorError`. Only ``page_size`` may differ, and keeps the value it had there.
        """
        return self._pager(self._aio.resume(cursor))


class LogPager(Pager[M]):
    """A listing of a log, newest first, which can be followed in the order of time."""

    __slots__ = ()

    def follow(
        self,
        *,
        since: datetime,
        state: str | None = None,
        store: StateStore | RowStateStore | None = None,
        hold: timedelta = timedelta(0),
        interval: timedelta = timedelta(minutes=15),
        look_back: timedelta = timedelta(hours=26),
        sweep: timedelta | None = timedelta(days=7),
        horizon: timedelta = timedelta(days=35),
        budget: float = 0.5,
    ) -> LogStream[M]:
        """Return the entries since a time in the order of time, each once, and then new ones.

        Nothing is sent until the stream is iterated. All times are those of the entries and of the
        server's clock; the clock of this machine only measures intervals.

        Args:
            since: The time of the earliest entry. Ignored if there is a saved state.
            state: The state to continue from: ``batch.state`` of an earlier stream of this log.
            store: A store to continue from and to save each committed state in. If it has a state,
                *state* is ignored. Each log needs its own.
            hold: How long to wait before an entry is handed over, counted from its time. With 0,
                entries are handed over at once, and one that the server shows late is flagged as
                late. With a duration, entries that appear within it are in the strict order of
                time.
            interval: The time between two requests for new entries, at least. It is longer if
                *budget* demands it.
            look_back: The longest delay between the time of an entry and its appearing in the log
                that the stream notices soon: every six hours, it reads this far back.
            sweep: The time between two passes that read back to *horizon*, for entries that appear
                later than that. None for no such passes: then the entries are missed.
            horizon: How far back these passes read. The state remembers the entries since then:
                about 10 bytes of its text each.
            budget: The share of the client's requests per hour that this stream may use, more than
                0 and at most 1. Each stream has its own share.

        Raises:
            ValueError: An argument is out of range, or the listing has bounds of its own or starts
                at a cursor.
            TypeError: An argument has a wrong type.
        """
        from ev_energy_sync.changes import LogStream

        aio = cast("AsyncLogPager[M]", self._aio).follow(
            since=since,
            state=state,
            store=store,
            hold=hold,
            interval=interval,
            look_back=look_back,
            sweep=sweep,
            horizon=horizon,
            budget=budget,
        )
        return LogStream(aio, self._portal)


class _Pages(Blocking[AsyncIterator["Page[T]"]], Iterator["Page[T]"], Generic[T]):
    """An iterator with one call into the loop per page.

    Not a generator: a generator is finished after an error, but this can be continued.
    """

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


class LazyResource(Generic[T]):
    """A family of resources as an attribute of the blocking client, imported on first use.

    ``evses: LazyResource[Evses] = LazyResource("evses")`` names the module of the class `Evses`. On
    the class `Client`, the attribute is that class, so that ``help(Client.evses)`` describes it.
    """

    def __init__(self, module: str) -> None:
        self.module: str = f"ev_energy_sync.resources.{module}"

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name
        self.type_name: str = "".join(word.title() for word in name.split("_"))

    def load(self) -> type[T]:
        """Import and return the class of the family."""
        with build_lock:
            cls = getattr(import_module(self.module), self.type_name)
        return cast("type[T]", cls)

    @overload
    def __get__(self, client: None, owner: type[Any]) -> type[T]: ...
    @overload
    def __get__(self, client: object, owner: type[Any]) -> T: ...
    def __get__(self, client: Any, owner: type[Any]) -> type[T] | T:
        # Before the attribute below: it imports the async family under the lock.
        family: Any = self.load()
        if client is None:
            return cast("type[T]", family)
        resource = family(getattr(client._aio, self.name), client._portal)  # noqa: SLF001  (the owner)
        # An instance attribute takes precedence over this non-data descriptor from now on. Threads
        # that get here at the same time all use the object that was stored first.
        return cast(T, client.__dict__.setdefault(self.name, resource))
