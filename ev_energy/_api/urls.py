"""URLs from path templates, ids, timestamps and queries. Pure functions."""

from __future__ import annotations

import decimal
import functools
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Final, get_args
from urllib.parse import quote, unquote

from yarl import URL

from ev_energy._arguments import (
    describe_type,
    require_encodable,
    require_list,
    require_text,
    require_whole_number,
    suggest,
)
from ev_energy._codec.id_check import IdKind, kind_at
from ev_energy._codec.text import Link, id_text, link_text, timestamp
from ev_energy._redaction.scrub import printable
from ev_energy._runtime.lazy_pattern import lazy_pattern
from ev_energy._unset import UNSET

PAGE_SIZES: Final = range(1, 101)
_PLACEHOLDER = lazy_pattern(r"{(\w+)}")
_TIMESTAMP = lazy_pattern(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")


class RepeatedValues(tuple[str, ...]):
    """The values of a query parameter that is sent once per value, as ``expand`` is."""

    __slots__ = ()


_NO_VALUES: Final = RepeatedValues()
#: The query of most calls that retrieve one resource: nothing is sent.
NO_QUERY: Final[Mapping[str, object]] = {"expand": _NO_VALUES}


def fill_path(template: str, ids: Sequence[object]) -> str:
    """Return the path of *template*, such as ``/evses/{evse_id}``, with *ids* in its placeholders.

    Each id is quoted, so that it stays one segment.
    """
    names, format_, kinds = _parse(template)
    if len(names) == len(ids) == 1:
        id_ = ids[0]
        if type(id_) is str and id_.isalnum() and id_.isascii():  # nearly every id
            return format_ % id_
        return format_ % _segment(names[0], id_, kinds[0])
    segments = zip(names, ids, kinds, strict=True)
    return format_ % tuple(_segment(name, id_, kind) for name, id_, kind in segments)


@functools.lru_cache(1_000)
def _parse(template: str) -> tuple[list[str], str, list[IdKind | None]]:
    """Return the names of the placeholders in *template*, a format string, and their kinds."""
    pieces = _PLACEHOLDER.sub("{}", template).split("{}")[:-1]
    kinds = [kind_at("{}".join([*pieces[:end], ""])) for end in range(1, len(pieces) + 1)]
    format_ = _PLACEHOLDER.sub("%s", template.replace("%", "%%"))
    return _PLACEHOLDER.findall(template), format_, kinds


def _segment(name: str, value: object, kind: IdKind | None) -> str:
    if type(value) is str and value.isalnum() and value.isascii():
        return value
    id_ = id_text(name, value, kind)
    # The server does not escape these characters of a timestamp in its own URLs.
    return quote(id_, safe=":+" if _TIMESTAMP.match(id_) else "")


def path_from_url(template: str, url: URL) -> str:
    """Return the path of *template* with the ids from the last segments of *url*.

    The path of *url* itself cannot be used: in its links, the API misspells some collections
    (``/evse/…``), omits ``/v2`` from others, and ends some in a slash. The ids are not changed.
    """
    names, format_, _ = _parse(template)
    expected = template.strip("/").split("/")
    segments = [segment for segment in url.raw_path.split("/") if segment]
    ids = [
        segment
        for part, segment in zip(expected[::-1], segments[::-1], strict=False)
        if part[0] == "{"
    ][::-1]
    # A literal part of the template in place of an id: the URL of a collection, or of its parent.
    if len(segments) < len(expected) or not set(ids).isdisjoint(expected):
        raise ValueError(f"{printable(url)} is not the URL of a resource at {template}")
    for name, segment in zip(names, ids, strict=True):
        id_text(name, unquote(segment))
    return format_ % tuple(quote(segment, safe="%:+,;=@!$&'()*~") for segment in ids)


def query_pairs(query: Mapping[str, object], base_url: URL) -> list[tuple[str, str]]:
    """Return the names and values of *query* as they are sent, without None and UNSET.

    *base_url* completes ids where the API expects URLs.
    """
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        if value is None or value is UNSET or value == ():
            continue
        if isinstance(value, RepeatedValues):
            pairs.extend((name, item) for item in value)
        elif isinstance(value, Link):
            pairs.append((name, link_text(name, value, str(base_url))))
        else:
            pairs.append((name, query_text(name, value)))
    return pairs


def query_text(name: str, value: object) -> str:
    """Return one value of the query as it is sent; *name* is the argument that holds it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is UNSET:
        raise TypeError(f"{name} is UNSET, which cannot be sent in a query")
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return require_encodable(name, value)
    if isinstance(value, datetime):
        return timestamp(name, value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, not {value}")
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, decimal.Decimal) and value.is_finite():
        return format(value, "f")
    raise TypeError(f"{name} is {describe_type(value)}, which cannot be sent in a query")


def expand_values(allowed: Any, values: Sequence[str], *, single: bool = False) -> RepeatedValues:
    """Return the argument ``expand``, whose *values* must all be in the ``Literal`` *allowed*.

    With *single*, the API declares the parameter as one value instead of a list.
    """
    if values == ():
        return _NO_VALUES
    expand, options = RepeatedValues(require_list("expand", values)), get_args(allowed)
    if single and len(expand) > 1:
        raise ValueError(
            f"expand takes one value here, not {len(expand)}: {', '.join(map(repr, expand))}"
        )
    for value in expand:
        if require_text("an item of expand", value) not in options:
            hint = suggest(value, options)
            raise ValueError(f"expand: {value!r} is not one of {', '.join(options)}{hint}")
    return expand


def comma_separated(name: str, values: Sequence[str] | None) -> str | None:
    """Return *values* joined with commas, as ``...__in`` filters take them."""
    if values is None:
        return None
    texts = [query_text(f"an item of {name}", value) for value in require_list(name, values)]
    if invalid := [text for text in texts if "," in text]:
        raise ValueError(
            f"{name}: {invalid[0]!r} contains a comma, which is the separator of its values"
        )
    if not texts:
        raise ValueError(
            f"{name}: an empty list would not filter anything; omit the filter, or pass values"
        )
    return ",".join(texts)


def datetime_range(name: str, values: tuple[datetime, datetime] | None) -> str | None:
    """Return two datetimes joined with a comma, as ``...__range`` filters take them."""
    if values is None:
        return None
    datetimes: Sequence[object] = require_list(name, values)
    if len(datetimes) != 2:  # noqa: PLR2004  (the start and the end)
        raise ValueError(f"{name} must hold two datetimes, not {len(datetimes)}")
    start, end = (_require_datetime(f"an item of {name}", value) for value in datetimes)
    # Compared as text in UTC: `datetime` compares two of one zone by the time on the clock, which
    # is wrong in the hour that the clocks repeat.
    if start > end:
        raise ValueError(f"{name} must not end before it starts: {end} is before {start}")
    return f"{start},{end}"


def _require_datetime(name: str, value: object) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"{name} must be a datetime, not {describe_type(value)}")
    return timestamp(name, value)


def valid_page_size(value: object) -> object:
    """Return *value* if the API accepts it as a page size."""
    return require_whole_number("page_size", value, PAGE_SIZES[0], PAGE_SIZES[-1])


def build_url(base_url: URL, path: str, query: Mapping[str, object]) -> URL:
    """Return the URL of *path*, which is already quoted, under *base_url*."""
    url = base_url.with_path(base_url.raw_path.rstrip("/") + path, encoded=True)
    pairs = query_pairs(query, base_url) if query else None
    return url.with_query(pairs) if pairs else url
