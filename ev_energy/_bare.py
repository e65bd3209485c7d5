"""Models as msgspec should see them: bare twins, without the properties that make links `Ref`.

msgspec asks each object it has built whether it has all its members. Asking a link makes a `Ref`,
for nobody, and took a third of the time of decoding. So msgspec builds a twin that has the same
slots and no properties; the object becomes the model it stands for as its last step. Slots and
bases being equal, Python lets it change its class, and nothing is copied.
"""

from __future__ import annotations

import types
from typing import Any, Final, Union, cast, get_args, get_origin

import attrs

from ev_energy._members import arms, is_model, members
from ev_energy._model import Model

_twins: Final[dict[type[Model], type[Any]]] = {}


def bare(type_: Any) -> Any:
    """*type_* with the twins of models in the places of the models."""
    if is_model(type_):
        return _twin(type_)
    origin = get_origin(type_)
    if origin in {types.UnionType, Union}:
        # A union made at run time, which is none of the checkers' business.
        return cast(Any, Union)[tuple(map(bare, arms(type_)))]
    if origin in {tuple, list}:
        return types.GenericAlias(origin, tuple(map(bare, get_args(type_))))
    return type_


def _twin(model: type[Model]) -> type[Any]:
    if model not in _twins:
        # A model that inherits members has slots in two places; it is built as it is, and slower.
        if model.__bases__ == (Model,) and _has_links(model, set()):
            _make(model)
        else:
            _twins[model] = model
            for name, member in members(model).items():
                _annotated(model, name)[name] = bare(member.type)
    return _twins[model]


def _annotated(model: type[Model], name: str) -> dict[str, Any]:
    """The annotations that *name* stands in: of the model, or of one it inherits from."""
    return next(
        c.__annotations__ for c in model.__mro__ if name in vars(c).get("__annotations__", ())
    )


def _make(model: type[Model]) -> None:
    def become(self: object) -> None:
        self.__class__ = model

    fields = attrs.fields(cast(Any, model))
    twin = type(
        f"_Bare{model.__name__}",
        model.__bases__,
        {
            "__slots__": tuple(field.name for field in fields),
            "__attrs_attrs__": fields,
            "__attrs_post_init__": become,
            "__module__": __name__,
        },
    )
    _twins[model] = twin  # what a cycle of links comes back to
    twin.__annotations__ = {name: bare(member.type) for name, member in members(model).items()}


def _has_links(model: type[Model], seen: set[type[Model]]) -> bool:
    """Whether a link stands in *model*, or in a model inside it."""
    if model in seen:
        return False
    seen.add(model)
    own = members(model).values()
    return any(isinstance(vars(model).get(member.name), property) for member in own) or any(
        _has_links(inner, seen) for member in own for inner in member.models
    )
