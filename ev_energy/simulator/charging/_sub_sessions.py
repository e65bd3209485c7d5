"""Figures of one period of an episode: energy, cost, instructions, assessment.

The API calls such a period a charging sub-session.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.models.charging import ChargingSubSessionMode as Mode
from ev_energy.simulator._bounded_cache import BoundedCache
from ev_energy.simulator.charging._episodes import WATT_HOUR, Episode
from ev_energy.simulator.clock._instants import HALF_HOUR, HOUR, MINUTE, Micros, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from ev_energy.simulator.charging._carbon import Carbon
    from ev_energy.simulator.charging._charging_site import ChargingSite
    from ev_energy.simulator.charging._episodes import Plan
    from ev_energy.simulator.charging._prices import Prices

    #: Returns the watt-hours of a site's charging between two instants that solar panels gave.
    Solar = Callable[[ChargingSite, datetime, datetime], int]


#: One minor unit, in watt-hours times hundredths of a minor unit per kWh.
_MINOR_UNIT: Final = 100_000
_KILO: Final = 1000


@attrs.frozen
class UsageInterval(Span):
    """The energy of a half-hour, or of the part of it that belongs to a period."""

    slot_us: Micros
    """The start of the half-hour."""
    wh: int
    solar_wh: int
    alt_wh: int
    """The watt-hours that charging at once would have delivered in this half-hour."""
    price: int
    """The price of a kWh from the grid, in hundredths of a minor unit."""
    co2: int
    """Grams of CO2 per kWh from the grid."""

    @property
    def grid_wh(self) -> int:
        """The watt-hours from the grid."""
        return self.wh - self.solar_wh

    @property
    def price_minor_units(self) -> Decimal:
        """The price in minor units, with decimals."""
        return Decimal(self.price) / 100


@attrs.frozen(kw_only=True)
class Usage:
    """The energy, cost and carbon of a period by now."""

    intervals: tuple[UsageInterval, ...]
    """All half-hours of the period, including those without energy."""
    wh: int
    solar_wh: int
    cost_exact: Decimal
    """In minor units."""
    cost: int
    co2_grams: int
    savings_cost: int
    """Compared with charging at once, in minor units."""
    savings_co2_grams: int
    charging_us: Micros
    """How long the car drew power."""

    @property
    def grid_wh(self) -> int:
        """The watt-hours from the grid."""
        return self.wh - self.solar_wh

    @property
    def duration_minutes(self) -> int:
        """How long the car drew power, in rounded minutes."""
        return (2 * self.charging_us + MINUTE) // (2 * MINUTE)

    @property
    def cost_per_kwh(self) -> int | None:
        """The average price of a kWh in minor units; None without energy."""
        return round(self.cost_exact * _KILO / self.wh) if self.wh else None

    @property
    def co2_per_kwh(self) -> int | None:
        """The average grams of CO2 per kWh; None without energy."""
        return round(Decimal(self.co2_grams) * _KILO / self.wh) if self.wh else None


class UsageCalculator:
    """Computes the usage of periods."""

    def __init__(self, prices: Prices, carbon: Carbon, solar: Solar | None) -> None:
        self._prices = prices
        self._carbon = carbon
        self._solar = solar
        self._finished = BoundedCache[tuple[int, int, int], tuple[Episode, Usage]](1024)

    def usage(self, episode: Episode, number: int, now: Micros) -> Usage:
        """Return the usage of a period of an episode by *now*."""
        usage = self._from_grid(episode, number, now)
        if self._solar is None or episode.public or not usage.wh:
            return usage
        solar = [
            _solar_share(self._solar, episode.site, interval) if interval.wh else 0
            for interval in usage.intervals
        ]
        if not any(solar):
            return usage
        intervals = tuple(
            attrs.evolve(interval, solar_wh=wh)
            for interval, wh in zip(usage.intervals, solar, strict=True)
        )
        return _total(intervals, usage.wh, usage.charging_us)

    def _from_grid(self, episode: Episode, number: int, now: Micros) -> Usage:
        """Return the usage of a period as if all its energy came from the grid.

        That of a finished episode never changes; what panels gave depends on the sites of a home.
        """
        if episode.end_us is None or episode.end_us > now:
            return self._computed(episode, number, now)
        key = (episode.site.number, episode.day, number)
        found = self._finished.get(key)
        if found is None or found[0] is not episode:  # it is another one after a change
            found = self._finished.put(key, (episode, self._computed(episode, number, now)))
        return found[1]

    def _computed(self, episode: Episode, number: int, now: Micros) -> Usage:
        period = episode.periods[number]
        start, end = period.start_us, now if period.end_us is None else min(now, period.end_us)
        first, last = start // HALF_HOUR, max(start, end - 1) // HALF_HOUR
        prices = self._prices.run(episode.tariff, first, last)
        carbon = self._carbon.run(episode.site.feed, first, last)
        before, remainder = divmod(episode.exact_energy(start), WATT_HOUR)
        whole = episode.energy(end) - before
        intervals: list[UsageInterval] = []
        alt_before = 0
        for index in range(last - first + 1):
            slot = (first + index) * HALF_HOUR
            begin, stop = max(start, slot), min(end, slot + HALF_HOUR)
            after = episode.energy(stop)
            alt = min(whole, (remainder + (stop - start) * episode.watts) // WATT_HOUR)
            wh = after - before
            intervals.append(
                UsageInterval(
                    begin,
                    stop,
                    slot,
                    wh,
                    0,
                    alt - alt_before,
                    prices[index],
                    carbon[index],
                )
            )
            before, alt_before = after, alt
        charging_us = sum(
            max(0, min(end, segment.end_us or end) - max(start, segment.start_us))
            for segment in episode.segments
        )
        return _total(tuple(intervals), whole, charging_us)


def _solar_share(solar: Solar, site: ChargingSite, interval: UsageInterval) -> int:
    given = solar(site, interval.start, interval.end or interval.start)
    return min(interval.wh, max(0, given))


def _total(intervals: tuple[UsageInterval, ...], wh: int, charging_us: Micros) -> Usage:
    cost = grams = at_once = at_once_grams = solar_wh = 0
    for interval in intervals:
        grid_wh = interval.wh - interval.solar_wh
        cost += grid_wh * interval.price
        grams += grid_wh * interval.co2
        at_once += interval.alt_wh * interval.price
        at_once_grams += interval.alt_wh * interval.co2
        solar_wh += interval.solar_wh
    exact = Decimal(cost) / _MINOR_UNIT
    return Usage(
        intervals=intervals,
        wh=wh,
        solar_wh=solar_wh,
        cost_exact=exact,
        cost=round(exact),
        co2_grams=round(Decimal(grams) / _KILO),
        savings_cost=round(Decimal(at_once - cost) / _MINOR_UNIT),
        savings_co2_grams=round(Decimal(at_once_grams - grams) / _KILO),
        charging_us=charging_us,
    )


@attrs.frozen
class Instruction:
    """Whether to charge in a half-hour or, for a boost, from that half-hour on."""

    start_us: Micros
    lasts_us: Micros | None
    """None: until the next instruction."""
    on: bool
    plan: Plan
    """The plan that the instruction follows from, made at the same time."""


@attrs.frozen
class PowerSwitch:
    """A command that switches power on or off."""

    at_us: Micros
    on: bool
    plan: Plan


@attrs.frozen(kw_only=True)
class Assessment:
    """An assessment of how well a period went."""

    delivered_wh: int
    capacity_percent: int
    """The energy delivered, in percent of the battery's capacity."""
    delivery_percent: int
    """The energy delivered, in percent of what was required."""
    average_watts: int
    """The average power while charging."""
    max_watts: int
    lasted_us: Micros
    least_cost: int
    """The lowest possible cost of the same energy in the same time, in minor units."""
    most_cost: int
    """The highest possible cost, in minor units."""
    savings_percent: int
    """The savings, in percent of the highest possible savings."""


@attrs.frozen
class Flag:
    """A sign that something went wrong."""

    name: str
    root_cause: str


def plans_of(episode: Episode, number: int) -> list[Plan]:
    """Return the plans made during a period, oldest first."""
    period = episode.periods[number]
    return [
        plan
        for plan in episode.plans
        if period.start_us <= plan.made_us
        and (period.end_us is None or plan.made_us < period.end_us)
    ]


def instructions(episode: Episode, number: int) -> Iterator[Instruction]:
    """Yield the instructions of a period, by plan and then by time."""
    for plan in plans_of(episode, number):
        if plan.mode is Mode.BOOST:
            yield Instruction(plan.made_us // HALF_HOUR * HALF_HOUR, None, True, plan)
        elif plan.mode is Mode.SMART:
            for slot in range(plan.made_us // HALF_HOUR * HALF_HOUR, plan.deadline_us, HALF_HOUR):
                on = any(begin < slot + HALF_HOUR and slot < end for begin, end in plan.windows)
                yield Instruction(slot, HALF_HOUR, on, plan)


def power_switches(episode: Episode, now: Micros) -> list[PowerSwitch]:
    """Return the power commands of an episode by *now*, oldest first."""
    end = now if episode.end_us is None else min(now, episode.end_us - 1)
    switches: list[PowerSwitch] = []
    for plan, following in zip(episode.plans, (*episode.plans[1:], None), strict=True):
        until = end + 1 if following is None else following.made_us
        on = bool(plan.windows) and plan.windows[0][0] <= plan.made_us
        switched = [PowerSwitch(plan.made_us, on, plan)]
        for begin, stop in plan.windows:
            if begin > plan.made_us:
                switched.append(PowerSwitch(begin, on=True, plan=plan))
            if plan.mode is Mode.SMART:
                switched.append(PowerSwitch(stop, on=False, plan=plan))
        switches += [command for command in switched if command.at_us < until]
    return [command for command in switches if command.at_us <= now]


def assess(episode: Episode, number: int, usage: Usage) -> Assessment:
    """Assess a period."""
    plans = plans_of(episode, number) or episode.plans[-1:]
    required = max(plans[0].need_wh, usage.wh) if plans else usage.wh
    if plans and plans[-1].target_wh < plans[0].target_wh:
        required = usage.wh  # the target was lowered during the period
    period = episode.periods[number]
    offers = sorted(
        (interval.price, episode.watts * (end - interval.start_us) // WATT_HOUR)
        for interval in usage.intervals
        if (end := interval.end_us) is not None
    )
    least, most = _cost_of(offers, usage.wh), _cost_of(offers[::-1], usage.wh)
    cost = sum(interval.wh * interval.price for interval in usage.intervals)
    last = usage.intervals[-1].end_us if period.end_us is None else period.end_us
    return Assessment(
        delivered_wh=usage.wh,
        capacity_percent=100 * usage.wh // episode.battery_wh,
        delivery_percent=100 * usage.wh // required if required else 100,
        average_watts=min(episode.watts, usage.wh * HOUR // max(1, usage.charging_us)),
        max_watts=episode.watts if usage.charging_us else 0,
        lasted_us=(last or period.start_us) - period.start_us,
        least_cost=round(least / _MINOR_UNIT),
        most_cost=round(most / _MINOR_UNIT),
        savings_percent=max(0, min(100, 100 * (most - cost) // (most - least)))
        if most > least
        else 100,
    )


def flags_of(episode: Episode, number: int, usage: Usage) -> tuple[Flag, ...]:
    """Return the flags of a period."""
    if episode.end_us is None or number < len(episode.periods) - 1 or episode.public:
        return ()
    if episode.plans[-1].target_wh <= episode.stored(episode.end_us):
        return ()
    cause = "PERIOD_TOO_SHORT" if usage.wh else "NO_CHARGE_SEEN"
    return (Flag("ENERGY_UNDER_DELIVERY", cause),)


def _cost_of(offers: list[tuple[int, int]], wh: int) -> int:
    total = 0
    for price, available in offers:
        taken = min(available, wh)
        total += taken * price
        wh -= taken
    return total
