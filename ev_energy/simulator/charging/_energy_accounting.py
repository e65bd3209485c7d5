"""Battery and meter readings in closed form, without summing history.

Between two charges to the limit, a battery loses what the car uses for driving, which is a closed
form. So an EVSE has delivered what driving used, plus what the battery gained. After a change, the
few episodes since then are computed one after the other. A change of the equipment or of the
battery's size starts a new baseline with the readings at that time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import attrs

from ev_energy.simulator._bounded_cache import BoundedCache
from ev_energy.simulator.charging._charging_site import limit_of
from ev_energy.simulator.charging._driving_profile import LEG_STEPS, SlotKind, max_daily_wh
from ev_energy.simulator.charging._episodes import Episode
from ev_energy.simulator.charging._session_plan import EpisodeBuilder
from ev_energy.simulator.charging._timeline import METRES_PER_RATE, Baseline, Timeline
from ev_energy.simulator.clock._instants import DAY, Micros, micros, micros_of

if TYPE_CHECKING:
    from ev_energy.simulator.charging._carbon import Carbon
    from ev_energy.simulator.charging._charging_site import ChangeKind, ChargingSite, Fleet
    from ev_energy.simulator.charging._driving_profile import DrivingProfiles, DrivingState
    from ev_energy.simulator.charging._prices import Prices
    from ev_energy.simulator.charging._timeline import TimedChange
    from ev_energy.simulator.charging._timetable import Slot, Timetable


_BASELINE_CHANGES: Final = frozenset({"car_gone", "car_back", "point_gone", "battery"})
#: Days after a change until a battery is at its limit again on departure, besides the days that
#: driving takes to use up what was charged above a lowered limit.
_SETTLING_DAYS: Final = 8


def _has_effect(timeline: Timeline, last: Baseline, kind: ChangeKind) -> bool:
    """Whether the car or EVSE that a change removes is present, or the one it returns absent."""
    match kind:
        case "point_gone":
            return last.point is not None
        case "car_back":
            return last.car is None and timeline.site.car is not None
        case _:
            return last.car is not None


class EnergyAccounting:
    """The episodes and readings of any site at any time."""

    def __init__(
        self,
        fleet: Fleet,
        timetable: Timetable,
        driving: DrivingProfiles,
        prices: Prices,
        carbon: Carbon,
    ) -> None:
        self._fleet = fleet
        self._timetable = timetable
        self._driving = driving
        self._builder = EpisodeBuilder(driving, prices, carbon)
        self._timelines = BoundedCache[tuple[int, int], Timeline](1024)
        self._episodes = BoundedCache[tuple[int, int, int], Episode](4096)

    def timeline(self, site: ChargingSite) -> Timeline:
        """Return the timeline of a site."""
        changes = self._fleet.changes(site)
        cached = self._timelines.get((site.number, len(changes)))
        if cached is not None:
            return cached
        timed: list[TimedChange] = [
            (micros(change.at), change.kind, change.value) for change in changes
        ]
        timeline = Timeline(
            site, self._driving.profile(site).car.limit, timed, [self._first_baseline(site)]
        )
        self._apply_changes(timeline)
        return self._timelines.put((site.number, len(changes)), timeline)

    def episode(self, timeline: Timeline, day: int) -> Episode | None:
        """Return the episode that begins on a local day of the site, or None."""
        site = timeline.site
        slot, kind = self._timetable.slot(site, day), self._driving.slot_kind(site, day)
        if kind is SlotKind.NONE or slot.start_us < timeline.baselines[0].at_us:
            return None
        baseline = timeline.baseline(slot.start_us)
        if baseline.unobserved:
            return None
        if kind is SlotKind.HOME:
            return self._home_episode(timeline, baseline, slot)
        if baseline.reports and slot.start_us >= baseline.resumes_us:
            return self._public_episode(timeline, baseline, slot)
        return None

    def stored_without_trips(
        self, timeline: Timeline, baseline: Baseline, day: int, daily_m: int
    ) -> int:
        """Return the watt-hours in the battery, without trips and the public charging for them.

        Only valid while no episode at home is running.

        Args:
            timeline: The timeline of the site.
            baseline: Its baseline in force.
            day: The day of the latest slot that is over or has no episode.
            daily_m: The metres of daily drives by now.
        """
        site, used = timeline.site, baseline.used_wh(daily_m)
        home = self._last_home(site, day)
        if baseline.unobserved or self._timetable.begins_before(site, home, baseline.at_us):
            return baseline.stored_wh - used
        driven = self._driving.daily_metres(site, home)
        return self._stored_at_departure(timeline, baseline, home) - used + baseline.used_wh(driven)

    def trip_deficit(self, timeline: Timeline, day: int, at: Micros) -> int:
        """Return the watt-hours that a trip has used and public charging has not yet replaced.

        *day* is that of the latest slot.
        """
        for trip_day in (day, day + 1):
            if self._driving.slot_kind(timeline.site, trip_day) is not SlotKind.PUBLIC:
                continue
            leg = self._driving.legs(timeline.site, trip_day)[1]
            baseline = timeline.baseline(min(at, leg.end_us))
            if at <= leg.start_us or not baseline.reports or leg.end_us < baseline.resumes_us:
                continue
            used = leg.trip_m * leg.progress(at) // LEG_STEPS * baseline.rate // METRES_PER_RATE
            episode = self.episode(timeline, trip_day) if at >= leg.end_us else None
            if episode is None:
                return used if at < leg.end_us else 0
            if episode.end_us is None or at < episode.end_us:
                return used - episode.energy(at)
        return 0

    def delivered(self, timeline: Timeline, day: int, at: Micros, daily_m: int) -> int:
        """Return the watt-hours delivered at the site by *at*.

        Args:
            timeline: The timeline of the site.
            day: The day of the latest slot.
            at: The instant.
            daily_m: The metres of daily drives by then.
        """
        site, baseline, slot = (
            timeline.site,
            timeline.baseline(at),
            self._timetable.slot(timeline.site, day),
        )
        home = (
            self._driving.slot_kind(site, day) is SlotKind.HOME and baseline.at_us <= slot.start_us
        )
        if home and at < slot.end_us and not baseline.unobserved:
            stored = self._home_episode(timeline, baseline, slot).stored(at)
        else:
            stored = self.stored_without_trips(timeline, baseline, day, daily_m)
        return baseline.delivered_wh + stored - baseline.stored_wh + baseline.used_wh(daily_m)

    @staticmethod
    def metres_driven(baseline: Baseline, moving: DrivingState) -> int:
        """Return the metres driven since the start of a baseline."""
        return max(0, moving.daily_m - baseline.daily_m) + max(0, moving.trips_m - baseline.trips_m)

    def _first_baseline(self, site: ChargingSite) -> Baseline:
        profile, active_since = self._driving.profile(site), micros(site.active_since)
        day = (
            active_since + micros_of(site.offset)
        ) // DAY  # the car stands still until it is home on this day
        return Baseline(
            at_us=active_since,
            car=site.car,
            point=site.point,
            battery_wh=profile.car.battery_wh,
            rate=profile.car.wh_per_km * (METRES_PER_RATE // 1000),
            stored_wh=limit_of(profile.car.limit) * profile.car.battery_wh // 100,
            delivered_wh=0,
            odometer_m=profile.odometer_m,
            daily_m=self._driving.daily_metres(site, day),
            trips_m=self._driving.total_trip_metres(site, day),
            resumes_us=active_since,
        )

    def _last_home(self, site: ChargingSite, day: int) -> int:
        while self._driving.slot_kind(site, day) is not SlotKind.HOME:
            day -= 1
        return day

    def _home_episode(self, timeline: Timeline, baseline: Baseline, slot: Slot) -> Episode:
        key = (timeline.site.number, slot.day, len(timeline.changes_until(slot.end_us - 1)))
        cached = self._episodes.get(key)
        if cached is not None:
            return cached
        stored = self.stored_without_trips(
            timeline, baseline, slot.day - 1, self._driving.daily_metres(timeline.site, slot.day)
        )
        return self._episodes.put(key, self._builder.home_episode(timeline, baseline, slot, stored))

    def _public_episode(self, timeline: Timeline, baseline: Baseline, slot: Slot) -> Episode:
        stay = self._driving.public_stay(timeline.site, slot.day)
        key = (
            timeline.site.number,
            slot.day,
            len(timeline.changes_until(slot.start_us + stay - 1)),
        )
        cached = self._episodes.get(key)
        if cached is not None:
            return cached
        net = self.stored_without_trips(
            timeline,
            baseline,
            slot.day - 1,
            self._driving.daily_metres_on_arrival(timeline.site, slot.day),
        )
        return self._episodes.put(key, self._builder.public_episode(timeline, baseline, slot, net))

    def _stored_at_departure(self, timeline: Timeline, baseline: Baseline, home: int) -> int:
        # Computed from the oldest unknown episode on, since recursion would exhaust the stack.
        chain = [home]
        while (stored := self._known_departure(timeline, baseline, chain[-1])) is None:
            day = self._last_home(timeline.site, chain[-1] - 1)
            if self._timetable.begins_before(timeline.site, day, baseline.at_us):
                break
            chain.append(day)
        if stored is not None and len(chain) == 1:
            return stored
        for day in reversed(chain[1:] if stored is None else chain[1:-1]):
            self._home_episode(timeline, baseline, self._timetable.slot(timeline.site, day))
        slot = self._timetable.slot(timeline.site, home)
        return self._home_episode(timeline, baseline, slot).stored(slot.end_us)

    def _known_departure(self, timeline: Timeline, baseline: Baseline, home: int) -> int | None:
        if not timeline.changes:
            return timeline.limit(baseline.at_us) * baseline.battery_wh // 100
        slot = self._timetable.slot(timeline.site, home)
        changes = timeline.changes_until(slot.end_us - 1)
        profile = self._driving.profile(timeline.site)
        days = _SETTLING_DAYS + 3 * baseline.battery_wh * METRES_PER_RATE // (
            4 * profile.meters * baseline.rate
        )
        if not changes or changes[-1][0] < slot.start_us - days * DAY:
            return timeline.limit(slot.start_us) * baseline.battery_wh // 100
        known = self._episodes.get((timeline.site.number, home, len(changes)))
        return None if known is None else known.stored(slot.end_us)

    def _apply_changes(self, timeline: Timeline) -> None:
        waiting: tuple[Micros, int] | None = None  # a new battery size, until the car departs
        for at, kind, value in timeline.changes:
            last = timeline.baselines[-1]
            if kind not in _BASELINE_CHANGES or not _has_effect(timeline, last, kind):
                continue
            if waiting is not None and waiting[0] <= at:
                self._replace_battery(timeline, *waiting)
                waiting = None
            if kind == "battery":
                waiting = (self._unplugged_at(timeline, at), max(1, cast("int", value)))
                continue
            if kind == "car_back":
                self._reconnect(timeline, at)
            else:
                self._remove(timeline, max(at, last.at_us + 1), kind)
            if waiting is not None and timeline.baselines[-1].car is not None:
                self._replace_battery(timeline, timeline.baselines[-1].at_us, waiting[1])
            waiting = None
        if waiting is not None:
            self._replace_battery(timeline, *waiting)

    def _remove(self, timeline: Timeline, at: Micros, kind: ChangeKind) -> None:
        last, site, day = (
            timeline.baselines[-1],
            timeline.site,
            self._timetable.day_of(timeline.site, at),
        )
        slot = self._timetable.slot(site, day)
        at += at == slot.start_us  # an arrival at the very moment of the removal still counts
        if self._is_plugged_in(timeline, slot, at):
            arrived = self.stored_without_trips(
                timeline, last, day - 1, self._driving.daily_metres(site, day)
            )
            stored = self._builder.home_episode(timeline, last, slot, arrived).stored(at)
            day += 1  # the car stays where it is until its next episode at home
            while self._driving.slot_kind(site, day) is not SlotKind.HOME:
                day += 1
            resumes = self._timetable.slot(site, day).start_us
        else:
            stored = self.stored_without_trips(
                timeline, last, day, self._driving.state(site, day, at).daily_m
            )
            resumes = at
        after = attrs.evolve(
            self._next_baseline(timeline, at, stored, resumes),
            car=None if kind == "car_gone" else last.car,
            point=None if kind == "point_gone" else last.point,
        )
        timeline.baselines.append(after)

    def _reconnect(self, timeline: Timeline, at: Micros) -> None:
        at = max(self._unplugged_at(timeline, at), timeline.baselines[-1].at_us + 1)
        site, last = timeline.site, timeline.baselines[-1]
        day = self._timetable.day_of(site, at)
        stored = self.stored_without_trips(
            timeline, last, day, self._driving.state(site, day, at).daily_m
        )
        timeline.baselines.append(
            attrs.evolve(self._next_baseline(timeline, at, stored, at), car=site.car)
        )

    def _replace_battery(self, timeline: Timeline, at: Micros, battery_wh: int) -> None:
        site, last, profile = (
            timeline.site,
            timeline.baselines[-1],
            self._driving.profile(timeline.site),
        )
        day = self._timetable.day_of(site, at)
        stored = self.stored_without_trips(
            timeline, last, day, self._driving.state(site, day, at).daily_m
        )
        rate = (
            profile.car.wh_per_km * (METRES_PER_RATE // 1000) * battery_wh // profile.car.battery_wh
        )
        after = attrs.evolve(
            self._next_baseline(timeline, at, stored, at),
            battery_wh=battery_wh,
            rate=max(1, min(rate, max_daily_wh(profile.watts) * METRES_PER_RATE // profile.meters)),
            stored_wh=stored * battery_wh // last.battery_wh,  # the same percentage
        )
        timeline.baselines.append(after)

    def _next_baseline(
        self, timeline: Timeline, at: Micros, stored: int, resumes: Micros
    ) -> Baseline:
        last, site, day = (
            timeline.baselines[-1],
            timeline.site,
            self._timetable.day_of(timeline.site, at),
        )
        resumes = max(resumes, last.resumes_us)
        driving_state = self._driving.state(site, self._timetable.day_of(site, resumes), resumes)
        moving = self._driving.state(site, day, at)
        return attrs.evolve(
            last,
            at_us=at,
            stored_wh=stored,
            delivered_wh=last.delivered_wh + stored - last.stored_wh + last.used_wh(moving.daily_m),
            odometer_m=last.odometer_m + self.metres_driven(last, moving),
            daily_m=driving_state.daily_m,
            trips_m=driving_state.trips_m,
            resumes_us=resumes,
        )

    def _is_plugged_in(self, timeline: Timeline, slot: Slot, at: Micros) -> bool:
        if self._driving.slot_kind(timeline.site, slot.day) is not SlotKind.HOME:
            return False
        return timeline.baselines[-1].at_us <= slot.start_us <= at < slot.end_us

    def _unplugged_at(self, timeline: Timeline, at: Micros) -> Micros:
        site, day = timeline.site, self._timetable.day_of(timeline.site, at)
        slot = self._timetable.slot(site, day)
        if self._is_plugged_in(timeline, slot, at):
            return slot.end_us
        for trip_day in (day, day + 1):
            if self._driving.slot_kind(site, trip_day) is SlotKind.PUBLIC:
                begin = self._driving.legs(site, trip_day)[1].start_us
                end = self._timetable.slot(site, trip_day).start_us + self._driving.public_stay(
                    site, trip_day
                )
                if begin <= at < end:
                    return end
        return at
