"""The driving profile of a site's car: how far it drives each day, and where it is plugged in.

Distances are differences of closed forms, so an odometer reading is a formula and not a sum over
days. Daily drives lead from home and back; a trip is longer, and ends at a public charger before
the car comes home. Both are counted separately, in metres.
"""

from __future__ import annotations

import enum
import functools
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator._bounded_cache import BoundedCache
from ev_energy.simulator.charging._charging_site import Car
from ev_energy.simulator.charging._timetable import SHORTEST_STAY
from ev_energy.simulator.clock._instants import MINUTE, SECOND, Micros

if TYPE_CHECKING:
    from collections.abc import Callable

    from ev_energy.simulator._seeded_random import SeededRandom
    from ev_energy.simulator.charging._charging_site import ChargingSite
    from ev_energy.simulator.charging._timetable import Timetable


#: Twentieths of an average daily drive that were driven earlier in the week, by weekday.
_DRIVEN_BEFORE: Final = (0, 21, 42, 63, 84, 106, 124)
_TWENTIETHS_A_WEEK: Final = 140
#: Noise of a day's total, in percent of an average drive. Above 80 percent, totals could fall.
_NOISE_PERCENT: Final = 70
#: Thousandths of the battery that an average day uses. At most four such days pass between two
#: charges at home, and with a trip they use less than the lowest charge limit holds.
_DAILY_USE: Final = (45, 85)
#: The shortest stay delivers at least so many average days.
_DAYS_PER_STAY: Final = 5
_MIN_METRES, _MAX_METRES = 100, 70_000
_UNKNOWN_CAR_WH_PER_KM: Final = 170
_MAX_BOOST_DELAY: Final = 100 * MINUTE
_BOOST_LENGTHS: Final = 75 * MINUTE
#: Metres a second, stops included.
_SPEED: Final = 11
_HOME_EVERY: Final = 3
#: Watts of the sockets of sites without an EVSE.
_SOCKET_WATTS: Final = (2300, 3600, 7200)
#: Battery watt-hours and AC watts of cars that are not connected to the API.
_UNKNOWN_CARS: Final = ((40_000, 7200), (58_000, 7400), (64_000, 11_000), (77_000, 11_000))
#: The first Monday, counted from 1970-01-01, a Thursday.
_FIRST_MONDAY: Final = 4
#: Steps in which the progress of a drive is counted.
LEG_STEPS: Final = 1 << 20
_WAY_HOME: Final = 25 * MINUTE


class SlotKind(enum.Enum):
    """Where a car is plugged in during a slot."""

    HOME = "home"
    """At its site."""
    PUBLIC = "public"
    """At a public charger, before it comes home."""
    NONE = "none"
    """Nowhere: it comes home and is not plugged in."""


@attrs.frozen
class SiteProfile:
    """What never changes about a site and its car."""

    car: Car
    """The site's car, or an invented one that charges at its EVSE."""
    watts: int
    """The power that the car and the EVSE or socket can both take."""
    meters: int
    """The length of an average daily drive."""
    odometer_m: int
    meter_wh: int
    plugs_percent: int
    phase: int
    period: int
    """Days from one trip to the next, a multiple of three."""


@attrs.frozen
class DrivingState:
    """What a car is doing, and how far it has driven: on daily drives and on trips."""

    daily_m: int
    trips_m: int
    driving: bool
    at_home: bool


@attrs.frozen
class Leg:
    """One drive, and its length."""

    start_us: Micros
    end_us: Micros
    daily_m: int
    trip_m: int

    def progress(self, at: Micros) -> int:
        """Return the progress of the drive, from 0 to `LEG_STEPS`."""
        if at >= self.end_us:
            return LEG_STEPS
        if at <= self.start_us:
            return 0
        return (at - self.start_us) * LEG_STEPS // (self.end_us - self.start_us)


class DrivingProfiles:
    """The driving profiles of a fleet's cars."""

    def __init__(self, random: SeededRandom, timetable: Timetable) -> None:
        self._random = random
        self._timetable = timetable
        self._profiles = BoundedCache[int, SiteProfile](4096)
        self._bits: Callable[[int, int], int] = functools.lru_cache(8192)(self._random_bits)

    def profile(self, site: ChargingSite) -> SiteProfile:
        """Return the profile of a site."""
        known = self._profiles.get(site.number)
        return known or self._profiles.put(site.number, self._make_profile(site))

    def slot_kind(self, site: ChargingSite, day: int) -> SlotKind:
        """Return where the car is plugged in during a slot, whether or not a device reports it."""
        profile = self.profile(site)
        if day % profile.period == profile.phase:
            return SlotKind.PUBLIC
        # Every third day at least, so that the battery lasts; never on the day of a trip.
        if (day - profile.phase) % _HOME_EVERY == 1:
            return SlotKind.HOME
        plugs_in = self._bits(site.number, day) % 100 < profile.plugs_percent
        return SlotKind.HOME if plugs_in else SlotKind.NONE

    def habitual_boost(self, site: ChargingSite, day: int) -> tuple[Micros, Micros] | None:
        """Return the delay of the habitual boost after an arrival and its length, or None."""
        if not self._timetable.boosts(site, day):
            return None
        bits = self._bits(site.number, day) >> 16
        delay = 8 * MINUTE + bits % _MAX_BOOST_DELAY
        return delay, 25 * MINUTE + (bits >> 40) % _BOOST_LENGTHS

    def trip_metres(self, site: ChargingSite, day: int) -> int:
        """Return the metres of the trip before the arrival on a day; 0 on most days."""
        profile = self.profile(site)
        number, rest = divmod(day - profile.phase, profile.period)
        if rest:
            return 0
        return self._trip_sum(site, profile, number + 1) - self._trip_sum(site, profile, number)

    def public_stay(self, site: ChargingSite, day: int) -> Micros:
        """Return how long the car stays at a public charger."""
        return self._timetable.cohort(site.group, site.rank).public_stay(day)

    def legs(self, site: ChargingSite, day: int) -> list[Leg]:
        """Return the drives that lead to the arrival at home on a day, in order."""
        departure, slot = (
            self._timetable.slot(site, day - 1).end_us,
            self._timetable.slot(site, day),
        )
        trip = self.trip_metres(site, day)
        whole = self.daily_metres(site, day) - self.daily_metres(site, day - 1)
        longest, half = (slot.start_us - departure) * 2 // 5, whole // 2
        out = Leg(departure, departure + min(longest, _drive_time(whole - half)), whole - half, 0)
        back = min(longest, _drive_time(trip or half))
        if not trip:
            return [out, Leg(slot.start_us - back, slot.start_us, half, 0)]
        home = slot.start_us + self.public_stay(site, day)
        return [
            out,
            Leg(slot.start_us - back, slot.start_us, 0, trip),
            Leg(home, home + _WAY_HOME, half, 0),
        ]

    def daily_metres(self, site: ChargingSite, day: int) -> int:
        """Return the metres of all daily drives until the car is home on *day*."""
        meters, (weeks, rest) = self.profile(site).meters, divmod(day - _FIRST_MONDAY, 7)
        noise = (self._bits(site.number, day) >> 96) % (meters * _NOISE_PERCENT // 100 + 1)
        return (
            meters
            * (weeks * _TWENTIETHS_A_WEEK + _DRIVEN_BEFORE[rest])
            // (_TWENTIETHS_A_WEEK // 7)
            + noise
        )

    def daily_metres_on_arrival(self, site: ChargingSite, day: int) -> int:
        """Return the metres of all daily drives until the start of the slot of *day*.

        On the day of a trip, the slot starts at the public charger: half a daily drive from home.
        """
        at_home = self.daily_metres(site, day)
        if day % self.profile(site).period != self.profile(site).phase:
            return at_home
        return at_home - (at_home - self.daily_metres(site, day - 1)) // 2

    def total_trip_metres(self, site: ChargingSite, day: int) -> int:
        """Return the metres of all trips until the car is home on *day*."""
        profile = self.profile(site)
        return self._trip_sum(site, profile, (day - profile.phase) // profile.period + 1)

    def state(self, site: ChargingSite, day: int, at: Micros) -> DrivingState:
        """Return what the car is doing at *at*; *day* is that of its latest slot by then."""
        slot, profile = self._timetable.slot(site, day), self.profile(site)
        away = at >= slot.end_us
        day += away
        if not away and day % profile.period != profile.phase:  # the usual case: at home
            trips = self.total_trip_metres(site, day)
            return DrivingState(self.daily_metres(site, day), trips, driving=False, at_home=True)
        base, trips = self.daily_metres(site, day - 1), self.total_trip_metres(site, day - 1)
        legs = self.legs(site, day)
        base += sum(leg.daily_m * leg.progress(at) // LEG_STEPS for leg in legs)
        trips += sum(leg.trip_m * leg.progress(at) // LEG_STEPS for leg in legs)
        driving = any(leg.start_us <= at < leg.end_us for leg in legs)
        return DrivingState(
            base, trips, driving=driving, at_home=not away and at >= legs[-1].end_us
        )

    def _trip_sum(self, site: ChargingSite, profile: SiteProfile, count: int) -> int:
        usual = profile.meters * 9 // 10
        return count * usual + self._random.between(0, usual * 4 // 9, "trip", site.number, count)

    def _random_bits(self, number: int, day: int) -> int:
        return self._random.number("day", number, day)

    def _make_profile(self, site: ChargingSite) -> SiteProfile:
        bits, car = self._random.number("traits", site.number), site.car

        def draw(low: int, high: int) -> int:
            nonlocal bits
            bits, rest = divmod(bits, high - low + 1)
            return low + rest

        socket = _SOCKET_WATTS[draw(0, len(_SOCKET_WATTS) - 1)]
        if car is None:
            battery, ac = _UNKNOWN_CARS[draw(0, len(_UNKNOWN_CARS) - 1)]
            car = Car(
                -1, battery, ac, _UNKNOWN_CAR_WH_PER_KM, telematics=False, limit=5 * draw(16, 20)
            )
        watts = min(car.ac_watts, site.point.watts if site.point else socket)
        usual = min(car.battery_wh * draw(*_DAILY_USE) // 1000, max_daily_wh(watts))
        period = _HOME_EVERY * draw(4, 12)
        return SiteProfile(
            car=car,
            watts=watts,
            meters=max(_MIN_METRES, min(usual * 1000 // car.wh_per_km, _MAX_METRES)),
            odometer_m=draw(900_000, 90_000_000),
            meter_wh=draw(20_000, 4_000_000),
            plugs_percent=draw(15, 80),
            phase=draw(0, period - 1),
            period=period,
        )


def max_daily_wh(watts: int) -> int:
    """Return the watt-hours that an average day may use if so much power is available."""
    return watts * (SHORTEST_STAY // MINUTE) // 60 // _DAYS_PER_STAY


def _drive_time(meters: int) -> Micros:
    return meters * SECOND // _SPEED
