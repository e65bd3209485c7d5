"""Rules on arguments that the API documents, checked before a request is spent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar, cast, get_args

from yarl import URL

from ev_energy._arguments import BYTES, require_text
from ev_energy._unset import UNSET, Unset
from ev_energy.models.common import LatLong

Text = TypeVar("Text", bound=str)
Number = TypeVar("Number", bound=int | Unset | None)
Choice = TypeVar("Choice", bound=str | int | Unset | None)


def valid_lat_lng(name: str, value: LatLong | Unset | None) -> LatLong | Unset | None:
    """Coordinates on this planet."""
    if isinstance(value, LatLong):
        for part, limit in (("latitude", 90), ("longitude", 180)):
            number = getattr(value, part)
            if not math.isfinite(number) or abs(number) > limit:
                raise ValueError(f"{name}.{part} must be -{limit} to {limit}, not {number}")
    return value


def lat_lng_text(name: str, value: LatLong | str | None) -> str | None:
    """A point as a query has it: latitude before longitude, with a comma."""
    if isinstance(value, LatLong):
        valid_lat_lng(name, value)
        return ",".join(
            f"{Decimal(repr(float(part))):f}" for part in (value.latitude, value.longitude)
        )
    return value if value is None else require_text(name, value)


def in_range(name: str, value: Number, low: int, high: int | None = None) -> Number:
    """A number (if it is given) from *low* to *high*, both included."""
    number = cast("object", value)
    if number is None or number is UNSET:
        return value
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{name} must be a whole number, not {number!r}")
    if number < low or (high is not None and number > high):
        limits = f"{low} or more" if high is None else f"{low} to {high}"
        raise ValueError(f"{name} must be {limits}, not {number}")
    return value


def one_of(name: str, value: Choice, allowed: Any) -> Choice:
    """One (if it is given) of what the ``Literal`` *allowed* lists."""
    given: object = value
    if isinstance(given, BYTES):
        require_text(name, given)
    if given is not None and given is not UNSET and given not in get_args(allowed):
        texts = ", ".join(map(repr, get_args(allowed)))
        raise ValueError(f"{name} must be one of {texts}, not {value!r}")
    return value


def not_empty(name: str, value: Text) -> Text:
    """Some text."""
    if not require_text(name, value).strip():
        raise ValueError(f"{name} must not be empty")
    return value


def absolute_url(name: str, value: str | URL | None) -> str | None:
    """A URL with scheme and host."""
    if value is None:
        return None
    try:
        url = URL(value if isinstance(value, URL) else require_text(name, value))
    except ValueError:
        url = URL()
    if not url.absolute or not url.scheme:
        raise ValueError(f"{name} must be an absolute URL such as https://example.com/done")
    return str(url)


def require_any(**given: object) -> None:
    """At least one of several arguments."""
    if all(value is None for value in given.values()):
        raise ValueError(f"one of {', '.join(given)} is needed")


def model_id_or_names(kind: str, given: Mapping[str, object]) -> None:
    """A waiting list wants a model's id, or make and model by name: one way, and that whole."""
    model, names = f"{kind}_model_id", (f"{kind}_make_name", f"{kind}_model_name")
    has = {n for n in (model, *names) if given[n] is not None and given[n] is not UNSET}
    if has not in ({model}, set(names)):
        raise ValueError(f"give either {model}, or both {names[0]} and {names[1]}")
