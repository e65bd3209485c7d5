"""Pages of a list by cursor or by number, with the links to the previous and the next page."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from ev_energy.simulator.http._problems import invalid_paging, not_found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._tables import Collection

    RawQuery = Sequence[tuple[str, str]]

    RowPredicate = Callable[[Row], bool]

_DEFAULT_SIZE: Final = 25
_NO_PAGE: Final = "about:blank"
#: Rows examined for one page at most if hardly any pass the filters.
_SCAN_LIMIT: Final = 10_000
_MAX_OFFSET: Final = 10**9  # beyond the end of any list
_CURSORS: Final = frozenset({"page_after", "page_before"})


class ScanLimitError(Exception):
    """Too many rows were examined for one page, which delays other requests.

    The page ends there; the next one continues after *cursor*.
    """

    def __init__(self, cursor: str) -> None:
        super().__init__(cursor)
        self.cursor = cursor


def _position(collection: Collection, query: Mapping[str, Any], name: str) -> Any:
    if name not in query:
        return None
    try:
        return collection.parse_cursor(query[name])
    except ValueError:
        raise invalid_paging(name) from None


def cursor_page(
    collection: Collection,
    predicate: RowPredicate,
    url: str,
    query: Mapping[str, Any],
    raw_query: RawQuery,
) -> tuple[Sequence[Row], str]:
    """Return the rows of the page that a query selects, and its Link header.

    A cursor is a position, not a row: it still works after its row was deleted. If both cursors are
    sent, ``page_after`` applies and ``page_before`` is not even validated. Only the rows of the
    page are generated, and one beyond each end.
    """
    size: int = query.get("page_size", _DEFAULT_SIZE)
    after = _position(collection, query, "page_after")
    before = None if after is not None else _position(collection, query, "page_before")
    scan = functools.partial(_scan, predicate, collection)
    start, forward, backward = after, collection.after, collection.before
    if before is not None:
        start, forward, backward = before, backward, forward
    remaining = forward(start)
    rows, ahead = _take(scan(remaining), size)
    behind = None
    if rows and ahead is None:
        try:
            has_more = next(scan(remaining), None) is not None
        except ScanLimitError:  # of the rows examined for the page itself
            has_more = _has_match(scan(forward(collection.position(rows[-1]))))
        ahead = collection.cursor(rows[-1]) if has_more else None
    # Nothing precedes a page that begins where the list does.
    if rows and start is not None and _has_match(scan(backward(collection.position(rows[0])))):
        behind = collection.cursor(rows[0])
    if before is not None:
        rows.reverse()
        ahead, behind = behind, ahead
    kept = [(name, text) for name, text in raw_query if name not in _CURSORS]
    previous = None if behind is None else _page_url(url, [*kept, ("page_before", behind)])
    following = None if ahead is None else _page_url(url, [*kept, ("page_after", ahead)])
    return rows, link_header(previous or _NO_PAGE, following or _NO_PAGE)


def numbered_page(
    rows: Iterator[Row], url: str, query: Mapping[str, Any], raw_query: RawQuery
) -> tuple[Sequence[Row], str]:
    """Return the rows of a numbered page and its Link header; 404 for a page past the end."""
    size: int = query.get("page_size", _DEFAULT_SIZE)
    number: int = query.get("page", 1)
    start = min((number - 1) * size, _MAX_OFFSET)
    selected = list(itertools.islice(rows, start, start + size))
    if not selected and number > 1:
        raise not_found()
    kept = [(name, text) for name, text in raw_query if name != "page"]
    previous = _page_url(url, [*kept, ("page", str(number - 1))]) if number > 1 else _NO_PAGE
    has_more = next(rows, None) is not None
    following = _page_url(url, [*kept, ("page", str(number + 1))]) if has_more else _NO_PAGE
    return selected, link_header(previous, following)


def link_header(previous: str = _NO_PAGE, following: str = _NO_PAGE) -> str:
    """Return a Link header (RFC 8288) with both relations."""
    return f'<{previous}>; rel="previous", <{following}>; rel="next"'


def _take(rows: Iterator[Row], size: int) -> tuple[list[Row], str | None]:
    """Return the first rows, and the cursor to continue from if the scan limit was reached."""
    taken: list[Row] = []
    try:
        taken.extend(itertools.islice(rows, size))
    except ScanLimitError as error:
        return taken, error.cursor
    return taken, None


def _scan(predicate: RowPredicate, collection: Collection, rows: Iterator[Row]) -> Iterator[Row]:
    """Yield the rows that pass; raise `ScanLimitError` at a failing row past the limit."""
    for examined, row in enumerate(rows):
        if predicate(row):
            yield row
        elif examined >= _SCAN_LIMIT:
            raise ScanLimitError(collection.cursor(row))


def _has_match(scan: Iterator[Row]) -> bool:
    """Return whether any row passes; True, to be safe, if the scan limit is reached."""
    try:
        return next(scan, None) is not None
    except ScanLimitError:
        return True


def _page_url(url: str, query: RawQuery) -> str:
    return f"{url}?{urlencode(query, quote_via=quote, safe=':,')}"
