"""The fast way in: JSON bytes straight to models, by msgspec.

msgspec builds attrs classes natively and validates on the way, but says nothing of members it does
not know. A guard therefore reads the bytes too: a graph of throw-away msgspec structs with the
models' member names that refuses an unknown one. Both passes run in C, and cost less together than
looking through the JSON in Python.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from typing import Any, Union, cast, get_args, get_origin

import msgspec

from ev_energy._bare import bare
from ev_energy._drift import Reporter
from ev_energy._members import arms, is_model, members
from ev_energy._model import Model
from ev_energy._refs import Ref

_structs: dict[tuple[type[Model], bool], type[msgspec.Struct] | str] = {}


@functools.cache
def readers(
    into: Any, many: bool, links: bool
) -> tuple[Callable[[bytes], Any], Callable[[bytes], object]]:
    """What decodes JSON into *into*, or a list of them; and what refuses unknown members in it.

    Without *links*, both refuse JSON with an expanded link in it.
    """
    built, guard = bare(into, links=links), _shadow(into, links)
    if many:
        built, guard = types.GenericAlias(list, (built,)), types.GenericAlias(list, (guard,))
    return msgspec.json.Decoder[Any](built).decode, msgspec.json.Decoder[Any](guard).decode


def _shadow(type_: Any, links: bool) -> Any:
    """The type that lets the same JSON through as *type_* does, looking at member names only."""
    if is_model(type_):
        return _struct(type_, links)
    origin = get_origin(type_)
    if origin in {types.UnionType, Union}:
        shadows = [_shadow(arm, links) for arm in arms(type_)]
        if not any(map(_names_members, shadows)):
            return Any
        # Beside an object or a list, only the text of a link or null may stand.
        return Union[tuple(s if _names_members(s) else a for s, a in zip(shadows, arms(type_)))]  # noqa: B905, UP007  # pyright: ignore[reportGeneralTypeIssues, reportInvalidTypeForm]  (a union made at run time)
    if origin in {tuple, list}:
        inner: Any = _shadow(get_args(type_)[0], links)
        return types.GenericAlias(list, (inner,)) if _names_members(inner) else Any
    return Any


def _names_members(shadow: Any) -> bool:
    return shadow is not Any and shadow is not str and shadow is not type(None)


def _struct(cls: type[Model], links: bool) -> Any:
    if (cls, links) not in _structs:
        name = f"_Names{cls.__name__}{'AndLinks' if links else ''}"
        _structs[cls, links] = name  # what a cycle comes back to
        own = members(cls, links=links).values()
        struct = msgspec.defstruct(
            name,
            [(member.name, _shadow(member.type, links), None) for member in own],
            forbid_unknown_fields=True,
            module=__name__,
            gc=False,
        )
        globals()[name] = _structs[cls, links] = struct  # where msgspec looks a cycle's names up
    return _structs[cls, links]


def put_back_unknown(data: Any, built: Any, path: str, report: Reporter) -> None:
    """Put the members that *built* does not know into its ``.extra``, and report them."""
    if isinstance(built, list):
        for index, item in enumerate(cast("Sequence[Any]", built)):
            _compare(data[index], item, [f"{path}[{index}]"], report)
    else:
        _compare(data, built, [path], report)


def _compare(data: Any, built: Any, path: list[str], report: Reporter) -> None:
    if built.__class__ is Ref:
        built = built.resource
    if isinstance(built, tuple) and data.__class__ in {list, dict}:
        data = data if data.__class__ is list else [data]  # one by itself, of several
        for index, item in enumerate(cast("Sequence[Any]", built)):
            _compare(data[index], item, [*path, f"[{index}]"], report)
    elif data.__class__ is dict and isinstance(built, Model):
        names, inner = _plan(cast(Any, type(built)))
        if not data.keys() <= names:
            unknown = {name: value for name, value in data.items() if name not in names}
            _take_other_spellings(built, unknown)
            if unknown:
                object.__setattr__(built, "_extra", unknown)
                report.unknown_members(built.__class__, unknown, path)
        for name in inner:
            value = data.get(name)
            if value.__class__ is dict or value.__class__ is list:
                _compare(value, getattr(built, name), [*path, f".{name}"], report)


def _take_other_spellings(built: Model, unknown: dict[str, Any]) -> None:
    """Move what is known under another name out of *unknown*, where it is of the right type."""
    for member in members(type(built)).values():
        if member.also in unknown and getattr(built, member.name) is None:
            try:
                value = msgspec.convert(unknown[member.also], member.type)
            except msgspec.ValidationError:
                continue
            object.__setattr__(built, member.name, value)
            del unknown[member.also]


@functools.cache
def _plan(cls: Any) -> tuple[frozenset[str], tuple[str, ...]]:
    """The names of the members of *cls*, and of those that may hold models."""
    known = members(cls)
    return frozenset(known), tuple(name for name, member in known.items() if member.models)
