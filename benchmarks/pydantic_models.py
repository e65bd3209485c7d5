"""Models of pydantic for the data of the benchmarks, as its users would write them by hand.

They have the fields, the types and the nullability of the SDK's models, and keep what the SDK's
keep: unknown fields and unlisted enum values. Where two spellings are possible, this is the faster.
"""

from __future__ import annotations

import datetime as dt
import enum
import functools
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pydantic

from ev_energy import models
from ev_energy._codec.fields import fields_of, is_model, is_open_enum

_MODELS: dict[str, type[pydantic.BaseModel]] = {}


@functools.cache
def page_of(model: str) -> pydantic.TypeAdapter[Any]:
    """Return the adapter of a list of the model of that name, such as ``EVSE``."""
    return pydantic.TypeAdapter(list[_complete(model)])


@functools.cache
def one_of(model: str) -> pydantic.TypeAdapter[Any]:
    """Return the adapter of the model of that name."""
    return pydantic.TypeAdapter(_complete(model))


def _complete(name: str) -> type[pydantic.BaseModel]:
    _declare(getattr(models, name))
    for model in _MODELS.values():
        model.model_rebuild(_types_namespace=_MODELS)
    return _MODELS[name]


def _declare(model: Any) -> None:
    """Declare *model* and those inside it, which may contain each other."""
    pending = [model]
    while pending:
        one = pending.pop()
        if one.__name__ in _MODELS:
            continue
        fields: dict[str, Any] = {}
        for field in fields_of(one).values():
            default = ... if field.required else field.default
            fields[field.name] = (_type(field.type), default)
            pending += field.models
        config = pydantic.ConfigDict(
            extra="allow", defer_build=True, protected_namespaces=(), frozen=True
        )
        _MODELS[one.__name__] = pydantic.create_model(one.__name__, __config__=config, **fields)


def _type(type_: Any) -> Any:
    """Return the type of a field in pydantic; models are named, since they may be incomplete."""
    origin, arguments = get_origin(type_), get_args(type_)
    if origin in {Union, UnionType}:
        return _union(arguments)
    if origin is tuple:
        return list[_type(arguments[0])]
    if origin is dict:
        return dict[_type(arguments[0]), _type(arguments[1])]
    if origin is Annotated:
        return dt.datetime  # with a zone
    if is_model(type_):
        return type_.__name__
    return _open(type_) if is_open_enum(type_) else type_


def _union(arguments: tuple[Any, ...]) -> Any:
    """Return a union that tries text first, because a link is a URL or a model.

    Text comes last after types that are read from it, such as times.
    """
    links = any(map(is_model, arguments))
    first = [str] if links and str in arguments else []
    rest = [_type(one) for one in arguments if one not in first]
    found = Union[tuple(first + rest)]  # noqa: UP007  (made at run time)
    if len([one for one in arguments if one is not type(None)]) == 1:
        return found  # no choice
    return Annotated[found, pydantic.Field(union_mode="left_to_right")]


@functools.cache
def _open(type_: Any) -> Any:
    """Return an enum that keeps unlisted values as text."""
    listed = enum.StrEnum(type_.__name__, {one.name: one.value for one in type_})
    return Annotated[listed | str, pydantic.Field(union_mode="left_to_right")]
