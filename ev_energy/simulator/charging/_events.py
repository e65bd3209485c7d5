"""What begins and ends in a fleet, in order, found at a cost of what is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import attrs

from ev_energy.simulator.clock._microseconds import DAY, HOUR, SECOND, Micros, instant_of, micros

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ev_energy.simulator.charging._charging_site import ChargingSite, Fleet
    from ev_energy.simulator.charging._driving_profile import Habits
    from ev_energy.simulator.charging._energy_accounting import Ledger
    from ev_energy.simulator.charging._episodes import Episode
    from ev_energy.simulator.charging._timetable import Timetable
    from ev_energy.simulator.charging._visits import Visits


_CHUNK: Final = HOUR


@attrs.frozen
class Event:
    """A period that begins or ends."""

    at_us: Micros
    what: Literal["created", "ended"]
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
        return self.at_us, self.episode.site.number, self.number, self.what == "ended"


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

    def between(self, after: Micros, until: Micros) -> Iterator[Event]:
        """Return the events after ``after`` and not after ``until``, in order."""
        while after < until:
            end = min(until, after + _CHUNK)
            yield from self._chunk(after, end)
            after = end

    def next(self, after: Micros, within: Micros) -> Event | None:
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

    def _chunk(self, after: Micros, until: Micros) -> list[Event]:
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

    def _of(self, site: ChargingSite, day: int, after: Micros, until: Micros) -> Iterator[Event]:
        episode = self._ledger.episode(self._ledger.book(site), day)
        if episode is None or episode.start_us > until:
            return
        for number, period in enumerate(episode.periods):
            if after < period.start_us <= until:
                yield Event(period.start_us, "created", episode.seen(period.start_us), number)
            if period.end_us is not None and after < period.end_us <= until:
                yield Event(period.end_us, "ended", episode.seen(period.end_us), number)
