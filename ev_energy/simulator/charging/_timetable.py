"""When cars come home and leave again: every bay's slot of every day, and all slots in order.

A slot is a stay: from an arrival, at which the car may be plugged in, to the next departure.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator.charging._daily_order import Curve, Order, cohorts, curve
from ev_energy.simulator.clock._instants import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Micros,
    micros,
    micros_of,
    weekday,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ev_energy.simulator._seeded_random import SeededRandom
    from ev_energy.simulator.charging._charging_site import ChargingSite, Fleet


_ARRIVALS: Final = curve(
    (6.5, 0), (9, 40), (12, 100), (15, 200), (16, 270), (17.5, 500), (19, 740), (20.5, 870),
    (22, 960), (23, 1000),
)  # fmt: skip
_LEAVING: Final = curve((5.75, 0), (6.5, 120), (7.25, 400), (8, 700), (8.75, 900), (9.75, 1000))
_LEAVING_LATE: Final = curve((7, 0), (8, 200), (9, 650), (9.75, 900), (10.25, 1000))
_SATURDAY: Final = 5
#: Who comes before leaves the same day, who comes later the next morning.
AFTERNOON: Final = 14 * HOUR
_SMALLEST: Final = 64
#: After one arrival in so many there is a boost: places in the day's order tell which.
BOOSTERS: Final = 12
#: No car has less time than this until it is to be ready.
LEAST_STAY: Final = 5 * HOUR + 30 * MINUTE
_READY_STEP: Final = 15 * MINUTE
_READY_BEFORE: Final = 5 * MINUTE


@attrs.frozen
class Slot:
    """A bay's stay that begins on a day."""

    day: int
    start_us: Micros
    end_us: Micros
    ready_us: Micros
    """When the car is to be ready; before it leaves."""


@attrs.frozen
class Cohort:
    """Some bays of a group, in an order of their own."""

    group: int
    first: int
    began_us: Micros
    offset_us: Micros
    arrivals: Order
    departures: Order
    random: SeededRandom

    def public_stay(self, day: int) -> Micros:
        """Return how long all stay at public places on a day: who comes first leaves first."""
        return self.random.between(35 * 60, 80 * 60, "otg", self.group, self.first, day) * SECOND

    def boosts(self, rank: int, day: int) -> bool:
        """Return whether the day's boosts include this rank's."""
        return self.arrivals.place(rank, day) % BOOSTERS == self.arrivals.turn(day) % BOOSTERS

    def midnight(self, day: int) -> Micros:
        """Return when a day begins."""
        return day * DAY - self.offset_us

    def slot(self, rank: int, day: int) -> Slot:
        """Return the stay of a rank, counted within the cohort."""
        midnight = self.midnight(day)
        time = self.arrivals.time(rank, day)
        if time < AFTERNOON:
            end = _same_day(time) + midnight
            return Slot(day, time + midnight, end, _floor(end - _READY_BEFORE))
        end = self.departures.time(rank, day + 1) + midnight + DAY
        usual = self.departures.usual_time(rank, day + 1) + midnight + DAY
        ready = min(usual // _READY_STEP * _READY_STEP, _floor(end - _READY_BEFORE))
        return Slot(day, time + midnight, end, ready)


def _floor(at: Micros) -> Micros:
    return at // _READY_BEFORE * _READY_BEFORE


def _same_day(time: Micros) -> Micros:
    # Grows with the arrival, so that who came first leaves first.
    end = 12 * HOUR + 30 * MINUTE + (time - 6 * HOUR - 30 * MINUTE) * 5 // 4
    return end if end % 1_000_000 else end + 1


def arrival_before(end: Micros) -> Micros:
    """Return about when those came who leave the same day at a time after midnight."""
    return (end - 12 * HOUR - 30 * MINUTE) * 4 // 5 + 6 * HOUR + 30 * MINUTE


def _arrivals(_day: int) -> Curve:
    return _ARRIVALS


def _departures(day: int) -> Curve:
    return _LEAVING_LATE if weekday(day) >= _SATURDAY else _LEAVING


class Timetable:
    """All stays of a fleet."""

    def __init__(self, fleet: Fleet, random: SeededRandom) -> None:
        self._fleet = fleet
        self._random = random
        self._sizes: tuple[int, ...] = ()
        self._cohorts: list[Cohort] = []
        self._known: dict[tuple[int, int], Cohort] = {}
        self._slot: Callable[[int, int, int], Slot] = functools.lru_cache(8192)(self._make_slot)

    def cohort(self, group: int, rank: int) -> Cohort:
        """Return the cohort a bay is in."""
        first = 0 if rank < _SMALLEST else 1 << (rank // _SMALLEST).bit_length() - 1
        return self._make(group, first * _SMALLEST, max(first, 1) * _SMALLEST)

    def cohorts(self) -> Sequence[Cohort]:
        """Return all cohorts that somebody is in."""
        sizes = tuple(group.size for group in self._fleet.groups)
        if sizes != self._sizes:
            self._cohorts = [self._make(*cohort) for cohort in cohorts(sizes, _SMALLEST)]
            self._sizes = sizes
        return self._cohorts

    def slot(self, site: ChargingSite, day: int) -> Slot:
        """Return the stay of a bay that begins on a day of its zone, counted from 1970."""
        return self._slot(site.group, site.rank, day)

    def day_of(self, site: ChargingSite, at: Micros) -> int:
        """Return the day that a bay's latest slot before an instant began on."""
        day = (at + micros_of(site.offset)) // DAY
        return day if self.slot(site, day).start_us <= at else day - 1

    def begins_before(self, site: ChargingSite, day: int, at: Micros) -> bool:
        """Return whether a slot begins before an instant; most often at a glance."""
        if day * DAY - micros_of(site.offset) > at:
            return False
        return self.slot(site, day).start_us < at

    def start(self, site: ChargingSite, day: int) -> Micros:
        """Return when a slot begins."""
        cohort = self.cohort(site.group, site.rank)
        return cohort.arrivals.time(site.rank - cohort.first, day) + cohort.midnight(day)

    def boosts(self, site: ChargingSite, day: int) -> bool:
        """Return whether the day's boosts include this bay's."""
        cohort = self.cohort(site.group, site.rank)
        return cohort.boosts(site.rank - cohort.first, day)

    def _make(self, group: int, first: int, places: int) -> Cohort:
        cohort = self._known.get((group, first))
        if cohort is None:
            arrivals = Order(self._random, ("arrive", group, first), places, _arrivals)
            departures = Order(self._random, ("leave", group, first), places, _departures)
            cohort = self._known[group, first] = Cohort(
                group=group,
                first=first,
                began_us=micros(self._fleet.site(group, first).began),
                offset_us=micros_of(self._fleet.groups[group].offset),
                arrivals=arrivals,
                departures=departures,
                random=self._random,
            )
        return cohort

    def _make_slot(self, group: int, rank: int, day: int) -> Slot:
        cohort = self.cohort(group, rank)
        return cohort.slot(rank - cohort.first, day)
