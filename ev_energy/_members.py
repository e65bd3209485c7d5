"""What the members of a model are, resolved once: the one place that reads annotations."""

from __future__ import annotations

import functools
import types
from typing import Annotated, Any, NamedTuple, Union, cast, get_args, get_origin, get_type_hints

import attrs

from ev_energy._model import Model


class Member(NamedTuple):
    """One member of a model. A link's type is ``Resource | str``: what may come over the wire."""

    name: str
    type: Any
    required: bool
    nullable: bool
    models: tuple[type[Model], ...]
    """The models that may stand inside it."""


def members(cls: type[Model]) -> dict[str, Member]:
    """Every member of *cls*."""
    return _members(
        cast(Any, cls)
    )  # mypy takes a model class for one of its (maybe unhashable) objects


@functools.cache
def _members(cls: Any) -> dict[str, Member]:
    hints = get_type_hints(cls, include_extras=True)
    return {
        field.name: Member(
            field.name,
            hints[field.name],
            required=field.default is attrs.NOTHING,
            nullable=type(None) in arms(hints[field.name]),
            models=tuple(_models(hints[field.name])),
        )
        for field in attrs.fields(cls)
    }


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
