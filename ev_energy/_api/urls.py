"""Path templates, ids, timestamps and queries: what a caller gives, to a URL. Pure."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Final, get_args
from urllib.parse import quote, unquote

from yarl import URL

from ev_energy._arguments import describe_type, require_list, require_text
from ev_energy._codec.text import Link, id_text, link_text, timestamp
from ev_energy._redaction.scrub import printable
from ev_energy._unset import UNSET

PAGE_SIZES: Final = range(1, 101)
_BRACES = re.compile(r"{(\w+)}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")


class Repeated(tuple[str, ...]):
    """The values of a parameter that is sent once for each of them, as ``expand`` is."""

    __slots__ = ()


_NONE_GIVEN: Final = Repeated()


def fill_path(template: str, ids: Sequence[object]) -> str:
    """``/evses/{evse_id}`` and what names the EVSE, to a path. Each id stays one segment."""
    names, shape = _shape(template)
    if len(names) == len(ids) == 1:
        return shape % _segment(names[0], ids[0])
    return shape % tuple(_segment(name, id_) for name, id_ in zip(names, ids, strict=True))


@functools.cache
def _shape(template: str) -> tuple[list[str], str]:
    return _BRACES.findall(template), _BRACES.sub("%s", template)


def _segment(name: str, value: object) -> str:
    if isinstance(value, str) and value.isalnum() and value.isascii():  # as nearly every id is
        return value
    found = id_text(name, value)
    # A timestamp keeps the characters that the server itself leaves bare in its URLs.
    return quote(found, safe=":+" if _TIMESTAMP.match(found) else "")


def path_from_url(template: str, url: URL) -> str:
    """The path that *template* makes of *url*, whose last segments hold the ids.

    Not the path of *url* itself: the API spells some collections wrongly in its links
    (``/evse/…``), leaves ``/v2`` out of others, and ends some in a slash. The ids stay as they are.
    """
    names, shape = _shape(template)
    wanted = template.strip("/").split("/")
    there = [segment for segment in url.raw_path.split("/") if segment]
    ids = [
        segment for word, segment in zip(wanted[::-1], there[::-1], strict=False) if word[0] == "{"
    ][::-1]
    # A word of the template in the place of an id: the URL of a collection, or of what is above.
    if len(there) < len(wanted) or not set(ids).isdisjoint(wanted):
        raise ValueError(f"{printable(url)} names no {template}")
    for name, segment in zip(names, ids, strict=True):
        id_text(name, unquote(segment))
    return shape % tuple(quote(segment, safe="%:+,;=@!$&'()*~") for segment in ids)


def query_pairs(query: Mapping[str, object], root: URL) -> list[tuple[str, str]]:
    """Return a query as it goes on the wire; None and UNSET are left out.

    *root* completes ids to URLs, where the API wants those.
    """
    found: list[tuple[str, str]] = []
    for name, value in query.items():
        if value is None or value is UNSET or value == ():
            continue
        if isinstance(value, Repeated):
            found.extend((name, item) for item in value)
        elif isinstance(value, Link):
            found.append((name, link_text(name, value, str(root))))
        else:
            found.append((name, _text(name, value)))
    return found


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, datetime):
        return timestamp(name, value)
    if isinstance(value, (str, int, float)):
        return str(value)
    raise TypeError(f"{name} cannot be sent as {describe_type(value)}")


def expand_values(
    allowed: Any, values: Sequence[str], name: str = "expand", *, single: bool = False
) -> Repeated:
    """Return *values*, each of which must be listed in the ``Literal`` *allowed*.

    There may be one of them at most where the API declares a *single* value.
    """
    if values == ():
        return _NONE_GIVEN
    given, listed = Repeated(require_list(name, values)), get_args(allowed)
    if single and len(given) > 1:
        raise ValueError(
            f"{name} takes one value here, not {len(given)}: {', '.join(map(repr, given))}"
        )
    for value in given:
        if require_text(f"an item of {name}", value) not in listed:
            raise ValueError(f"{name}: {value!r} is none of {', '.join(listed)}")
    return given


def comma_separated(name: str, values: Sequence[str] | None) -> str | None:
    """Return *values* in the one comma-separated text that an ``...__in`` filter takes."""
    if values is None:
        return None
    texts = [_text(f"an item of {name}", value) for value in require_list(name, values)]
    if bad := [value for value in texts if "," in value]:
        raise ValueError(f"{name}: {bad[0]!r} holds a comma, which separates its values")
    if not texts:
        raise ValueError(
            f"{name}: an empty list would filter nothing: leave the filter out, or give values"
        )
    return ",".join(texts)


def datetime_range(name: str, values: tuple[datetime, datetime] | None) -> str | None:
    """Return two points in time in the one text that a ``...__range`` filter takes."""
    if values is None:
        return None
    given: Sequence[object] = require_list(name, values)
    if len(given) != 2:  # noqa: PLR2004  (the first and the last)
        raise ValueError(f"{name} must hold two datetimes, not {len(given)}")
    first, last = (_instant(f"an item of {name}", value) for value in given)
    # Of one zone and one length. As datetimes, two in the hour that clocks repeat compare wrongly.
    if first > last:
        raise ValueError(f"{name} must not end before it starts")
    return f"{first},{last}"


def _instant(name: str, value: object) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"{name} must be a datetime, not {describe_type(value)}")
    return timestamp(name, value)


def page_size(value: object) -> object:
    """A page size the API takes."""
    if isinstance(value, bool) or value not in PAGE_SIZES:
        raise ValueError(f"page_size must be {PAGE_SIZES[0]} to {PAGE_SIZES[-1]}, not {value!r}")
    return value


def build_url(root: URL, path: str, query: Mapping[str, object]) -> URL:
    """The URL of *path* (already quoted) under *root*."""
    url = root.with_path(root.raw_path.rstrip("/") + path, encoded=True)
    found = query_pairs(query, root) if query else None
    return url.with_query(found) if found else url
