"""Rules on arguments that the API documents, checked before a request is spent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

from yarl import URL

from ev_energy._unset import UNSET, Unset
from ev_energy.models.common import LatLong

Text = TypeVar("Text", bound=str)


def point(name: str, value: LatLong | Unset | None) -> LatLong | Unset | None:
    """Coordinates on this planet."""
    if isinstance(value, LatLong):
        for part, limit in (("latitude", 90), ("longitude", 180)):
            number = getattr(value, part)
            if not math.isfinite(number) or abs(number) > limit:
                raise ValueError(f"{name}.{part} must be -{limit} to {limit}, not {number}")
    return value


def not_empty(name: str, value: Text) -> Text:
    """Some text."""
    if not value.strip():
        raise ValueError(f"{name} must not be empty")
    return value


def absolute_url(name: str, value: str | URL | None) -> str | None:
    """A URL with scheme and host."""
    if value is None:
        return None
    url = URL(value)
    if not url.absolute or not url.scheme:
        raise ValueError(f"{name} must be an absolute URL such as https://example.com/done")
    return str(url)


def any_of(**given: object) -> None:
    """At least one of several arguments."""
    if all(value is None for value in given.values()):
        raise ValueError(f"one of {', '.join(given)} is needed")


def either_model_or_names(kind: str, given: Mapping[str, object]) -> None:
    """A waiting list wants a model's id, or make and model by name: one way, and that whole."""
    model, names = f"{kind}_model_id", (f"{kind}_make_name", f"{kind}_model_name")
    has = {name for name in (model, *names) if given[name] not in {None, UNSET}}
    if has not in ({model}, set(names)):
        raise ValueError(f"give either {model}, or both {names[0]} and {names[1]}")
