"""Path templates, ids, timestamps and queries: what a caller gives, to a URL. Pure."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, cast, get_args
from urllib.parse import quote, unquote

from yarl import URL

from ev_energy._refs import Ref, last_segment
from ev_energy._texts import printable
from ev_energy._unset import UNSET

PAGE_SIZES: Final = range(1, 101)
_BRACES = re.compile(r"{(\w+)}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")


def fill(template: str, ids: Sequence[object]) -> str:
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
    text = id_text(name, value)
    # A timestamp keeps the characters that the server itself leaves bare in its URLs.
    return quote(text, safe=":+" if _TIMESTAMP.match(text) else "")


def id_text(name: str, value: object) -> str:
    """The id in an id, a link, a model, a URL or (for log entries) a datetime."""
    if isinstance(value, datetime):
        return timestamp(name, value)
    if isinstance(value, Ref):
        text = unquote(value.id)
    elif isinstance(value, str):
        text = unquote(last_segment(value)) if "://" in value else str(value)
    elif url := getattr(value, "url", None) or getattr(value, "id", None):
        text = unquote(last_segment(url))
    elif isinstance(when := getattr(value, name, None), datetime):
        return timestamp(name, when)  # a log entry that came without its URL
    else:
        raise TypeError(
            f"{name} must be an id, a Ref, a model or a URL, not {type(value).__name__}"
        )
    if text in {"", ".", ".."} or "/" in text or "\\" in text or _CONTROL.search(text):
        raise ValueError(
            f"{name}={printable(text, 100)!r} is not an id: pass the bare id (such as "
            "the .id of a model), a Ref, a model, or the resource's whole URL"
        )
    return text


def at_place(template: str, url: URL) -> str:
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
    for name, text in zip(names, ids, strict=True):
        id_text(name, unquote(text))
    return shape % tuple(quote(text, safe="%:+,;=@!$&'()*~") for text in ids)


def timestamp(name: str, value: datetime) -> str:
    """A datetime as the API writes them: UTC, microseconds always, ``Z``."""
    if value.tzinfo is None:
        raise ValueError(
            f"{name} is a naive datetime: say which zone it is in, "
            "for example with .replace(tzinfo=datetime.UTC)"
        )
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def pairs(query: Mapping[str, object]) -> list[tuple[str, str]]:
    """A query as it goes on the wire: nothing for None and UNSET, one pair an item of a list."""
    found: list[tuple[str, str]] = []
    for name, value in query.items():
        if value is None or value is UNSET or value == ():
            continue
        if isinstance(value, Sequence) and not isinstance(value, str):
            items = cast("Sequence[object]", value)
            found.extend((name, _text(name, item)) for item in items)
        else:
            found.append((name, _text(name, value)))
    return found


def _text(name: str, value: object) -> str:
    if name.endswith("_id"):
        return id_text(name, value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, datetime):
        return timestamp(name, value)
    if isinstance(value, (str, int, float)):
        return str(value)
    raise TypeError(f"{name} cannot be sent as a {type(value).__name__}")


def one_of(allowed: Any, values: Iterable[str], name: str = "expand") -> tuple[str, ...]:
    """*values*, each of which must be listed in the ``Literal`` *allowed*."""
    if isinstance(values, str):
        raise TypeError(f"{name} must be a list: {name}=[{values!r}]")
    if values == ():
        return ()
    given, listed = tuple(values), get_args(allowed)
    for value in given:
        if value not in listed:
            raise ValueError(f"{name}: {value!r} is none of {', '.join(listed)}")
    return given


def commas(values: Sequence[str] | str | None) -> str | None:
    """Several values in the one comma-separated text that an ``...__in`` filter takes."""
    if values is None or isinstance(values, str):
        return values
    texts = [_text("", value) for value in values]
    if bad := [text for text in texts if "," in text]:
        raise ValueError(f"{bad[0]!r} holds a comma, which separates the values of this filter")
    if not texts:
        raise ValueError("an empty list would filter nothing: leave the filter out, or give values")
    return ",".join(texts)


def between(name: str, values: tuple[datetime, datetime] | None) -> str | None:
    """Two points in time in the one comma-separated text that a ``...__range`` filter takes."""
    if values is None:
        return None
    first, last = values
    if first > last:
        raise ValueError(f"{name} must not end before it starts")
    return f"{timestamp(name, first)},{timestamp(name, last)}"


def page_size(value: object) -> object:
    """A page size the API takes."""
    if isinstance(value, bool) or value not in PAGE_SIZES:
        raise ValueError(f"page_size must be {PAGE_SIZES[0]} to {PAGE_SIZES[-1]}, not {value!r}")
    return value


def join(root: URL, path: str, query: Mapping[str, object]) -> URL:
    """The URL of *path* (already quoted) under *root*."""
    url = root.with_path(root.raw_path.rstrip("/") + path, encoded=True)
    found = pairs(query)
    return url.with_query(found) if found else url
