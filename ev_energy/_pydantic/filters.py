"""The `include` and `exclude` of pydantic, which leaves them to functions that write a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

#: The key that stands for every item of a list and every member of an object.
_ALL: Final = "__all__"


def filtered(value: Any, include: Any, exclude: Any) -> Any:
    """Return the part of *value*, made of dictionaries and lists, that pydantic would write.

    Both filters are sets of names or indices, or mappings of them to True or to inner filters.
    """
    if include is None and exclude is None:
        return value
    if isinstance(value, Mapping):
        members = cast("Mapping[str, Any]", value)
        return {
            name: filtered(one, *inner)
            for name, one in members.items()
            if (inner := _inside(include, exclude, (name,))) is not None
        }
    if isinstance(value, list | tuple):
        items = cast("list[Any]", value)
        return [
            filtered(one, *inner)
            for index, one in enumerate(items)
            if (inner := _inside(include, exclude, (index, index - len(items)))) is not None
        ]
    return value


def _inside(include: Any, exclude: Any, keys: tuple[Any, ...]) -> tuple[Any, Any] | None:
    """Return the filters inside of the member with one of *keys*; None if it is left out."""
    inner_exclude = None if exclude is None else _at(exclude, keys, includes=False)
    if inner_exclude is True:
        return None
    if include is None:
        return None, inner_exclude
    inner_include = _at(include, keys, includes=True)
    if inner_include is None:
        return None
    return None if inner_include is True else inner_include, inner_exclude


def _at(choice: Any, keys: tuple[Any, ...], *, includes: bool) -> Any:
    """Return True if *choice* has one of *keys* whole, the filters inside of it, or None."""
    found: Any = None
    for key in (_ALL, *keys):
        if key not in choice:
            continue
        inner = cast("Any", choice[key] if isinstance(choice, Mapping) else True)
        if inner is False and not includes:
            continue
        if inner is Ellipsis or isinstance(inner, bool):  # to include, pydantic takes False as True
            return True
        found = cast("Any", inner if found is None else {**_mapping(found), **_mapping(inner)})
    return found


def _mapping(choice: Any) -> Mapping[Any, Any]:
    is_mapping = isinstance(choice, Mapping)
    return cast("Mapping[Any, Any]", choice if is_mapping else dict.fromkeys(choice, True))
