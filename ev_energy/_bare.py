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

_twins: Final[dict[tuple[type[Model], bool], type[Any]]] = {}


def bare(type_: Any, *, links: bool = True) -> Any:
    """*type_* with the twins of models in the places of the models.

    Without *links* a link may not be expanded, and no model behind one is looked at.
    """
    if is_model(type_):
        return _twin(type_, links)
    origin = get_origin(type_)
    if origin in {types.UnionType, Union}:
        # A union made at run time, which is none of the checkers' business.
        return cast(Any, Union)[tuple(bare(arm, links=links) for arm in arms(type_))]
    if origin in {tuple, list}:
        inner = tuple(bare(argument, links=links) for argument in get_args(type_))
        return types.GenericAlias(origin, inner)
    return type_


def _twin(model: type[Model], links: bool) -> type[Any]:
    if (model, links) not in _twins:
        # A model that inherits members has slots in two places; it is built as it is, and slower.
        if model.__bases__ == (Model,) and _has_links(model, set()):
            _make(model, links)
        else:
            _twins[model, links] = model
            for name, member in members(model).items():
                _annotations(model, name)[name] = bare(member.type)
    return _twins[model, links]


def _annotations(model: type[Model], name: str) -> dict[str, Any]:
    """The annotations that *name* stands in: of the model, or of one it inherits from."""
    return next(
        c.__annotations__ for c in model.__mro__ if name in vars(c).get("__annotations__", ())
    )


def _make(model: type[Model], links: bool) -> None:
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
    _twins[model, links] = twin  # what a cycle of links comes back to
    own = members(model, links=links)
    twin.__annotations__ = {n: bare(member.type, links=links) for n, member in own.items()}


def _has_links(model: type[Model], seen: set[type[Model]]) -> bool:
    """Whether a link stands in *model*, or in a model that is part of it."""
    if model in seen:
        return False
    seen.add(model)
    own = members(model, links=False).values()
    return any(isinstance(vars(model).get(member.name), property) for member in own) or any(
        _has_links(inner, seen) for member in own for inner in member.models
    )
