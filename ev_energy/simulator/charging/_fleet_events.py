"""Arrivals, departures and events."""

from __future__ import annotations

import bisect
import heapq
from typing import TYPE_CHECKING, Final, Literal

import attrs

from ev_energy.simulator._bounded_cache import BoundedCache
from ev_energy.simulator.charging._driving_profile import Kind
from ev_energy.simulator.charging._timetable import AFTERNOON, BOOSTERS, arrival_before
from ev_energy.simulator.clock._instants import DAY, HOUR, SECOND, Micros, instant_of, micros

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ev_energy.simulator.charging._charging_site import ChargingSite, Fleet
    from ev_energy.simulator.charging._daily_order import Order
    from ev_energy.simulator.charging._driving_profile import Habits
    from ev_energy.simulator.charging._energy_accounting import Ledger
    from ev_energy.simulator.charging._episodes import Episode
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


_CHUNK: Final = HOUR


@attrs.frozen
class SubSessionEvent:
    """A period that begins or ends."""

    at_us: Micros
    kind: Literal["created", "ended"]
    episode: Episode
    """As it is seen then."""
    number: int
    """Of the period."""

    @property
    def at(self) -> datetime:
        """When it happens."""
        return instant_of(self.at_us)

    @property
    def order(self) -> tuple[Micros, int, int, bool]:
        """Return what events are ordered by: the end of a period is before the next one's start."""
        return self.at_us, self.episode.site.number, self.number, self.kind == "ended"


class Events:
    """Finds what happens in a fleet."""

    def __init__(
        self, fleet: Fleet, timetable: Timetable, habits: Habits, ledger: Ledger, visits: Visits
    ) -> None:
        self._fleet = fleet
        self._timetable = timetable
        self._habits = habits
        self._ledger = ledger
        self._visits = visits

    def between(self, after: Micros, until: Micros) -> Iterator[SubSessionEvent]:
        """Return the events after ``after`` and not after ``until``, in order."""
        while after < until:
            end = min(until, after + _CHUNK)
            yield from self._chunk(after, end)
            after = end

    def next(self, after: Micros, within: Micros) -> SubSessionEvent | None:
        """Return the first event after an instant, None if there is none ``within`` so long."""
        sites = sum(group.size for group in self._fleet.groups)
        until, step = after + within, max(SECOND, DAY // max(1, sites))
        while after < until:
            end = min(until, after + step)
            found = self._chunk(after, end)
            if found:
                return found[0]
            after, step = end, min(2 * step, _CHUNK)
        return None

    def state_changes(self, site: ChargingSite, start: Micros, end: Micros) -> list[datetime]:
        """Return the instants after ``start`` and until ``end`` at which a bay's state jumps."""
        book, began = self._ledger.book(site), micros(site.began)
        found: set[Micros] = set()
        first = self._timetable.day_of(site, start)
        for day in range(first, self._timetable.day_of(site, end) + 2):
            for leg in self._habits.legs(site, day):
                found |= {leg.start_us, leg.end_us}
            episode = self._ledger.episode(book, day)
            if episode is not None:
                spans = (episode, *episode.periods, *episode.segments)
                found |= {at for one in spans for at in (one.start_us, one.end_us) if at}
        return [instant_of(at) for at in sorted(found) if start < at <= end and at >= began]

    def _chunk(self, after: Micros, until: Micros) -> list[SubSessionEvent]:
        found = [
            event
            for site, day in self._candidates(after, until).values()
            for event in self._of(site, day, after, until)
        ]
        return sorted(found, key=lambda event: event.order)

    def _candidates(
        self, after: Micros, until: Micros
    ) -> dict[tuple[int, int], tuple[ChargingSite, int]]:
        found: dict[tuple[int, int], tuple[ChargingSite, int]] = {}
        for visits in (
            self._visits.after(after, until),
            self._visits.leaving(after, until),
            self._visits.leaving_public(after, until),
        ):
            for visit in visits:
                found[visit.site.number, visit.day] = visit.site, visit.day
        for visit in self._visits.boosting(after, until):
            boost = self._habits.boost(visit.site, visit.day)
            if boost is not None:
                begin = visit.start_us + boost[0]
                if begin <= until and begin + boost[1] > after:
                    found[visit.site.number, visit.day] = visit.site, visit.day
        for site in self._fleet.changed_sites():
            days = self._timetable.day_of(site, after), self._timetable.day_of(site, until)
            found |= {(site.number, day): (site, day) for day in range(days[0], days[1] + 1)}
        return found

    def _of(
        self, site: ChargingSite, day: int, after: Micros, until: Micros
    ) -> Iterator[SubSessionEvent]:
        episode = self._ledger.episode(self._ledger.book(site), day)
        if episode is None or episode.start_us > until:
            return
        for number, period in enumerate(episode.periods):
            if after < period.start_us <= until:
                yield SubSessionEvent(
                    period.start_us, "created", episode.seen(period.start_us), number
                )
            if period.end_us is not None and after < period.end_us <= until:
                yield SubSessionEvent(period.end_us, "ended", episode.seen(period.end_us), number)
