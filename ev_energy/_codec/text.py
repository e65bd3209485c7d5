"""Ids, links and points in time as the API writes them."""

from __future__ import annotations

import functools
from collections.abc import Coroutine, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from ev_energy._arguments import describe_type
from ev_energy._codec.id_check import IdKind, check_id, kind_at, kind_of
from ev_energy._redaction.scrub import printable
from ev_energy._runtime.lazy_pattern import lazy_pattern
from ev_energy._unset import UNSET
from ev_energy.models._refs import Ref, last_segment

#: The names of arguments that are points in time, and of filters by these.
_INSTANT: Final = lazy_pattern(r"(?:\w*_at|(?:start|end)(?:_time)?)(?:__[gl]te?)?")
_MISTAKEN_FOR_INSTANTS: Final = frozenset({str, int, float, date})
_ADVICE: Final = "pass a datetime with a time zone, such as datetime(2026, 1, 31, tzinfo=UTC)"
#: Control characters, and halves of surrogate pairs, which UTF-8 cannot hold.
_UNSENDABLE = lazy_pattern(r"[\x00-\x1f\x7f\ud800-\udfff]")


def id_text(name: str, value: object, kind: IdKind | None = None) -> str:
    """Return the id in *value*: an id, a link, a model, a URL or (for log entries) a datetime.

    With a *kind*, an error is raised if *value* is certainly something else.
    """
    if kind is not None:
        check_id(name, kind, value)
    if isinstance(value, datetime) and (kind is None or kind.is_log_entry):
        return timestamp(name, value)
    if isinstance(value, Ref):
        id_ = unquote(value.id)
    elif isinstance(value, str):
        # `str(value)` would be the name of a member of `class Id(str, Enum)`.
        id_ = unquote(last_segment(value)) if "://" in value else str.__str__(value)
        if id_ == value and kind is not None and kind.is_log_entry:
            _check_key(name, id_)
    elif isinstance(url := getattr(value, "url", None) or getattr(value, "id", None), str):
        id_ = unquote(last_segment(url))
    elif isinstance(when := getattr(value, name, None), datetime):
        return timestamp(name, when)  # a log entry without its URL
    else:
        expected = kind or "an id, a Ref, a model or a URL"
        found = describe_type(value)
        hint = ": await it first" if isinstance(value, Coroutine) else ""
        raise TypeError(f"{name} must be {expected}, not {found}{hint}")
    if id_ in {"", ".", ".."} or "/" in id_ or "\\" in id_ or _UNSENDABLE.search(id_):
        raise ValueError(
            f"{name}={printable(id_, 100)!r} is not an id: pass the bare id (such as "
            "the .id of a model), a Ref, a model, or the resource's whole URL"
        )
    return id_


class Link(msgspec.Struct, frozen=True):
    """A resource that a request names by its URL. The target is an id, a link, a model or a URL."""

    collection: str
    target: object


def link_text(name: str, link: Link, base_url: str) -> str:
    """Return the URL of a link's target; *base_url* completes an id."""
    target, kind = link.target, kind_at(f"{link.collection}/{{}}")
    if kind is not None:
        check_id(name, kind, target)
    if isinstance(target, str) and "://" in target:
        return target
    if url := getattr(target, "url", None):  # of a Ref or a model
        return str(url)
    return f"{base_url}{link.collection}/{id_text(name, target, kind)}"


def as_id(name: str, model: str, value: object) -> Any:
    """Return the id of *value*, a resource of *model*, or *value* itself if it is None or UNSET.

    Every argument that the API declares as an id of its own is annotated with ``Id`` and passes
    through here or through `as_link`. Free text is sent unchanged, even if its name ends in
    ``_id``.
    """
    return value if value is None or value is UNSET else id_text(name, value, kind_of(model))


def timestamp(name: str, value: datetime) -> str:
    """Return a datetime as the API writes it: in UTC, always with microseconds and a ``Z``.

    All results have the same length, so their order as text is their order in time.
    """
    try:
        # By the definition of `datetime`, a zone without an offset leaves the datetime naive.
        in_utc = None if value.utcoffset() is None else value.astimezone(UTC)
    except OverflowError:
        clock = value.replace(tzinfo=None)
        raise ValueError(f"{name}={clock} is outside the years 1 to 9999 in UTC") from None
    if in_utc is None:
        raise ValueError(
            f"{name} is a naive datetime: set its time zone, "
            "for example with .replace(tzinfo=datetime.UTC)"
        )
    # Not strftime: its %Y has four digits on some platforms only.
    return f"{in_utc.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def check_instants(members: Mapping[str, object]) -> None:
    """Raise an error if a query or a body has anything but a time where the API expects one.

    A text with a time zone is accepted, such as one from a reply. Without one, or with a day, only
    the server would know which time is meant.
    """
    for name, value in members.items():
        if value.__class__ in _MISTAKEN_FOR_INSTANTS and _is_instant(name):
            _check_instant(name, value)


@functools.lru_cache(maxsize=1024)
def _is_instant(name: str) -> bool:
    return _INSTANT.fullmatch(name) is not None


def _check_instant(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a datetime, not {describe_type(value)}: {_ADVICE}")
    time = _parse_time(value)
    if time is None or time.tzinfo is None:
        raise _without_zone(name, value)


def _check_key(name: str, value: str) -> None:
    """Raise `ValueError` if *value*, the key of a log entry, is a time without a zone.

    Keys of the API always have one. A text that is no time is left to the server.
    """
    time = _parse_time(value)
    if time is not None and time.tzinfo is None:
        raise _without_zone(name, value)


def _parse_time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _without_zone(name: str, text: str) -> ValueError:
    return ValueError(f"{name}={printable(text, 100)!r} is not a time with a time zone: {_ADVICE}")


def received_timestamp(value: datetime) -> str:
    """Return a datetime of a reply as the API writes it: a ``Z`` for UTC, other offsets as is."""
    text = value.isoformat()
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text
