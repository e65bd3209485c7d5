"""What a bay's car does from day to day: how far it drives, and on which days it is plugged in.

Distances are differences of closed forms, so that an odometer is a formula and not a sum.
"""

from __future__ import annotations

import enum
import functools
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator._bounded_cache import BoundedCache
from ev_energy.simulator.charging._charging_site import Car
from ev_energy.simulator.charging._timetable import LEAST_STAY
from ev_energy.simulator.clock._instants import MINUTE, SECOND, Micros

if TYPE_CHECKING:
    from collections.abc import Callable

    from ev_energy.simulator._seeded_random import SeededRandom
    from ev_energy.simulator.charging._charging_site import ChargingSite
    from ev_energy.simulator.charging._timetable import Timetable


#: Of each weekday's drive, the twentieths of an average one that were driven before it.
_WEEK: Final = (0, 21, 42, 63, 84, 106, 124)
_WEEKS_SUM: Final = 140
#: A day's distance is off by at most this, of 100; whatever is added must not pass 80.
_NOISE: Final = 70
#: A battery's share that an average day takes, in thousandths. Four such days are the most that
#: pass between two charges, and with a trip they take less than the least limit holds.
_SHARES: Final = (45, 85)
#: An average day takes one part in so many of what the shortest stay can deliver.
_STAY_PARTS: Final = 5
_LEAST_METERS, _MOST_METERS = 100, 70_000
_GUEST_USE: Final = 170
_BOOST_WAITS: Final = 100 * MINUTE
_BOOST_LASTS: Final = 75 * MINUTE
_SPEED: Final = 11  # metres a second, stops included
_THIRD: Final = 3
_SOCKETS: Final = (2300, 3600, 7200)
_GUESTS: Final = ((40_000, 7200), (58_000, 7400), (64_000, 11_000), (77_000, 11_000))
#: Days are counted from a Thursday; the first Monday is this one.
_MONDAY: Final = 4
#: What parts of a drive are counted in.
PARTS: Final = 1 << 20
_WAY_HOME: Final = 25 * MINUTE


class Kind(enum.Enum):
    """What happens in a slot."""

    HOME = "home"
    """The car is plugged in at the bay."""
    PUBLIC = "public"
    """It is plugged in at a public place before it comes home."""
    NONE = "none"
    """It comes home and is not plugged in."""


@attrs.frozen
class Traits:
    """What is always so at a bay."""

    car: Car
    """Its own, or the one of somebody unknown that charges at its EVSE."""
    watts: int
    """What car and EVSE, or car and socket, manage together."""
    meters: int
    """An average day's drive."""
    odometer_m: int
    meter_wh: int
    plugs_percent: int
    phase: int
    period: int
    """A trip is made once in so many days, a multiple of three."""


@attrs.frozen
class Road:
    """Where the car has got to: metres of every day, metres of trips, and what it does."""

    base_m: int
    trips_m: int
    driving: bool
    at_home: bool


@attrs.frozen
class Leg:
    """A drive, and how far it leads."""

    start_us: Micros
    end_us: Micros
    base_m: int
    trip_m: int

    def part(self, at: Micros) -> int:
        """Return how much of it is done, of `PARTS`."""
        if at >= self.end_us:
            return PARTS
        if at <= self.start_us:
            return 0
        return (at - self.start_us) * PARTS // (self.end_us - self.start_us)


class Habits:
    """Tells what the cars of a fleet do."""

    def __init__(self, random: SeededRandom, timetable: Timetable) -> None:
        self._random = random
        self._timetable = timetable
        self._traits = BoundedCache[int, Traits](4096)
        self._day: Callable[[int, int], int] = functools.lru_cache(8192)(self._make_day)

    def traits(self, site: ChargingSite) -> Traits:
        """Return what is always so at a bay."""
        known = self._traits.get(site.number)
        return known or self._traits.put(site.number, self._make_traits(site))

    def kind(self, site: ChargingSite, day: int) -> Kind:
        """Return what happens in a slot, if anybody sees it."""
        traits = self.traits(site)
        if day % traits.period == traits.phase:
            return Kind.PUBLIC
        # Every third day for sure; and no trip is made on such a day.
        if (day - traits.phase) % _THIRD == 1:
            return Kind.HOME
        plugs = self._day(site.number, day) % 100 < traits.plugs_percent
        return Kind.HOME if plugs else Kind.NONE

    def boost(self, site: ChargingSite, day: int) -> tuple[Micros, Micros] | None:
        """Return how long after the arrival the driver boosts, and for how long; None if not."""
        if not self._timetable.boosts(site, day):
            return None
        bits = self._day(site.number, day) >> 16
        wait = 8 * MINUTE + bits % _BOOST_WAITS
        return wait, 25 * MINUTE + (bits >> 40) % _BOOST_LASTS

    def trip(self, site: ChargingSite, day: int) -> int:
        """Return the metres of the trip that is made before a day's arrival, 0 on most days."""
        traits = self.traits(site)
        number, rest = divmod(day - traits.phase, traits.period)
        if rest:
            return 0
        return self._trips(site, traits, number + 1) - self._trips(site, traits, number)

    def public_stay(self, site: ChargingSite, day: int) -> Micros:
        """Return how long the car stays at a public place."""
        return self._timetable.cohort(site.group, site.rank).public_stay(day)

    def legs(self, site: ChargingSite, day: int) -> list[Leg]:
        """Return the drives that lead to a day's arrival at home, in order."""
        left, slot = self._timetable.slot(site, day - 1).end_us, self._timetable.slot(site, day)
        trip = self.trip(site, day)
        whole = self.driven(site, day) - self.driven(site, day - 1)
        most, half = (slot.start_us - left) * 2 // 5, whole // 2
        out = Leg(left, left + min(most, _lasts(whole - half)), whole - half, 0)
        back = min(most, _lasts(trip or half))
        if not trip:
            return [out, Leg(slot.start_us - back, slot.start_us, half, 0)]
        home = slot.start_us + self.public_stay(site, day)
        return [
            out,
            Leg(slot.start_us - back, slot.start_us, 0, trip),
            Leg(home, home + _WAY_HOME, half, 0),
        ]

    def driven(self, site: ChargingSite, day: int) -> int:
        """Return the metres of every day that are behind the car when it is home on a day."""
        meters, (weeks, rest) = self.traits(site).meters, divmod(day - _MONDAY, 7)
        noise = (self._day(site.number, day) >> 96) % (meters * _NOISE // 100 + 1)
        return meters * (weeks * _WEEKS_SUM + _WEEK[rest]) // (_WEEKS_SUM // 7) + noise

    def arrived(self, site: ChargingSite, day: int) -> int:
        """Return the metres of every day that are behind it at the start of a day's slot."""
        here = self.driven(site, day)
        if day % self.traits(site).period != self.traits(site).phase:
            return here
        return here - (here - self.driven(site, day - 1)) // 2

    def trips(self, site: ChargingSite, day: int) -> int:
        """Return the metres of all trips that are behind the car when it is home on a day."""
        traits = self.traits(site)
        return self._trips(site, traits, (day - traits.phase) // traits.period + 1)

    def road(self, site: ChargingSite, day: int, at: Micros) -> Road:
        """Return where the car is; ``day`` is of its latest slot, begun at ``at`` or before."""
        slot, traits = self._timetable.slot(site, day), self.traits(site)
        away = at >= slot.end_us
        day += away
        if not away and day % traits.period != traits.phase:  # the usual case, for short
            trips = self.trips(site, day)
            return Road(self.driven(site, day), trips, driving=False, at_home=True)
        base, trips = self.driven(site, day - 1), self.trips(site, day - 1)
        legs = self.legs(site, day)
        base += sum(leg.base_m * leg.part(at) // PARTS for leg in legs)
        trips += sum(leg.trip_m * leg.part(at) // PARTS for leg in legs)
        driving = any(leg.start_us <= at < leg.end_us for leg in legs)
        return Road(base, trips, driving=driving, at_home=not away and at >= legs[-1].end_us)

    def _trips(self, site: ChargingSite, traits: Traits, count: int) -> int:
        usual = traits.meters * 9 // 10
        return count * usual + self._random.between(0, usual * 4 // 9, "trip", site.number, count)

    def _make_day(self, number: int, day: int) -> int:
        return self._random.number("day", number, day)

    def _make_traits(self, site: ChargingSite) -> Traits:
        bits, car = self._random.number("traits", site.number), site.car

        def take(low: int, high: int) -> int:
            nonlocal bits
            bits, rest = divmod(bits, high - low + 1)
            return low + rest

        socket = _SOCKETS[take(0, len(_SOCKETS) - 1)]
        if car is None:
            battery, ac = _GUESTS[take(0, len(_GUESTS) - 1)]
            car = Car(-1, battery, ac, _GUEST_USE, telematics=False, limit=5 * take(16, 20))
        watts = min(car.ac_watts, site.point.watts if site.point else socket)
        usual = min(car.battery_wh * take(*_SHARES) // 1000, most_a_day(watts))
        period = _THIRD * take(4, 12)
        return Traits(
            car=car,
            watts=watts,
            meters=max(_LEAST_METERS, min(usual * 1000 // car.wh_per_km, _MOST_METERS)),
            odometer_m=take(900_000, 90_000_000),
            meter_wh=take(20_000, 4_000_000),
            plugs_percent=take(15, 80),
            phase=take(0, period - 1),
            period=period,
        )


def most_a_day(watts: int) -> int:
    """Return the watt-hours that an average day may take where so much power is to be had."""
    return watts * (LEAST_STAY // MINUTE) // 60 // _STAY_PARTS


def _lasts(meters: int) -> Micros:
    return meters * SECOND // _SPEED
