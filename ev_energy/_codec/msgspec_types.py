"""Models as msgspec should see them: bare twins, without the properties that make links `Ref`.

msgspec asks each object it has built whether it has all its members. Asking a link makes a `Ref`,
for nobody, and took a third of the time of decoding. So msgspec builds a twin that has the same
slots and no properties; the object becomes the model it stands for as its last step. Slots and
bases being equal, Python lets it change its class, and nothing is copied.
"""

from __future__ import annotations

import datetime as dt
import decimal
import types
from typing import Any, Final, TypeAlias, Union, cast, get_args, get_origin

import attrs
import msgspec

from ev_energy._runtime.build_lock import built_once
from ev_energy.models._base import Model
from ev_energy.models._fields import arms, is_model, members

#: Complete twins only: one that is still being made is in the dictionary of its own build.
_twins: Final[dict[tuple[type[Model], bool], type[Any]]] = {}
_Twins: TypeAlias = dict[tuple[type[Model], bool], type[Any]]


@built_once
def bare(type_: Any, *, links: bool = True) -> Any:
    """Return *type_* with the twins of models in the places of the models.

    Without *links* a link may not be expanded, and no model behind one is looked at.
    """
    building: _Twins = {}
    built = _bare(type_, links, building)
    # msgspec keeps what it knows about a class on the class, and publishes it before it is
    # complete. Asking for a decoder here completes it before another thread can see the class.
    msgspec.json.Decoder[Any](built)
    _twins.update(building)
    return built


def _bare(type_: Any, links: bool, building: _Twins) -> Any:
    if is_model(type_):
        return _twin(type_, links, building)
    origin = get_origin(type_)
    if origin in {types.UnionType, Union}:
        # A union made at run time, which is none of the checkers' business.
        # Text that may be a number or a time is one to msgspec; other text is left to `_tolerant`.
        alternatives = [arm for arm in arms(type_) if arm is not str or not _has_a_form(type_)]
        return cast(Any, Union)[tuple(_bare(arm, links, building) for arm in alternatives)]
    if origin in {tuple, list}:
        inner = tuple(_bare(argument, links, building) for argument in get_args(type_))
        return types.GenericAlias(origin, inner)
    return type_


def _has_a_form(type_: Any) -> bool:
    return not {decimal.Decimal, dt.time}.isdisjoint(arms(type_))


def _twin(model: type[Model], links: bool, building: _Twins) -> type[Any]:
    key = model, links
    if found := _twins.get(key) or building.get(key):
        return found
    if not _needs_a_twin(model, set()):
        # Nothing to do otherwise: msgspec builds the model itself.
        building[key] = model
        return model
    return _make(model, links, building)


def _make(model: type[Model], links: bool, building: _Twins) -> type[Any]:
    def become(self: object) -> None:
        self.__class__ = model

    twin = type(
        f"_Bare{model.__name__}",
        model.__bases__,
        {
            # Only its own: a model that inherits members has the others in its base.
            "__slots__": vars(model)["__slots__"],
            "__attrs_attrs__": attrs.fields(cast(Any, model)),
            "__attrs_post_init__": become,
            # Not the one of a model that the twin inherits from, which is frozen.
            "__setattr__": object.__setattr__,
            "__module__": __name__,
        },
    )
    building[model, links] = twin  # what a cycle of links comes back to
    own = members(model, links=links)
    twin.__annotations__ = {n: _bare(m.type, links, building) for n, m in own.items()}
    return twin


def _needs_a_twin(model: type[Model], seen: set[type[Model]]) -> bool:
    """Return whether *model*, or a part of it, has a link or text of a form that msgspec knows."""
    if model in seen:
        return False
    seen.add(model)
    own = members(model, links=False).values()
    return any(
        isinstance(vars(model).get(member.name), property)
        or (str in arms(member.type) and _has_a_form(member.type))
        or any(_needs_a_twin(inner, seen) for inner in member.models)
        for member in own
    )
