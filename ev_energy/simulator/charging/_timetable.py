"""The slot of each charging site on each day: when its car comes home and leaves again.

A slot is one stay at home, from an arrival, at which the car may be plugged in, to the next
departure. The times of a site follow from its rank in a cohort (see `DailyOrder`).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator.charging._daily_order import Curve, DailyOrder, cohorts, curve
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
#: A car that arrives before this leaves the same day, a later one leaves the next morning.
AFTERNOON: Final = 14 * HOUR
_SMALLEST_COHORT: Final = 64
#: One arrival in so many is followed by a boost, chosen by its index in the day's order.
BOOST_EVERY: Final = 12
#: The shortest time from an arrival to the time at which the car must be ready.
SHORTEST_STAY: Final = 5 * HOUR + 30 * MINUTE
_READY_STEP: Final = 15 * MINUTE
#: A car is ready so long before it leaves.
_READY_MARGIN: Final = 5 * MINUTE


@attrs.frozen
class Slot:
    """One stay of a site's car at home, named by the local day on which it begins."""

    day: int
    start_us: Micros
    end_us: Micros
    ready_us: Micros
    """When the car must be ready, some minutes before it leaves."""


@attrs.frozen
class Cohort:
    """Consecutive sites of a group that share daily orders of arrivals and departures."""

    group: int
    first: int
    active_since_us: Micros
    offset_us: Micros
    arrivals: DailyOrder
    departures: DailyOrder
    random: SeededRandom

    def public_stay(self, day: int) -> Micros:
        """Return how long cars stay at public places on a day; the same for the whole cohort."""
        return self.random.between(35 * 60, 80 * 60, "otg", self.group, self.first, day) * SECOND

    def boosts(self, rank: int, day: int) -> bool:
        """Whether the arrival of this rank on *day* is followed by a habitual boost."""
        return (
            self.arrivals.index(rank, day) % BOOST_EVERY
            == self.arrivals.rotation(day) % BOOST_EVERY
        )

    def midnight(self, day: int) -> Micros:
        """Return the local midnight at which *day* begins."""
        return day * DAY - self.offset_us

    def slot(self, rank: int, day: int) -> Slot:
        """Return the slot of a rank, counted within the cohort."""
        midnight = self.midnight(day)
        time = self.arrivals.time(rank, day)
        if time < AFTERNOON:
            end = _same_day_departure(time) + midnight
            return Slot(day, time + midnight, end, _whole_minutes(end - _READY_MARGIN))
        end = self.departures.time(rank, day + 1) + midnight + DAY
        usual = self.departures.usual_time(rank, day + 1) + midnight + DAY
        ready = min(usual // _READY_STEP * _READY_STEP, _whole_minutes(end - _READY_MARGIN))
        return Slot(day, time + midnight, end, ready)


def _whole_minutes(at: Micros) -> Micros:
    return at // _READY_MARGIN * _READY_MARGIN


def _same_day_departure(time: Micros) -> Micros:
    # Grows with the time of arrival, so that departures have the order of arrivals.
    end = 12 * HOUR + 30 * MINUTE + (time - 6 * HOUR - 30 * MINUTE) * 5 // 4
    return end if end % SECOND else end + 1


def same_day_arrival(end: Micros) -> Micros:
    """Return about when a car arrived that leaves the same day at *end*, after midnight.

    The inverse of `_same_day_departure`, but for rounding.
    """
    return (end - 12 * HOUR - 30 * MINUTE) * 4 // 5 + 6 * HOUR + 30 * MINUTE


def _arrivals(_day: int) -> Curve:
    return _ARRIVALS


def _departures(day: int) -> Curve:
    return _LEAVING_LATE if weekday(day) >= _SATURDAY else _LEAVING


class Timetable:
    """All slots of a fleet."""

    def __init__(self, fleet: Fleet, random: SeededRandom) -> None:
        self._fleet = fleet
        self._random = random
        self._sizes: tuple[int, ...] = ()
        self._cohorts: list[Cohort] = []
        self._cohort_cache: dict[tuple[int, int], Cohort] = {}
        self._slot: Callable[[int, int, int], Slot] = functools.lru_cache(8192)(self._make_slot)

    def cohort(self, group: int, rank: int) -> Cohort:
        """Return the cohort of a rank in a group."""
        first = 0 if rank < _SMALLEST_COHORT else 1 << (rank // _SMALLEST_COHORT).bit_length() - 1
        return self._cohort(group, first * _SMALLEST_COHORT, max(first, 1) * _SMALLEST_COHORT)

    def cohorts(self) -> Sequence[Cohort]:
        """Return all cohorts with at least one site."""
        sizes = tuple(group.size for group in self._fleet.groups)
        if sizes != self._sizes:
            self._cohorts = [self._cohort(*cohort) for cohort in cohorts(sizes, _SMALLEST_COHORT)]
            self._sizes = sizes
        return self._cohorts

    def slot(self, site: ChargingSite, day: int) -> Slot:
        """Return the slot of a site that begins on a local day, counted from 1970."""
        return self._slot(site.group, site.rank, day)

    def day_of(self, site: ChargingSite, at: Micros) -> int:
        """Return the local day on which the latest slot of a site at an instant began."""
        day = (at + micros_of(site.offset)) // DAY
        return day if self.slot(site, day).start_us <= at else day - 1

    def begins_before(self, site: ChargingSite, day: int, at: Micros) -> bool:
        """Whether a slot begins before an instant; in most cases without computing the slot."""
        if day * DAY - micros_of(site.offset) > at:
            return False
        return self.slot(site, day).start_us < at

    def start(self, site: ChargingSite, day: int) -> Micros:
        """Return the start of a slot without computing the rest of it."""
        cohort = self.cohort(site.group, site.rank)
        return cohort.arrivals.time(site.rank - cohort.first, day) + cohort.midnight(day)

    def boosts(self, site: ChargingSite, day: int) -> bool:
        """Whether the arrival of a site's car on *day* is followed by a habitual boost."""
        cohort = self.cohort(site.group, site.rank)
        return cohort.boosts(site.rank - cohort.first, day)

    def _cohort(self, group: int, first: int, slices: int) -> Cohort:
        cohort = self._cohort_cache.get((group, first))
        if cohort is None:
            arrivals = DailyOrder(self._random, ("arrive", group, first), slices, _arrivals)
            departures = DailyOrder(self._random, ("leave", group, first), slices, _departures)
            cohort = self._cohort_cache[group, first] = Cohort(
                group=group,
                first=first,
                active_since_us=micros(self._fleet.site(group, first).active_since),
                offset_us=micros_of(self._fleet.groups[group].offset),
                arrivals=arrivals,
                departures=departures,
                random=self._random,
            )
        return cohort

    def _make_slot(self, group: int, rank: int, day: int) -> Slot:
        cohort = self.cohort(group, rank)
        return cohort.slot(rank - cohort.first, day)
