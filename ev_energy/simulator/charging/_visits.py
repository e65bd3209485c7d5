"""Arrivals of the whole fleet in order, and who may have left: at a cost of what is found."""

from __future__ import annotations

import bisect
import heapq
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator._bounded_cache import BoundedCache
from ev_energy.simulator.charging._driving_profile import Kind
from ev_energy.simulator.charging._timetable import AFTERNOON, BOOSTERS, arrival_before
from ev_energy.simulator.clock._microseconds import DAY, HOUR, Micros, micros

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ev_energy.simulator.charging._arrival_order import Order
    from ev_energy.simulator.charging._charging_site import ChargingSite, Fleet
    from ev_energy.simulator.charging._driving_profile import Habits
    from ev_energy.simulator.charging._timetable import Cohort, Timetable


#: No boost of habit lasts until later after the arrival.
LAST_BOOST: Final = 4 * HOUR
#: Where there are so many places for each who has begun, it is quicker to go through the latter.
_FEW: Final = 16
#: What roundings may shift, generously.
_SLACK: Final = 10


@attrs.frozen
class Visit:
    """An arrival of a car that is plugged in then: at which bay, on which of its days."""

    start_us: Micros
    site: ChargingSite
    day: int

    @property
    def key(self) -> tuple[Micros, int]:
        """Return what visits are ordered by: no two have the same."""
        return self.start_us, self.site.number


class Visits:
    """Finds arrivals and departures of a fleet by time."""

    def __init__(self, fleet: Fleet, timetable: Timetable, habits: Habits) -> None:
        self._fleet = fleet
        self._habits = habits
        self._timetable = timetable
        self._whole = BoundedCache[tuple[int, int, int], Micros](1024)
        self._counts = BoundedCache[tuple[int, int, int, int], int](4096)

    def after(self, at: Micros, until: Micros) -> Iterator[Visit]:
        """Return the arrivals after ``at`` and not after ``until``, oldest first."""
        each = (self._after(cohort, at, until) for cohort in self._timetable.cohorts())
        return heapq.merge(*each, key=_key)

    def before(self, at: Micros) -> Iterator[Visit]:
        """Return the arrivals before ``at``, newest first."""
        each = (self._before(cohort, at) for cohort in self._timetable.cohorts())
        return heapq.merge(*each, key=_key, reverse=True)

    def leaving(self, after: Micros, until: Micros) -> Iterator[Visit]:
        """Return the arrivals of the stays that end in a while, in no order."""
        for cohort in self._timetable.cohorts():
            low, high = after + cohort.offset_us, until + cohort.offset_us
            for day, places in cohort.departures.after(low, high):
                yield from self._visits(cohort, cohort.departures, places, day, day - 1)
            for day in range(low // DAY, high // DAY + 1):
                begin, end = (arrival_before(at - day * DAY) for at in (low, high))
                begin, end = max(begin - _SLACK, 0), min(end + _SLACK, AFTERNOON)
                if begin < end:
                    yield from self._cells(cohort, begin + day * DAY, end + day * DAY)

    def leaving_public(self, after: Micros, until: Micros) -> Iterator[Visit]:
        """Return the arrivals whose public stays would end in a while, in no order."""
        for cohort in self._timetable.cohorts():
            low, high = after + cohort.offset_us, until + cohort.offset_us
            for day in range(low // DAY - 1, high // DAY + 1):
                stay, midnight = cohort.public_stay(day), day * DAY
                begin, end = max(low - stay, midnight), min(high - stay, midnight + DAY - 1)
                if begin < end:
                    yield from self._cells(cohort, begin, end)

    def boosting(self, after: Micros, until: Micros) -> Iterator[Visit]:
        """Return the arrivals after which somebody may boost in a while, in no order."""
        for cohort in self._timetable.cohorts():
            low, high = after - LAST_BOOST + cohort.offset_us, until + cohort.offset_us
            for day, places in cohort.arrivals.after(low, high):
                turn = cohort.arrivals.turn(day)
                first = places.start + (turn - places.start) % BOOSTERS
                boosters = range(first, places.stop, BOOSTERS)
                yield from self._visits(cohort, cohort.arrivals, boosters, day, day)

    def _after(self, cohort: Cohort, at: Micros, until: Micros) -> Iterator[Visit]:
        low = max(at, cohort.began_us - 1) + cohort.offset_us
        yield from self._cells(cohort, low, until + cohort.offset_us)

    def _before(self, cohort: Cohort, at: Micros) -> Iterator[Visit]:
        low, high = cohort.began_us + cohort.offset_us, at + cohort.offset_us
        for day, places in cohort.arrivals.before(high, low):
            yield from self._visits(cohort, cohort.arrivals, places, day, day)

    def _cells(self, cohort: Cohort, low: Micros, high: Micros) -> Iterator[Visit]:
        for day, places in cohort.arrivals.after(low, high):
            yield from self._visits(cohort, cohort.arrivals, places, day, day)

    def _visits(
        self, cohort: Cohort, order: Order, places: range, on: int, day: int
    ) -> Iterator[Visit]:
        # The visits of a day by who has these places in an order, on the same day or the next.
        begun = self._begun(cohort, day)
        if begun * _FEW < len(places):
            found = ((order.place(rank, on), rank) for rank in range(begun))
            taken = sorted((one for one in found if one[0] in places), reverse=places.step < 0)
            ranks = iter([rank for _, rank in taken])
        else:
            ranks = (rank for place in places if (rank := order.rank(place, on)) < begun)
        for rank in ranks:
            site = self._fleet.site(cohort.group, cohort.first + rank)
            if self._habits.kind(site, day) is not Kind.NONE:
                start = self._timetable.start(site, day)
                if start >= micros(site.began):
                    yield Visit(start, site, day)

    def _begun(self, cohort: Cohort, day: int) -> int:
        # How many ranks have begun when a day is over: so many come first, and the others not yet.
        places = self._fleet.groups[cohort.group].size - cohort.first
        ranks = range(min(cohort.arrivals.size, places))
        over = (day + 1) * DAY - cohort.offset_us

        def began(rank: int) -> Micros:
            return micros(self._fleet.site(cohort.group, cohort.first + rank).began)

        key = (cohort.group, cohort.first, len(ranks))
        last = self._whole.get(key) or self._whole.put(key, began(ranks[-1]))
        if last < over:
            return len(ranks)
        known = self._counts.get((*key, day))
        if known is None:
            known = self._counts.put((*key, day), bisect.bisect_left(ranks, over, key=began))
        return known


def _key(visit: Visit) -> tuple[Micros, int]:
    return visit.key
