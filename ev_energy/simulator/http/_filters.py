"""Query parameters that narrow a list.

Most say in their name what they do: ``make_id`` keeps rows that link to a make, ``start__gt``
compares a member. Families name only those that do not.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator.clock._instants import read_instant
from ev_energy.simulator.world._rows import Link, get_member

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ev_energy.simulator.world._rows import Row

    Filter = Callable[[Any], Callable[[Row], bool]]

_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "gte": lambda value, bound: value >= bound,
    "lte": lambda value, bound: value <= bound,
    "gt": lambda value, bound: value > bound,
    "lt": lambda value, bound: value < bound,
}


def _comparable(value: Any, bound: object) -> Any:
    return read_instant(value) if isinstance(bound, datetime) else value


def _compares(name: str, how: str) -> Filter:
    compare = _COMPARE[how]

    def keep(row: Row, bound: Any) -> bool:
        value = get_member(row, name)
        return value is not None and compare(_comparable(value, bound), bound)

    return lambda bound: lambda row: keep(row, bound)


def equals(name: str) -> Filter:
    """Keep rows whose member has exactly this value, or links to the row with this id."""

    def keep(row: Row, wanted: object) -> bool:
        value = get_member(row, name)
        return bool((value.key if isinstance(value, Link) else value) == wanted)

    return lambda wanted: lambda row: keep(row, wanted)


def equals_ignoring_case(name: str) -> Filter:
    """Keep rows with this text, in capitals or not."""
    return lambda text: lambda row: str(get_member(row, name)).lower() == text.lower()


def contains(name: str) -> Filter:
    """Keep rows that have this text in theirs, in capitals or not."""
    return lambda text: lambda row: text.lower() in str(get_member(row, name) or "").lower()


def within(name: str) -> Filter:
    """Keep rows whose instant lies between two, written with a comma between them."""

    def read(text: str) -> Callable[[Row], bool]:
        first, comma, last = text.partition(",")
        if not comma:
            raise ValueError("Two instants with a comma between them are wanted.")
        low, high = read_instant(first), read_instant(last)

        def keep(row: Row) -> bool:
            value = get_member(row, name)
            return value is not None and low <= read_instant(value) <= high

        return keep

    return read


def one_of(name: str, known: frozenset[str] | None = None) -> Filter:
    """Keep rows with one of several texts, joined by commas."""

    def read(text: str) -> Callable[[Row], bool]:
        wanted = frozenset(text.split(","))
        if known is not None and (unknown := wanted - known):
            raise ValueError(f"Not known: {', '.join(sorted(unknown))}")
        keep = {text: equals(name)(text) for text in wanted}
        return lambda row: any(test(row) for test in keep.values())

    return read


def is_null(name: str) -> Filter:
    """Keep rows without, or with, a value."""
    return lambda wanted: lambda row: (get_member(row, name) is None) is wanted


def translated(name: str, spellings: Mapping[str, str]) -> Filter:
    """Keep rows by a text that the filter spells another way than the row does."""
    return lambda text: lambda row: get_member(row, name) == spellings[text]


def by_name(parameter: str) -> Filter:
    """Return the filter that a parameter's name stands for."""
    name, _, how = parameter.partition("__")
    match how:
        case "gte" | "lte" | "gt" | "lt":
            return _compares(name, how)
        case "in":
            return one_of(name)
        case "isnull":
            return is_null(name)
        case "range":
            return within(name)
        case _:
            return equals(name.removesuffix("_id"))
