"""Compare two versions of the facts, item by item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def differences(before: Any, after: Any, where: str = "") -> Iterator[str]:
    """Yield a line for each difference: where it is, what was there and what is there now."""
    types: set[type[Any]] = {type(before), type(after)}
    if before == after:
        return
    if types == {dict}:
        yield from _of_objects(before, after, where)
    elif types == {list}:
        yield from _of_lists(before, after, where)
    else:
        yield f"{where}: {before!r} became {after!r}"


def _of_objects(before: Mapping[str, Any], after: Mapping[str, Any], where: str) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        inner = f"{where} > {name}" if where else name
        if name not in after:
            yield f"{inner} was removed"
        elif name not in before:
            yield f"{inner} is new: {after[name]!r}"
        else:
            yield from differences(before[name], after[name], inner)


def _of_lists(before: list[Any], after: list[Any], where: str) -> Iterator[str]:
    removed = [one for one in before if one not in after]
    added = [one for one in after if one not in before]
    if len(removed) == len(added) == 1:
        yield from differences(removed[0], added[0], where)
        return
    for one in removed:
        yield f"{where}: {one!r} was removed"
    for one in added:
        yield f"{where}: {one!r} is new"
    if not removed and not added:
        yield f"{where}: the order or number of its items changed"
