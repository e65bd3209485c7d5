"""What can be said about a period besides its energy: instructions, commands, how well it went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ev_energy.models.charging import ChargingSubSessionMode as Mode
from ev_energy.simulator.charging._episodes import WATT_HOUR
from ev_energy.simulator.clock._microseconds import HALF_HOUR, HOUR, Micros

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ev_energy.simulator.charging._episodes import Episode, Plan
    from ev_energy.simulator.charging._usage import Usage


_MINOR_UNIT = 100_000


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
class Command:
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


def plans(episode: Episode, number: int) -> list[Plan]:
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
    for plan in plans(episode, number):
        if plan.mode is Mode.BOOST:
            yield Instruction(plan.made_us // HALF_HOUR * HALF_HOUR, None, True, plan)
        elif plan.mode is Mode.SMART:
            for slot in range(plan.made_us // HALF_HOUR * HALF_HOUR, plan.deadline_us, HALF_HOUR):
                on = any(begin < slot + HALF_HOUR and slot < end for begin, end in plan.windows)
                yield Instruction(slot, HALF_HOUR, on, plan)


def commands(episode: Episode, now: Micros) -> list[Command]:
    """Return what was switched by now, oldest first."""
    end = now if episode.end_us is None else min(now, episode.end_us - 1)
    found: list[Command] = []
    for plan, following in zip(episode.plans, (*episode.plans[1:], None), strict=True):
        until = end + 1 if following is None else following.made_us
        on = bool(plan.windows) and plan.windows[0][0] <= plan.made_us
        switched = [Command(plan.made_us, on, plan)]
        for begin, stop in plan.windows:
            if begin > plan.made_us:
                switched.append(Command(begin, on=True, plan=plan))
            if plan.mode is Mode.SMART:
                switched.append(Command(stop, on=False, plan=plan))
        found += [command for command in switched if command.at_us < until]
    return [command for command in found if command.at_us <= now]


def assess(episode: Episode, number: int, usage: Usage) -> Assessment:
    """Return how well a period went."""
    made = plans(episode, number) or episode.plans[-1:]
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


def flags(episode: Episode, number: int, usage: Usage) -> tuple[Flag, ...]:
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
