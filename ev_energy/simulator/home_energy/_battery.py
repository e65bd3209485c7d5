"""When a home battery charges, and when it discharges.

Once a week, a battery is charged fully to balance its cells. Its content therefore follows from
the current week alone.
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


#: Quarter hours at the end of a week in which a battery is charged fully.
_BALANCING_QUARTERS: Final = 4 * QUARTERS_PER_HOUR
#: Prices in the lowest and the highest part of a day's range, in percent, are low and high.
_PRICE_BAND_PERCENT: Final = 20
#: A day whose prices differ by less than this percentage has no low and no high prices.
_FLAT_PERCENT: Final = 12
_MIN_TARGET_PERCENT: Final = 30
#: A battery has an outage of some hours in one of this many weeks.
_WEEKS_PER_OUTAGE: Final = 12


class Policy(StrEnum):
    """The purpose that a battery is operated for."""

    SELF_RELIANCE = "SELF_RELIANCE"
    TIME_OF_USE = "TIME_OF_USE"
    IMPORT_FOCUS = "IMPORT_FOCUS"
    EXPORT_FOCUS = "EXPORT_FOCUS"


@attrs.frozen
class Battery:
    """A home battery."""

    capacity_wh: int
    watts: int
    """The maximum power in both directions; enough for a full charge in four hours."""
    reserve_percent: int
    policy: Policy

    @property
    def max_wh(self) -> int:
        """The maximum energy in a quarter hour, in both directions."""
        return self.watts // QUARTERS_PER_HOUR

    @property
    def reserve_wh(self) -> int:
        """The energy that is reserved for power cuts."""
        return self.capacity_wh * self.reserve_percent // 100


class BatteryConditions(NamedTuple):
    """What the flow of a battery in a quarter hour depends on, besides its content."""

    quarter: int
    """Counted from the start of the week."""
    solar_wh: int
    load_wh: int
    """Of the household; cars are not charged from the battery."""
    cars_wh: int
    is_price_low: bool
    is_price_high: bool
    target_wh: int
    """The content to charge to while prices are low."""
    is_outage: bool


def low_and_high(prices: Sequence[int]) -> list[tuple[bool, bool]]:
    """Return for each price of a day whether it is low, and whether it is high."""
    lowest, highest = min(prices), max(prices)
    price_range = highest - lowest
    if price_range * 100 < _FLAT_PERCENT * abs(highest):
        return [(False, False)] * len(prices)
    band = price_range * _PRICE_BAND_PERCENT // 100
    return [(price <= lowest + band, price >= highest - band) for price in prices]


def target_wh(battery: Battery, solar_wh: int, load_wh: int) -> int:
    """Return the content to charge to overnight for a day with this solar yield and load."""
    if battery.policy is Policy.IMPORT_FOCUS:
        return battery.capacity_wh
    percent = 100 - 100 * max(0, solar_wh - load_wh // 2) // battery.capacity_wh
    return battery.capacity_wh * max(_MIN_TARGET_PERCENT, percent) // 100


def battery_flow(battery: Battery, stored_wh: int, conditions: BatteryConditions) -> int:
    """Return the watt-hours into a battery in a quarter hour; negative if it discharges."""
    free_wh, max_wh = battery.capacity_wh - stored_wh, battery.max_wh
    remaining_quarters = QUARTERS_PER_WEEK - conditions.quarter
    if remaining_quarters <= _BALANCING_QUARTERS:
        return -(-free_wh // remaining_quarters)
    if conditions.is_outage:
        return 0
    follows_prices = battery.policy is not Policy.SELF_RELIANCE
    surplus_wh = max(0, conditions.solar_wh - conditions.load_wh - conditions.cars_wh)
    if follows_prices and conditions.is_price_low:
        return min(max_wh, free_wh, max(surplus_wh, conditions.target_wh - stored_wh))
    if surplus_wh:
        return min(max_wh, free_wh, surplus_wh)
    usable_wh = max(0, stored_wh - battery.reserve_wh)
    if battery.policy is Policy.EXPORT_FOCUS and conditions.is_price_high:
        return -min(max_wh, usable_wh)
    return -min(max_wh, usable_wh, max(0, conditions.load_wh - conditions.solar_wh))


def outage_quarters(random: SeededRandom, home: int, week: int) -> range:
    """Return the quarter hours of a week in which the battery of a home has an outage."""
    draw = random.number("outage", home, week)
    if draw % _WEEKS_PER_OUTAGE:
        return range(0)
    start = draw // _WEEKS_PER_OUTAGE % (5 * QUARTERS_PER_DAY)
    return range(start, start + 2 + draw // 1009 % QUARTERS_PER_DAY)
