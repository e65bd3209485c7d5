"""The methods of a family of operations, as `help` shows them."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from types import FunctionType
from typing import Any, Final, get_args

from ev_energy._help import Member, Members, filled

_ALIAS: Final = re.compile(r"Sequence\[(\w+)\]")


def methods_of(cls: type[Any]) -> Members:
    """Return the public methods of *cls*: what each does, its operation, and its scope."""
    return Members("Methods", _methods(cls))


def _methods(cls: type[Any]) -> Iterator[Member]:
    for name, method in vars(cls).items():
        if isinstance(method, FunctionType) and not name.startswith("_"):
            doc = inspect.cleandoc(str(method.__doc__ or ""))
            first, _, rest = doc.partition("\n\n")
            operation = rest.rpartition("\n\n")[2] if rest else ""
            texts = (first, operation, expand_of(method))
            yield Member(_head(name, method), "\n".join(filter(None, texts)))


def _head(name: str, method: FunctionType) -> str:
    words: list[str] = []
    for parameter in list(inspect.signature(method).parameters.values())[1:]:
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in words:
            words.append("*")
        words.append(parameter.name)
    start = "await " if inspect.iscoroutinefunction(method) else ""
    returned = method.__annotations__.get("return", "Any")
    return filled(f"{start}{name}({', '.join(words)}) -> {returned}", " " * 8)


def listing_of(method: FunctionType) -> str:
    """Return how the listing that a method returns is read."""
    if "Pager[" not in str(method.__annotations__.get("return")):
        return ""
    if method.__module__.startswith("ev_energy_sync."):
        reading = "iterate over it with ``for``, or call its collect(limit=...), page() or first()."
    else:
        reading = (
            "it is not awaited. Iterate over it with ``async for``, or await its "
            "collect(limit=...), page() or first()."
        )
    takes_size = "page_size" in (method.__kwdefaults__ or ())
    size = " page_size is the number of items in one request, 1 to 100." if takes_size else ""
    return filled(f"Returns a listing: {reading}{size}")


def expand_of(method: FunctionType) -> str:
    """Return the links that the argument *expand* of a method takes."""
    alias = _ALIAS.fullmatch(str(method.__annotations__.get("expand")))
    if alias is None:
        return ""
    values = get_args(getattr(sys.modules[method.__module__], alias[1], None))
    return filled(f"expand takes {', '.join(map(repr, values))}.")
