"""Days and months as clocks on the wall have them."""

from __future__ import annotations

import functools
from datetime import datetime, time, timedelta, timezone
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ev_energy.simulator.world._homes import ZONE_OFFSETS

if TYPE_CHECKING:
    from datetime import date, tzinfo

    from ev_energy.simulator.world._homes import City


@functools.lru_cache(64)
def zone_of(city: City) -> tzinfo:
    """Return a city's time zone; on a machine that does not know it, its standard time."""
    try:
        return ZoneInfo(city.zone)
    except (ZoneInfoNotFoundError, ValueError):
        return timezone(ZONE_OFFSETS[city.group])


def midnight(day: date, zone: tzinfo) -> datetime:
    """Return when a day begins."""
    return datetime.combine(day, time(0), zone)


def next_midnight(now: datetime, zone: tzinfo) -> datetime:
    """Return when the next day begins."""
    return midnight(now.astimezone(zone).date() + timedelta(days=1), zone)


def next_month(day: date) -> date:
    """Return the first day of the next month."""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
