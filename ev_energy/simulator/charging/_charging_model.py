"""The charging of a fleet: every question about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator.charging._carbon import Carbon
from ev_energy.simulator.charging._driving_profile import Habits
from ev_energy.simulator.charging._energy_accounting import Ledger
from ev_energy.simulator.charging._fleet_events import Events, Visits
from ev_energy.simulator.charging._prices import Prices
from ev_energy.simulator.charging._session_ids import Ids
from ev_energy.simulator.charging._sub_sessions import Accountant, Usage
from ev_energy.simulator.charging._timetable import Timetable
from ev_energy.simulator.clock._instants import DAY, HOUR, Micros, instant_of, micros, micros_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ev_energy.models.charging import ChargingSubSessionMode as Mode
    from ev_energy.simulator._seeded_random import SeededRandom
    from ev_energy.simulator.charging._charging_site import ChargingSite, Fleet
    from ev_energy.simulator.charging._episodes import Episode
    from ev_energy.simulator.charging._fleet_events import SubSessionEvent
    from ev_energy.simulator.charging._sub_sessions import Solar
    from ev_energy.simulator.charging._timeline import Book


@attrs.frozen(kw_only=True)
class SiteState:
    """What is so at a bay at an instant. What nobody can know is None."""

    plugged_in: bool
    charging: bool
    power_watts: int
    mode: Mode | None
    """Of the running period."""
    enabled: bool
    """Whether the car may draw power, whatever it does."""
    stored_wh: int | None
    percent: int | None
    battery_wh: int | None
    target_percent: int
    target_wh: int | None
    complete: bool
    """Whether the car is plugged in, and as full as it is to become."""
    smart: bool
    """Whether smart charging is on."""
    meter_wh: int | None
    odometer_m: int | None
    driving: bool
    at_home: bool
    added_wh: int
    """By the running episode."""
    ready_by: datetime | None
    """Of the running episode."""
    seconds_left: int | None
    """Until the car is as full as it is to become, of charging; None if it is not plugged in."""
    episode: Episode | None
    """The running one, as it is seen then."""


def running(
    ledger: Ledger, timetable: Timetable, book: Book, at: Micros
) -> tuple[int, Episode | None]:
    """Return the day of the latest slot, and its episode if that is running."""
    day = timetable.day_of(book.site, at)
    episode = ledger.episode(book, day)
    over = episode is None or episode.end_us is None or episode.end_us <= at
    return day, None if over else episode


def state_of(
    ledger: Ledger, timetable: Timetable, habits: Habits, book: Book, at: Micros
) -> SiteState:
    """Return what is so at a bay at an instant."""
    day, episode = running(ledger, timetable, book, at)
    road = habits.road(book.site, day, at)
    chapter = book.chapter(at)
    if episode is not None:
        stored = episode.stored(at)
        battery = episode.battery_wh
    else:
        stored = ledger.net(book, chapter, day, road.base_m) - ledger.trip(book, day, at)
        battery = chapter.battery_wh
    limit = book.limit(at)
    car, still = None if chapter.over else chapter.car, at < chapter.resumes_us
    watts = 0 if episode is None else episode.power(at)
    target = limit * battery // 100
    missing = max(0, target - stored)
    if episode is not None and episode.public:
        missing = episode.plans[0].need_wh - episode.energy(at)
    windows = episode.plan_at(at).windows if episode else ()
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
        smart=book.smart(at),
        meter_wh=habits.traits(book.site).meter_wh + ledger.delivered(book, day, at)
        if chapter.point
        else None,
        odometer_m=chapter.odometer_m + ledger.moved(book, chapter, day, at) if car else None,
        driving=road.driving and not still,
        at_home=road.at_home or still,
        added_wh=episode.energy(at) if episode else 0,
        ready_by=instant_of(episode.ready_us) if episode else None,
        seconds_left=-(-missing * HOUR // episode.watts) // 1_000_000 if episode else None,
        episode=episode.seen(at) if episode else None,
    )


_SESSION: Final = "cses"
_SUB_SESSION: Final = "csub"
#: Episodes are not further apart than this, in days.
_APART: Final = 4


@attrs.frozen(order=True)
class EpisodePosition:
    """A place in the order of all episodes."""

    start_us: Micros
    site_number: int

    @classmethod
    def of(cls, episode: Episode) -> EpisodePosition:
        """Return the place of an episode."""
        return cls(episode.start_us, episode.site.number)


class ChargingModel:
    """Answers from the seed, the fleet and its deeds alone. Nothing is stored but for speed."""

    def __init__(self, fleet: Fleet, random: SeededRandom, *, solar: Solar | None = None) -> None:
        self._fleet = fleet
        self.prices = Prices(random)
        self.carbon = Carbon(random)
        self._timetable = Timetable(fleet, random)
        self._habits = Habits(random, self._timetable)
        self._ledger = Ledger(fleet, self._timetable, self._habits, self.prices, self.carbon)
        self._visits = Visits(fleet, self._timetable, self._habits)
        self._accountant = Accountant(self.prices, self.carbon, solar)
        self._events = Events(fleet, self._timetable, self._habits, self._ledger, self._visits)
        self._ids = Ids(random)

    def episode(self, site: ChargingSite, day: int) -> Episode | None:
        """Return the episode that begins on a local day, counted from 1970; None if there is none.

        It is told to its end, whatever the time is: see `Episode.seen`.
        """
        return self._ledger.episode(self._ledger.book(site), day)

    def episode_at(self, site: ChargingSite, instant: datetime) -> Episode | None:
        """Return the episode that is running at an instant, as it is seen then."""
        at = micros(instant)
        episode = running(self._ledger, self._timetable, self._ledger.book(site), at)[1]
        return None if episode is None else episode.seen(at)

    def latest_episode(self, site: ChargingSite, now: datetime) -> Episode | None:
        """Return the last episode that has begun, as it is seen now."""
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
        """Return the episodes of a bay that began after and before two instants."""
        book, until = self._ledger.book(site), micros(now)
        low = micros(site.began) - 1 if after is None else micros(after)
        high = until + 1 if before is None else min(micros(before), until + 1)
        if site.began > now or low >= high:
            return
        days = range(
            self._local_day(site, max(low, micros(site.began))), self._local_day(site, high) + 1
        )
        for day in reversed(days) if newest_first else days:
            if low < self._timetable.slot(site, day).start_us < high:
                episode = self._ledger.episode(book, day)
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
        """Return the episodes of all bays that began after and before two places in their order.

        An item costs the same in any fleet; the first one costs a little for each cohort.
        """
        until = micros(now)
        low, high = _mark(after, last=True), _mark(before, last=False)
        if newest_first:
            top = until if high is None else min(until, high.start_us)
            visits = self._visits.before(top + 1)
        else:
            start = 0 if low is None else low.start_us - 1
            visits = self._visits.after(start, until if high is None else min(until, high.start_us))
        for visit in visits:
            mark = EpisodePosition(visit.start_us, visit.site.number)
            if low is not None and mark <= low:
                if newest_first:
                    return
                continue
            if high is not None and mark >= high:
                if newest_first:
                    continue
                return
            episode = self._ledger.episode(self._ledger.book(visit.site), visit.day)
            if episode is not None:
                yield episode.seen(until)

    def events(self, after: datetime, until: datetime) -> Iterator[SubSessionEvent]:
        """Return what begins and ends after ``after`` and not after ``until``, in order.

        Costs what is found, and a little for all who boost; it is worked out hour by hour.
        """
        return self._events.between(micros(after), micros(until))

    def next_event_after(
        self, instant: datetime, *, within_days: int = 7
    ) -> SubSessionEvent | None:
        """Return the first of the events after an instant, None if there is none for days."""
        return self._events.next(micros(instant), within_days * DAY)

    def state(self, site: ChargingSite, instant: datetime) -> SiteState:
        """Return what is so at a bay at an instant."""
        book = self._ledger.book(site)
        return state_of(self._ledger, self._timetable, self._habits, book, micros(instant))

    def energy_between(self, site: ChargingSite, start: datetime, end: datetime) -> int:
        """Return the watt-hours charged at a bay; what was charged elsewhere is not counted."""
        return self._delivered(site, micros(end)) - self._delivered(site, micros(start))

    def usage(self, episode: Episode, number: int, now: datetime) -> Usage:
        """Return what a period of an episode delivered by now, and what that cost."""
        return self._accountant.usage(episode, number, micros(now))

    def session_id(self, episode: Episode) -> str:
        """Return the identifier of the session that an episode is."""
        return self._ids.write(_SESSION, episode.start_us, episode.site.number, 0)

    def sub_session_id(self, episode: Episode, number: int) -> str:
        """Return the identifier of the sub-session that a period of an episode is."""
        return self._ids.write(_SUB_SESSION, episode.start_us, episode.site.number, number)

    def session(self, key: str, now: datetime) -> Episode | None:
        """Return the episode of a session as it is seen now, None if there is none."""
        found = self._named(_SESSION, key, now)
        return found[0] if found and found[1] == 0 else None

    def sub_session(self, key: str, now: datetime) -> tuple[Episode, int] | None:
        """Return episode and number of period of a sub-session, None if there is none."""
        found = self._named(_SUB_SESSION, key, now)
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
        """Return the instants after ``start`` and until ``end`` at which the state jumps."""
        return self._events.state_changes(site, micros(start), micros(end))

    def _delivered(self, site: ChargingSite, at: Micros) -> int:
        at = max(at, micros(site.began))
        return self._ledger.delivered(self._ledger.book(site), self._timetable.day_of(site, at), at)

    def _named(self, prefix: str, key: str, now: datetime) -> tuple[Episode, int] | None:
        read = self._ids.read(prefix, key)
        site = None if read is None else self._fleet.site_by_number(read[1])
        if read is None or site is None:
            return None
        day = self._local_day(site, read[0] * 1000)
        episode = self.episode(site, day)
        if episode is None or episode.start_us // 1000 != read[0] or episode.start > now:
            return None
        return episode.seen(micros(now)), read[2]

    def _local_day(self, site: ChargingSite, at: Micros) -> int:
        return (at + micros_of(site.offset)) // DAY


def _mark(place: datetime | EpisodePosition | None, *, last: bool) -> EpisodePosition | None:
    if place is None or isinstance(place, EpisodePosition):
        return place
    return EpisodePosition(micros(place), 1 << 62 if last else -1)
