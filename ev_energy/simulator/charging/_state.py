"""What is so at a bay at an instant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ev_energy.models.charging import ChargingSubSessionMode as Mode
from ev_energy.simulator.clock._microseconds import HOUR, Micros, instant_of

if TYPE_CHECKING:
    from datetime import datetime

    from ev_energy.simulator.charging._driving_profile import Habits
    from ev_energy.simulator.charging._energy_accounting import Ledger
    from ev_energy.simulator.charging._episodes import Episode
    from ev_energy.simulator.charging._timeline import Book
    from ev_energy.simulator.charging._timetable import Timetable


@attrs.frozen(kw_only=True)
class State:
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


def state_of(ledger: Ledger, timetable: Timetable, habits: Habits, book: Book, at: Micros) -> State:
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
    return State(
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
