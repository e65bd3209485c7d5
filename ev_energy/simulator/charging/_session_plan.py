"""Plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.models.charging import ChargingSubSessionMode as Mode
from ev_energy.models.charging_assessment import (
    ChargingSubSessionDebugMetadataFinishReason as Finish,
)
from ev_energy.models.charging_assessment import ChargingSubSessionDebugMetadataStartReason as Start
from ev_energy.simulator.charging._charging_site import limit_of
from ev_energy.simulator.charging._episodes import (
    MOST_PERIODS,
    WATT_HOUR,
    Episode,
    Period,
    Plan,
    Segment,
)
from ev_energy.simulator.charging._timeline import RATE
from ev_energy.simulator.clock._instants import HALF_HOUR, MINUTE, SECOND, Micros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ev_energy.simulator.charging._carbon import Carbon, Feed
    from ev_energy.simulator.charging._charging_site import ChangeKind
    from ev_energy.simulator.charging._driving_profile import Habits
    from ev_energy.simulator.charging._prices import Prices, Tariff
    from ev_energy.simulator.charging._timeline import Book, Chapter
    from ev_energy.simulator.charging._timetable import Slot


#: When, what, and the value that goes with it.
Event = tuple[Micros, "ChangeKind", object]
Windows = list[tuple[Micros, Micros]]

_STARTS: Final = {
    Mode.BOOST: Start.BOOST_START,
    Mode.SMART: Start.SMART_CHARGE_ENABLED,
    Mode.UNMANAGED_HOME: Start.SMART_CHARGE_DISABLED,
}
_FINISHES: Final = {
    Mode.BOOST: Finish.BOOST_START,
    Mode.SMART: Finish.SMART_CHARGE_ENABLED,
    Mode.UNMANAGED_HOME: Finish.SMART_CHARGE_DISABLED,
}


@attrs.frozen
class Terms:
    """What an episode starts from."""

    start_us: Micros
    end_us: Micros
    leaves_us: Micros
    """When it would end, were it not cut short; plans know no better."""
    ready_us: Micros
    watts: int
    battery_wh: int
    stored_wh: int
    limit: int
    smart: bool
    tariff: Tariff
    feed: Feed
    start_reason: Start
    finish_reason: Finish
    need_wh: int | None = None
    """What is charged, where that has nothing to do with the limit."""


@attrs.define
class Course:
    """Goes through an episode, from one event to the next."""

    terms: Terms
    prices: Prices
    carbon: Carbon
    limit: int = 0
    smart: bool = False
    boosting: bool = False
    energy: int = 0
    """Delivered so far, in watt-microseconds."""
    modes: list[tuple[Micros, Mode]] = attrs.Factory(list[tuple[Micros, Mode]])
    plans: list[Plan] = attrs.Factory(list[Plan])
    segments: list[Segment] = attrs.Factory(list[Segment])

    @property
    def mode(self) -> Mode:
        """What is so now."""
        if self.boosting:
            return Mode.BOOST
        return Mode.SMART if self.smart else Mode.UNMANAGED_HOME

    def run(self, events: Sequence[Event]) -> None:
        """Go through an episode at home."""
        terms = self.terms
        self.limit, self.smart = terms.limit, terms.smart
        at, flows = terms.start_us, self._plan(terms.start_us)
        last: Event = (terms.end_us, "boost_end", None)
        for then, what, value in (*events, last):
            if self.boosting and (full := flows[-1][1] if flows else at) < then:
                self._flow(flows, at, full)
                self.boosting = False
                at, flows = full, self._plan(full)
            self._flow(flows, at, then)
            at = then
            if then < terms.end_us and self._change(what, value):
                flows = self._plan(then)

    def run_public(self) -> None:
        """Go through an episode on the go: charge at once."""
        start, end = self.terms.start_us, self.terms.end_us
        self.limit = self.terms.limit
        self._flow(self._at_once(start, Mode.UNMANAGED_OTG), start, end)

    def periods(self) -> tuple[Period, ...]:
        """Return the stretches of one mode that it came to."""
        terms = self.terms
        starts = [terms.start_reason, *(_STARTS[mode] for _, mode in self.modes[1:])]
        finishes = [*(_FINISHES[mode] for _, mode in self.modes[1:]), terms.finish_reason]
        ends = [*(at for at, _ in self.modes[1:]), terms.end_us]
        return tuple(
            Period(at, end, mode, start, finish)
            for (at, mode), end, start, finish in zip(
                self.modes, ends, starts, finishes, strict=True
            )
        )

    def _change(self, what: ChangeKind, value: object) -> bool:
        before = (self.boosting, self.smart, self.limit)
        if what == "limit":
            self.limit = limit_of(value)
        elif len(self.modes) < MOST_PERIODS - 1:
            if what == "smart":
                self.smart = bool(value)
            elif what in {"boost_start", "boost_end"}:
                self.boosting = what == "boost_start"
        return before != (self.boosting, self.smart, self.limit)

    def _flow(self, flows: Windows, start: Micros, end: Micros) -> None:
        for flow in flows:
            begin, stop = max(flow[0], start), min(flow[1], end)
            if begin < stop:
                self.segments.append(Segment(begin, stop, self.terms.watts, self.energy))
                self.energy += (stop - begin) * self.terms.watts

    def _plan(self, at: Micros) -> Windows:
        mode = self.mode
        if self.modes and self.modes[-1][0] == at:
            self.modes.pop()
        if not self.modes or self.modes[-1][1] is not mode:
            self.modes.append((at, mode))
        if self.plans and self.plans[-1].made_us == at:
            self.plans.pop()
        return self._cheapest(at) if mode is Mode.SMART else self._at_once(at, mode)

    def _missing(self) -> int:
        return max(0, (self._target() - self.terms.stored_wh) * WATT_HOUR - self.energy)

    def _target(self) -> int:
        if self.terms.need_wh is not None:
            return self.terms.stored_wh + self.terms.need_wh
        return self.limit * self.terms.battery_wh // 100

    def _at_once(self, at: Micros, mode: Mode) -> Windows:
        if mode is Mode.UNMANAGED_OTG:
            self.modes.append((at, mode))
        lasts = -(-self._missing() // self.terms.watts)
        windows = [(at, at + lasts)] if lasts else []
        self._keep_plan(at, mode, self.terms.leaves_us, windows, lasts, None)
        return windows

    def _cheapest(self, at: Micros) -> Windows:
        terms, missing = self.terms, self._missing()
        deadline = terms.ready_us if at < terms.ready_us else terms.leaves_us
        lasts = -(-missing // terms.watts)
        first, last = at // HALF_HOUR, (deadline - 1) // HALF_HOUR
        prices = self.prices.run(terms.tariff, first, last)
        worth = list(zip(prices, self.carbon.run(terms.feed, first, last), strict=True))
        chosen: list[int] = []
        left = lasts
        threshold = None
        for number in sorted(range(len(worth)), key=worth.__getitem__):
            if left <= 0:
                break
            begin = (first + number) * HALF_HOUR
            left -= min(deadline, begin + HALF_HOUR) - max(at, begin)
            chosen.append(number)
            threshold = prices[number]
        windows: Windows = []
        for number in sorted(chosen):
            begin = (first + number) * HALF_HOUR
            _extend(windows, max(at, begin), min(deadline, begin + HALF_HOUR))
        self._keep_plan(at, Mode.SMART, deadline, windows, lasts, threshold)
        return _first(windows, lasts)

    def _keep_plan(
        self,
        at: Micros,
        mode: Mode,
        deadline: Micros,
        windows: Windows,
        lasts: Micros,
        threshold: int | None,
    ) -> None:
        terms = self.terms
        self.plans.append(
            Plan(
                made_us=at,
                mode=mode,
                deadline_us=deadline,
                watts=terms.watts,
                stored_wh=terms.stored_wh + self.energy // WATT_HOUR,
                target_wh=self._target(),
                limit=self.limit,
                windows=tuple(windows),
                charge_us=lasts,
                threshold=threshold,
            )
        )


def _extend(windows: Windows, begin: Micros, end: Micros) -> None:
    if windows and windows[-1][1] == begin:
        windows[-1] = (windows[-1][0], end)
    else:
        windows.append((begin, end))


def _first(windows: Windows, lasts: Micros) -> Windows:
    # Who may charge does so until there is nothing left to do.
    flows: Windows = []
    for begin, end in windows:
        if lasts > 0:
            flows.append((begin, min(end, begin + lasts)))
            lasts -= end - begin
    return flows


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
