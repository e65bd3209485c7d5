"""Constraints on arguments that the API documents, checked before a request is sent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar, get_args

from yarl import URL

from ev_energy._arguments import BYTES, require_text, require_whole_number, suggest
from ev_energy._unset import UNSET, Unset
from ev_energy.models.common import LatLong

Text = TypeVar("Text", bound=str)
Number = TypeVar("Number", bound=int | Unset | None)
Choice = TypeVar("Choice", bound=str | int | Unset | None)


def valid_lat_lng(name: str, value: LatLong | Unset | None) -> LatLong | Unset | None:
    """Return *value* if its latitude and longitude are in range; also None and UNSET."""
    if isinstance(value, LatLong):
        for field, limit in (("latitude", 90), ("longitude", 180)):
            degrees = getattr(value, field)
            if not math.isfinite(degrees) or abs(degrees) > limit:
                raise ValueError(f"{name}.{field} must be -{limit} to {limit}, not {degrees}")
    return value


def lat_lng_text(name: str, value: LatLong | str | None) -> str | None:
    """Return *value* for a query: latitude and longitude, separated by a comma."""
    if isinstance(value, LatLong):
        valid_lat_lng(name, value)
        return ",".join(
            f"{Decimal(repr(float(degrees))):f}" for degrees in (value.latitude, value.longitude)
        )
    return value if value is None else require_text(name, value)


def in_range(name: str, value: Number, low: int, high: int | None = None) -> Number:
    """Return *value* if it is an `int` from *low* to *high* inclusive; also None and UNSET."""
    number: object = value
    if number is not None and number is not UNSET:
        require_whole_number(name, number, low, high)
    return value


def one_of(name: str, value: Choice, allowed: Any) -> Choice:
    """Return *value* if it is in the ``Literal`` *allowed*; also None and UNSET."""
    choice: object = value
    if isinstance(choice, BYTES):
        require_text(name, choice)
    if choice is not None and choice is not UNSET and choice not in get_args(allowed):
        options = ", ".join(map(repr, get_args(allowed)))
        hint = suggest(choice, get_args(allowed)) if isinstance(choice, str) else ""
        raise ValueError(f"{name} must be one of {options}, not {value!r}{hint}")
    return value


def not_empty(name: str, value: Text) -> Text:
    """Return *value* if it contains more than white space."""
    if not require_text(name, value).strip():
        raise ValueError(f"{name} must not be empty")
    return value


def absolute_url(name: str, value: str | URL | None) -> str | None:
    """Return *value* as text if it has a scheme and a host; also None.

    The message does not repeat the URL, which may be presigned and thereby a secret.
    """
    if value is None:
        return None
    try:
        url = URL(value if isinstance(value, URL) else require_text(name, value))
    except ValueError:
        url = URL()
    if not url.absolute or not url.scheme:
        raise ValueError(f"{name} must be an absolute URL, such as https://example.com/done")
    return str(url)


def require_any(**arguments: object) -> None:
    """Raise `ValueError` unless at least one of *arguments* is given."""
    if all(value is None for value in arguments.values()):
        raise ValueError(f"pass at least one of {', '.join(arguments)}")


def model_id_or_names(kind: str, body: Mapping[str, object]) -> None:
    """Raise `ValueError` unless *body* has either a model's id, or a make and a model by name.

    *kind*, ``evse`` or ``vehicle``, is the prefix of these fields of a waiting list.
    """
    model_id, names = f"{kind}_model_id", (f"{kind}_make_name", f"{kind}_model_name")
    present = {
        name for name in (model_id, *names) if body[name] is not None and body[name] is not UNSET
    }
    if present not in ({model_id}, set(names)):
        raise ValueError(f"pass either {model_id}, or both {names[0]} and {names[1]}")
