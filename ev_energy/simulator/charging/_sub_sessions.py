"""Energy, cost, instructions and assessment of one period of an episode."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.models.charging import ChargingSubSessionMode as Mode
from ev_energy.simulator.charging._episodes import WATT_HOUR, Episode
from ev_energy.simulator.clock._instants import HALF_HOUR, HOUR, MINUTE, Micros, Span

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ev_energy.simulator.charging._carbon import Carbon
    from ev_energy.simulator.charging._charging_site import ChargingSite
    from ev_energy.simulator.charging._prices import Prices

    Solar = Callable[[ChargingSite, datetime, datetime], int]
    from collections.abc import Iterator

    from ev_energy.simulator.charging._episodes import Episode, Plan


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


@attrs.frozen
class Instruction:
    """Whether to charge in a half-hour; or, for a boost, from its start on."""

    start_us: Micros
    lasts_us: Micros | None
    """None: until something else is said."""
    on: bool
    plan: Plan
    """What it follows from; it was made then."""


@attrs.frozen
class PowerSwitch:
    """Power switched on or off."""

    at_us: Micros
    on: bool
    plan: Plan


@attrs.frozen(kw_only=True)
class Assessment:
    """How well a period went."""

    delivered_wh: int
    capacity_percent: int
    """Delivered, of what the battery can hold."""
    delivery_percent: int
    """Delivered, of what was required."""
    average_watts: int
    """While power flowed."""
    max_watts: int
    lasted_us: Micros
    least_cost: int
    """The least that the same energy could have cost in the same time, in minor units."""
    most_cost: int
    savings_percent: int
    """Savings made, of the most that could have been made."""


@attrs.frozen
class Flag:
    """Something that looks wrong."""

    name: str
    root_cause: str


def plans_of(episode: Episode, number: int) -> list[Plan]:
    """Return the plans that were made for a period, oldest first."""
    period = episode.periods[number]
    return [
        plan
        for plan in episode.plans
        if period.start_us <= plan.made_us
        and (period.end_us is None or plan.made_us < period.end_us)
    ]


def instructions(episode: Episode, number: int) -> Iterator[Instruction]:
    """Return the instructions of a period, by plan and then by time."""
    for plan in plans_of(episode, number):
        if plan.mode is Mode.BOOST:
            yield Instruction(plan.made_us // HALF_HOUR * HALF_HOUR, None, True, plan)
        elif plan.mode is Mode.SMART:
            for slot in range(plan.made_us // HALF_HOUR * HALF_HOUR, plan.deadline_us, HALF_HOUR):
                on = any(begin < slot + HALF_HOUR and slot < end for begin, end in plan.windows)
                yield Instruction(slot, HALF_HOUR, on, plan)


def power_switches(episode: Episode, now: Micros) -> list[PowerSwitch]:
    """Return what was switched by now, oldest first."""
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
    """Return how well a period went."""
    made = plans_of(episode, number) or episode.plans[-1:]
    required = max(made[0].need_wh, usage.wh) if made else usage.wh
    if made and made[-1].target_wh < made[0].target_wh:
        required = usage.wh  # less was wanted after all
    period = episode.periods[number]
    worth = sorted(
        (one.price, episode.watts * (end - one.start_us) // WATT_HOUR)
        for one in usage.intervals
        if (end := one.end_us) is not None
    )
    least, most = _filled(worth, usage.wh), _filled(worth[::-1], usage.wh)
    cost = sum(one.wh * one.price for one in usage.intervals)
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
    """Return what looks wrong about a period."""
    if episode.end_us is None or number < len(episode.periods) - 1 or episode.public:
        return ()
    if episode.plans[-1].target_wh <= episode.stored(episode.end_us):
        return ()
    cause = "PERIOD_TOO_SHORT" if usage.wh else "NO_CHARGE_SEEN"
    return (Flag("ENERGY_UNDER_DELIVERY", cause),)


def _filled(worth: list[tuple[int, int]], wh: int) -> int:
    total = 0
    for price, room in worth:
        taken = min(room, wh)
        total += taken * price
        wh -= taken
    return total
