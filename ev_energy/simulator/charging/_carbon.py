"""Carbon intensities of electricity, and the charging levels that the grid asks for."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.models.charging import ChargingSubSessionCo2IntensityClassification as Rank
from ev_energy.simulator.clock._instants import DAY, HALF_HOUR, SLOTS, Micros, micros_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from ev_energy.simulator._seeded_random import SeededRandom


#: Fossil generation by half-hour, in percent of the mean.
_FOSSIL: Final = (
    86, 85, 84, 83, 82, 82, 82, 83, 85, 88, 92, 97, 102, 107, 110, 111,
    111, 110, 109, 107, 106, 105, 104, 103, 103, 103, 104, 105, 107, 110, 114, 118,
    122, 124, 125, 124, 122, 119, 116, 113, 110, 107, 104, 101, 98, 95, 92, 89,
)  # fmt: skip
#: Half-hours of the day.
_DAWN, _NOON, _DUSK = 12, 26, 40
_YEAR: Final = 365
_FOUR_YEARS: Final = 4 * _YEAR + 1
#: The longest day of the year in the northern hemisphere; 0 is January 1.
_SOLSTICE: Final = 171
#: Classifications with the grams of CO2 per kWh that they stay below.
_RANKS: Final = (
    (75, Rank.VERY_LOW),
    (150, Rank.LOW),
    (225, Rank.MODERATE),
    (325, Rank.HIGH),
)
#: Half-hours of the evening peak.
_EVENING: Final = range(32, 42)
_MIN_GRAMS: Final = 8


@attrs.frozen(cache_hash=True)
class Feed:
    """A source of carbon intensities and grid levels for one grid."""

    key: str
    mean: int
    """Grams of CO2 per kWh, over the year."""
    offset: timedelta
    """The offset of its local time from UTC, without daylight saving time."""
    solar: int = 20
    """Percent by which the sun lowers the intensity at noon in summer."""
    wind: int = 35
    """Percent by which a stormy day lowers it."""


class Carbon:
    """Carbon intensities and grid levels of feeds at any time."""

    def __init__(self, random: SeededRandom) -> None:
        self._random = random
        self.day: Callable[[Feed, int], tuple[int, ...]] = functools.lru_cache(1024)(self._day)
        """The intensities of the half-hours of a UTC day, counted from 1970."""

    def intensity(self, feed: Feed, at: Micros) -> int:
        """Return the grams of CO2 per kWh at an instant."""
        day, rest = divmod(at, DAY)
        return self.day(feed, day)[rest // HALF_HOUR]

    def forecast(self, feed: Feed, at: Micros) -> int:
        """Return the forecast of the intensity at an instant."""
        error = self._random.between(-6, 6, "forecast", feed.key, at // HALF_HOUR)
        return self.intensity(feed, at) * (100 + error) // 100

    def run(self, feed: Feed, first: int, last: int) -> list[int]:
        """Return the intensities of the half-hours *first* to *last*, counted from 1970."""
        days = range(first // SLOTS, last // SLOTS + 1)
        values = [value for day in days for value in self.day(feed, day)]
        skip = first - days.start * SLOTS
        return values[skip : skip + last - first + 1]

    def grid_level(self, feed: Feed, at: Micros) -> int:
        """Return the grid level in a half-hour, from 1 (charge now) to 100 (do not charge)."""
        local = (at + micros_of(feed.offset)) // HALF_HOUR
        day, slot = divmod(local, SLOTS)
        level = 50 + (self.intensity(feed, at) - feed.mean) * 40 // feed.mean
        if slot in _EVENING:
            level += 20 + self._random.between(0, 10, "level", feed.key, day)
        return max(1, min(100, level))

    def _day(self, feed: Feed, day: int) -> tuple[int, ...]:
        shift = micros_of(feed.offset) // HALF_HOUR
        first = day * SLOTS + shift
        return tuple(self._local(feed, *divmod(first + slot, SLOTS)) for slot in range(SLOTS))

    def _local(self, feed: Feed, day: int, slot: int) -> int:
        # Interpolated between the wind of two days, so there is no jump at midnight.
        today, tomorrow = (self._random.between(0, 100, "wind", feed.key, day + d) for d in (0, 1))
        wind = (today * (SLOTS - slot) + tomorrow * slot) * feed.wind // (SLOTS * 100)
        from_june = abs(day * 4 % _FOUR_YEARS // 4 - _SOLSTICE)
        summer = 100 - 100 * min(from_june, _YEAR - from_june) // (_YEAR // 2 + 1)
        height = max(0, 100 - 100 * abs(slot - _NOON) // (_DUSK - _DAWN) * 2)
        sun = feed.solar * height * (30 + 70 * summer // 100) // 10_000
        grams = feed.mean * (_FOSSIL[slot] + 14 - summer // 8 - sun + 18 - wind) // 100
        return max(_MIN_GRAMS, grams)


def rank(grams: int) -> Rank:
    """Return the classification of an intensity."""
    return next((name for upper, name in _RANKS if grams < upper), Rank.VERY_HIGH)
