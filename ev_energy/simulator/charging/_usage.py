"""When the energy of a sub-session flowed, what it cost and what it caused."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator.charging._episodes import WATT_HOUR, Episode
from ev_energy.simulator.clock._microseconds import HALF_HOUR, MINUTE, Micros, Span

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ev_energy.simulator.charging._carbon import Carbon
    from ev_energy.simulator.charging._charging_site import ChargingSite
    from ev_energy.simulator.charging._prices import Prices

    Solar = Callable[[ChargingSite, datetime, datetime], int]

#: Watt-hours times hundredths of a minor unit for a kWh, in a minor unit.
_MINOR_UNIT: Final = 100_000
_KILO: Final = 1000


@attrs.frozen
class UsageInterval(Span):
    """What flowed in a half-hour, or in the part of it that a period holds."""

    slot_us: Micros
    """When the half-hour begins."""
    wh: int
    solar_wh: int
    alt_wh: int
    """What would have flowed, had it been charged at once."""
    price: int
    """Of a kWh from the grid, in hundredths of a minor unit."""
    co2: int
    """Grams a kWh from the grid."""

    @property
    def grid_wh(self) -> int:
        """What came from the grid."""
        return self.wh - self.solar_wh

    @property
    def price_minor_units(self) -> Decimal:
        """The price in minor units and fractions of them."""
        return Decimal(self.price) / 100


@attrs.frozen(kw_only=True)
class Usage:
    """What a period delivered, until now if it is not over."""

    intervals: tuple[UsageInterval, ...]
    """All half-hours of it, those without energy among them."""
    wh: int
    solar_wh: int
    cost_exact: Decimal
    """In minor units."""
    cost: int
    co2_grams: int
    savings_cost: int
    """Against charging at once, in minor units."""
    savings_co2_grams: int
    charging_us: Micros
    """How long power flowed."""

    @property
    def grid_wh(self) -> int:
        """What came from the grid."""
        return self.wh - self.solar_wh

    @property
    def duration_minutes(self) -> int:
        """How long power flowed, rounded."""
        return (2 * self.charging_us + MINUTE) // (2 * MINUTE)

    @property
    def cost_per_kwh(self) -> int | None:
        """What a kWh cost on average, in minor units; None without any."""
        return round(self.cost_exact * _KILO / self.wh) if self.wh else None

    @property
    def co2_per_kwh(self) -> int | None:
        """What a kWh caused on average, in grams; None without any."""
        return round(Decimal(self.co2_grams) * _KILO / self.wh) if self.wh else None


class Accountant:
    """Works out the usage of periods."""

    def __init__(self, prices: Prices, carbon: Carbon, solar: Solar | None) -> None:
        self._prices = prices
        self._carbon = carbon
        self._solar = solar

    def usage(self, episode: Episode, number: int, now: Micros) -> Usage:
        """Return what a period of an episode delivered by ``now``."""
        period = episode.periods[number]
        start, end = period.start_us, now if period.end_us is None else min(now, period.end_us)
        first, last = start // HALF_HOUR, max(start, end - 1) // HALF_HOUR
        prices = self._prices.run(episode.tariff, first, last)
        carbon = self._carbon.run(episode.site.feed, first, last)
        before, begun = divmod(episode.exact_energy(start), WATT_HOUR)
        whole = episode.energy(end) - before
        intervals: list[UsageInterval] = []
        alt_before = 0
        for index in range(last - first + 1):
            slot = (first + index) * HALF_HOUR
            begin, stop = max(start, slot), min(end, slot + HALF_HOUR)
            after = episode.energy(stop)
            alt = min(whole, (begun + (stop - start) * episode.watts) // WATT_HOUR)
            wh = after - before
            intervals.append(
                UsageInterval(
                    begin,
                    stop,
                    slot,
                    wh,
                    self._from_roof(episode, begin, stop, wh),
                    alt - alt_before,
                    prices[index],
                    carbon[index],
                )
            )
            before, alt_before = after, alt
        flowing = sum(
            max(0, min(end, segment.end_us or end) - max(start, segment.start_us))
            for segment in episode.segments
        )
        return _summed(tuple(intervals), whole, flowing)

    def _from_roof(self, episode: Episode, begin: Micros, end: Micros, wh: int) -> int:
        if self._solar is None or not wh or episode.public:
            return 0
        span = Span(begin, end)
        return min(wh, max(0, self._solar(episode.site, span.start, span.end or span.start)))


def _summed(intervals: tuple[UsageInterval, ...], wh: int, charging_us: Micros) -> Usage:
    cost = sum(one.grid_wh * one.price for one in intervals)
    grams = sum(one.grid_wh * one.co2 for one in intervals)
    at_once = sum(one.alt_wh * one.price for one in intervals)
    at_once_grams = sum(one.alt_wh * one.co2 for one in intervals)
    exact = Decimal(cost) / _MINOR_UNIT
    return Usage(
        intervals=intervals,
        wh=wh,
        solar_wh=sum(one.solar_wh for one in intervals),
        cost_exact=exact,
        cost=round(exact),
        co2_grams=round(Decimal(grams) / _KILO),
        savings_cost=round(Decimal(at_once - cost) / _MINOR_UNIT),
        savings_co2_grams=round(Decimal(at_once_grams - grams) / _KILO),
        charging_us=charging_us,
    )
