"""What the members of a model are, resolved once: the one place that reads annotations."""

from __future__ import annotations

import functools
import types
from typing import Annotated, Any, NamedTuple, Union, cast, get_args, get_origin

import attrs

from ev_energy.models._base import ALSO, LINK, SEVERAL, Annotations, Model, model_fields, resolve


class Member(NamedTuple):
    """One member of a model. A link's type is ``Resource | str``: what may come over the wire."""

    name: str
    type: Any
    required: bool
    default: Any
    """What it reads where it is absent."""
    nullable: bool
    models: tuple[type[Model], ...]
    """The models that may stand inside it."""
    also: str | None
    """Another name it may come under."""


def members(cls: type[Model], *, links: bool = True) -> dict[str, Member]:
    """Every member of *cls*; without *links*, a link is the text of its URL and nothing else."""
    # Through Any: mypy takes a model class for one of its objects, which may be unhashable.
    return _members(cast(Any, cls), links)


@functools.cache
def _members(cls: Any, links: bool) -> dict[str, Member]:
    found: dict[str, Member] = {}
    for field in model_fields(cls):
        # Not the field's type: `attrs.resolve_types` puts another in its place.
        module, annotation = _home(cls, field.name)
        annotation = LINK.sub(r"\1 | str" if links else "str", annotation)
        annotation = SEVERAL.sub(r"\1 | tuple[\1, ...]", annotation)
        type_ = resolve(module, annotation)
        found[field.name] = Member(
            field.name,
            type_,
            required=field.default is attrs.NOTHING,
            default=None if field.default is attrs.NOTHING else field.default,
            nullable=type(None) in arms(type_),
            models=tuple(_models(type_)),
            also=field.metadata.get(ALSO),
        )
    return found


def _home(cls: type[Any], name: str) -> tuple[str, str]:
    """Return the module that the member *name* was declared in, and its annotation there."""
    declared = ((c.__module__, vars(c).get("__annotations__", {})) for c in cls.__mro__)
    module, found = next(pair for pair in declared if name in pair[1])
    return module, found.text(name) if isinstance(found, Annotations) else str(found[name])


def arms(type_: Any) -> tuple[Any, ...]:
    """The alternatives of a union; the type itself where it is none."""
    if get_origin(type_) in {types.UnionType, Union}:
        return get_args(type_)
    return (type_,)


def is_model(type_: Any) -> bool:
    """Whether *type_* is a model class."""
    return isinstance(type_, type) and issubclass(type_, Model)


def _models(type_: Any) -> list[type[Model]]:
    if is_model(type_):
        return [type_]
    if get_origin(type_) is Annotated:
        return []
    return [found for argument in get_args(type_) for found in _models(argument)]
