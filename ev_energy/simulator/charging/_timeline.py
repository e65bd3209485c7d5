"""A bay's story so far: its deeds, and the chapters they opened."""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING, Final, cast

import attrs

from ev_energy.simulator.charging._charging_site import limit_of

if TYPE_CHECKING:
    from ev_energy.simulator.charging._charging_site import Car, ChargePoint, ChargingSite
    from ev_energy.simulator.charging._prices import Tariff
    from ev_energy.simulator.charging._session_plan import Event
    from ev_energy.simulator.clock._instants import Micros


#: Metres times a rate of use, in a watt-hour.
RATE: Final = 1_000_000


@attrs.frozen
class Chapter:
    """What holds from an instant on, and what had become of things by then."""

    at_us: Micros
    car: Car | None
    """The car that is connected to the API."""
    point: ChargePoint | None
    battery_wh: int
    rate: int
    """Watt-hours used on a thousand kilometres."""
    stored_wh: int
    delivered_wh: int
    """At the bay, in all chapters before."""
    odometer_m: int
    base_m: int
    """What was driven before; less than this counts as nothing: the car stands still."""
    trips_m: int
    resumes_us: Micros
    """When the car is moved again."""

    @property
    def reports(self) -> bool:
        """Whether the car tells where it is and what it does."""
        return self.car is not None and self.car.telematics

    @property
    def over(self) -> bool:
        """Whether nobody sees what happens at the bay."""
        return self.point is None and not self.reports

    def used(self, base_m: int) -> int:
        """Return the watt-hours of every day's drives since it began."""
        return max(0, base_m - self.base_m) * self.rate // RATE


@attrs.define
class Book:
    """A bay with its deeds, and its chapters so far."""

    site: ChargingSite
    usual_limit: int | None
    changes: list[Event]
    chapters: list[Chapter]

    def chapter(self, at: Micros) -> Chapter:
        """Return the chapter of an instant."""
        for chapter in reversed(self.chapters):
            if chapter.at_us <= at:
                return chapter
        return self.chapters[0]

    def next(self, chapter: Chapter, until: Micros) -> Chapter | None:
        """Return the chapter that follows another one before an instant."""
        after = [one for one in self.chapters if chapter.at_us < one.at_us < until]
        return after[0] if after else None

    def before(self, at: Micros) -> list[Event]:
        """Return the deeds done by an instant."""
        if not self.changes or self.changes[-1][0] <= at:
            return self.changes
        return self.changes[: bisect.bisect_right(self.changes, at, key=_when)]

    def last(self, what: str, at: Micros, usual: object) -> object:
        """Return the value of the latest deed of a kind by an instant."""
        if not self.changes:
            return usual
        return next((one[2] for one in reversed(self.before(at)) if one[1] == what), usual)

    def limit(self, at: Micros) -> int:
        """Return how full the battery is to become, of 100."""
        return limit_of(self.last("limit", at, self.usual_limit))

    def smart(self, at: Micros) -> bool:
        """Return whether smart charging is on."""
        return bool(self.last("smart", at, self.site.smart))

    def tariff(self, at: Micros) -> Tariff:
        """Return what is paid by."""
        return cast("Tariff", self.last("tariff", at, self.site.tariff))


def _when(event: Event) -> Micros:
    return event[0]
