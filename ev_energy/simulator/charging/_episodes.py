"""One episode, from plugging in to unplugging: its modes, its plans, and the energy by time.

The API calls an episode a charging session, and each period of it, a stretch of one mode, a
sub-session. Energy is counted in watt-microseconds, which are exact, and rounded down to
watt-hours.
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
#: Ids of sub-sessions have a byte for the index of the period.
MAX_PERIODS: Final = 255


@attrs.frozen
class Segment(Span):
    """A span of constant power."""

    watts: int
    before: int
    """The energy of the episode before this segment, in watt-microseconds."""

    def energy(self, at: Micros) -> int:
        """Return the episode's energy by an instant in this segment, in watt-microseconds."""
        return self.before + (at - self.start_us) * self.watts


@attrs.frozen
class Period(Span):
    """A span of one mode: a sub-session."""

    mode: Mode
    start_reason: Start
    finish_reason: Finish | None


@attrs.frozen
class Plan:
    """A charging plan, in force from an instant until the next plan."""

    made_us: Micros
    mode: Mode
    deadline_us: Micros
    """When charging must be complete."""
    watts: int
    stored_wh: int
    target_wh: int
    limit: int
    windows: tuple[tuple[Micros, Micros], ...]
    """When to charge: whole half-hours, cut at the start of the plan and at the deadline.

    Without smart charging, the only window lasts from now until the car is full.
    """
    charge_us: Micros
    """How long charging takes, at full power."""
    threshold: int | None
    """The highest price in the windows, in hundredths of a minor unit; None if not SMART."""

    @property
    def need_wh(self) -> int:
        """The watt-hours missing to the target."""
        return max(0, self.target_wh - self.stored_wh)


@attrs.frozen
class Episode(Span):
    """A car plugged in at a site or at a public charger, until it is unplugged."""

    site: ChargingSite
    day: int
    """The local day it starts on, counted from 1970. Site and day identify the episode."""
    car: Car | None
    """The car, if it is connected to the API at that time."""
    point: ChargePoint | None
    public: bool
    """Whether it takes place at a public charger instead of the site."""
    tariff: Tariff
    watts: int
    ready_us: Micros
    battery_wh: int
    arrival_wh: int
    """The watt-hours in the battery on arrival."""
    periods: tuple[Period, ...]
    segments: tuple[Segment, ...]
    plans: tuple[Plan, ...]

    def energy(self, at: Micros) -> int:
        """Return the watt-hours delivered until an instant."""
        return self.exact_energy(at) // WATT_HOUR

    def exact_energy(self, at: Micros) -> int:
        """Return the watt-microseconds delivered until an instant."""
        energy = 0
        for segment in self.segments:
            if at <= segment.start_us:
                break
            end = segment.end_us
            energy = segment.energy(at if end is None or at < end else end)
        return energy

    def stored(self, at: Micros) -> int:
        """Return the watt-hours in the battery at an instant of the episode."""
        return self.arrival_wh + self.energy(at)

    def power(self, at: Micros) -> int:
        """Return the watts at an instant."""
        for segment in self.segments:
            if segment.start_us <= at and (segment.end_us is None or at < segment.end_us):
                return segment.watts
        return 0

    def period_at(self, at: Micros) -> Period:
        """Return the period at an instant, or the last one after the end."""
        return next(
            (period for period in reversed(self.periods) if period.start_us <= at), self.periods[0]
        )

    def plan_at(self, at: Micros) -> Plan:
        """Return the plan in force at an instant."""
        return next((plan for plan in reversed(self.plans) if plan.made_us <= at), self.plans[0])

    def delivered(self, number: int, now: Micros) -> int:
        """Return the watt-hours delivered in a period by *now*."""
        period = self.periods[number]
        end = now if period.end_us is None else min(now, period.end_us)
        return self.energy(end) - self.energy(period.start_us)

    def seen(self, now: Micros) -> Episode:
        """Return the episode as known at *now*, which is after its start: without the future."""
        if self.end_us is not None and self.end_us <= now:
            return self
        periods = [period for period in self.periods if period.start_us <= now]
        if (end := periods[-1].end_us) is None or end > now:
            periods[-1] = attrs.evolve(periods[-1], end_us=None, finish_reason=None)
        segments = [segment for segment in self.segments if segment.start_us < now]
        if segments and ((end := segments[-1].end_us) is None or end > now):
            segments[-1] = attrs.evolve(segments[-1], end_us=now)
        plans = tuple(plan for plan in self.plans if plan.made_us <= now)
        return attrs.evolve(
            self, end_us=None, periods=tuple(periods), segments=tuple(segments), plans=plans
        )
