"""The charging model of a fleet: its states, episodes and events at any time.

The model computes every answer from the seed, the sites and their changes. It stores nothing but
caches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from ev_energy.simulator.charging._carbon import Carbon
from ev_energy.simulator.charging._driving_profile import DrivingProfiles
from ev_energy.simulator.charging._energy_accounting import EnergyAccounting
from ev_energy.simulator.charging._fleet_events import FleetArrivals, FleetEvents
from ev_energy.simulator.charging._prices import Prices
from ev_energy.simulator.charging._session_ids import SessionIds
from ev_energy.simulator.charging._sub_sessions import Usage, UsageCalculator
from ev_energy.simulator.charging._timetable import Timetable
from ev_energy.simulator.clock._instants import (
    DAY,
    HOUR,
    SECOND,
    Micros,
    instant_of,
    micros,
    micros_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ev_energy.models.charging import ChargingSubSessionMode as Mode
    from ev_energy.simulator._seeded_random import SeededRandom
    from ev_energy.simulator.charging._charging_site import ChargingSite, Fleet
    from ev_energy.simulator.charging._episodes import Episode
    from ev_energy.simulator.charging._fleet_events import SubSessionEvent
    from ev_energy.simulator.charging._sub_sessions import Solar
    from ev_energy.simulator.charging._timeline import Timeline


#: Prefixes of ids.
_SESSION: Final = "cses"
_SUB_SESSION: Final = "csub"


@attrs.frozen(kw_only=True)
class SiteState:
    """The state of a site at an instant. None means that no device reports the value."""

    plugged_in: bool
    charging: bool
    power_watts: int
    mode: Mode | None
    """The mode of the running period."""
    enabled: bool
    """Whether the plan lets the car draw power, whether or not it does."""
    stored_wh: int | None
    percent: int | None
    battery_wh: int | None
    target_percent: int
    target_wh: int | None
    complete: bool
    """Whether the car is plugged in and has reached its target."""
    smart: bool
    """Whether smart charging is on."""
    meter_wh: int | None
    odometer_m: int | None
    driving: bool
    at_home: bool
    added_wh: int
    """The watt-hours delivered in the running episode."""
    ready_by: datetime | None
    """The time at which the car must be ready, in the running episode."""
    seconds_left: int | None
    """Seconds of charging to the target; None if the car is not plugged in."""
    episode: Episode | None
    """The running episode, as seen at that instant."""


class EpisodePosition(NamedTuple):
    """The position of an episode in the order of all episodes of the fleet."""

    start_us: Micros
    site_number: int

    @classmethod
    def of(cls, episode: Episode) -> EpisodePosition:
        """Return the position of an episode."""
        return cls(episode.start_us, episode.site.number)


class ChargingModel:
    """The charging of a fleet, computed from the seed, the fleet and its changes alone."""

    def __init__(self, fleet: Fleet, random: SeededRandom, *, solar: Solar | None = None) -> None:
        self._fleet = fleet
        self.prices: Prices = Prices(random)
        self.carbon: Carbon = Carbon(random)
        self._timetable = Timetable(fleet, random)
        self._driving = DrivingProfiles(random, self._timetable)
        self._accounting = EnergyAccounting(
            fleet, self._timetable, self._driving, self.prices, self.carbon
        )
        self._arrivals = FleetArrivals(fleet, self._timetable, self._driving)
        self._usage = UsageCalculator(self.prices, self.carbon, solar)
        self._events = FleetEvents(
            fleet, self._timetable, self._driving, self._accounting, self._arrivals
        )
        self._ids = SessionIds(random)

    def episode(self, site: ChargingSite, day: int) -> Episode | None:
        """Return the episode that starts on a local day, counted from 1970, or None.

        It is complete to its end, whatever the time is now; see `Episode.seen`.
        """
        return self._accounting.episode(self._accounting.timeline(site), day)

    def episode_at(self, site: ChargingSite, instant: datetime) -> Episode | None:
        """Return the episode running at an instant, as seen at that instant."""
        at = micros(instant)
        episode = self._running(self._accounting.timeline(site), at)[1]
        return None if episode is None else episode.seen(at)

    def latest_episode(self, site: ChargingSite, now: datetime) -> Episode | None:
        """Return the latest episode that has started, as seen now."""
        return next(self.episodes(site, now=now, newest_first=True), None)

    def episodes(
        self,
        site: ChargingSite,
        *,
        now: datetime,
        after: datetime | None = None,
        before: datetime | None = None,
        newest_first: bool = False,
    ) -> Iterator[Episode]:
        """Yield the episodes of a site that start between two instants, as seen now."""
        timeline, until = self._accounting.timeline(site), micros(now)
        low = micros(site.active_since) - 1 if after is None else micros(after)
        high = until + 1 if before is None else min(micros(before), until + 1)
        if site.active_since > now or low >= high:
            return
        days = range(
            self._local_day(site, max(low, micros(site.active_since))),
            self._local_day(site, high) + 1,
        )
        for day in reversed(days) if newest_first else days:
            if low < self._timetable.slot(site, day).start_us < high:
                episode = self._accounting.episode(timeline, day)
                if episode is not None:
                    yield episode.seen(until)

    def fleet_episodes(
        self,
        *,
        now: datetime,
        after: datetime | EpisodePosition | None = None,
        before: datetime | EpisodePosition | None = None,
        newest_first: bool = False,
    ) -> Iterator[Episode]:
        """Yield the episodes of the fleet that start between two positions, as seen now.

        Each episode costs the same in a fleet of any size; the first one costs a little for each
        cohort.
        """
        until = micros(now)
        low, high = _bound(after, last=True), _bound(before, last=False)
        if newest_first:
            top = until if high is None else min(until, high.start_us)
            arrivals = self._arrivals.before(top + 1)
        else:
            start = 0 if low is None else low.start_us - 1
            arrivals = self._arrivals.after(
                start, until if high is None else min(until, high.start_us)
            )
        for arrival in arrivals:
            position = EpisodePosition(arrival.start_us, arrival.site.number)
            if low is not None and position <= low:
                if newest_first:
                    return
                continue
            if high is not None and position >= high:
                if newest_first:
                    continue
                return
            episode = self._accounting.episode(self._accounting.timeline(arrival.site), arrival.day)
            if episode is not None:
                yield episode.seen(until)

    def events(self, after: datetime, until: datetime) -> Iterator[SubSessionEvent]:
        """Yield the starts and ends of periods after *after* and not after *until*, in order.

        Costs what it finds, and a little for each possible boost. Computed hour by hour.
        """
        return self._events.between(micros(after), micros(until))

    def next_event_after(
        self, instant: datetime, *, within_days: int = 7
    ) -> SubSessionEvent | None:
        """Return the first event in the *within_days* days after an instant, or None."""
        return self._events.next(micros(instant), within_days * DAY)

    def state(self, site: ChargingSite, instant: datetime) -> SiteState:
        """Return the state of a site at an instant."""
        at, accounting = micros(instant), self._accounting
        timeline = accounting.timeline(site)
        day, episode = self._running(timeline, at)
        baseline, moving = timeline.baseline(at), self._driving.state(site, day, at)
        if episode is not None:
            stored, battery = episode.stored(at), episode.battery_wh
        else:
            stored = accounting.stored_without_trips(timeline, baseline, day, moving.daily_m)
            stored -= accounting.trip_deficit(timeline, day, at)
            battery = baseline.battery_wh
        limit = timeline.limit(at)
        target = limit * battery // 100
        missing = max(0, target - stored)
        if episode is not None and episode.public:
            missing = episode.plans[0].need_wh - episode.energy(at)
        watts = 0 if episode is None else episode.power(at)
        windows = episode.plan_at(at).windows if episode else ()
        car = None if baseline.unobserved else baseline.car
        stands_still = at < baseline.resumes_us
        meter = odometer = None
        if baseline.point:
            meter = self._driving.profile(site).meter_wh
            meter += accounting.delivered(timeline, day, at, moving.daily_m)
        if car:
            odometer = baseline.odometer_m + accounting.metres_driven(baseline, moving)
        return SiteState(
            plugged_in=episode is not None,
            charging=watts > 0,
            power_watts=watts,
            mode=episode.period_at(at).mode if episode else None,
            enabled=any(begin <= at < end for begin, end in windows),
            stored_wh=stored if car else None,
            percent=(200 * stored + battery) // (2 * battery) if car else None,
            battery_wh=battery if car else None,
            target_percent=limit,
            target_wh=target if car else None,
            complete=episode is not None and missing <= 0,
            smart=timeline.smart(at),
            meter_wh=meter,
            odometer_m=odometer,
            driving=moving.driving and not stands_still,
            at_home=moving.at_home or stands_still,
            added_wh=episode.energy(at) if episode else 0,
            ready_by=instant_of(episode.ready_us) if episode else None,
            seconds_left=-(-missing * HOUR // episode.watts) // SECOND if episode else None,
            episode=episode.seen(at) if episode else None,
        )

    def energy_between(self, site: ChargingSite, start: datetime, end: datetime) -> int:
        """Return the watt-hours delivered at a site; public charging does not count."""
        return self._delivered(site, micros(end)) - self._delivered(site, micros(start))

    def usage(self, episode: Episode, number: int, now: datetime) -> Usage:
        """Return the energy and cost of a period of an episode by *now*."""
        return self._usage.usage(episode, number, micros(now))

    def session_id(self, episode: Episode) -> str:
        """Return the session id of an episode."""
        return self._ids.write(_SESSION, episode.start_us, episode.site.number, 0)

    def sub_session_id(self, episode: Episode, number: int) -> str:
        """Return the sub-session id of a period of an episode."""
        return self._ids.write(_SUB_SESSION, episode.start_us, episode.site.number, number)

    def session(self, key: str, now: datetime) -> Episode | None:
        """Return the episode with a session id as seen now, or None."""
        found = self._find(_SESSION, key, now)
        return found[0] if found and found[1] == 0 else None

    def sub_session(self, key: str, now: datetime) -> tuple[Episode, int] | None:
        """Return the episode and the index of the period with a sub-session id, or None."""
        found = self._find(_SUB_SESSION, key, now)
        return found if found and found[1] < len(found[0].periods) else None

    def position(self, key: str) -> tuple[EpisodePosition, int] | None:
        """Return the position and the ordinal that a session's or sub-session's id states.

        No episode needs to be at that position. None if this world did not write the id.
        """
        prefix = _SESSION if key.startswith(_SESSION) else _SUB_SESSION
        parts = self._ids.read(prefix, key)
        if parts is None:
            return None
        start_ms, number, ordinal = parts
        start = start_ms * 1000  # the id states milliseconds, an episode starts between two
        site = self._fleet.site_by_number(number)
        if site is not None:
            slot = self._timetable.slot(site, self._local_day(site, start))
            if slot.start_us // 1000 == start_ms:
                start = slot.start_us
        return EpisodePosition(start, number), ordinal

    def state_changes(self, site: ChargingSite, start: datetime, end: datetime) -> list[datetime]:
        """Return the instants after *start* and until *end* at which the state of a site jumps."""
        return self._events.state_changes(site, micros(start), micros(end))

    def _running(self, timeline: Timeline, at: Micros) -> tuple[int, Episode | None]:
        """Return the day of the latest slot, and its episode if it is running."""
        day = self._timetable.day_of(timeline.site, at)
        episode = self._accounting.episode(timeline, day)
        if episode is None or episode.end_us is None or episode.end_us <= at:
            return day, None
        return day, episode

    def _delivered(self, site: ChargingSite, at: Micros) -> int:
        at = max(at, micros(site.active_since))
        day = self._timetable.day_of(site, at)
        daily_m = self._driving.state(site, day, at).daily_m
        return self._accounting.delivered(self._accounting.timeline(site), day, at, daily_m)

    def _find(self, prefix: str, key: str, now: datetime) -> tuple[Episode, int] | None:
        parts = self._ids.read(prefix, key)
        if parts is None:
            return None
        start_ms, number, ordinal = parts
        site = self._fleet.site_by_number(number)
        if site is None:
            return None
        episode = self.episode(site, self._local_day(site, start_ms * 1000))
        if episode is None or episode.start_us // 1000 != start_ms or episode.start > now:
            return None
        return episode.seen(micros(now)), ordinal

    def _local_day(self, site: ChargingSite, at: Micros) -> int:
        return (at + micros_of(site.offset)) // DAY


def _bound(given: datetime | EpisodePosition | None, *, last: bool) -> EpisodePosition | None:
    if given is None or isinstance(given, EpisodePosition):
        return given
    return EpisodePosition(micros(given), 1 << 62 if last else -1)
