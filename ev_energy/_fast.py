"""The fast way in: JSON bytes straight to models, by msgspec.

msgspec builds attrs classes natively and validates on the way, but says nothing of members it does
not know. A guard therefore reads the bytes first: a graph of throw-away msgspec structs with the
models' member names that refuses an unknown one. Both passes run in C and together cost about half
of looking through the decoded objects in Python.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Union, cast, get_args, get_origin

import msgspec

from ev_energy._bare import bare
from ev_energy._members import arms, is_model, members
from ev_energy._model import Model
from ev_energy._refs import Ref

_structs: dict[type[Model], type[msgspec.Struct] | str] = {}


@functools.cache
def decoder(into: Any) -> msgspec.json.Decoder[Any]:
    """Decodes JSON into *into*; silent about unknown members."""
    return msgspec.json.Decoder(bare(into))


@functools.cache
def guard(into: Any) -> msgspec.json.Decoder[Any]:
    """Refuses JSON with a member that the models in *into* do not know."""
    return msgspec.json.Decoder(_shadow(into))


def _shadow(type_: Any) -> Any:
    """The type that lets the same JSON through as *type_* does, looking at member names only."""
    if is_model(type_):
        return _struct(type_)
    origin = get_origin(type_)
    if origin in {types.UnionType, Union}:
        shadows = [_shadow(arm) for arm in arms(type_)]
        if not any(map(_names_members, shadows)):
            return Any
        # Beside an object or a list, only the text of a link or null may stand.
        return Union[tuple(s if _names_members(s) else a for s, a in zip(shadows, arms(type_)))]  # noqa: B905, UP007  # pyright: ignore[reportGeneralTypeIssues, reportInvalidTypeForm]  (a union made at run time)
    if origin in {tuple, list}:
        inner: Any = _shadow(get_args(type_)[0])
        return types.GenericAlias(list, (inner,)) if _names_members(inner) else Any
    return Any


def _names_members(shadow: Any) -> bool:
    return shadow is not Any and shadow is not str and shadow is not type(None)


def _struct(cls: type[Model]) -> Any:
    if cls not in _structs:
        name = f"_Names{cls.__name__}"
        _structs[cls] = name  # what a cycle comes back to
        fields = [(m.name, _shadow(m.type), None) for m in members(cls).values()]
        struct = msgspec.defstruct(
            name, fields, forbid_unknown_fields=True, module=__name__, gc=False
        )
        globals()[name] = _structs[cls] = struct  # where msgspec looks a cycle's names up
    return _structs[cls]


def attach_unknown(data: Any, built: Any, path: str) -> Iterator[tuple[str, type[Model], str, Any]]:
    """Put the members that *built* does not know into its ``.extra``; yield each."""
    if isinstance(built, Ref):
        built = cast("Ref[Model]", built).resource
    if isinstance(built, Model) and isinstance(data, Mapping):
        data = cast("Mapping[str, Any]", data)
        known = members(type(built))
        unknown = {name: value for name, value in data.items() if name not in known}
        if unknown:
            object.__setattr__(built, "_extra", unknown)
        for name, value in unknown.items():
            yield f"{path}.{name}", type(built), name, value
        for name, member in known.items():
            if member.models and data.get(name) is not None:
                yield from attach_unknown(data[name], getattr(built, name), f"{path}.{name}")
    elif isinstance(built, list | tuple):
        for index, (one, item) in enumerate(zip(data, cast("Sequence[Any]", built), strict=True)):
            yield from attach_unknown(one, item, f"{path}[{index}]")
