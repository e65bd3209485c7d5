"""Writes episodes: gathers what one starts from, and has it gone through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.models.charging_assessment import (
    ChargingSubSessionDebugMetadataFinishReason as Finish,
)
from ev_energy.models.charging_assessment import ChargingSubSessionDebugMetadataStartReason as Start
from ev_energy.simulator.charging._episodes import WATT_HOUR, Episode
from ev_energy.simulator.charging._session_plan import Course, Event, Terms
from ev_energy.simulator.charging._timeline import RATE
from ev_energy.simulator.clock._microseconds import MINUTE, SECOND

if TYPE_CHECKING:
    from ev_energy.simulator.charging._carbon import Carbon
    from ev_energy.simulator.charging._driving_profile import Habits
    from ev_energy.simulator.charging._prices import Prices
    from ev_energy.simulator.charging._timeline import Book, Chapter
    from ev_energy.simulator.charging._timetable import Slot


_PUBLIC_WATTS: Final = (11_000, 22_000, 50_000, 150_000)
_REPLUG: Final = 5 * MINUTE


class Writer:
    """Makes episodes out of slots."""

    def __init__(self, habits: Habits, prices: Prices, carbon: Carbon) -> None:
        self._habits = habits
        self._prices = prices
        self._carbon = carbon

    def home(self, book: Book, chapter: Chapter, slot: Slot, stored: int) -> Episode:
        """Return an episode at home, which begins with ``stored`` watt-hours in the battery."""
        site, traits = book.site, self._habits.traits(book.site)
        cut = book.next(chapter, slot.end_us)
        finish = Finish.EVSE_DISCONNECT
        if cut is not None:
            finish = Finish.EVSE_UNPAIR if cut.car == chapter.car else Finish.REMOVE_INTEGRATION
        terms = Terms(
            start_us=slot.start_us,
            end_us=slot.end_us if cut is None else cut.at_us,
            leaves_us=slot.end_us,
            ready_us=slot.ready_us,
            watts=traits.watts,
            battery_wh=chapter.battery_wh,
            stored_wh=stored,
            limit=book.limit(slot.start_us),
            smart=book.smart(slot.start_us),
            tariff=book.tariff(slot.start_us),
            feed=site.feed,
            start_reason=Start.VEHICLE_LOG_CONNECT if chapter.point is None else Start.EVSE_CONNECT,
            finish_reason=finish,
        )
        course = Course(terms, self._prices, self._carbon)
        course.run(self._events(book, terms, slot))
        return self._written(book, chapter, slot, course, public=False)

    def _events(self, book: Book, terms: Terms, slot: Slot) -> list[Event]:
        events = [one for one in book.before(terms.end_us - 1) if one[0] > terms.start_us]
        boost = self._habits.boost(book.site, slot.day) if terms.smart else None
        if boost is not None:
            begin, end = (terms.start_us + span for span in (boost[0], sum(boost)))
            habit: list[Event] = [(begin, "boost_start", None), (end, "boost_end", None)]
            events = sorted(
                [*events, *(one for one in habit if one[0] < terms.end_us)], key=lambda one: one[0]
            )
        return events

    def public(self, book: Book, chapter: Chapter, slot: Slot, net: int) -> Episode:
        """Return an episode on the go, which makes good for the trip that led to it.

        Without that, the battery would hold ``net`` watt-hours.
        """
        site, stay = book.site, self._habits.public_stay(book.site, slot.day)
        need = self._habits.trip(site, slot.day) * chapter.rate // RATE
        enough = need * WATT_HOUR // (stay - _REPLUG) + 1
        usual = _PUBLIC_WATTS[slot.start_us // SECOND % 3]
        watts = next((one for one in _PUBLIC_WATTS if one >= max(enough, usual)), enough)
        end, finish = slot.start_us + stay, Finish.EVSE_DISCONNECT
        cut = next((c for c in book.chapters if slot.start_us < c.at_us < end and not c.car), None)
        if cut is not None:
            end, finish = cut.at_us, Finish.REMOVE_INTEGRATION
        terms = Terms(
            start_us=slot.start_us,
            end_us=end,
            leaves_us=slot.start_us + stay,
            ready_us=slot.start_us + stay,
            watts=watts,
            battery_wh=chapter.battery_wh,
            stored_wh=net - need,
            limit=book.limit(slot.start_us),
            smart=False,
            tariff=book.tariff(slot.start_us),
            feed=site.feed,
            start_reason=Start.VEHICLE_LOG_CONNECT,
            finish_reason=finish,
            need_wh=need,
        )
        course = Course(terms, self._prices, self._carbon)
        course.run_public()
        return self._written(book, chapter, slot, course, public=True)

    def _written(
        self, book: Book, chapter: Chapter, slot: Slot, course: Course, *, public: bool
    ) -> Episode:
        terms = course.terms
        return Episode(
            start_us=terms.start_us,
            end_us=terms.end_us,
            site=book.site,
            day=slot.day,
            car=chapter.car,
            point=None if public else chapter.point,
            public=public,
            tariff=terms.tariff,
            watts=terms.watts,
            ready_us=terms.ready_us,
            battery_wh=terms.battery_wh,
            arrival_wh=terms.stored_wh,
            periods=course.periods(),
            segments=tuple(course.segments),
            plans=tuple(course.plans),
        )
