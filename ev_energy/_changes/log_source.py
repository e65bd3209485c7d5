"""The logs of the API as a `LogStream` reads them: pages of entries between two times."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar
from urllib.parse import unquote

import msgspec

from ev_energy._messages import Page, Request, parse_date
from ev_energy._redaction.show import Unshown
from ev_energy.errors import DecodeError
from ev_energy.models._base import Model
from ev_energy.models._refs import last_segment

if TYPE_CHECKING:
    from ev_energy._api.caller import ApiCaller
    from ev_energy._api.paging import Pager

M = TypeVar("M", bound=Model)
M_co = TypeVar("M_co", bound=Model, covariant=True)


class LogPage(msgspec.Struct, Generic[M_co], frozen=True):
    """A page of a log."""

    entries: Sequence[tuple[datetime, M_co]]
    """The entries with their times, in the server's order."""
    has_next: bool
    date: datetime | None
    """When the server made the page; None if it did not say."""


class LogSource(Protocol[M_co]):
    """A log that can be listed newest first, by pages, between two times."""

    def pages(
        self, low: datetime, high: datetime | None, *, deep: bool
    ) -> AsyncIterator[LogPage[M_co]]:
        """Return the pages of the entries from *low* to *high*, both included.

        After an error, the iterator continues at the page that failed. *deep* passes leave
        precedence to other requests.
        """
        ...


class ListedLog(Unshown, msgspec.Struct, Generic[M], frozen=True, kw_only=True, eq=False):
    """A log that an operation of the API lists."""

    caller: ApiCaller
    model: type[M]
    path: str
    ids: tuple[object, ...]
    scope: str | None
    query: Mapping[str, object]
    envelope_key: str | None
    key: str
    """The field of an entry that holds its time. The filters have the same name, with a suffix."""

    @property
    def low_name(self) -> str:
        """The name of the filter for the earliest time."""
        return f"{self.key}__gte"

    @property
    def high_name(self) -> str:
        """The name of the filter for the latest time."""
        return f"{self.key}__lte"

    def pager(self, caller: ApiCaller, **bounds: datetime | None) -> Pager[M]:
        """Return the listing between *bounds*."""
        query = {**self.query, **bounds}
        return caller.pager(self.model, self.path, self.ids, self.scope, query, self.envelope_key)

    def pages(
        self, low: datetime, high: datetime | None, *, deep: bool
    ) -> AsyncIterator[LogPage[M]]:
        """Return the pages of the entries from *low* to *high*, both included."""
        caller = self.caller
        if deep:
            caller = type(caller)(caller.state, caller.options.evolve(priority="batch"))
        pager = self.pager(caller, **{self.low_name: low, self.high_name: high})
        return _Pages(pager.pages(), self._log_page)

    def _log_page(self, page: Page[M]) -> LogPage[M]:
        times = [self._time_of(entry) for entry in page.items]
        if None in times:
            message = f"an entry of the log has no {self.key}, so it has no place in the order"
            path = f"$[{times.index(None)}].{self.key}"
            request = Request("GET", page.url, template=self.path)
            response = page.response.without(self.caller.state.http.redactor.secrets)
            raise DecodeError(message, request, response, path)
        entries = [(at, entry) for at, entry in zip(times, page.items, strict=True) if at]
        date = parse_date(page.response.header("date"))
        return LogPage(entries, page.next_url is not None, date)

    def _time_of(self, entry: M) -> datetime | None:
        at: object = getattr(entry, self.key)
        if isinstance(at, datetime):
            return at
        url: object = getattr(entry, "url", None)
        try:  # the time is the key of an entry, which ends its URL
            at = datetime.fromisoformat(unquote(last_segment(str(url))))
        except ValueError:
            return None
        return at if at.utcoffset() is not None else at.replace(tzinfo=UTC)


class _Pages(AsyncIterator[LogPage[M]], Generic[M]):
    """Not a generator: a generator is finished after an error, but this can be continued."""

    def __init__(
        self, pages: AsyncIterator[Page[M]], convert: Callable[[Page[M]], LogPage[M]]
    ) -> None:
        self._pages, self._convert = pages, convert

    async def __anext__(self) -> LogPage[M]:
        return self._convert(await anext(self._pages))
