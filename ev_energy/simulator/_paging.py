"""One page of a list, and the links to its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from ev_energy.simulator._problems import bad_paging

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ev_energy.simulator._world import Collection, Row

    Pairs = Sequence[tuple[str, str]]

_DEFAULT_SIZE: Final = 25
_LARGEST_SIZE: Final = 100
_CURSORS: Final = ("page_after", "page_before")


def _size(text: str | None) -> int:
    if text is None:
        return _DEFAULT_SIZE
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _LARGEST_SIZE):
        raise bad_paging("page_size")
    return int(text)


def _position(collection: Collection, name: str, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return collection.position_at(text)
    except ValueError:
        raise bad_paging(name) from None


def page(
    collection: Collection, rows: Sequence[Row], url: str, query: Pairs
) -> tuple[Sequence[Row], str]:
    """Return the rows of the page that ``query`` asks for, and its Link header.

    A cursor is a position, not a row: it works when the row it was taken from is gone.
    """
    given = dict(query)
    size = _size(given.get("page_size"))
    after = _position(collection, "page_after", given.get("page_after"))
    before = _position(collection, "page_before", given.get("page_before"))
    at = [collection.position(row) for row in rows]
    if after is not None:
        start = sum(position <= after for position in at)
        end = start + size
    elif before is not None:
        end = sum(position < before for position in at)
        start = max(0, end - size)
    else:
        start, end = 0, size
    shown = rows[start:end]

    kept = [(name, text) for name, text in query if name not in _CURSORS]
    previous = following = "about:blank"
    if shown and start > 0:
        previous = _address(url, [*kept, ("page_before", collection.cursor(shown[0]))])
    if shown and end < len(rows):
        following = _address(url, [*kept, ("page_after", collection.cursor(shown[-1]))])
    return shown, f'<{previous}>; rel="previous", <{following}>; rel="next"'


def _address(url: str, query: Pairs) -> str:
    return f"{url}?{urlencode(query, quote_via=quote, safe=':,')}"
