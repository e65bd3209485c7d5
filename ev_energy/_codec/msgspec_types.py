"""The models as types that msgspec decodes natively.

msgspec asks each object that it has built whether it has all its fields. Reading a link makes a
`Ref`, which took a third of the time of decoding for nothing. So msgspec builds an object of a
*decoding class*: the same slots without the properties that make links `Ref`. As its last step the
object is given the class of the model. Python allows that because slots and bases are equal, and
nothing is copied.

Where a model contains itself, the inner one expects links that are not expanded. A request cannot
ask for more, and so the depth of what msgspec builds is limited.
"""

from __future__ import annotations

import datetime as dt
import decimal
import functools
import types
from collections.abc import Callable
from typing import Any, Final, Generic, TypeAlias, Union, cast, get_args, get_origin

import msgspec

from ev_energy._codec.fields import fields_of, is_model, union_args
from ev_energy._codec.member_count import decoded_field, last_step
from ev_energy._runtime.build_lock import built_once
from ev_energy.models._base import Model, model_fields

#: What a decoding class depends on: its model and, if links in it may be expanded, those of the
#: models around it that it may contain too; otherwise None.
_Key: TypeAlias = tuple[type[Model], frozenset[type[Model]] | None]
_Classes: TypeAlias = dict[_Key, type[Any]]
#: The complete decoding classes. Classes that are being made are in the dictionary of their build.
_decoding_classes: Final[_Classes] = {}


@built_once
def msgspec_type(type_: Any, *, expanded: bool = True) -> Any:
    """Return *type_* with decoding classes in place of the models.

    Unless *expanded*, a link must be a URL, and the models of resources behind links are not
    looked at.

    Raises:
        TypeError: A model contains itself otherwise than by a link.
    """
    building: _Classes = {}
    result = _native(type_, expanded, (), building)
    # msgspec caches what it knows about a class on the class, and publishes that before it is
    # complete. Making a decoder here completes it before another thread can see the class.
    msgspec.json.Decoder[Any](result)
    _decoding_classes.update(building)
    return result


def _native(type_: Any, expanded: bool, path: tuple[_Key, ...], building: _Classes) -> Any:
    if is_model(type_):
        return _decoding_class(type_, expanded, path, building)
    origin, arguments = get_origin(type_), get_args(type_)
    if origin in {types.UnionType, Union}:
        # Of `Decimal | str`, msgspec decodes a string to the number; another string is left to the
        # lenient pass.
        if _is_formatted(arguments):
            arguments = tuple(arg for arg in arguments if arg is not str)
        # Through Any: checkers reject a union that is made at run time.
        return cast(Any, Union)[
            tuple(_native(argument, expanded, path, building) for argument in arguments)
        ]
    if origin in {tuple, list, dict}:
        items = tuple(_native(argument, expanded, path, building) for argument in arguments)
        return types.GenericAlias(origin, items)
    return type_


def _decoding_class(
    model: type[Model], expanded: bool, path: tuple[_Key, ...], building: _Classes
) -> type[Any]:
    around = {outer for outer, outer_around in path if outer_around is not None}
    key: _Key = model, None
    if expanded and model not in around:
        key = model, _models_inside(cast(Any, model)) & around
    if found := _decoding_classes.get(key) or building.get(key):
        return found
    if key in path:
        raise TypeError(f"{model.__name__} contains itself, which only a link may")
    if _notices_subclasses(model) and not _has_links(model):
        # Its own code would see the decoding class. The members of its objects are not counted, so
        # they are always looked at again.
        building[key] = model
        return model
    building[key] = made = _make_decoding_class(key, path, building)
    return made


def _notices_subclasses(model: type[Model]) -> bool:
    """Return whether a user's *model* has code for subclasses or new objects, or type variables."""
    return (
        hasattr(model, "__attrs_pre_init__")
        or hasattr(model.__init_subclass__, "__func__")  # one that is written in Python
        or issubclass(model, cast(Any, Generic))
    )


def _has_links(model: type[Model]) -> bool:
    """Return whether *model* or a model inside it has links, or strings with a format."""
    models: list[Any] = [model, *_models_inside(cast(Any, model))]
    return any(
        isinstance(getattr(one, field.name), property)
        or (str in union_args(field.type) and _is_formatted(union_args(field.type)))
        for one in models
        for field in fields_of(one, expanded=False).values()
    )


def _is_formatted(alternatives: tuple[Any, ...]) -> bool:
    return not {decimal.Decimal, dt.time}.isdisjoint(alternatives)


@functools.cache
def _models_inside(model: Any) -> frozenset[type[Model]]:
    """Return the models that may be inside *model*, behind links too."""
    found: set[type[Model]] = set()
    queue: list[Any] = [model]
    while queue:
        inner = {one for field in fields_of(queue.pop()).values() for one in field.models}
        queue += inner - found
        found |= inner
    return frozenset(found)


def _make_decoding_class(key: _Key, path: tuple[_Key, ...], building: _Classes) -> type[Any]:
    model, around = key
    namespace = {
        # By these, msgspec knows the fields and the last step of an attrs class. The unknown fields
        # are not among them: JSON never has them, and msgspec looks for an optional field that is
        # absent by raising an error, which took 7 % of the instructions of decoding an EVSE.
        "__attrs_attrs__": tuple(map(decoded_field, model_fields(model))),
        "__attrs_post_init__": last_step(model),
        # Not those of a frozen model. With both, Python sets attributes without a call.
        "__setattr__": object.__setattr__,
        "__delattr__": object.__delattr__,
        "__module__": model.__module__,  # which forward references are names of
    }
    if "__orig_bases__" in vars(model):  # a user's own model may have type variables
        namespace["__orig_bases__"] = vars(model)["__orig_bases__"]
    # The model's own slots: a model that inherits fields has those in its base. A subclass made by
    # a user may have no slots, and then instances of both classes have a dictionary.
    if "__slots__" in vars(model):
        namespace["__slots__"] = vars(model)["__slots__"]
    decoding_class = type(f"_Decoding{model.__name__}", model.__bases__, namespace)
    first_step = getattr(model, "__attrs_pre_init__", None)
    if first_step is not None:
        step = _first_step(model, first_step, decoding_class)
        cast(Any, decoding_class).__attrs_pre_init__ = step
    expanded = around is not None
    decoding_class.__annotations__ = {
        name: _native(field.type, expanded, (*path, key), building)
        for name, field in fields_of(model, expanded=expanded).items()
    }
    return decoding_class


def _first_step(
    model: type[Model], own_step: Callable[[Any], None], decoding_class: type[Any]
) -> Callable[[Any], None]:
    """Return the step of a user's model before its fields are set, which sees a *model*."""

    def call_as_model(self: Any) -> None:
        self.__class__ = model
        try:
            own_step(self)
        finally:
            object.__setattr__(self, "__class__", decoding_class)

    return call_as_model
