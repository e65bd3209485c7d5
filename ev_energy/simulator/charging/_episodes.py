"""One plug-in episode: its modes, its plans, and when how much energy flows.

Energy is counted in watt-microseconds, which are exact; watt-hours are what is whole of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator.clock._instants import HOUR, Micros, Span

if TYPE_CHECKING:
    from ev_energy.models.charging import ChargingSubSessionMode as Mode
    from ev_energy.models.charging_assessment import (
        ChargingSubSessionDebugMetadataFinishReason as Finish,
    )
    from ev_energy.models.charging_assessment import (
        ChargingSubSessionDebugMetadataStartReason as Start,
    )
    from ev_energy.simulator.charging._charging_site import Car, ChargePoint, ChargingSite
    from ev_energy.simulator.charging._prices import Tariff


#: Watt-microseconds in a watt-hour.
WATT_HOUR: Final = HOUR
#: Identifiers count periods in a byte.
MOST_PERIODS: Final = 255


@attrs.frozen
class Segment(Span):
    """A stretch of constant power."""

    watts: int
    before: int
    """Energy of the episode until it begins, in watt-microseconds."""

    def energy(self, at: Micros) -> int:
        """Return the energy of the episode until an instant in it, in watt-microseconds."""
        return self.before + (at - self.start_us) * self.watts


@attrs.frozen
class Period(Span):
    """A stretch of one mode: a sub-session."""

    mode: Mode
    start_reason: Start
    finish_reason: Finish | None


@attrs.frozen
class Plan:
    """What is to happen from an instant on, until there is another plan."""

    made_us: Micros
    mode: Mode
    deadline_us: Micros
    """When charging is to be done."""
    watts: int
    stored_wh: int
    target_wh: int
    limit: int
    windows: tuple[tuple[Micros, Micros], ...]
    """When to charge, in whole half-hours but for the first and the last instant there is.

    While it is not up to us, the one window is until the car is full.
    """
    charge_us: Micros
    """How long charging takes."""
    threshold: int | None
    """The highest price it charges at, in hundredths of a minor unit; None where none matters."""

    @property
    def need_wh(self) -> int:
        """What is missing."""
        return max(0, self.target_wh - self.stored_wh)


@attrs.frozen
class Episode(Span):
    """A car that is plugged in, from then until it is unplugged."""

    site: ChargingSite
    day: int
    """The local day it begins on, counted from 1970: with the bay, it names the episode."""
    car: Car | None
    """As it is connected to the API then; None if it is somebody's or nobody knows it."""
    point: ChargePoint | None
    public: bool
    """Whether it is somewhere else, on the go."""
    tariff: Tariff
    watts: int
    ready_us: Micros
    battery_wh: int
    arrival_wh: int
    """What the battery held on arrival."""
    periods: tuple[Period, ...]
    segments: tuple[Segment, ...]
    plans: tuple[Plan, ...]

    def energy(self, at: Micros) -> int:
        """Return the watt-hours delivered until an instant."""
        return self.exact_energy(at) // WATT_HOUR

    def exact_energy(self, at: Micros) -> int:
        """Return the watt-microseconds delivered until an instant."""
        done = 0
        for segment in self.segments:
            if at <= segment.start_us:
                break
            end = segment.end_us
            done = segment.energy(at if end is None or at < end else end)
        return done

    def stored(self, at: Micros) -> int:
        """Return what the battery holds at an instant of the episode."""
        return self.arrival_wh + self.energy(at)

    def power(self, at: Micros) -> int:
        """Return the watts that flow at an instant."""
        for segment in self.segments:
            if segment.start_us <= at and (segment.end_us is None or at < segment.end_us):
                return segment.watts
        return 0

    def period_at(self, at: Micros) -> Period:
        """Return the period at an instant; the last one if it is over."""
        return next((one for one in reversed(self.periods) if one.start_us <= at), self.periods[0])

    def plan_at(self, at: Micros) -> Plan:
        """Return the plan in force at an instant."""
        return next((one for one in reversed(self.plans) if one.made_us <= at), self.plans[0])

    def delivered(self, number: int, now: Micros) -> int:
        """Return the watt-hours of a period, until ``now`` if it is not over."""
        period = self.periods[number]
        end = now if period.end_us is None else min(now, period.end_us)
        return self.energy(end) - self.energy(period.start_us)

    def seen(self, now: Micros) -> Episode:
        """Return what can be known at an instant; the episode has begun by then."""
        if self.end_us is not None and self.end_us <= now:
            return self
        periods = [one for one in self.periods if one.start_us <= now]
        if (end := periods[-1].end_us) is None or end > now:
            periods[-1] = attrs.evolve(periods[-1], end_us=None, finish_reason=None)
        segments = [one for one in self.segments if one.start_us < now]
        if segments and ((end := segments[-1].end_us) is None or end > now):
            segments[-1] = attrs.evolve(segments[-1], end_us=now)
        plans = tuple(plan for plan in self.plans if plan.made_us <= now)
        return attrs.evolve(
            self, end_us=None, periods=tuple(periods), segments=tuple(segments), plans=plans
        )
