"""What a home battery does: when it is filled, and when it feeds the home.

Once a week it is filled to the brim to balance its cells, so its charge is known without
looking farther back than that.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from ev_energy.simulator.home_energy._quarter_hours import (
    QUARTERS_PER_DAY,
    QUARTERS_PER_HOUR,
    QUARTERS_PER_WEEK,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ev_energy.simulator._seeded_random import SeededRandom


#: How long filling it to the brim takes: the last hours of a week.
_BALANCING: Final = 4 * QUARTERS_PER_HOUR
#: A price is cheap, or dear, if it is within so many percent of the way from one end of a day's.
_END_PERCENT: Final = 20
#: Where prices differ by less than so many percent, none is cheap.
_FLAT_PERCENT: Final = 12
_LEAST_TARGET: Final = 30
#: In one of so many weeks, it is out of order for some hours.
_SOUND_WEEKS: Final = 12


class Policy(StrEnum):
    """What a battery is there for."""

    SELF_RELIANCE = "SELF_RELIANCE"
    TIME_OF_USE = "TIME_OF_USE"
    IMPORT_FOCUS = "IMPORT_FOCUS"
    EXPORT_FOCUS = "EXPORT_FOCUS"


@attrs.frozen
class Battery:
    """A home battery."""

    capacity_wh: int
    watts: int
    """The most that it takes or gives. It is full in four hours."""
    reserve_percent: int
    policy: Policy

    @property
    def most_wh(self) -> int:
        """The most that it takes or gives in a quarter."""
        return self.watts // QUARTERS_PER_HOUR

    @property
    def reserve_wh(self) -> int:
        """What it keeps for power cuts."""
        return self.capacity_wh * self.reserve_percent // 100


class BatteryConditions(NamedTuple):
    """What a battery knows of a quarter of a week."""

    number: int
    sun_wh: int
    load_wh: int
    """Of the household; cars are not charged from it."""
    cars_wh: int
    cheap: bool
    dear: bool
    target_wh: int
    """How full it is to be made while electricity is cheap."""
    out: bool
    """Whether the battery is out of order."""


def cheap_and_dear(prices: Sequence[int]) -> list[tuple[bool, bool]]:
    """Return which of a day's prices are cheap and which are dear."""
    low, high = min(prices), max(prices)
    spread = high - low
    if spread * 100 < _FLAT_PERCENT * abs(high):
        return [(False, False)] * len(prices)
    band = spread * _END_PERCENT // 100
    return [(price <= low + band, price >= high - band) for price in prices]


def target_wh(battery: Battery, sun_wh: int, load_wh: int) -> int:
    """Return how full to make a battery by night for a day with so much sun and load."""
    if battery.policy is Policy.IMPORT_FOCUS:
        return battery.capacity_wh
    percent = 100 - 100 * max(0, sun_wh - load_wh // 2) // battery.capacity_wh
    return battery.capacity_wh * max(_LEAST_TARGET, percent) // 100


def battery_flow(battery: Battery, stored_wh: int, quarter: BatteryConditions) -> int:
    """Return what flows into a battery in a quarter, less than nothing if it gives."""
    room, most = battery.capacity_wh - stored_wh, battery.most_wh
    left = QUARTERS_PER_WEEK - quarter.number
    if left <= _BALANCING:
        return -(-room // left)
    if quarter.out:
        return 0
    shifts = battery.policy is not Policy.SELF_RELIANCE
    surplus = max(0, quarter.sun_wh - quarter.load_wh - quarter.cars_wh)
    if shifts and quarter.cheap:
        return min(most, room, max(surplus, quarter.target_wh - stored_wh))
    if surplus:
        return min(most, room, surplus)
    spare = max(0, stored_wh - battery.reserve_wh)
    if battery.policy is Policy.EXPORT_FOCUS and quarter.dear:
        return -min(most, spare)
    return -min(most, spare, max(0, quarter.load_wh - quarter.sun_wh))


def outage_quarters(random: SeededRandom, home: int, week: int) -> range:
    """Return the quarters of a week in which a home's battery is out of order."""
    draw = random.number("outage", home, week)
    if draw % _SOUND_WEEKS:
        return range(0)
    start = draw // _SOUND_WEEKS % (5 * QUARTERS_PER_DAY)
    return range(start, start + 2 + draw // 1009 % QUARTERS_PER_DAY)
