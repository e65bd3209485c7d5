"""Quarter hours: the steps in which the energy of homes is accounted for.

Flows are constant within a quarter hour. Devices report a quarter hour soon after it has ended, so
a report never changes.
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
#: A sample is taken at most this long after its quarter hour.
_MAX_DELAY: Final = 50 * SECOND
_FIRST: Final = micros(ORIGIN) // QUARTER_HOUR


def quarter_at(instant: datetime) -> int:
    """Return the quarter hour that contains an instant, counted from 1970."""
    return micros(instant) // QUARTER_HOUR


def quarter_start(quarter: int) -> datetime:
    """Return the start of a quarter hour."""
    return instant_of(quarter * QUARTER_HOUR)


def _sampled_at(world: World, key: str, quarter: int) -> datetime:
    delay: Micros = world.random.between(0, _MAX_DELAY // SECOND, key, quarter) * SECOND
    # Full seconds would hide that a client loses the microseconds.
    fraction = 1 + world.random.number(key, quarter, 1) % 999_998
    return instant_of((quarter + 1) * QUARTER_HOUR + delay + fraction)


def sample_log(
    world: World, owner: Row, log: str, make_sample: Callable[[int, datetime], Row]
) -> TimeSeries:
    """Return the log of a device with a sample of each quarter hour since the device is known.

    *make_sample* returns the members of a sample from its quarter hour and from the instant at
    which it was taken.
    """
    link: Link = owner["url"]
    known_since = read_instant(owner["_made_at"])

    def entries(chunk: int) -> list[Entry]:
        quarter = _FIRST + chunk - 1
        instant = _sampled_at(world, link.key, quarter)
        return [(instant, make_sample(quarter, instant))]

    return TimeSeries(
        folder=f"{link.folder}/{link.key}/{log}",
        member="sampled_at",
        # The first whole quarter hour is sampled after its end.
        start=quarter_start(quarter_at(known_since) + 2),
        end=world.now,
        chunk=timedelta(microseconds=QUARTER_HOUR),
        make=entries,
    )


def latest_sample_link(world: World, owner: Row, log: str) -> Link | None:
    """Return a link to the newest entry of a `sample_log` without computing it, or None."""
    link: Link = owner["url"]
    quarter = quarter_at(world.now) - 1
    if _sampled_at(world, link.key, quarter) > world.now:
        quarter -= 1
    if quarter <= quarter_at(read_instant(owner["_made_at"])):
        return None
    sampled_at = _sampled_at(world, link.key, quarter)
    return Link(f"{link.folder}/{link.key}/{log}", write_instant(sampled_at))
