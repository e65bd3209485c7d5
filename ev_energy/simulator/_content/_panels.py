"""How many watts of solar panels there were when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator._content._cells import CELLS_OF_HOUR, cell_at
from ev_energy.simulator._store._instants import read_instant, write_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ev_energy.simulator._store._rows import Row
    from ev_energy.simulator._store._world import World

#: The cell from which on there were so many watts of panels.
Step = tuple[int, int]

_FOLDER: Final = "solar_arrays"
_KILO: Final = 1000
#: Whatever anybody writes down: so many watts no home has, and more could not be counted.
_MOST: Final = 10**12


def _changes(world: World, array_id: str) -> list[Any]:
    kept: list[Any] = world.kept.setdefault("solar_capacities", {}).setdefault(array_id, [])
    return kept


def note_capacity(world: World, array_id: str, watts: int) -> None:
    """Note that an array has so many watts from now on, or rather from the next cell on."""
    _changes(world, array_id).append([write_instant(world.now), watts])


def counted(watts: int) -> int:
    """Return how many watts of panels are believed to be there."""
    return min(watts, _MOST)


def steps_of(world: World, array: Row) -> list[Step]:
    """Return what an array had when, oldest first. Before a request made it, it had nothing."""
    number = world.number_of(array)
    before = 0
    if number is not None:
        before = world.tables[_FOLDER].made.make(number)["capacity_watts"]
    later = [
        (cell_at(read_instant(at)) + 1, counted(watts))
        for at, watts in world.kept.get("solar_capacities", {}).get(array["id"], ())
    ]
    return [(0, before), *later]


def generated(steps: Iterable[Step], first: int, yields: Sequence[int]) -> list[int]:
    """Return the watt-hours of an array in cells from ``first`` on.

    ``yields`` are the watts of a kilowatt in them.
    """
    found = [0] * len(yields)
    known = list(steps)
    for number, (start, watts) in enumerate(known):
        end = known[number + 1][0] if number + 1 < len(known) else first + len(yields)
        low, high = max(0, start - first), min(len(yields), end - first)
        found[low:high] = [
            watts * gives // (_KILO * CELLS_OF_HOUR) for gives in yields[low : max(low, high)]
        ]
    return found
