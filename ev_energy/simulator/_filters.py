"""Query parameters that narrow a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ev_energy.simulator._instants import micros, read_instant
from ev_energy.simulator._world import Link

if TYPE_CHECKING:
    import enum
    from collections.abc import Callable, Mapping

    from ev_energy.simulator._world import Row

    #: Takes the text of a parameter and returns the test for rows; `ValueError` if it is no good.
    Filter = Callable[[str], Callable[[Row], bool]]


def _member(row: Row, name: str) -> Any:
    """Return a member by its dotted name; None where something on the way is null."""
    value: Any = row
    for part in name.split("."):
        value = None if value is None else value.get(part)
    return value


def equals(name: str) -> Filter:
    """Keep rows with exactly this text."""
    return lambda text: lambda row: _member(row, name) == text


def equals_ignoring_case(name: str) -> Filter:
    """Keep rows with this text, in capitals or not."""
    return lambda text: lambda row: str(_member(row, name)).lower() == text.lower()


def links_to(name: str) -> Filter:
    """Keep rows that refer to the row with this id."""

    def keep(text: str, row: Row) -> bool:
        link = _member(row, name)
        return isinstance(link, Link) and link.key == text

    return lambda text: lambda row: keep(text, row)


def one_of(name: str, texts: type[enum.Enum], *, several: bool = False) -> Filter:
    """Keep rows with this text, or with one of these where several may be joined by commas."""
    known = {member.value for member in texts}

    def read(text: str) -> Callable[[Row], bool]:
        wanted = set(text.split(",") if several else [text])
        if unknown := wanted - known:
            raise ValueError(f"Not known: {', '.join(sorted(unknown))}")
        return lambda row: _member(row, name) in wanted

    return read


def spelt(name: str, spellings: Mapping[str, str]) -> Filter:
    """Keep rows by a text that the filter spells another way than the row does."""

    def read(text: str) -> Callable[[Row], bool]:
        if text not in spellings:
            raise ValueError(f"Not one of {', '.join(spellings)}: {text}")
        return lambda row: _member(row, name) == spellings[text]

    return read


def _not_before(text: str) -> Callable[[Row], bool]:
    bound = micros(read_instant(text))
    return lambda row: row["_instant"] >= bound


def _not_after(text: str) -> Callable[[Row], bool]:
    bound = micros(read_instant(text))
    return lambda row: row["_instant"] <= bound


def within(name: str) -> dict[str, Filter]:
    """Return the two filters for the time of a log's entries."""
    return {f"{name}__gte": _not_before, f"{name}__lte": _not_after}
