"""Episodes from their start conditions and changes: plans, power and periods.

An `EpisodeBuilder` gathers the conditions; a `SessionPlanner` goes from change to change, makes a
plan at each and lets the car charge by it.
"""

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
    MAX_PERIODS,
    WATT_HOUR,
    Episode,
    Period,
    Plan,
    Segment,
)
from ev_energy.simulator.charging._timeline import METRES_PER_RATE
from ev_energy.simulator.clock._instants import HALF_HOUR, MINUTE, SECOND, Micros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ev_energy.simulator.charging._carbon import Carbon, Feed
    from ev_energy.simulator.charging._charging_site import ChangeKind
    from ev_energy.simulator.charging._driving_profile import DrivingProfiles
    from ev_energy.simulator.charging._prices import Prices, Tariff
    from ev_energy.simulator.charging._timeline import Baseline, TimedChange, Timeline
    from ev_energy.simulator.charging._timetable import Slot


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
class StartConditions:
    """The conditions under which an episode starts."""

    start_us: Micros
    end_us: Micros
    leaves_us: Micros
    """The expected end, which plans go by; a change may end the episode earlier."""
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
    """The watt-hours to charge at a public charger; None at home, where the limit decides."""


@attrs.define
class SessionPlanner:
    """Plans one episode, from change to change."""

    conditions: StartConditions
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
        """The current mode."""
        if self.boosting:
            return Mode.BOOST
        return Mode.SMART if self.smart else Mode.UNMANAGED_HOME

    def run_home(self, changes: Sequence[TimedChange]) -> None:
        """Plan an episode at home."""
        conditions = self.conditions
        self.limit, self.smart = conditions.limit, conditions.smart
        at, windows = conditions.start_us, self._plan(conditions.start_us)
        end: TimedChange = (conditions.end_us, "boost_end", None)
        for change_at, kind, value in (*changes, end):
            if self.boosting and (full := windows[-1][1] if windows else at) < change_at:
                self._charge(windows, at, full)
                self.boosting = False
                at, windows = full, self._plan(full)
            self._charge(windows, at, change_at)
            at = change_at
            if at < conditions.end_us and self._apply(kind, value):
                windows = self._plan(at)

    def run_public(self) -> None:
        """Plan an episode at a public charger: charge at once."""
        start, end = self.conditions.start_us, self.conditions.end_us
        self.limit = self.conditions.limit
        self._charge(self._plan_at_once(start, Mode.UNMANAGED_OTG), start, end)

    def periods(self) -> tuple[Period, ...]:
        """Return the periods of the episode, one for each stretch of one mode."""
        conditions = self.conditions
        starts = [conditions.start_reason, *(_STARTS[mode] for _, mode in self.modes[1:])]
        finishes = [*(_FINISHES[mode] for _, mode in self.modes[1:]), conditions.finish_reason]
        ends = [*(at for at, _ in self.modes[1:]), conditions.end_us]
        return tuple(
            Period(at, end, mode, start, finish)
            for (at, mode), end, start, finish in zip(
                self.modes, ends, starts, finishes, strict=True
            )
        )

    def _apply(self, kind: ChangeKind, value: object) -> bool:
        before = (self.boosting, self.smart, self.limit)
        if kind == "limit":
            self.limit = limit_of(value)
        elif len(self.modes) < MAX_PERIODS - 1:
            if kind == "smart":
                self.smart = bool(value)
            elif kind in {"boost_start", "boost_end"}:
                self.boosting = kind == "boost_start"
        return before != (self.boosting, self.smart, self.limit)

    def _charge(self, windows: Windows, start: Micros, end: Micros) -> None:
        for window in windows:
            begin, stop = max(window[0], start), min(window[1], end)
            if begin < stop:
                self.segments.append(Segment(begin, stop, self.conditions.watts, self.energy))
                self.energy += (stop - begin) * self.conditions.watts

    def _plan(self, at: Micros) -> Windows:
        mode = self.mode
        if self.modes and self.modes[-1][0] == at:
            self.modes.pop()
        if not self.modes or self.modes[-1][1] is not mode:
            self.modes.append((at, mode))
        if self.plans and self.plans[-1].made_us == at:
            self.plans.pop()
        return self._plan_cheapest(at) if mode is Mode.SMART else self._plan_at_once(at, mode)

    def _missing_energy(self) -> int:
        return max(0, (self._target() - self.conditions.stored_wh) * WATT_HOUR - self.energy)

    def _target(self) -> int:
        if self.conditions.need_wh is not None:
            return self.conditions.stored_wh + self.conditions.need_wh
        return self.limit * self.conditions.battery_wh // 100

    def _plan_at_once(self, at: Micros, mode: Mode) -> Windows:
        if mode is Mode.UNMANAGED_OTG:
            self.modes.append((at, mode))
        charge_us = -(-self._missing_energy() // self.conditions.watts)
        windows = [(at, at + charge_us)] if charge_us else []
        self._add_plan(at, mode, self.conditions.leaves_us, windows, charge_us, None)
        return windows

    def _plan_cheapest(self, at: Micros) -> Windows:
        conditions, missing = self.conditions, self._missing_energy()
        deadline = conditions.ready_us if at < conditions.ready_us else conditions.leaves_us
        charge_us = -(-missing // conditions.watts)
        first, last = at // HALF_HOUR, (deadline - 1) // HALF_HOUR
        prices = self.prices.run(conditions.tariff, first, last)
        rates = list(zip(prices, self.carbon.run(conditions.feed, first, last), strict=True))
        chosen: list[int] = []
        remaining = charge_us
        threshold = None
        for number in sorted(range(len(rates)), key=rates.__getitem__):
            if remaining <= 0:
                break
            begin = (first + number) * HALF_HOUR
            remaining -= min(deadline, begin + HALF_HOUR) - max(at, begin)
            chosen.append(number)
            threshold = prices[number]
        windows: Windows = []
        for number in sorted(chosen):
            begin = (first + number) * HALF_HOUR
            _append_window(windows, max(at, begin), min(deadline, begin + HALF_HOUR))
        self._add_plan(at, Mode.SMART, deadline, windows, charge_us, threshold)
        return _truncated(windows, charge_us)

    def _add_plan(
        self,
        at: Micros,
        mode: Mode,
        deadline: Micros,
        windows: Windows,
        charge_us: Micros,
        threshold: int | None,
    ) -> None:
        conditions = self.conditions
        self.plans.append(
            Plan(
                made_us=at,
                mode=mode,
                deadline_us=deadline,
                watts=conditions.watts,
                stored_wh=conditions.stored_wh + self.energy // WATT_HOUR,
                target_wh=self._target(),
                limit=self.limit,
                windows=tuple(windows),
                charge_us=charge_us,
                threshold=threshold,
            )
        )


def _append_window(windows: Windows, begin: Micros, end: Micros) -> None:
    if windows and windows[-1][1] == begin:
        windows[-1] = (windows[-1][0], end)
    else:
        windows.append((begin, end))


def _truncated(windows: Windows, charge_us: Micros) -> Windows:
    # The car stops as soon as it is full, which may be before the end of the last window.
    used: Windows = []
    for begin, end in windows:
        if charge_us > 0:
            used.append((begin, min(end, begin + charge_us)))
            charge_us -= end - begin
    return used


_PUBLIC_WATTS: Final = (11_000, 22_000, 50_000, 150_000)
_REPLUG: Final = 5 * MINUTE


class EpisodeBuilder:
    """Builds the episode of a slot."""

    def __init__(self, driving: DrivingProfiles, prices: Prices, carbon: Carbon) -> None:
        self._driving = driving
        self._prices = prices
        self._carbon = carbon

    def home_episode(
        self, timeline: Timeline, baseline: Baseline, slot: Slot, stored: int
    ) -> Episode:
        """Return an episode at home that starts with *stored* watt-hours in the battery."""
        site, profile = timeline.site, self._driving.profile(timeline.site)
        cut = timeline.next_baseline(baseline, slot.end_us)
        finish = Finish.EVSE_DISCONNECT
        if cut is not None:
            finish = Finish.EVSE_UNPAIR if cut.car == baseline.car else Finish.REMOVE_INTEGRATION
        conditions = StartConditions(
            start_us=slot.start_us,
            end_us=slot.end_us if cut is None else cut.at_us,
            leaves_us=slot.end_us,
            ready_us=slot.ready_us,
            watts=profile.watts,
            battery_wh=baseline.battery_wh,
            stored_wh=stored,
            limit=timeline.limit(slot.start_us),
            smart=timeline.smart(slot.start_us),
            tariff=timeline.tariff(slot.start_us),
            feed=site.feed,
            start_reason=Start.VEHICLE_LOG_CONNECT
            if baseline.point is None
            else Start.EVSE_CONNECT,
            finish_reason=finish,
        )
        planner = SessionPlanner(conditions, self._prices, self._carbon)
        planner.run_home(self._changes_during(timeline, conditions, slot))
        return self._build(timeline, baseline, slot, planner, public=False)

    def _changes_during(
        self, timeline: Timeline, conditions: StartConditions, slot: Slot
    ) -> list[TimedChange]:
        changes = [
            change
            for change in timeline.changes_until(conditions.end_us - 1)
            if change[0] > conditions.start_us
        ]
        boost = self._driving.habitual_boost(timeline.site, slot.day) if conditions.smart else None
        if boost is not None:
            begin, end = (conditions.start_us + span for span in (boost[0], sum(boost)))
            habitual: list[TimedChange] = [(begin, "boost_start", None), (end, "boost_end", None)]
            changes += [change for change in habitual if change[0] < conditions.end_us]
            changes.sort(key=lambda change: change[0])
        return changes

    def public_episode(
        self, timeline: Timeline, baseline: Baseline, slot: Slot, stored: int
    ) -> Episode:
        """Return an episode at a public charger, which replaces the energy used by the trip to it.

        Without trip and charging, the battery would hold *stored* watt-hours.
        """
        site, stay = timeline.site, self._driving.public_stay(timeline.site, slot.day)
        need = self._driving.trip_metres(site, slot.day) * baseline.rate // METRES_PER_RATE
        enough = need * WATT_HOUR // (stay - _REPLUG) + 1
        usual = _PUBLIC_WATTS[slot.start_us // SECOND % 3]
        watts = next((watts for watts in _PUBLIC_WATTS if watts >= max(enough, usual)), enough)
        end, finish = slot.start_us + stay, Finish.EVSE_DISCONNECT
        cut = next(
            (
                later
                for later in timeline.baselines
                if slot.start_us < later.at_us < end and not later.car
            ),
            None,
        )
        if cut is not None:
            end, finish = cut.at_us, Finish.REMOVE_INTEGRATION
        conditions = StartConditions(
            start_us=slot.start_us,
            end_us=end,
            leaves_us=slot.start_us + stay,
            ready_us=slot.start_us + stay,
            watts=watts,
            battery_wh=baseline.battery_wh,
            stored_wh=stored - need,
            limit=timeline.limit(slot.start_us),
            smart=False,
            tariff=timeline.tariff(slot.start_us),
            feed=site.feed,
            start_reason=Start.VEHICLE_LOG_CONNECT,
            finish_reason=finish,
            need_wh=need,
        )
        planner = SessionPlanner(conditions, self._prices, self._carbon)
        planner.run_public()
        return self._build(timeline, baseline, slot, planner, public=True)

    def _build(
        self,
        timeline: Timeline,
        baseline: Baseline,
        slot: Slot,
        planner: SessionPlanner,
        *,
        public: bool,
    ) -> Episode:
        conditions = planner.conditions
        return Episode(
            start_us=conditions.start_us,
            end_us=conditions.end_us,
            site=timeline.site,
            day=slot.day,
            car=baseline.car,
            point=None if public else baseline.point,
            public=public,
            tariff=conditions.tariff,
            watts=conditions.watts,
            ready_us=conditions.ready_us,
            battery_wh=conditions.battery_wh,
            arrival_wh=conditions.stored_wh,
            periods=planner.periods(),
            segments=tuple(planner.segments),
            plans=tuple(planner.plans),
        )
