"""One page of a list, and the links to its neighbours."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from ev_energy.simulator.http._problems import bad_paging, not_found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._tables import Collection

    Pairs = Sequence[tuple[str, str]]

    Keep = Callable[[Row], bool]

_DEFAULT_SIZE: Final = 25
_NOWHERE: Final = "about:blank"
#: So many rows are looked at for a page, if hardly any pass the filters.
_PATIENCE: Final = 10_000
_FAR: Final = 10**9  # farther than any list goes
_CURSORS: Final = frozenset({"page_after", "page_before"})


class ScanLimitError(Exception):
    """Raised by what looks through a list when little is found: others want answers too.

    The page ends there, and the next one goes on behind ``cursor``.
    """

    def __init__(self, cursor: str) -> None:
        super().__init__(cursor)
        self.cursor = cursor


def _position(collection: Collection, given: Mapping[str, Any], name: str) -> Any:
    if name not in given:
        return None
    try:
        return collection.parse_cursor(given[name])
    except ValueError:
        raise bad_paging(name) from None


def page(
    collection: Collection, keep: Keep, url: str, given: Mapping[str, Any], pairs: Pairs
) -> tuple[Sequence[Row], str]:
    """Return the rows of the page that a query asks for, and its Link header.

    A cursor is a position, not a row: it works when the row it was taken from is gone. Where both
    cursors are sent, ``page_after`` is the one that counts, and the other is not even looked at.
    Only the rows of the page are made, and one beyond each end.
    """
    size: int = given.get("page_size", _DEFAULT_SIZE)
    after = _position(collection, given, "page_after")
    before = None if after is not None else _position(collection, given, "page_before")
    kept = [(name, text) for name, text in pairs if name not in _CURSORS]
    previous = following = _NOWHERE
    if after is None and before is not None:
        shown, stopped = _taken(_kept(keep, collection, collection.before(before)), size)
        shown.reverse()
        if stopped is not None:
            previous = _address(url, [*kept, ("page_before", stopped)])
    else:
        shown, stopped = _taken(_kept(keep, collection, collection.after(after)), size)
        if stopped is not None:
            following = _address(url, [*kept, ("page_after", stopped)])
    if (
        shown
        and previous == _NOWHERE
        and _any(keep, collection, collection.before(collection.position(shown[0])))
    ):
        previous = _address(url, [*kept, ("page_before", collection.cursor(shown[0]))])
    if (
        shown
        and following == _NOWHERE
        and _any(keep, collection, collection.after(collection.position(shown[-1])))
    ):
        following = _address(url, [*kept, ("page_after", collection.cursor(shown[-1]))])
    return shown, link_header(previous, following)


def numbered_page(
    rows: Iterator[Row], url: str, given: Mapping[str, Any], pairs: Pairs
) -> tuple[Sequence[Row], str]:
    """Return a page of a list whose pages have numbers; past the end there is none."""
    size: int = given.get("page_size", _DEFAULT_SIZE)
    number: int = given.get("page", 1)
    start = min((number - 1) * size, _FAR)
    shown = list(itertools.islice(rows, start, start + size))
    if not shown and number > 1:
        raise not_found()
    kept = [(name, text) for name, text in pairs if name != "page"]
    previous = _address(url, [*kept, ("page", str(number - 1))]) if number > 1 else _NOWHERE
    more = next(rows, None) is not None
    following = _address(url, [*kept, ("page", str(number + 1))]) if more else _NOWHERE
    return shown, link_header(previous, following)


def link_header(previous: str = _NOWHERE, following: str = _NOWHERE) -> str:
    """Return a Link header."""
    return f'<{previous}>; rel="previous", <{following}>; rel="next"'


def _taken(rows: Iterator[Row], size: int) -> tuple[list[Row], str | None]:
    """Return the first rows, and where to go on if looking for them took too long."""
    shown: list[Row] = []
    try:
        shown.extend(itertools.islice(rows, size))
    except ScanLimitError as error:
        return shown, error.cursor
    return shown, None


def _kept(keep: Keep, collection: Collection, rows: Iterator[Row]) -> Iterator[Row]:
    """Return the rows that pass a test, as long as some do now and then."""
    for looked_at, row in enumerate(rows):
        if keep(row):
            yield row
        elif looked_at >= _PATIENCE:
            raise ScanLimitError(collection.cursor(row))


def _any(keep: Keep, collection: Collection, rows: Iterator[Row]) -> bool:
    """Return whether any row passes a test; perhaps one does, where looking takes too long."""
    try:
        return next(_kept(keep, collection, rows), None) is not None
    except ScanLimitError:
        return True


def _address(url: str, query: Pairs) -> str:
    return f"{url}?{urlencode(query, quote_via=quote, safe=':,')}"
