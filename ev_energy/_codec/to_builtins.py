"""Models as dictionaries, lists and scalars, which any JSON encoder takes.

`lenient.to_dict` writes the JSON of one model by a cattrs converter. This module writes the same
members three times as fast, since it reads the slots and leaves scalars to an encoder in C; it is
for replies of a server, which are encoded at once.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, Final, NamedTuple, TypeAlias, cast, get_args, get_origin

import attrs

from ev_energy._codec.fields import Field, fields_of, is_open_enum, union_args
from ev_energy._codec.text import received_timestamp
from ev_energy._messages import Page
from ev_energy._redaction.scrub import MASK
from ev_energy._redaction.signed_urls import mask_signed_urls
from ev_energy._runtime.clocks import REAL
from ev_energy._unset import UNSET
from ev_energy.models._base import (
    COLLECTION,
    EXTRA,
    Model,
    PlainValue,
    SingleItem,
    secrets_of,
    stored_name,
)
from ev_energy.models._refs import Ref

_Convert: TypeAlias = Callable[[Any], Any]


class Form(NamedTuple):
    """How models are written. By default, as `Model.to_dict` does, but for the scalars."""

    text: bool = False
    """Whether points in time and times of day become text, as the API writes them."""
    unset: bool = False
    """Whether to write null for a field that is None, although the API may leave it out."""
    nulls: bool = True
    """Whether to write null at all."""
    defaults: bool = True
    """Whether to write a field that has its default value."""
    masked: bool = False
    """Whether to mask what grants access to something, as `repr` does."""


AS_SENT: Final = Form()
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_TEMPORAL: Final = frozenset({REAL.datetime, REAL.date, REAL.time})


def to_builtins(value: Any, form: Form = AS_SENT) -> Any:  # noqa: PLR0911  (one return for each kind)
    """Return *value* with a dictionary in place of each model, and a list in place of a page.

    Models may be in lists, tuples, dictionaries, dataclasses and attrs classes. Scalars stay as
    they are, unless *form* wants the API's text of points in time.

    Raises:
        TypeError: *value* contains an object of this package that is no model.
    """
    kind = value.__class__
    if kind is list or kind is tuple:
        return [to_builtins(item, form) for item in cast("Sequence[Any]", value)]
    if isinstance(value, Model):
        return write(value, type(value), form)
    if isinstance(value, Ref):
        return _link(cast("Any", value), form)
    if isinstance(value, PlainValue):
        return plain_value(value, form)
    if isinstance(value, Page):
        return [to_builtins(item, form) for item in cast("Any", value).items]
    if isinstance(value, Mapping):
        members = cast("Mapping[str, Any]", value)
        return {name: to_builtins(one, form) for name, one in members.items()}
    if isinstance(value, list | tuple):  # a subclass
        return [to_builtins(item, form) for item in cast("Sequence[Any]", value)]
    if kind not in _SCALARS and (names := _record_fields(kind)):
        return {name: to_builtins(getattr(value, name), form) for name in names}
    return _text(value) if form.text else value


@functools.cache
def _record_fields(kind: type[Any]) -> tuple[str, ...]:
    """Return the fields of a class that an encoder would write with the models inside of it.

    Of the package's own classes, some hold secrets, such as `auth.Token`.
    """
    if attrs.has(kind):
        names = tuple(field.name for field in attrs.fields(kind))
    elif dataclasses.is_dataclass(kind):
        names = tuple(field.name for field in dataclasses.fields(kind))
    else:
        names = tuple(getattr(kind, "__struct_fields__", ()))  # of msgspec
    if names and kind.__module__.partition(".")[0] == "ev_energy":
        raise TypeError(f"{kind.__name__} is no model and has no JSON; write its members yourself")
    return names


def write(value: Model, model: type[Model], form: Form) -> dict[str, Any]:
    """Return the members of *value* that *model*, its class or a base of it, declares."""
    return _writer(cast("Any", model), form)(value)


def plain_value(value: PlainValue, form: Form) -> dict[str, Any]:
    """Return the members of *value* that are set; targets of links as their URL or id."""
    members: dict[str, Any] = {}
    for field in attrs.fields(cast("Any", type(value))):
        member = getattr(value, field.name)
        if member is UNSET or (member is None and not form.nulls):
            continue
        if field.metadata.get(COLLECTION) and isinstance(member, Ref | Model):
            link = cast("Any", member)
            members[field.name] = getattr(link, "url", None) or getattr(link, "id", None)
        else:
            members[field.name] = to_builtins(member, form)
    return members


def _text(value: Any) -> Any:
    """Return the API's text of a point in time, a day or a time of day, and other values as is."""
    if isinstance(value, REAL.datetime):
        return received_timestamp(value)
    if isinstance(value, REAL.date | REAL.time):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value


@functools.cache
def _writer(model: Any, form: Form) -> Callable[[Any], dict[str, Any]]:
    """Return the function that writes the members of *model*."""
    write_members = _plain_writer(model, form)
    if not form.masked:
        return write_members
    secrets = secrets_of(model)

    def write_masked(value: Any) -> dict[str, Any]:
        members = write_members(value)
        masked = {name: MASK for name in secrets if members.get(name) is not None}
        unknown = {name: members[name] for name in value.extra if name in members}
        masked |= mask_signed_urls(unknown, MASK)
        return members | masked

    return write_masked


def _plain_writer(model: Any, form: Form) -> Callable[[Any], dict[str, Any]]:
    fields = fields_of(model).values()
    names = [field.name for field in fields]
    # One call in C for all fields. With two names or more, an attrgetter returns a tuple.
    read = operator.attrgetter(*(stored_name(model, name) for name in names), EXTRA, EXTRA)
    conversions = [(f.name, convert) for f in fields if (convert := _conversion(f, form))]
    enum_types = {one for f in fields for one in union_args(f.type) if is_open_enum(one)}
    enums = [f.name for f in fields if form.text and not enum_types.isdisjoint(union_args(f.type))]
    null_names = {
        f.name for f in fields if f.nullable and form.nulls and (form.unset or f.required)
    }
    defaults = [(f.name, f.default) for f in fields if f.default is not None and not form.defaults]

    def write_members(value: Any) -> dict[str, Any]:
        found = read(value)
        members = {
            name: one
            for name, one in zip(names, found, strict=False)  # the last two are no fields
            if one is not None or name in null_names
        }
        for name, convert in conversions:
            if (one := members.get(name)) is not None:
                members[name] = convert(one)
        for name in enums:
            value_of_enum: Any = members.get(name)
            if value_of_enum.__class__ in enum_types:
                members[name] = value_of_enum._value_  # not `value`, a property written in Python
        for name, default in defaults:
            if members.get(name) == default:
                del members[name]
        if extra := found[-1]:
            members |= {n: one for n, one in extra.items() if one is not None or form.nulls}
        return members

    return write_members


def _conversion(field: Field, form: Form) -> _Convert | None:
    """Return the function for the values of *field*; None if an encoder takes them as they are."""
    if field.models:
        return functools.partial(_nested, field.models, form)
    types = {
        get_args(one)[0] if get_origin(one) is Annotated else one for one in union_args(field.type)
    }
    return _text if form.text and not types.isdisjoint(_TEMPORAL) else None


def _nested(models: tuple[type[Model], ...], form: Form, value: Any) -> Any:
    """Return what is written of *value*, in which there may be instances of *models*."""
    if isinstance(value, str):  # the URL of a link
        return value
    for model in models:
        if isinstance(value, model):
            return _writer(cast("Any", model), form)(value)
    if value.__class__ is SingleItem:
        return _nested(models, form, value[0])
    if isinstance(value, list | tuple):
        return [_nested(models, form, item) for item in cast("Sequence[Any]", value)]
    if isinstance(value, Ref):
        link = cast("Any", value)
        return link.url if link.resource is None else _nested(models, form, link.resource)
    return to_builtins(value, form)


def _link(value: Ref[Any], form: Form) -> Any:
    return value.url if value.resource is None else to_builtins(value.resource, form)
