"""What batteries hold and meters show, as differences: no sum over history is ever made.

Between two charges to the limit, a battery has lost what was driven, which is a closed form; so an
EVSE has delivered what was driven and what the battery has gained. Where deeds were done, the few
episodes since are gone through. A deed that changes what there is at a bay, or how large the
battery is, opens a new chapter, which starts from what was so then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import attrs

from ev_energy.simulator._bounded_cache import BoundedCache
from ev_energy.simulator.charging._charging_site import limit_of
from ev_energy.simulator.charging._driving_profile import PARTS, Kind, most_a_day
from ev_energy.simulator.charging._episodes import Episode
from ev_energy.simulator.charging._session_plan import Writer
from ev_energy.simulator.charging._timeline import RATE, Book, Chapter
from ev_energy.simulator.clock._instants import DAY, Micros, micros, micros_of

if TYPE_CHECKING:
    from ev_energy.simulator.charging._carbon import Carbon
    from ev_energy.simulator.charging._charging_site import ChargingSite, Fleet
    from ev_energy.simulator.charging._driving_profile import Habits
    from ev_energy.simulator.charging._prices import Prices
    from ev_energy.simulator.charging._session_plan import Event
    from ev_energy.simulator.charging._timetable import Slot, Timetable


_CHAPTERS: Final = frozenset({"car_gone", "car_back", "point_gone", "battery"})
#: So many days after a deed a battery is as full as it should be again, at the latest: when it has
#: lost what was too much, or gained what was too little, by what is left of the days in between.
_SETTLES: Final = 8


def _means_something(book: Book, last: Chapter, what: str) -> bool:
    """Return whether there is what a deed takes away, or is not what it brings back."""
    match what:
        case "point_gone":
            return last.point is not None
        case "car_back":
            return last.car is None and book.site.car is not None
        case _:
            return last.car is not None


class Ledger:
    """Tells what happened at any bay in any of its slots."""

    def __init__(
        self, fleet: Fleet, timetable: Timetable, habits: Habits, prices: Prices, carbon: Carbon
    ) -> None:
        self._fleet = fleet
        self._timetable = timetable
        self._habits = habits
        self._writer = Writer(habits, prices, carbon)
        self._books = BoundedCache[tuple[int, int], Book](1024)
        self._episodes = BoundedCache[tuple[int, int, int], Episode](4096)

    def book(self, site: ChargingSite) -> Book:
        """Return a bay's story."""
        changes = self._fleet.changes(site)
        known = self._books.get((site.number, len(changes)))
        if known is not None:
            return known
        events: list[Event] = [(micros(change.at), change.kind, change.value) for change in changes]
        book = Book(site, self._habits.traits(site).car.limit, events, [self._first(site)])
        self._write(book)
        return self._books.put((site.number, len(changes)), book)

    def episode(self, book: Book, day: int) -> Episode | None:
        """Return the episode that begins on a day of the bay's zone, None if there is none."""
        site = book.site
        slot, kind = self._timetable.slot(site, day), self._habits.kind(site, day)
        if kind is Kind.NONE or slot.start_us < book.chapters[0].at_us:
            return None
        chapter = book.chapter(slot.start_us)
        if chapter.over:
            return None
        if kind is Kind.HOME:
            return self._home(book, chapter, slot)
        if chapter.reports and slot.start_us >= chapter.resumes_us:
            return self._public(book, chapter, slot)
        return None

    def net(self, book: Book, chapter: Chapter, day: int, base_m: int) -> int:
        """Return what the battery holds, public charges and the trips that they are for left out.

        No episode at home is running, ``day`` is of the latest slot that is over or has none, and
        ``base_m`` is what was driven by now.
        """
        site, used = book.site, chapter.used(base_m)
        home = self._last_home(site, day)
        if chapter.over or self._timetable.begins_before(site, home, chapter.at_us):
            return chapter.stored_wh - used
        driven = self._habits.driven(site, home)
        return self._departed(book, chapter, home) - used + chapter.used(driven)

    def trip(self, book: Book, day: int, at: Micros) -> int:
        """Return what a trip has taken from the battery and was not charged yet.

        ``day`` is of the latest slot.
        """
        for one in (day, day + 1):
            if self._habits.kind(book.site, one) is not Kind.PUBLIC:
                continue
            leg = self._habits.legs(book.site, one)[1]
            chapter = book.chapter(min(at, leg.end_us))
            if at <= leg.start_us or not chapter.reports or leg.end_us < chapter.resumes_us:
                continue
            used = leg.trip_m * leg.part(at) // PARTS * chapter.rate // RATE
            episode = self.episode(book, one) if at >= leg.end_us else None
            if episode is None:
                return used if at < leg.end_us else 0
            if episode.end_us is None or at < episode.end_us:
                return used - episode.energy(at)
        return 0

    def delivered(self, book: Book, day: int, at: Micros) -> int:
        """Return what was charged at the bay until an instant; ``day`` is of the latest slot."""
        site, chapter, slot = book.site, book.chapter(at), self._timetable.slot(book.site, day)
        base_m = self._habits.road(site, day, at).base_m
        home = self._habits.kind(site, day) is Kind.HOME and chapter.at_us <= slot.start_us
        if home and at < slot.end_us and not chapter.over:
            stored = self._home(book, chapter, slot).stored(at)
        else:
            stored = self.net(book, chapter, day, base_m)
        return chapter.delivered_wh + stored - chapter.stored_wh + chapter.used(base_m)

    def moved(self, book: Book, chapter: Chapter, day: int, at: Micros) -> int:
        """Return the metres driven since a chapter began."""
        road = self._habits.road(book.site, day, at)
        return max(0, road.base_m - chapter.base_m) + max(0, road.trips_m - chapter.trips_m)

    def _first(self, site: ChargingSite) -> Chapter:
        traits, began = self._habits.traits(site), micros(site.began)
        day = (
            began + micros_of(site.offset)
        ) // DAY  # it stands still until it is home on this one
        return Chapter(
            at_us=began,
            car=site.car,
            point=site.point,
            battery_wh=traits.car.battery_wh,
            rate=traits.car.wh_per_km * (RATE // 1000),
            stored_wh=limit_of(traits.car.limit) * traits.car.battery_wh // 100,
            delivered_wh=0,
            odometer_m=traits.odometer_m,
            base_m=self._habits.driven(site, day),
            trips_m=self._habits.trips(site, day),
            resumes_us=began,
        )

    def _last_home(self, site: ChargingSite, day: int) -> int:
        while self._habits.kind(site, day) is not Kind.HOME:
            day -= 1
        return day

    def _home(self, book: Book, chapter: Chapter, slot: Slot) -> Episode:
        key = (book.site.number, slot.day, len(book.before(slot.end_us - 1)))
        known = self._episodes.get(key)
        if known is not None:
            return known
        stored = self.net(book, chapter, slot.day - 1, self._habits.driven(book.site, slot.day))
        return self._episodes.put(key, self._writer.home(book, chapter, slot, stored))

    def _public(self, book: Book, chapter: Chapter, slot: Slot) -> Episode:
        stay = self._habits.public_stay(book.site, slot.day)
        key = (book.site.number, slot.day, len(book.before(slot.start_us + stay - 1)))
        known = self._episodes.get(key)
        if known is not None:
            return known
        net = self.net(book, chapter, slot.day - 1, self._habits.arrived(book.site, slot.day))
        return self._episodes.put(key, self._writer.public(book, chapter, slot, net))

    def _departed(self, book: Book, chapter: Chapter, home: int) -> int:
        # Gone through from the oldest that is not known, so that Python's stack is not used up.
        chain = [home]
        while (stored := self._known(book, chapter, chain[-1])) is None:
            day = self._last_home(book.site, chain[-1] - 1)
            if self._timetable.begins_before(book.site, day, chapter.at_us):
                break
            chain.append(day)
        if stored is not None and len(chain) == 1:
            return stored
        for day in reversed(chain[1:] if stored is None else chain[1:-1]):
            self._home(book, chapter, self._timetable.slot(book.site, day))
        slot = self._timetable.slot(book.site, home)
        return self._home(book, chapter, slot).stored(slot.end_us)

    def _known(self, book: Book, chapter: Chapter, home: int) -> int | None:
        if not book.changes:
            return book.limit(chapter.at_us) * chapter.battery_wh // 100
        slot = self._timetable.slot(book.site, home)
        changes = book.before(slot.end_us - 1)
        traits = self._habits.traits(book.site)
        days = _SETTLES + 3 * chapter.battery_wh * RATE // (4 * traits.meters * chapter.rate)
        if not changes or changes[-1][0] < slot.start_us - days * DAY:
            return book.limit(slot.start_us) * chapter.battery_wh // 100
        known = self._episodes.get((book.site.number, home, len(changes)))
        return None if known is None else known.stored(slot.end_us)

    def _write(self, book: Book) -> None:
        waiting: tuple[Micros, int] | None = None  # a battery, for the car to be unplugged
        for at, what, value in book.changes:
            last = book.chapters[-1]
            if what not in _CHAPTERS or not _means_something(book, last, what):
                continue
            if waiting is not None and waiting[0] <= at:
                self._resize(book, *waiting)
                waiting = None
            if what == "battery":
                waiting = (self._unplugged(book, at), max(1, cast("int", value)))
                continue
            if what == "car_back":
                self._bring_back(book, at)
            else:
                self._remove(book, max(at, last.at_us + 1), what)
            if waiting is not None and book.chapters[-1].car is not None:
                self._resize(book, book.chapters[-1].at_us, waiting[1])
            waiting = None
        if waiting is not None:
            self._resize(book, *waiting)

    def _remove(self, book: Book, at: Micros, what: str) -> None:
        last, site, day = book.chapters[-1], book.site, self._timetable.day_of(book.site, at)
        slot = self._timetable.slot(site, day)
        at += at == slot.start_us  # what is gone in the very moment of an arrival was there
        if self._plugged(book, slot, at):
            arrived = self.net(book, last, day - 1, self._habits.driven(site, day))
            stored = self._writer.home(book, last, slot, arrived).stored(at)
            day += 1  # it stays where it is until it is plugged in anew
            while self._habits.kind(site, day) is not Kind.HOME:
                day += 1
            resumes = self._timetable.slot(site, day).start_us
        else:
            stored = self.net(book, last, day, self._habits.road(site, day, at).base_m)
            resumes = at
        after = attrs.evolve(
            self._carried_on(book, at, stored, resumes),
            car=None if what == "car_gone" else last.car,
            point=None if what == "point_gone" else last.point,
        )
        book.chapters.append(after)

    def _bring_back(self, book: Book, at: Micros) -> None:
        at = max(self._unplugged(book, at), book.chapters[-1].at_us + 1)
        site, last = book.site, book.chapters[-1]
        day = self._timetable.day_of(site, at)
        stored = self.net(book, last, day, self._habits.road(site, day, at).base_m)
        book.chapters.append(attrs.evolve(self._carried_on(book, at, stored, at), car=site.car))

    def _resize(self, book: Book, at: Micros, battery_wh: int) -> None:
        site, last, traits = book.site, book.chapters[-1], self._habits.traits(book.site)
        day = self._timetable.day_of(site, at)
        stored = self.net(book, last, day, self._habits.road(site, day, at).base_m)
        rate = traits.car.wh_per_km * (RATE // 1000) * battery_wh // traits.car.battery_wh
        after = attrs.evolve(
            self._carried_on(book, at, stored, at),
            battery_wh=battery_wh,
            rate=max(1, min(rate, most_a_day(traits.watts) * RATE // traits.meters)),
            stored_wh=stored * battery_wh // last.battery_wh,  # the same share of it
        )
        book.chapters.append(after)

    def _carried_on(self, book: Book, at: Micros, stored: int, resumes: Micros) -> Chapter:
        last, site, day = book.chapters[-1], book.site, self._timetable.day_of(book.site, at)
        resumes = max(resumes, last.resumes_us)
        road = self._habits.road(site, self._timetable.day_of(site, resumes), resumes)
        used = last.used(self._habits.road(site, day, at).base_m)
        return attrs.evolve(
            last,
            at_us=at,
            stored_wh=stored,
            delivered_wh=last.delivered_wh + stored - last.stored_wh + used,
            odometer_m=last.odometer_m + self.moved(book, last, day, at),
            base_m=road.base_m,
            trips_m=road.trips_m,
            resumes_us=resumes,
        )

    def _plugged(self, book: Book, slot: Slot, at: Micros) -> bool:
        if self._habits.kind(book.site, slot.day) is not Kind.HOME:
            return False
        return book.chapters[-1].at_us <= slot.start_us <= at < slot.end_us

    def _unplugged(self, book: Book, at: Micros) -> Micros:
        site, day = book.site, self._timetable.day_of(book.site, at)
        slot = self._timetable.slot(site, day)
        if self._plugged(book, slot, at):
            return slot.end_us
        for one in (day, day + 1):
            if self._habits.kind(site, one) is Kind.PUBLIC:
                begin = self._habits.legs(site, one)[1].start_us
                end = self._timetable.slot(site, one).start_us + self._habits.public_stay(site, one)
                if begin <= at < end:
                    return end
        return at
