"""The timeline of a site: its changes, and the baselines that readings are counted from."""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import attrs

from ev_energy.simulator.charging._charging_site import limit_of

if TYPE_CHECKING:
    from ev_energy.simulator.charging._charging_site import (
        Car,
        ChangeKind,
        ChargePoint,
        ChargingSite,
    )
    from ev_energy.simulator.charging._prices import Tariff
    from ev_energy.simulator.clock._instants import Micros


#: A baseline states consumption in watt-hours per 1,000 km; this many metres.
METRES_PER_RATE: Final = 1_000_000


#: When, what, and the new value.
TimedChange: TypeAlias = "tuple[Micros, ChangeKind, object]"


@attrs.frozen
class Baseline:
    """The equipment of a site from an instant on, and the readings at that instant.

    Later readings are closed forms counted from here. A change of car, battery or EVSE starts a new
    baseline.
    """

    at_us: Micros
    car: Car | None
    """The car that is connected to the API, if any."""
    point: ChargePoint | None
    battery_wh: int
    rate: int
    """Consumption in watt-hours per 1,000 km."""
    stored_wh: int
    delivered_wh: int
    """Delivered at the site before this baseline."""
    odometer_m: int
    daily_m: int
    """Metres of daily drives before this baseline; the car stands still until they are exceeded."""
    trips_m: int
    """Metres of trips before this baseline."""
    resumes_us: Micros
    """When the car drives again."""

    @property
    def reports(self) -> bool:
        """Whether the car reports its position and state."""
        return self.car is not None and self.car.telematics

    @property
    def unobserved(self) -> bool:
        """Whether neither the car nor an EVSE reports what happens at the site."""
        return self.point is None and not self.reports

    def used_wh(self, daily_m: int) -> int:
        """Return the watt-hours of the daily drives from this baseline to *daily_m*."""
        return max(0, daily_m - self.daily_m) * self.rate // METRES_PER_RATE


@attrs.define
class Timeline:
    """A site with its changes and baselines so far."""

    site: ChargingSite
    default_limit: int | None
    changes: list[TimedChange]
    baselines: list[Baseline]

    def baseline(self, at: Micros) -> Baseline:
        """Return the baseline in force at an instant."""
        for baseline in reversed(self.baselines):
            if baseline.at_us <= at:
                return baseline
        return self.baselines[0]

    def next_baseline(self, baseline: Baseline, until: Micros) -> Baseline | None:
        """Return the baseline that follows *baseline* before *until*, or None."""
        following = (one for one in self.baselines if baseline.at_us < one.at_us < until)
        return next(following, None)

    def changes_until(self, at: Micros) -> list[TimedChange]:
        """Return the changes made until an instant, oldest first."""
        if not self.changes or self.changes[-1][0] <= at:
            return self.changes
        return self.changes[: bisect.bisect_right(self.changes, at, key=_time_of)]

    def latest_value(self, kind: ChangeKind, at: Micros, default: object) -> object:
        """Return the value of the latest change of a kind by an instant, or *default*."""
        if not self.changes:
            return default
        values = (change[2] for change in reversed(self.changes_until(at)) if change[1] == kind)
        return next(values, default)

    def limit(self, at: Micros) -> int:
        """Return the charge limit in percent."""
        return limit_of(self.latest_value("limit", at, self.default_limit))

    def smart(self, at: Micros) -> bool:
        """Return whether smart charging is on."""
        return bool(self.latest_value("smart", at, self.site.smart))

    def tariff(self, at: Micros) -> Tariff:
        """Return the tariff in force at an instant."""
        return cast("Tariff", self.latest_value("tariff", at, self.site.tariff))


def _time_of(change: TimedChange) -> Micros:
    return change[0]
