"""The models as types that msgspec decodes natively.

msgspec asks each object that it has built whether it has all its fields. Reading a link makes a
`Ref`, which took a third of the time of decoding for nothing. So msgspec builds an object of a
*decoding class*: the same slots without the properties that make links `Ref`. As its last step the
object is given the class of the model. Python allows that because slots and bases are equal, and
nothing is copied.
"""

from __future__ import annotations

import datetime as dt
import decimal
import types
from collections.abc import Callable
from typing import Any, Final, TypeAlias, Union, cast, get_args, get_origin

import msgspec

from ev_energy._codec.fields import fields_of, is_model, union_args
from ev_energy._runtime.build_lock import built_once
from ev_energy.models._base import NO_EXTRA, Model, model_fields

_Classes: TypeAlias = dict[tuple[type[Model], bool], type[Any]]
#: The complete decoding classes. Classes that are being made are in the dictionary of their build.
_decoding_classes: Final[_Classes] = {}


@built_once
def msgspec_type(type_: Any, *, expanded: bool = True) -> Any:
    """Return *type_* with decoding classes in place of the models.

    Unless *expanded*, a link must be a URL, and the models of resources behind links are not
    looked at.
    """
    building: _Classes = {}
    result = _msgspec_type(type_, expanded, building)
    # msgspec caches what it knows about a class on the class, and publishes that before it is
    # complete. Making a decoder here completes it before another thread can see the class.
    msgspec.json.Decoder[Any](result)
    _decoding_classes.update(building)
    return result


def _msgspec_type(type_: Any, expanded: bool, building: _Classes) -> Any:
    if is_model(type_):
        return _decoding_class(type_, expanded, building)
    origin = get_origin(type_)
    if origin in {types.UnionType, Union}:
        # Of `Decimal | str`, msgspec decodes a string to the number; another string is left to the
        # lenient pass.
        alternatives = [
            arg for arg in union_args(type_) if arg is not str or not _is_formatted_string(type_)
        ]
        # Through Any: checkers reject a union that is made at run time.
        return cast(Any, Union)[
            tuple(_msgspec_type(arg, expanded, building) for arg in alternatives)
        ]
    if origin in {tuple, list}:
        items = tuple(_msgspec_type(argument, expanded, building) for argument in get_args(type_))
        return types.GenericAlias(origin, items)
    return type_


def _is_formatted_string(type_: Any) -> bool:
    return not {decimal.Decimal, dt.time}.isdisjoint(union_args(type_))


def _decoding_class(model: type[Model], expanded: bool, building: _Classes) -> type[Any]:
    key = model, expanded
    if found := _decoding_classes.get(key) or building.get(key):
        return found
    if not _needs_decoding_class(model, set()):
        building[key] = model
        return model
    return _make_decoding_class(model, expanded, building)


def _make_decoding_class(model: type[Model], expanded: bool, building: _Classes) -> type[Any]:
    namespace = {
        # By these, msgspec knows the fields and the last step of an attrs class. JSON never has the
        # unknown fields, and msgspec looks for an optional field that is absent by raising an
        # error: 7 % of the instructions of decoding an EVSE.
        "__attrs_attrs__": model_fields(model),
        "__attrs_post_init__": _last_step(model),
        # Not those of a frozen model. With both, Python sets attributes without a call.
        "__setattr__": object.__setattr__,
        "__delattr__": object.__delattr__,
        "__module__": model.__module__,  # which forward references are names of
        # What a user's own model may have: a step before the fields are set, and type variables.
        **{
            name: vars(model)[name]
            for name in ("__attrs_pre_init__", "__orig_bases__")
            if name in vars(model)
        },
    }
    # The model's own slots: a model that inherits fields has those in its base. A subclass made by
    # a user may have no slots, and then instances of both classes have a dictionary.
    if "__slots__" in vars(model):
        namespace["__slots__"] = vars(model)["__slots__"]
    decoding_class = type(f"_Decoding{model.__name__}", model.__bases__, namespace)
    building[model, expanded] = decoding_class  # for cycles of links
    fields = fields_of(model, expanded=expanded).items()
    decoding_class.__annotations__ = {
        name: _msgspec_type(field.type, expanded, building) for name, field in fields
    }
    return decoding_class


def _last_step(model: type[Model]) -> Callable[[Any], None]:
    """Return the function that makes a *model* of an object of its decoding class."""

    def finish(self: Any) -> None:
        self._extra = NO_EXTRA
        self.__class__ = model

    post_init: Callable[[Any], None] | None = getattr(model, "__attrs_post_init__", None)
    if post_init is None:
        return finish
    own_step = post_init

    def finish_and_call(self: Any) -> None:
        finish(self)
        own_step(self)

    return finish_and_call


def _needs_decoding_class(model: type[Model], seen: set[type[Model]]) -> bool:
    """Return whether *model*, or a model inside it, has a link or a formatted string."""
    if model in seen:
        return False
    seen.add(model)
    return any(
        isinstance(vars(model).get(field.name), property)
        or (str in union_args(field.type) and _is_formatted_string(field.type))
        or any(_needs_decoding_class(inner, seen) for inner in field.models)
        for field in fields_of(model, expanded=False).values()
    )
