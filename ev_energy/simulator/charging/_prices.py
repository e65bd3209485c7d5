"""Electricity prices: tariffs by the half-hour."""

from __future__ import annotations

import functools
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from ev_energy.simulator.clock._instants import (
    DAY,
    HALF_HOUR,
    MINUTE,
    SLOTS,
    Micros,
    Span,
    instant_of,
    micros_of,
    weekday,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ev_energy.simulator._seeded_random import SeededRandom


WEEKDAYS: Final = frozenset(range(5))
WEEKEND: Final = frozenset({5, 6})
EVERY_DAY: Final = WEEKDAYS | WEEKEND

#: Wholesale prices by half-hour in percent of the usual price: low at night and at noon, high in
#: the evening.
_WHOLESALE: Final = (
    62, 60, 57, 55, 52, 50, 49, 49, 51, 54, 60, 68, 80, 92, 104, 110,
    108, 102, 96, 90, 84, 80, 76, 74, 73, 74, 77, 82, 90, 104, 120, 140,
    165, 176, 180, 174, 160, 140, 122, 112, 104, 98, 92, 86, 80, 74, 69, 65,
)  # fmt: skip
#: Half-hours in which wind or sun may make prices negative.
_SURPLUS: Final = frozenset({4, 5, 6, 7, 8, 9, 25, 26, 27, 28})


@attrs.frozen
class Band:
    """A part of the day with its own price."""

    start_minute: int
    """Minutes after midnight in the tariff's zone, at a full or half hour."""
    end_minute: int
    """Less than the start if the band ends after midnight."""
    price: int
    days: frozenset[int] = EVERY_DAY
    """Weekdays, 0 is Monday. The part after midnight counts as the next day."""

    def includes(self, minute: int, day: int) -> bool:
        """Whether the band includes a minute of a weekday."""
        if day not in self.days:
            return False
        if self.start_minute < self.end_minute:
            return self.start_minute <= minute < self.end_minute
        return minute >= self.start_minute or minute < self.end_minute


@attrs.frozen(cache_hash=True)
class Tariff:
    """The price of a kWh at any time. Prices are in hundredths of a minor unit."""

    key: str
    """The name. Dynamic tariffs with different keys have different prices."""
    price: int
    """The price outside of all bands; of a dynamic tariff, the usual price."""
    bands: tuple[Band, ...] = ()
    """The first band that includes a minute sets its price."""
    zone: str = "UTC"
    """The time zone of the bands."""
    offset: timedelta = timedelta(0)
    """The zone's standard offset, used where the zone is not in the time zone database."""
    dynamic: bool = False
    """Whether each half-hour has its own price."""


@attrs.frozen
class Price(Span):
    """A price during a span of time."""

    price: int


class Prices:
    """The prices of tariffs at any time."""

    def __init__(self, random: SeededRandom) -> None:
        self._random = random
        self.day: Callable[[Tariff, int], tuple[int, ...]] = functools.lru_cache(1024)(self._day)
        """The prices of the half-hours of a UTC day, counted from 1970."""

    def price(self, tariff: Tariff, at: Micros) -> int:
        """Return the price of a kWh at an instant."""
        day, rest = divmod(at, DAY)
        return self.day(tariff, day)[rest // HALF_HOUR]

    def run(self, tariff: Tariff, first: int, last: int) -> list[int]:
        """Return the prices of the half-hours *first* to *last*, counted from 1970."""
        days = range(first // SLOTS, last // SLOTS + 1)
        prices = [price for day in days for price in self.day(tariff, day)]
        skip = first - days.start * SLOTS
        return prices[skip : skip + last - first + 1]

    def slots(self, tariff: Tariff, start: Micros, end: Micros) -> Iterator[Price]:
        """Yield the prices from *start* to *end*, equal neighbours as one."""
        if start >= end:
            return
        first, last = start // HALF_HOUR, (end - 1) // HALF_HOUR
        number = first
        for price, same in groupby(self.run(tariff, first, last)):
            count = len(list(same))
            begin, number = number * HALF_HOUR, number + count
            yield Price(max(begin, start), min(number * HALF_HOUR, end), price)

    def price_changes(self, tariff: Tariff, start: Micros, end: Micros) -> list[Micros]:
        """Return the instants after *start* and before *end* at which the price changes."""
        return [slot.start_us for slot in self.slots(tariff, start, end)][1:]

    def _day(self, tariff: Tariff, day: int) -> tuple[int, ...]:
        if not tariff.bands and not tariff.dynamic:
            return (tariff.price,) * SLOTS
        begin = day * DAY
        offset = _offset(tariff, begin)
        if offset == _offset(tariff, begin + DAY):
            offsets = [offset] * SLOTS
        else:
            offsets = [_offset(tariff, begin + slot * HALF_HOUR) for slot in range(SLOTS)]
        local = [begin + slot * HALF_HOUR + offsets[slot] for slot in range(SLOTS)]
        if tariff.dynamic:
            return tuple(self._dynamic(tariff, *divmod(at // HALF_HOUR, SLOTS)) for at in local)
        return tuple(_banded(tariff, *divmod(at // MINUTE, DAY // MINUTE)) for at in local)

    def _dynamic(self, tariff: Tariff, day: int, slot: int) -> int:
        # One random number gives the weather of the day, and one byte each the noise of 16
        # half-hours.
        weather = self._random.number("agile", tariff.key, day)
        level = 80 + weather % 41
        noise = (self._random.number("agile", tariff.key, day, slot // 16) >> 8 * (slot % 16)) & 255
        price = tariff.price * _WHOLESALE[slot] * level * (896 + noise) // (100 * 100 * 1024)
        if slot in _SURPLUS and weather >> 64 & 7 == 0:
            price -= tariff.price * (40 + noise // 8) // 100
        return price


def _banded(tariff: Tariff, day: int, minute: int) -> int:
    for band in tariff.bands:
        if band.includes(minute, weekday(day)):
            return band.price
    return tariff.price


@functools.lru_cache(64)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return None


def _offset(tariff: Tariff, at: Micros) -> Micros:
    zone = _zone(tariff.zone)
    if zone is None:  # a machine without a time zone database
        return micros_of(tariff.offset)
    shift = instant_of(at).astimezone(zone).utcoffset()
    return micros_of(tariff.offset if shift is None else shift)
