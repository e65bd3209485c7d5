"""Quarters of an hour: the quarters in which the energy of homes is counted.

Within one, all flows are even. A device tells of a quarter soon after it is over, so that nothing
that was told ever changes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from ev_energy.simulator.clock._instants import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Micros,
    instant_of,
    micros,
    read_instant,
    write_instant,
)
from ev_energy.simulator.world._rows import Link
from ev_energy.simulator.world._series import ORIGIN, TimeSeries

if TYPE_CHECKING:
    from collections.abc import Callable

    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._series import Entry
    from ev_energy.simulator.world._world import World


QUARTER_HOUR: Final = 15 * MINUTE
QUARTERS_PER_HOUR: Final = HOUR // QUARTER_HOUR
QUARTERS_PER_DAY: Final = DAY // QUARTER_HOUR
QUARTERS_PER_WEEK: Final = 7 * QUARTERS_PER_DAY
#: A sample comes so much after its quarter at most.
_LATE: Final = 50 * SECOND
_FIRST: Final = micros(ORIGIN) // QUARTER_HOUR


def quarter_at(instant: datetime) -> int:
    """Return the quarter that is running at an instant, counted from 1970."""
    return micros(instant) // QUARTER_HOUR


def quarter_start(quarter: int) -> datetime:
    """Return when a quarter begins."""
    return instant_of(quarter * QUARTER_HOUR)


def _sampled(world: World, key: str, quarter: int) -> datetime:
    # A clock that shows full seconds would hide a client that loses the microseconds.
    late: Micros = world.random.between(0, _LATE // SECOND, key, quarter) * SECOND
    return instant_of(
        (quarter + 1) * QUARTER_HOUR + late + 1 + world.random.number(key, quarter, 1) % 999_998
    )


def sample_log(
    world: World, owner: Row, log: str, tell: Callable[[int, datetime], Row]
) -> TimeSeries:
    """Return the log that a device makes of all quarters since it was known.

    ``tell`` makes the members of a sample from the quarter it is of, and from when it was taken.
    """
    home: Link = owner["url"]
    known_since = read_instant(owner["_made_at"])
    began = quarter_start(
        quarter_at(known_since) + 2
    )  # the first whole quarter is told of after its end

    def of_chunk(number: int) -> list[Entry]:
        quarter = _FIRST + number - 1
        at = _sampled(world, home.key, quarter)
        return [(at, tell(quarter, at))]

    return TimeSeries(
        folder=f"{home.folder}/{home.key}/{log}",
        member="sampled_at",
        began=began,
        now=world.now,
        chunk=timedelta(microseconds=QUARTER_HOUR),
        make=of_chunk,
    )


def latest_sample_link(world: World, owner: Row, log: str) -> Link | None:
    """Return a link to the newest entry of such a log, without making one."""
    home: Link = owner["url"]
    quarter = quarter_at(world.now) - 1
    if _sampled(world, home.key, quarter) > world.now:
        quarter -= 1
    if quarter <= quarter_at(read_instant(owner["_made_at"])):
        return None
    return Link(
        f"{home.folder}/{home.key}/{log}", write_instant(_sampled(world, home.key, quarter))
    )
