"""Query parameters that filter a list.

Most names of parameters say what they do: ``make_id`` keeps rows that link to a make, ``start__gt``
compares a member. A family names only the parameters that this convention does not cover.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator.clock._instants import read_instant
from ev_energy.simulator.world._rows import Link, get_member

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ev_energy.simulator.http._paging import RowPredicate
    from ev_energy.simulator.world._rows import Row

    #: From the value of a parameter to the test that rows must pass; `ValueError` if it is invalid.
    Filter = Callable[[Any], RowPredicate]

_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "gte": lambda value, bound: value >= bound,
    "lte": lambda value, bound: value <= bound,
    "gt": lambda value, bound: value > bound,
    "lt": lambda value, bound: value < bound,
}


def _compare(name: str, operator: str) -> Filter:
    comparison = _COMPARISONS[operator]

    def passes(row: Row, bound: Any) -> bool:
        value: Any = get_member(row, name)
        if value is None:
            return False
        if isinstance(bound, datetime):
            value = read_instant(value)
        return comparison(value, bound)

    return lambda bound: lambda row: passes(row, bound)


def equals(name: str) -> Filter:
    """Keep rows whose member has exactly this value, or links to the row with this id."""

    def passes(row: Row, expected: object) -> bool:
        value = get_member(row, name)
        return bool((value.key if isinstance(value, Link) else value) == expected)

    return lambda expected: lambda row: passes(row, expected)


def equals_ignoring_case(name: str) -> Filter:
    """Keep rows whose member is this text in any case."""
    return lambda text: lambda row: str(get_member(row, name)).lower() == text.lower()


def contains(name: str) -> Filter:
    """Keep rows whose member contains this text in any case."""
    return lambda text: lambda row: text.lower() in str(get_member(row, name) or "").lower()


def in_range(name: str) -> Filter:
    """Keep rows whose instant lies between two that are separated by a comma, both included."""

    def parse(text: str) -> RowPredicate:
        first, comma, last = text.partition(",")
        if not comma:
            raise ValueError("This must be two instants separated by a comma.")
        low, high = read_instant(first), read_instant(last)

        def passes(row: Row) -> bool:
            value = get_member(row, name)
            return value is not None and low <= read_instant(value) <= high

        return passes

    return parse


def one_of(name: str, known: frozenset[str] | None = None) -> Filter:
    """Keep rows whose member equals one of several texts separated by commas."""

    def parse(text: str) -> RowPredicate:
        values = frozenset(text.split(","))
        if known is not None and (unknown := values - known):
            raise ValueError(f"Unknown: {', '.join(sorted(unknown))}")
        predicates = [equals(name)(value) for value in values]
        return lambda row: any(predicate(row) for predicate in predicates)

    return parse


def is_null(name: str) -> Filter:
    """Keep rows whose member is null (True) or is not (False)."""
    return lambda expected: lambda row: (get_member(row, name) is None) is expected


def translated(name: str, values: Mapping[str, str]) -> Filter:
    """Keep rows whose member equals *values* of this text."""
    return lambda text: lambda row: get_member(row, name) == values[text]


def from_name(parameter: str) -> Filter:
    """Return the filter that the name of a parameter stands for."""
    name, _, operator = parameter.partition("__")
    match operator:
        case "gte" | "lte" | "gt" | "lt":
            return _compare(name, operator)
        case "in":
            return one_of(name)
        case "isnull":
            return is_null(name)
        case "range":
            return in_range(name)
        case _:
            return equals(name.removesuffix("_id"))
