"""Where numbers about the grid come from: how clean its electricity is, and what it asks for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.simulator.charging._carbon import Carbon
from ev_energy.simulator.clock._instants import ANCHOR, micros, write_instant
from ev_energy.simulator.clock._microseconds import DAY, HALF_HOUR, HOUR, SLOTS, instant_of
from ev_energy.simulator.http._paging import numbered_page
from ev_energy.simulator.http._routes import Reply, detail, listing, log
from ev_energy.simulator.resources._half_hours import half_hours_page
from ev_energy.simulator.world._markets import feed_of
from ev_energy.simulator.world._rows import Link
from ev_energy.simulator.world._series import ORIGIN, Series
from ev_energy.simulator.world._tables import Made

if TYPE_CHECKING:
    from ev_energy.simulator.charging._carbon import Feed
    from ev_energy.simulator.http._routes import Call, Handler, Routes
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


#: Countries with a grid of their own, and what it is called; None stands for all others.
_GRIDS: Final = {
    "GB": "Great Britain",
    "NL": "Netherlands",
    "DE": "Germany",
    "US": "California",
    None: "Elsewhere, estimated",
}
#: How long before a half-hour begins its intensity is settled, and how far ahead one is expected.
_SETTLED: Final = timedelta(minutes=15)
_AHEAD: Final = timedelta(hours=48)
_HALF_AN_HOUR: Final = timedelta(minutes=30)
_A_DAY: Final = timedelta(days=1)
#: When the levels of the next day are told, after midnight.
_TOLD: Final = 9 * HOUR


@attrs.frozen
class Signal:
    """A source of grid levels."""

    name: str
    code: str
    priority: int
    country: str
    constant: int | None = None
    """A level without beginning and end, where the source has no other."""


SIGNALS: Final = (
    Signal("British evening peak", "GB_EVENING_PEAK", 5, "GB"),
    Signal("British frequency reserve", "GB_FREQUENCY_RESERVE", 2, "GB", 50),
    Signal("Dutch congestion", "NL_CONGESTION", 6, "NL"),
    Signal("German redispatch", "DE_REDISPATCH", 7, "DE"),
    Signal("Californian evening ramp", "US_CA_EVENING_RAMP", 8, "US"),
    Signal("Californian emergency", "US_CA_EMERGENCY", 10, "US", 50),
)


def carbon_of(world: World) -> Carbon:
    """Return what tells intensities and levels."""
    return world.once("carbon", lambda: Carbon(world.chance))


def add_feeds(world: World) -> None:
    """Fill the tables of feeds, and open the logs of intensities."""
    began = ANCHOR - timedelta(days=940)
    carbon = [
        {
            "id": world.chance.uid("cabf", began + timedelta(days=number), name),
            "name": name,
            "_country": country,
            "_feed": feed_of(country),
        }
        for number, (country, name) in enumerate(_GRIDS.items())
    ]
    grid = [
        {
            "id": world.chance.uid("grfd", began + timedelta(days=number, hours=1), signal.code),
            "name": signal.name,
            "reference_code": signal.code,
            "priority": signal.priority,
            "_country": signal.country,
            "_signal": signal,
            "_feed": feed_of(signal.country),
        }
        for number, signal in enumerate(SIGNALS)
    ]
    world.table("carbon_feeds", "cabf", Made.of(carbon))
    world.table("grid_feeds", "grfd", Made.of(grid))
    world.logs["carbon_feeds/carbon_intensities"] = lambda feed: _intensity_log(world, feed)


def carbon_feed_of(world: World, country: str | None) -> Link:
    """Return the feed of carbon intensities of a country."""

    def find() -> Link:
        rows = list(world.tables["carbon_feeds"])
        known = {row["_country"]: row["url"] for row in rows}
        link: Link = known.get(country) or known[None]
        return link

    return world.once(("carbon feed", country if country in _GRIDS else None), find)


def grid_feeds_of(world: World, country: str | None) -> list[Link]:
    """Return the feeds of grid levels of a country."""
    rows = world.tables["grid_feeds"]
    return [row["url"] for row in rows if row["_country"] == country]


def _intensity_log(world: World, feed: Row) -> Series:
    now, carbon, source = world.now, carbon_of(world), feed["_feed"]

    def of_day(number: int) -> list[tuple[datetime, Row]]:
        midnight = ORIGIN + number * _A_DAY
        starts = [midnight + slot * _HALF_AN_HOUR for slot in range(SLOTS)]
        return [(start, _intensity(carbon, source, start, now)) for start in starts]

    return Series(
        folder=f"carbon_feeds/{feed['id']}/carbon_intensities",
        member="started_at",
        began=ORIGIN,
        now=now + _AHEAD,
        chunk=_A_DAY,
        make=of_day,
    )


def _intensity(carbon: Carbon, feed: Feed, start: datetime, now: datetime) -> Row:
    at, written = micros(start), start - _SETTLED
    settled = written <= now
    if not settled:  # expectations are told anew each half-hour
        written = instant_of(micros(now) // HALF_HOUR * HALF_HOUR)
    grams = carbon.intensity(feed, at) if settled else carbon.forecast(feed, at)
    return {
        "interval_seconds": 1800,
        "co2_intensity_grams_per_kilowatt_hour": grams,
        "created_at": write_instant(written),
    }


def half_hours_with_level(now: datetime) -> range:
    """Return the half-hours, counted from 1970, whose levels are told."""
    end = (micros(now) - _TOLD) // DAY + 2
    return range(micros(ORIGIN) // HALF_HOUR, end * SLOTS)


def level_of(world: World, feed: Row, half_hour: int) -> Row:
    """Return the level of a half-hour, counted from 1970."""
    at = half_hour * HALF_HOUR
    return {
        "value": carbon_of(world).grid_level(feed["_feed"], at),
        "started_at": write_instant(instant_of(at)),
        "interval_seconds": 1800,
        "created_at": write_instant(instant_of((at // DAY - 1) * DAY + _TOLD)),
    }


def constant_level(feed: Row) -> dict[str, Any] | None:
    """Return the one level of a feed that has no other, or None."""
    signal: Signal = feed["_signal"]
    if signal.constant is None:
        return None
    return {
        "value": signal.constant,
        "started_at": None,
        "interval_seconds": None,
        "created_at": write_instant(ORIGIN),
    }


_INTENSITIES: Final[Handler] = log("started_at")


def _intensities(call: Call) -> Reply:
    """Answer a page in a wrapper; what is in it has no URLs."""
    feed = call.row("carbon_feeds", "carbon_feed_id")
    page = _INTENSITIES(call)
    return Reply(
        {
            "url": f"{call.root}/{call.path}",
            "carbon_feed": f"{call.root}{feed['url'].path}",
            "carbon_intensities": [
                {name: value for name, value in entry.items() if name != "url"}
                for entry in page.body
            ],
        },
        headers=page.headers,
    )


def _levels(call: Call) -> Reply:
    feed = call.row("grid_feeds", "grid_feed_id")
    constant = constant_level(feed)
    if constant is None:
        known = half_hours_with_level(call.now)
        return half_hours_page(call, known, lambda number: level_of(call.world, feed, number))
    bounded = call.query.keys() & {"started_at__gte", "started_at__lte"}
    levels = iter(() if bounded else (constant,))  # it did not start before or after anything
    shown, links = numbered_page(levels, f"{call.root}/{call.path}", call.query, call.pairs)
    return Reply(list(shown), headers={"Link": links})


ROUTES: Final[Routes] = {
    ("GET", "/carbon_feeds"): listing(),
    ("GET", "/carbon_feeds/{carbon_feed_id}"): detail(),
    ("GET", "/carbon_feeds/{carbon_feed_id}/carbon_intensities"): _intensities,
    ("GET", "/grid_feeds"): listing(),
    ("GET", "/grid_feeds/{grid_feed_id}"): detail(),
    ("GET", "/grid_feeds/{grid_feed_id}/levels"): _levels,
}
