"""Digests of models: short texts that differ if what the API says about a resource has changed."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Self, TypeAlias, cast

import attrs

from ev_energy._codec.fields import field_names, fields_of
from ev_energy.errors import StateError
from ev_energy.models._base import Model
from ev_energy.models._refs import Ref

#: Bytes of a digest. Two digests are only compared for the same resource, so this is enough.
_DIGEST_SIZE: Final = 6
#: The address of the resource itself, which depends on where the API is.
_LEFT_OUT: Final = frozenset({"url"})
#: Fields by name, each with the fields of the models inside it.
_Tree: TypeAlias = "dict[str, _Tree]"


@attrs.frozen
class Projection:
    """The fields that a digest is made of.

    Digests outlive releases of the SDK, and a later release may know more fields of a model. A
    digest can only be compared with one of the same projection, so a saved state names the
    projection of its digests, and a later release computes both its own and the saved one.

    Null and absent are equal. A link counts by the id at the end of its URL, expanded or not.
    Unknown fields (``extra``) do not count: the API may add a field to all resources at any time,
    and each of them would be a change then.
    """

    names: tuple[str, ...]
    """The names of the fields in alphabetical order, such as ``location.name``."""

    @classmethod
    def of(cls, model: type[Model]) -> Self:
        """Return the projection with all fields of *model* that this release knows."""
        return cls(_names_of(cast("Any", model)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the projection that `text` returned; `StateError` for any other text."""
        names = tuple(text.split(" "))
        if not all(part.isidentifier() for name in names for part in name.split(".")):
            raise StateError("the state names fields of a digest that cannot be read")
        return cls(names)

    def text(self) -> str:
        """Return a text that `parse` reads."""
        return " ".join(self.names)

    def digest(self, item: Model) -> str:
        """Return the digest of *item*: 12 hexadecimal digits."""
        content = _plain(item, _tree(self.names))
        # Unlike msgspec's encoder, this one takes any number and any text.
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.blake2b(text.encode(), digest_size=_DIGEST_SIZE).hexdigest()


def weight(key: str, digest: str) -> int:
    """Return a number for the sum over many resources, of the resource *key* with *digest*."""
    content = f"{key} {digest}".encode()
    return int.from_bytes(hashlib.blake2b(content, digest_size=_DIGEST_SIZE).digest(), "big")


@functools.cache
def _names_of(model: Any) -> tuple[str, ...]:
    return tuple(sorted(_dotted_names(model)))


def _dotted_names(model: type[Model]) -> Iterable[str]:
    for name, field in fields_of(model, expanded=False).items():
        if name in _LEFT_OUT:
            continue
        inner = [part for model_inside in field.models for part in _dotted_names(model_inside)]
        if inner:
            yield from (f"{name}.{part}" for part in dict.fromkeys(inner))
        else:
            yield name


@functools.lru_cache(maxsize=64)
def _tree(names: tuple[str, ...]) -> _Tree:
    tree: _Tree = {}
    for name in names:
        inner = tree
        for part in name.split("."):
            inner = inner.setdefault(part, {})
    return tree


def _plain(value: Any, tree: _Tree) -> Any:  # noqa: PLR0911  (one return for each kind)
    """Return *value* as JSON that has one form only; of a model, only the fields of *tree*."""
    if isinstance(value, Model):
        return _members(value, tree)
    if isinstance(value, Ref):
        return value.id
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        with suppress(OverflowError):  # beyond the year 1 or 9999 in UTC
            value = value.astimezone(UTC)
        return value.isoformat(timespec="microseconds")
    if isinstance(value, date | timedelta):
        return str(value)
    if isinstance(value, Decimal):
        return format(value.normalize(), "f") if value.is_finite() else str(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)  # JSON does not tell 5 from 5.0
    if isinstance(value, list | tuple):
        return [_plain(item, tree) for item in cast("Iterable[Any]", value)]
    if isinstance(value, Mapping):
        members = cast("Mapping[str, Any]", value).items()
        return {name: _plain(member, {}) for name, member in members if member is not None}
    return value


def _members(item: Model, tree: _Tree) -> dict[str, Any]:
    if not tree:  # the release that made the projection did not take it for a model
        return cast("dict[str, Any]", _plain(item.to_dict(), {}))
    known = field_names(cast("Any", type(item))).known
    members: dict[str, Any] = {}
    for name, inner in tree.items():
        # A field that only an older or newer release knows is one of the unknown fields here.
        value = getattr(item, name) if name in known else item.extra.get(name)
        if value is not None:
            members[name] = _plain(value, inner)
    return members
