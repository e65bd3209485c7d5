"""Request bodies: keyword arguments and nested values to JSON.

``UNSET`` is left out, ``None`` is JSON null, and a model or link becomes its URL where the API
wants one. A number that JSON cannot hold is refused: it would arrive as null and clear the field.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Final, cast

import attrs

from ev_energy._arguments import describe_type, is_list, require_encodable, require_list
from ev_energy._codec.text import Link, link_text, timestamp
from ev_energy._unset import UNSET, Unset
from ev_energy.models._base import COLLECTION, Model, model_fields
from ev_energy.models._refs import Ref

_ENDLESS: Final = "nests too deeply, or contains itself"


class AsGiven(dict[str, object]):
    """A whole body that is sent unchanged."""


def as_given(name: str, body: Mapping[str, object]) -> AsGiven:
    """Return a body of any shape to be sent unchanged; *name* is the argument that holds it."""
    try:
        text = json.dumps(body, allow_nan=False)
    except RecursionError:
        raise ValueError(f"{name} {_ENDLESS}") from None
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name} must be a JSON object: {error}") from None
    if not text.startswith("{"):
        raise TypeError(f"{name} must be a JSON object")
    return AsGiven(body)


def as_link(collection: str, target: object) -> Any:
    """Return *target*, to be sent as the URL of a resource of *collection*."""
    return target if target is None or target is UNSET else Link(collection, target)


def as_links(name: str, collection: str, targets: Sequence[object] | Unset) -> Any:
    """Return *targets*, each to be sent as the URL of a resource of *collection*.

    *name* is the argument that holds them.
    """
    if targets is UNSET:
        return targets
    return [Link(collection, target) for target in require_list(name, targets)]


def encode(body: Mapping[str, object], base_url: str) -> bytes:
    """Return the JSON of *body*; *base_url* completes ids to URLs."""
    if isinstance(body, AsGiven):
        return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
    return json.dumps(_object(body, base_url), separators=(",", ":"), allow_nan=False).encode()


def encode_value(value: object, base_url: str) -> bytes:
    """Return the JSON of *value*, the whole body. Models are sent as they were received."""
    try:
        encodable = _value("json", _plain(value), base_url)
        return json.dumps(encodable, separators=(",", ":"), allow_nan=False).encode()
    except RecursionError:
        raise ValueError(f"json {_ENDLESS}") from None


def _plain(value: Any) -> object:
    """Return *value* with a JSON object in place of each model, and its URL in place of a link."""
    if isinstance(value, Model):
        return value.to_dict()
    if isinstance(value, Ref):
        if not value.url:
            raise ValueError("a Ref without a URL cannot be sent: pass an id or a URL")
        return value.url
    if isinstance(value, Mapping):
        members = cast("Mapping[object, object]", value).items()
        return {name: _plain(member) for name, member in members}
    if is_list(value):
        return [_plain(item) for item in cast("Sequence[object]", value)]
    return value


def _object(members: Mapping[str, object], base_url: str) -> dict[str, Any]:
    return {
        name: _value(name, value, base_url) for name, value in members.items() if value is not UNSET
    }


def _value(name: str, value: object, base_url: str) -> Any:  # noqa: C901, PLR0911  (one return for each kind)
    if value is None or isinstance(value, bool | int):
        return value
    if value.__class__ in {list, tuple}:
        return _items(name, cast("Sequence[object]", value), base_url)
    if isinstance(value, Link):
        return None if value.target is None else link_text(name, value, base_url)
    if isinstance(value, Enum):
        if value is UNSET:  # in a list, where leaving it out would move the others
            raise TypeError(f"an item of {name} is UNSET, which cannot be sent as JSON")
        value = value.value
    if isinstance(value, str):
        return require_encodable(name, value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{name} must be a finite number, not {value}")
        return value
    if isinstance(value, datetime):
        return timestamp(name, value)
    if isinstance(value, Mapping):
        return _object(cast("Mapping[str, object]", value), base_url)
    if is_list(value):
        return _items(name, cast("Sequence[object]", value), base_url)
    kind: type[Any] = value.__class__
    if attrs.has(kind):
        return _object(dict(_members(value)), base_url)
    raise TypeError(f"{name} is {describe_type(value)}, which cannot be sent as JSON")


def _items(name: str, values: Sequence[object], base_url: str) -> list[Any]:
    # A boundary may have half a million positions: lists of numbers take a short cut.
    if {item.__class__ for item in values} == {float} and all(
        map(math.isfinite, cast("Sequence[float]", values))
    ):
        return list(values)
    return [_value(name, item, base_url) for item in values]


def _members(value: Any) -> list[tuple[str, object]]:
    """Return the fields of an attrs object by name; targets of links as `Link`."""
    members: list[tuple[str, object]] = []
    for field in model_fields(value.__class__):
        member = getattr(value, field.name)
        collection = field.metadata.get(COLLECTION)
        if collection and member is not None and member is not UNSET:
            member = Link(collection, member)
        members.append((field.name, member))
    return members
