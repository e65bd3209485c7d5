"""Quarters of an hour: the cells in which the energy of homes is counted.

Within one, all flows are even. A device tells of a cell soon after it is over, so that nothing
that was told ever changes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from ev_energy.simulator.clock._instants import micros, read_instant, write_instant
from ev_energy.simulator.clock._microseconds import DAY, HOUR, MINUTE, SECOND, Micros, instant_of
from ev_energy.simulator.world._rows import Link
from ev_energy.simulator.world._series import ORIGIN, Series

if TYPE_CHECKING:
    from collections.abc import Callable

    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._series import Entry
    from ev_energy.simulator.world._world import World


CELL: Final = 15 * MINUTE
CELLS_OF_HOUR: Final = HOUR // CELL
CELLS_OF_DAY: Final = DAY // CELL
CELLS_OF_WEEK: Final = 7 * CELLS_OF_DAY
#: A sample comes so much after its cell at most.
_LATE: Final = 50 * SECOND
_FIRST: Final = micros(ORIGIN) // CELL


def cell_at(instant: datetime) -> int:
    """Return the cell that is running at an instant, counted from 1970."""
    return micros(instant) // CELL


def start_of(cell: int) -> datetime:
    """Return when a cell begins."""
    return instant_of(cell * CELL)


def ends_before(instant: datetime) -> int:
    """Return the first cell that is not over at an instant."""
    return cell_at(instant)


def _sampled(world: World, key: str, cell: int) -> datetime:
    # A clock that shows full seconds would hide a client that loses the microseconds.
    late: Micros = world.random.between(0, _LATE // SECOND, key, cell) * SECOND
    return instant_of((cell + 1) * CELL + late + 1 + world.random.number(key, cell, 1) % 999_998)


def samples(world: World, owner: Row, log: str, tell: Callable[[int, datetime], Row]) -> Series:
    """Return the log that a device makes of all cells since it was known.

    ``tell`` makes the members of a sample from the cell it is of, and from when it was taken.
    """
    home: Link = owner["url"]
    known_since = read_instant(owner["_made_at"])
    began = start_of(cell_at(known_since) + 2)  # the first whole cell is told of after its end

    def of_chunk(number: int) -> list[Entry]:
        cell = _FIRST + number - 1
        at = _sampled(world, home.key, cell)
        return [(at, tell(cell, at))]

    return Series(
        folder=f"{home.folder}/{home.key}/{log}",
        member="sampled_at",
        began=began,
        now=world.now,
        chunk=timedelta(microseconds=CELL),
        make=of_chunk,
    )


def latest_sample(world: World, owner: Row, log: str) -> Link | None:
    """Return a link to the newest entry of such a log, without making one."""
    home: Link = owner["url"]
    cell = ends_before(world.now) - 1
    if _sampled(world, home.key, cell) > world.now:
        cell -= 1
    if cell <= cell_at(read_instant(owner["_made_at"])):
        return None
    return Link(f"{home.folder}/{home.key}/{log}", write_instant(_sampled(world, home.key, cell)))
