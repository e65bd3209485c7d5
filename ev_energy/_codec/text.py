"""Ids, links and points in time as the API writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import unquote

from ev_energy._redaction.scrub import printable
from ev_energy._unset import UNSET
from ev_energy.models._refs import Ref, last_segment

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def id_text(name: str, value: object) -> str:
    """The id in an id, a link, a model, a URL or (for log entries) a datetime."""
    if isinstance(value, datetime):
        return timestamp(name, value)
    if isinstance(value, Ref):
        found = unquote(value.id)
    elif isinstance(value, str):
        found = unquote(last_segment(value)) if "://" in value else str(value)
    elif isinstance(url := getattr(value, "url", None) or getattr(value, "id", None), str):
        found = unquote(last_segment(url))
    elif isinstance(when := getattr(value, name, None), datetime):
        return timestamp(name, when)  # a log entry that came without its URL
    else:
        raise TypeError(
            f"{name} must be an id, a Ref, a model or a URL, not {type(value).__name__}"
        )
    if found in {"", ".", ".."} or "/" in found or "\\" in found or _CONTROL.search(found):
        raise ValueError(
            f"{name}={printable(found, 100)!r} is not an id: pass the bare id (such as "
            "the .id of a model), a Ref, a model, or the resource's whole URL"
        )
    return found


class Link(NamedTuple):
    """What the API wants as a URL, whatever form the caller has."""

    collection: str
    target: object


def link_text(name: str, link: Link, root: str) -> str:
    """Return the URL of a link's target, which *root* completes where the target is an id."""
    target = link.target
    if isinstance(target, str) and "://" in target:
        return target
    if url := getattr(target, "url", None):  # of a Ref or a model
        return str(url)
    return f"{root}{link.collection}/{id_text(name, target)}"


def as_id(name: str, value: object) -> Any:
    """Return the id in *value*, if it is given: for what the API declares as an id of its own.

    Every such argument is annotated with ``Id`` and passes through here (or through `as_link`).
    Free text is sent as it is, also where its name ends in ``_id``.
    """
    return value if value is None or value is UNSET else id_text(name, value)


def timestamp(name: str, value: datetime) -> str:
    """Return a datetime as the API writes them: UTC, microseconds always, ``Z``.

    All of these texts are equally long, so that they compare as the points in time do.
    """
    try:
        # A zone that knows no offset leaves the datetime naive, by the definition of `datetime`.
        in_utc = None if value.utcoffset() is None else value.astimezone(UTC)
    except OverflowError:
        clock = value.replace(tzinfo=None)
        raise ValueError(f"{name} is {clock}, which UTC has no year from 1 to 9999 for") from None
    if in_utc is None:
        raise ValueError(
            f"{name} is a naive datetime: say which zone it is in, "
            "for example with .replace(tzinfo=datetime.UTC)"
        )
    # Not strftime: its %Y has four digits on some platforms only.
    return f"{in_utc.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
