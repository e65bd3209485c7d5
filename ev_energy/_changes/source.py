"""What a stream reads: pages of a listing with the server's time, and single resources."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import attrs

from ev_energy._api.caller import ApiCaller
from ev_energy._messages import Page, parse_date
from ev_energy.errors import CursorError, NotFoundError

if TYPE_CHECKING:
    from ev_energy._api.paging import Pager
    from ev_energy._changes.pace import Pace
    from ev_energy._changes.server_clock import ServerClock
    from ev_energy.models.charging import ChargingSubSession

#: Filters of the listing, by their names in the API.
Query: TypeAlias = Mapping[str, Any]
#: Seconds for one call: waiting for the budget delays a pass, and giving up would lose its place.
_DEADLINE: Final = 7200.0


@attrs.frozen
class ListedPage:
    """One page of a listing."""

    items: Sequence[ChargingSubSession]
    at: datetime
    """The server's time when it made the page; UTC."""
    next_cursor: str | None
    """Resumes at the next page; None on the last page, and if the next page has no cursor."""
    is_last: bool


class Source(Protocol):
    """The listing of sub-sessions, and single ones."""

    def pages(self, query: Query, cursor: str | None, *, urgent: bool) -> AsyncIterator[ListedPage]:
        """Return the pages of the listing with *query*, from the one of *cursor* on.

        *urgent* is False for requests that may wait for those of interactive calls.
        """
        ...

    async def get(self, id_: str, *, urgent: bool) -> ChargingSubSession | None:
        """Return one sub-session, or None if the API answers 404."""
        ...


class Family(Protocol):
    """The operations that `ApiSource` calls, of the resource class `ChargingSubSessions`."""

    @property
    def list(self) -> Callable[..., Pager[ChargingSubSession]]:
        """List sub-sessions."""
        ...

    @property
    def get(self) -> Callable[[str], Coroutine[Any, Any, ChargingSubSession]]:
        """Retrieve one sub-session."""
        ...


class ApiSource:
    """The listing of the API, as a client sees it."""

    def __init__(
        self,
        caller: ApiCaller,
        family: Callable[[ApiCaller], Family],
        pace: Pace,
        clock: ServerClock,
    ) -> None:
        self._pace, self._clock = pace, clock
        self._families = {
            urgent: family(
                type(caller)(
                    caller.state,
                    caller.options.evolve(
                        priority=caller.options.priority if urgent else "batch",
                        deadline=max(caller.options.deadline, _DEADLINE),
                        when_exhausted="wait",
                    ),
                )
            )
            for urgent in (True, False)
        }

    def pages(self, query: Query, cursor: str | None, *, urgent: bool) -> AsyncIterator[ListedPage]:
        """Return the pages of the listing with *query*, from the one of *cursor* on."""
        pager = self._families[urgent].list(**query)
        pages = (pager if cursor is None else pager.resume(cursor)).pages()
        return _DatedPages(pages, self._pace, self._clock)

    async def get(self, id_: str, *, urgent: bool) -> ChargingSubSession | None:
        """Return one sub-session, or None if the API answers 404."""
        await self._pace.request()
        try:
            return await self._families[urgent].get(id_)
        except NotFoundError:
            return None


class _DatedPages(AsyncIterator[ListedPage]):
    """Pages with the server's time.

    Not a generator: a stream leaves most listings at their last page, and the event loop would have
    to close each generator with a task.
    """

    def __init__(
        self, pages: AsyncIterator[Page[ChargingSubSession]], pace: Pace, clock: ServerClock
    ) -> None:
        self._pages, self._pace, self._clock = pages, pace, clock
        self._is_over = False

    async def __anext__(self) -> ListedPage:
        if self._is_over:
            raise StopAsyncIteration
        await self._pace.request()
        page = await anext(self._pages)
        self._is_over = page.next_url is None
        date = parse_date(page.response.header("date"))
        at = self._clock.read(None if date is None else date.astimezone(UTC))
        return ListedPage(page.items, at, _next_cursor(page), self._is_over)


def _next_cursor(page: Page[Any]) -> str | None:
    try:
        return page.next_cursor
    except CursorError:  # the link has other parameters than the documented ones
        return None
