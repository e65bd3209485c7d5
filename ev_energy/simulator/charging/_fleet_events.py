"""Arrivals, departures and events of a whole fleet, in order of time.

Each search starts from the daily orders of the cohorts, so it costs what it finds and a little for
each cohort, however large the fleet is.
"""

from __future__ import annotations

import bisect
import heapq
import math
from typing import TYPE_CHECKING, Final, Literal

import attrs

from ev_energy.simulator._bounded_cache import BoundedCache
from ev_energy.simulator.charging._driving_profile import SlotKind
from ev_energy.simulator.charging._timetable import AFTERNOON, BOOST_EVERY, same_day_arrival
from ev_energy.simulator.clock._instants import DAY, HOUR, SECOND, Micros, instant_of, micros

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from ev_energy.simulator.charging._charging_site import ChargingSite, Fleet
    from ev_energy.simulator.charging._daily_order import DailyOrder
    from ev_energy.simulator.charging._driving_profile import DrivingProfiles
    from ev_energy.simulator.charging._energy_accounting import EnergyAccounting
    from ev_energy.simulator.charging._episodes import Episode
    from ev_energy.simulator.charging._timetable import Cohort, Timetable

    #: The order of a stream's next item, the number of the stream, the item if it is an arrival,
    #: and the rest of the stream.
    _Turn = tuple[Micros, float, int, "Arrival | None", Iterator["Arrival | Micros"]]


#: A habitual boost ends within this time after the arrival.
_LAST_BOOST: Final = 4 * HOUR
#: With this many slices per active rank, iterating the ranks is faster than iterating the slices.
_SPARSE: Final = 16
#: Microseconds by which rounding may shift a time, generously.
_ROUNDING: Final = 10


@attrs.frozen
class Arrival:
    """An arrival after which the car is plugged in."""

    start_us: Micros
    site: ChargingSite
    day: int

    @property
    def key(self) -> tuple[Micros, int]:
        """The sort key; unique in the fleet."""
        return self.start_us, self.site.number


class FleetArrivals:
    """Arrivals of a fleet, found by the time of the arrival, the departure or a boost."""

    def __init__(self, fleet: Fleet, timetable: Timetable, driving: DrivingProfiles) -> None:
        self._fleet = fleet
        self._driving = driving
        self._timetable = timetable
        self._last_start = BoundedCache[tuple[int, int, int], Micros](1024)
        self._active_counts = BoundedCache[tuple[int, int, int, int], int](4096)

    def after(self, at: Micros, until: Micros) -> Iterator[Arrival]:
        """Return the arrivals after *at* and not after *until*, oldest first."""
        each = (self._after(cohort, at, until) for cohort in self._timetable.cohorts())
        return heapq.merge(*each, key=_key)

    def before(self, at: Micros) -> Iterator[Arrival]:
        """Return the arrivals before *at*, newest first."""
        return _newest_first(self._before(cohort, at) for cohort in self._timetable.cohorts())

    def departing(self, after: Micros, until: Micros) -> Iterator[Arrival]:
        """Yield the arrivals of the slots that end after *after*, until *until*, in no order."""
        for cohort in self._timetable.cohorts():
            low, high = after + cohort.offset_us, until + cohort.offset_us
            for day, indexes in cohort.departures.after(low, high):
                yield from self._arrivals(cohort, cohort.departures, indexes, day, day - 1)
            for day in range(low // DAY, high // DAY + 1):
                begin, end = (same_day_arrival(at - day * DAY) for at in (low, high))
                begin, end = max(begin - _ROUNDING, 0), min(end + _ROUNDING, AFTERNOON)
                if begin < end:
                    yield from self._arriving(cohort, begin + day * DAY, end + day * DAY)

    def departing_public(self, after: Micros, until: Micros) -> Iterator[Arrival]:
        """Yield the arrivals of the public stays that would end in a span of time, in no order."""
        for cohort in self._timetable.cohorts():
            low, high = after + cohort.offset_us, until + cohort.offset_us
            for day in range(low // DAY - 1, high // DAY + 1):
                stay, midnight = cohort.public_stay(day), day * DAY
                begin, end = max(low - stay, midnight), min(high - stay, midnight + DAY - 1)
                if begin < end:
                    yield from self._arriving(cohort, begin, end)

    def possibly_boosting(self, after: Micros, until: Micros) -> Iterator[Arrival]:
        """Yield the arrivals with a habitual boost that may touch a span of time, in no order."""
        for cohort in self._timetable.cohorts():
            low, high = after - _LAST_BOOST + cohort.offset_us, until + cohort.offset_us
            for day, indexes in cohort.arrivals.after(low, high):
                rotation = cohort.arrivals.rotation(day)
                first = indexes.start + (rotation - indexes.start) % BOOST_EVERY
                boosted = range(first, indexes.stop, BOOST_EVERY)
                yield from self._arrivals(cohort, cohort.arrivals, boosted, day, day)

    def _after(self, cohort: Cohort, at: Micros, until: Micros) -> Iterator[Arrival]:
        low = max(at, cohort.active_since_us - 1) + cohort.offset_us
        yield from self._arriving(cohort, low, until + cohort.offset_us)

    def _before(self, cohort: Cohort, at: Micros) -> Iterator[Arrival | Micros]:
        """Yield arrivals, newest first, and before those of a day an instant that none is after."""
        low, high = cohort.active_since_us + cohort.offset_us, at + cohort.offset_us
        for day, indexes in cohort.arrivals.before(high, low):
            if indexes:
                yield cohort.midnight(day) + cohort.arrivals.slice_end(indexes[0], day)
            yield from self._arrivals(cohort, cohort.arrivals, indexes, day, day)

    def _arriving(self, cohort: Cohort, low: Micros, high: Micros) -> Iterator[Arrival]:
        for day, indexes in cohort.arrivals.after(low, high):
            yield from self._arrivals(cohort, cohort.arrivals, indexes, day, day)

    def _arrivals(
        self, cohort: Cohort, order: DailyOrder, indexes: range, order_day: int, day: int
    ) -> Iterator[Arrival]:
        # *indexes* are slices of *order* on *order_day*: the day of the arrival or the next one.
        active = self._active_ranks(cohort, day)
        if active * _SPARSE < len(indexes):
            by_index = ((order.index(rank, order_day), rank) for rank in range(active))
            chosen = sorted(
                (pair for pair in by_index if pair[0] in indexes), reverse=indexes.step < 0
            )
            ranks = iter([rank for _, rank in chosen])
        else:
            ranks = (rank for index in indexes if (rank := order.rank(index, order_day)) < active)
        for rank in ranks:
            site = self._fleet.site(cohort.group, cohort.first + rank)
            if self._driving.slot_kind(site, day) is not SlotKind.NONE:
                start = self._timetable.start(site, day)
                if start >= micros(site.active_since):
                    yield Arrival(start, site, day)

    def _active_ranks(self, cohort: Cohort, day: int) -> int:
        # The number of ranks active at the end of *day*. A greater rank never starts earlier.
        remaining = self._fleet.groups[cohort.group].size - cohort.first
        ranks = range(min(cohort.arrivals.size, remaining))
        day_end = (day + 1) * DAY - cohort.offset_us

        def active_since(rank: int) -> Micros:
            return micros(self._fleet.site(cohort.group, cohort.first + rank).active_since)

        key = (cohort.group, cohort.first, len(ranks))
        last = self._last_start.get(key) or self._last_start.put(key, active_since(ranks[-1]))
        if last < day_end:
            return len(ranks)
        known = self._active_counts.get((*key, day))
        if known is None:
            known = self._active_counts.put(
                (*key, day), bisect.bisect_left(ranks, day_end, key=active_since)
            )
        return known


def _key(arrival: Arrival) -> tuple[Micros, int]:
    return arrival.key


def _newest_first(streams: Iterable[Iterator[Arrival | Micros]]) -> Iterator[Arrival]:
    """Merge streams of arrivals, computing none of a stream before its turn may have come.

    In a fleet of 100,000 vehicles, most of the 31 cohorts are small and have no arrival among
    those of a page.
    """
    heap: list[_Turn] = []
    for number, stream in enumerate(streams):
        _push_next(heap, number, stream)
    while heap:
        _, _, number, arrival, stream = heapq.heappop(heap)
        if arrival is not None:
            yield arrival
        _push_next(heap, number, stream)


def _push_next(heap: list[_Turn], number: int, stream: Iterator[Arrival | Micros]) -> None:
    following = next(stream, None)
    if isinstance(following, Arrival):
        turn = (-following.start_us, -following.site.number, number, following, stream)
        heapq.heappush(heap, turn)
    elif following is not None:  # this bound comes before an arrival at that very instant
        heapq.heappush(heap, (-following, -math.inf, number, None, stream))


_CHUNK: Final = HOUR


@attrs.frozen
class SubSessionEvent:
    """The start or end of a period, which the API calls a sub-session."""

    at_us: Micros
    kind: Literal["created", "ended"]
    episode: Episode
    """The episode as seen at that time."""
    number: int
    """The index of the period in the episode."""

    @property
    def at(self) -> datetime:
        """The time of the event."""
        return instant_of(self.at_us)

    @property
    def order(self) -> tuple[Micros, int, int, bool]:
        """The sort key; the end of a period precedes the start of the next one."""
        return self.at_us, self.episode.site.number, self.number, self.kind == "ended"


class FleetEvents:
    """Starts and ends of the periods of a fleet, by time."""

    def __init__(
        self,
        fleet: Fleet,
        timetable: Timetable,
        driving: DrivingProfiles,
        accounting: EnergyAccounting,
        arrivals: FleetArrivals,
    ) -> None:
        self._fleet = fleet
        self._timetable = timetable
        self._driving = driving
        self._accounting = accounting
        self._arrivals = arrivals

    def between(self, after: Micros, until: Micros) -> Iterator[SubSessionEvent]:
        """Yield the events after *after* and not after *until*, in order."""
        while after < until:
            end = min(until, after + _CHUNK)
            yield from self._events(after, end)
            after = end

    def next(self, after: Micros, within: Micros) -> SubSessionEvent | None:
        """Return the first event after *after*, or None if there is none in the next *within*."""
        sites = sum(group.size for group in self._fleet.groups)
        until, step = after + within, max(SECOND, DAY // max(1, sites))
        while after < until:
            end = min(until, after + step)
            found = self._events(after, end)
            if found:
                return found[0]
            after, step = end, min(2 * step, _CHUNK)
        return None

    def state_changes(self, site: ChargingSite, start: Micros, end: Micros) -> list[datetime]:
        """Return the instants after *start* and until *end* at which the state of a site jumps."""
        timeline, active_since = self._accounting.timeline(site), micros(site.active_since)
        found: set[Micros] = set()
        first = self._timetable.day_of(site, start)
        for day in range(first, self._timetable.day_of(site, end) + 2):
            for leg in self._driving.legs(site, day):
                found |= {leg.start_us, leg.end_us}
            episode = self._accounting.episode(timeline, day)
            if episode is not None:
                spans = (episode, *episode.periods, *episode.segments)
                found |= {at for span in spans for at in (span.start_us, span.end_us) if at}
        return [instant_of(at) for at in sorted(found) if start < at <= end and at >= active_since]

    def _events(self, after: Micros, until: Micros) -> list[SubSessionEvent]:
        found = [
            event
            for site, day in self._candidates(after, until).values()
            for event in self._site_events(site, day, after, until)
        ]
        return sorted(found, key=lambda event: event.order)

    def _candidates(
        self, after: Micros, until: Micros
    ) -> dict[tuple[int, int], tuple[ChargingSite, int]]:
        found: dict[tuple[int, int], tuple[ChargingSite, int]] = {}
        for arrivals in (
            self._arrivals.after(after, until),
            self._arrivals.departing(after, until),
            self._arrivals.departing_public(after, until),
        ):
            for arrival in arrivals:
                found[arrival.site.number, arrival.day] = arrival.site, arrival.day
        for arrival in self._arrivals.possibly_boosting(after, until):
            boost = self._driving.habitual_boost(arrival.site, arrival.day)
            if boost is not None:
                begin = arrival.start_us + boost[0]
                if begin <= until and begin + boost[1] > after:
                    found[arrival.site.number, arrival.day] = arrival.site, arrival.day
        for site in self._fleet.changed_sites():
            days = self._timetable.day_of(site, after), self._timetable.day_of(site, until)
            found |= {(site.number, day): (site, day) for day in range(days[0], days[1] + 1)}
        return found

    def _site_events(
        self, site: ChargingSite, day: int, after: Micros, until: Micros
    ) -> Iterator[SubSessionEvent]:
        episode = self._accounting.episode(self._accounting.timeline(site), day)
        if episode is None or episode.start_us > until:
            return
        for number, period in enumerate(episode.periods):
            if after < period.start_us <= until:
                yield SubSessionEvent(
                    period.start_us, "created", episode.seen(period.start_us), number
                )
            if period.end_us is not None and after < period.end_us <= until:
                yield SubSessionEvent(period.end_us, "ended", episode.seen(period.end_us), number)
