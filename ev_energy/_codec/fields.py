"""The fields of models, resolved once: the one module that reads the annotations of models."""

from __future__ import annotations

import decimal
import functools
import operator
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Union, cast, get_args, get_origin

import attrs
import msgspec

from ev_energy._runtime.clocks import REAL
from ev_energy.models._base import (
    ALIAS,
    LINK,
    ONE_OR_MANY,
    Annotations,
    Model,
    model_fields,
    resolve,
)
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref
from ev_energy.models._types import Instant


class Field(msgspec.Struct, frozen=True):
    """One field of a model. The type of a link is ``Resource | str``, as it is in the JSON."""

    name: str
    type: Any
    required: bool
    default: Any
    """Its value where the reply does not have it."""
    nullable: bool
    models: tuple[type[Model], ...]
    """The models that may be inside it."""
    alias: str | None
    """Another name that the API sends it under."""


class FieldNames(msgspec.Struct, frozen=True):
    """The names of a model's fields: all of them, those that hold models, and the decimals."""

    known: frozenset[str]
    nested: tuple[str, ...]
    decimals: tuple[str, ...]


def fields_of(model: type[Model], *, expanded: bool = True) -> dict[str, Field]:
    """Return the fields of *model*. Unless *expanded*, the type of a link is that of its URL."""
    # Through Any: mypy takes a model class for one of its objects, which may be unhashable.
    return _fields_of(cast(Any, model), expanded)


@functools.cache
def _fields_of(model: Any, expanded: bool) -> dict[str, Field]:
    found: dict[str, Field] = {}
    for attribute in model_fields(model):
        # Not the attribute's type: `attrs.resolve_types` replaces it.
        module, annotation = _declaration(model, attribute.name)
        type_ = _json_type(annotation, module, expanded=expanded)
        found[attribute.name] = Field(
            attribute.name,
            type_,
            required=attribute.default is attrs.NOTHING,
            default=None if attribute.default is attrs.NOTHING else attribute.default,
            nullable=type(None) in union_args(type_),
            models=tuple(_models_in(type_)),
            alias=attribute.metadata.get(ALIAS),
        )
    return found


def _declaration(model: type[Any], name: str) -> tuple[str, Any]:
    """Return the module that declares the field *name*, and its annotation there."""
    classes = ((c.__module__, own_annotations(c)) for c in model.__mro__)
    module, annotations = next(pair for pair in classes if name in pair[1])
    if isinstance(annotations, Annotations):
        return module, annotations.declared(name)
    return module, annotations[name]


def own_annotations(cls: type[Any]) -> Mapping[str, Any]:
    """Return the annotations in the body of *cls*."""
    return cast("Mapping[str, Any]", getattr(cls, "__annotations__", {}))


def _json_type(annotation: Any, module: str, *, expanded: bool) -> Any:
    """Return the type of a field in the JSON: for a link a URL and, if *expanded*, the model."""
    if isinstance(annotation, str):
        text = LINK.sub(r"\1 | str" if expanded else "str", annotation)
        text = ONE_OR_MANY.sub(r"\1 | tuple[\1, ...]", text)
        return _aware(resolve(module, text))
    return _aware(_without_refs(annotation, expanded=expanded))


def _without_refs(type_: Any, *, expanded: bool) -> Any:
    origin, arguments = get_origin(type_), get_args(type_)
    if origin is Ref:
        return arguments[0] | str if expanded else str
    return _rebuilt(type_, lambda argument: _without_refs(argument, expanded=expanded))


def _aware(type_: Any) -> Any:
    """Return *type_* with `Instant` for datetimes, as the API's are."""
    return Instant if type_ is REAL.datetime else _rebuilt(type_, _aware)


def _rebuilt(type_: Any, change: Callable[[Any], Any]) -> Any:
    """Return the union or generic *type_* with each of its arguments as *change* returns it."""
    origin, arguments = get_origin(type_), get_args(type_)
    if origin not in {types.UnionType, Union, tuple, list, dict}:
        return type_
    changed = tuple(map(change, arguments))
    if changed == arguments:
        return type_
    # Through Any: checkers reject types that are made at run time.
    return cast(Any, Union if origin is types.UnionType else origin)[changed]


def _models_in(type_: Any) -> list[type[Model]]:
    if is_model(type_):
        return [type_]
    if get_origin(type_) is Annotated:
        return []
    return [model for argument in get_args(type_) for model in _models_in(argument)]


@functools.cache
def field_names(model: Any) -> FieldNames:
    """Return the names of the fields of *model*, by what they hold."""
    fields = fields_of(model)
    return FieldNames(
        frozenset(fields),
        tuple(name for name, field in fields.items() if field.models),
        tuple(name for name, field in fields.items() if is_decimal(field.type)),
    )


def union_args(type_: Any) -> tuple[Any, ...]:
    """Return the alternatives of a union; of another type, the type itself."""
    if get_origin(type_) in {types.UnionType, Union}:
        return get_args(type_)
    return (type_,)


def is_model(type_: Any) -> bool:
    """Return whether *type_* is a model class."""
    return isinstance(type_, type) and issubclass(type_, Model)


def is_open_enum(type_: Any) -> bool:
    """Return whether *type_* is an enum that the server may extend."""
    return isinstance(type_, type) and issubclass(type_, OpenEnum)


def is_decimal(type_: Any) -> bool:
    """Return whether *type_* is a decimal number, or a union with one."""
    return decimal.Decimal in union_args(type_)


@functools.cache
def contains_decimal(model: Any) -> bool:
    """Return whether *model*, or a model inside it, has a decimal number."""
    return is_model(model) and any(
        is_decimal(field.type) for field in _all_fields(model, expanded=True)
    )


@functools.cache
def free_form_fields(model: Any, expanded: bool = True) -> tuple[str, ...]:
    """Return the names of the fields of *model* that may hold JSON of any shape and depth."""
    if not attrs.has(cast(type, model)):  # a map of numbers, which do not nest
        return ()
    return tuple(
        name
        for name, field in fields_of(model, expanded=expanded).items()
        if _is_free_form(field.type)
        or any(_contains_free_form(inner, expanded) for inner in cast(Any, field.models))
    )


@functools.cache
def _contains_free_form(model: Any, expanded: bool) -> bool:
    return any(_is_free_form(field.type) for field in _all_fields(model, expanded=expanded))


def has_map(type_: Any) -> bool:
    """Return whether *type_* holds objects with any keys, outside of models."""
    return type_ is Any or get_origin(type_) is dict or any(map(has_map, get_args(type_)))


def _is_free_form(type_: Any) -> bool:
    return type_ is Any or any(map(_is_free_form, get_args(type_)))


def _all_fields(model: Any, *, expanded: bool) -> Iterator[Field]:
    """Yield the fields of *model* and of each model that may be inside it."""
    seen: set[Any] = set()
    queue: list[Any] = [model]
    while queue:
        current = queue.pop()
        if current in seen:
            continue
        seen.add(current)
        for field in fields_of(current, expanded=expanded).values():
            yield field
            queue += field.models


def free_form_children(value: Any) -> Iterable[Any]:
    """Return the values directly inside *value* that may nest to any depth."""
    if value.__class__ is Ref:
        value = value.resource
    if isinstance(value, Model):
        return _free_form_getter(cast(Any, value.__class__))(value)
    if value.__class__ is dict:
        return cast("dict[str, Any]", value).values()
    return cast("Sequence[Any]", value) if value.__class__ in {list, tuple} else ()


@functools.cache
def _free_form_getter(model: Any) -> Callable[[Any], Iterable[Any]]:
    names = free_form_fields(model)
    if not names:
        return lambda _: ()
    # An attrgetter of one name returns the value itself, of two or more a tuple.
    get_all = operator.attrgetter(*names, names[0])

    def get_nested(value: Any) -> list[Any]:
        # Most links are not expanded, and there is nothing inside those.
        found = get_all(value)[:-1]
        return [one for one in found if one.__class__ is not Ref or one.resource is not None]

    return get_nested
