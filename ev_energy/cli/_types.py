"""The types of the parameters of methods, read from their annotations."""

from __future__ import annotations

import builtins
import re
import sys
import types
from collections.abc import Sequence
from typing import Any, Final, Literal, Union, get_args, get_origin

from ev_energy import Unset, models
from ev_energy.models._enums import OpenEnum

#: ``Id`` and ``Key`` in an annotation, which stand for a text here. Their arguments are models of
#: other families, which need not be imported.
_ID: Final = re.compile(r"\b(?:Id|Key)\[[^]]*\]")


class _Names(dict[str, Any]):
    """The names in the annotations of a module, also those imported for type checkers only."""

    def __init__(self, module: str) -> None:
        super().__init__()
        self._module = sys.modules[module]

    def __missing__(self, name: str) -> Any:
        for namespace in (self._module, builtins, models):
            if hasattr(namespace, name):
                return getattr(namespace, name)
        raise KeyError(name)


def resolve(annotation: Any, module: str) -> Any:
    """Return the type that the text *annotation* means in *module*; ids are `str`."""
    if not isinstance(annotation, str):
        return annotation
    return eval(_ID.sub("str", annotation), {}, _Names(module))  # noqa: S307  (our own source)


def arms(kind: Any) -> tuple[Any, ...]:
    """Return the alternatives of a type, without None and UNSET."""
    found = get_args(kind) if get_origin(kind) in {Union, types.UnionType} else (kind,)
    return tuple(arm for arm in found if arm not in {type(None), Unset})


def nullable(kind: Any) -> bool:
    """Return whether None is a value of a type."""
    return get_origin(kind) in {Union, types.UnionType} and type(None) in get_args(kind)


def item_type(kind: Any) -> Any:
    """Return the type of the items if *kind* is a list, else None."""
    found = arms(kind)
    if len(found) == 1 and get_origin(found[0]) is Sequence:
        return get_args(found[0])[0]
    return None


def is_class(kind: Any, base: type) -> bool:
    """Return whether a type is a class derived from *base*."""
    return isinstance(kind, type) and issubclass(kind, base)


def choices(kind: Any) -> tuple[str, ...]:
    """Return the texts that a type allows; empty if it allows any."""
    found: list[str] = []
    for arm in arms(kind):
        if get_origin(arm) is Literal:
            found += map(str, get_args(arm))
        elif is_class(arm, OpenEnum):
            found += [str(member.value) for member in arm]
        elif arm is bool:
            found += ["true", "false"]
    return tuple(found)
