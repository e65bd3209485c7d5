"""Check models that users define, before a request is sent whose reply could not be decoded."""

from __future__ import annotations

import functools
from typing import Annotated, Any, ClassVar, cast, get_args, get_origin

from ev_energy._arguments import describe_type
from ev_energy._codec.fields import fields_of, is_model, is_open_enum, own_annotations, union_args
from ev_energy._codec.strict import strict_decoder
from ev_energy.models._base import Annotations, Model


def require_model(
    name: str, value: object, *, as_list: bool = False, expanded: bool = False
) -> type[Model]:
    """Return *value*, or raise `TypeError` unless it is a model that a reply can be decoded to.

    *as_list* and *expanded* are those of `Expected`.
    """
    model = cast("type[Model]", value)
    if not is_model(model) or model is Model:
        raise TypeError(f"{name} must be a model class, such as EVSE, not {describe_type(value)}")
    if not _is_built_in(model):
        _check(cast("Any", model), name)
        try:
            strict_decoder(model, as_list, expanded)
        except TypeError as error:  # for example a union of two models
            raise TypeError(f"{name}: {model.__name__} cannot be decoded: {error}") from None
    return model


def _is_built_in(model: type[Any]) -> bool:
    return model.__module__.startswith("ev_energy.models.")


@functools.cache
def _check(model: Any, name: str) -> None:
    """Raise `TypeError` unless *model* and the models inside it can be decoded."""
    seen: set[Any] = set()
    queue: list[Any] = [model]
    while queue:
        current = queue.pop()
        if current in seen or _is_built_in(current):
            continue
        seen.add(current)
        _check_is_decorated(current, name)
        try:
            fields = fields_of(current)
        except NameError as error:
            raise TypeError(
                f"{name}: {error} in the annotations of {current.__name__}: define it at the top "
                "level of the module"
            ) from None
        for field in fields.values():
            if not _is_decodable(field.type):
                raise TypeError(
                    f"{name}: {current.__name__}.{field.name} has the type {_text(field.type)}, "
                    "which cannot be decoded: see ev_energy.models.model for the types that can"
                )
            queue += field.models


def _check_is_decorated(model: Any, name: str) -> None:
    for cls in model.__mro__[: model.__mro__.index(Model)]:
        annotations = own_annotations(cls)
        if isinstance(annotations, Annotations):
            continue
        if not all(map(_is_class_variable, annotations.values())):
            raise TypeError(
                f"{name}: {cls.__name__} declares fields, so it must be decorated with "
                "@ev_energy.models.model"
            )


def _is_class_variable(annotation: Any) -> bool:
    if isinstance(annotation, str):
        return annotation.removeprefix("typing.").startswith("ClassVar")
    return annotation is ClassVar or get_origin(annotation) is ClassVar


def _is_decodable(type_: Any) -> bool:
    # Not imported with this module: it imports cattrs, which built-in models seldom need.
    from ev_energy._codec.lenient import SCALARS

    if get_origin(type_) is Annotated:
        type_ = get_args(type_)[0]
    alternatives = union_args(type_)
    if len(alternatives) > 1:
        return all(map(_is_decodable, alternatives))
    arguments = get_args(type_)
    match get_origin(type_):
        case origin if origin is list:
            return _is_decodable(arguments[0])
        case origin if origin is tuple:
            return all(map(_is_decodable, [one for one in arguments if one is not Ellipsis]))
        case origin if origin is dict:
            return arguments[0] is str and _is_decodable(arguments[1])
        case _:
            known = type_ in {Any, type(None), *SCALARS}
            return known or is_model(type_) or is_open_enum(type_)


def _text(type_: Any) -> str:
    return type_.__name__ if isinstance(type_, type) and not get_args(type_) else str(type_)
