"""Carbon feeds with their intensities, and grid feeds with their levels."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.simulator.charging._carbon import Carbon
from ev_energy.simulator.clock._instants import (
    ANCHOR,
    DAY,
    HALF_HOUR,
    HOUR,
    SLOTS,
    instant_of,
    micros,
    write_instant,
)
from ev_energy.simulator.http._paging import numbered_page
from ev_energy.simulator.http._routes import Reply, detail, listing, log
from ev_energy.simulator.resources._half_hours import half_hours_page
from ev_energy.simulator.world._fleet import carbon_feed
from ev_energy.simulator.world._rows import Link
from ev_energy.simulator.world._series import ORIGIN, TimeSeries
from ev_energy.simulator.world._tables import GeneratedRows

if TYPE_CHECKING:
    from ev_energy.simulator.charging._carbon import Feed
    from ev_energy.simulator.http._routes import Call, Handler, Routes
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


#: The names of the carbon feeds by country; None is the feed of all other countries.
_CARBON_FEEDS: Final = {
    "GB": "Great Britain",
    "NL": "Netherlands",
    "DE": "Germany",
    "US": "California",
    None: "Elsewhere, estimated",
}
#: An intensity is final this long before its half-hour starts.
_FINAL_BEFORE_START: Final = timedelta(minutes=15)
_FORECAST_HORIZON: Final = timedelta(hours=48)
_HALF_HOUR: Final = timedelta(minutes=30)
_ONE_DAY: Final = timedelta(days=1)
#: The time of day, in UTC, when the grid levels of the next day are published.
_LEVELS_PUBLISHED: Final = 9 * HOUR


@attrs.frozen
class Signal:
    """A source of grid levels."""

    name: str
    code: str
    priority: int
    country: str
    constant: int | None = None
    """The feed's only level, which has no start and no interval; None if levels vary."""


SIGNALS: Final = (
    Signal("British evening peak", "GB_EVENING_PEAK", 5, "GB"),
    Signal("British frequency reserve", "GB_FREQUENCY_RESERVE", 2, "GB", 50),
    Signal("Dutch congestion", "NL_CONGESTION", 6, "NL"),
    Signal("German redispatch", "DE_REDISPATCH", 7, "DE"),
    Signal("Californian evening ramp", "US_CA_EVENING_RAMP", 8, "US"),
    Signal("Californian emergency", "US_CA_EMERGENCY", 10, "US", 50),
)
_SIGNAL_COUNTRIES: Final = frozenset(signal.country for signal in SIGNALS)


def add_feeds(world: World) -> None:
    """Fill the tables of carbon feeds and grid feeds, and open the logs of carbon intensities."""
    first_created = ANCHOR - timedelta(days=940)
    carbon_feeds = [
        {
            "id": world.random.uid("cabf", first_created + timedelta(days=number), name),
            "name": name,
            "_country": country,
            "_feed": carbon_feed(country),
        }
        for number, (country, name) in enumerate(_CARBON_FEEDS.items())
    ]
    grid_feeds = [
        {
            "id": world.random.uid(
                "grfd", first_created + timedelta(days=number, hours=1), signal.code
            ),
            "name": signal.name,
            "reference_code": signal.code,
            "priority": signal.priority,
            "_country": signal.country,
            "_signal": signal,
            "_feed": carbon_feed(signal.country),
        }
        for number, signal in enumerate(SIGNALS)
    ]
    world.table("carbon_feeds", "cabf", GeneratedRows.from_rows(carbon_feeds))
    world.table("grid_feeds", "grfd", GeneratedRows.from_rows(grid_feeds))
    world.logs["carbon_feeds/carbon_intensities"] = lambda feed: _intensity_log(world, feed)


def carbon_of(world: World) -> Carbon:
    """Return the world's source of carbon intensities and grid levels."""
    return world.cached("carbon", lambda: Carbon(world.random))


def carbon_feed_of(world: World, country: str | None) -> Link:
    """Return the link to the carbon feed of *country*."""

    def find() -> Link:
        rows = list(world.tables["carbon_feeds"])
        by_country = {row["_country"]: row["url"] for row in rows}
        link: Link = by_country.get(country) or by_country[None]
        return link

    return world.cached(("carbon feed", country if country in _CARBON_FEEDS else None), find)


def grid_feeds_of(world: World, country: str | None) -> list[Link]:
    """Return the links to the grid feeds of *country*."""

    def find() -> list[Link]:
        rows = world.tables["grid_feeds"]
        return [row["url"] for row in rows if row["_country"] == country]

    return world.cached(("grid feeds", country), find) if country in _SIGNAL_COUNTRIES else []


def _intensity_log(world: World, feed_row: Row) -> TimeSeries:
    now, carbon, feed = world.now, carbon_of(world), feed_row["_feed"]

    def entries_of_day(number: int) -> list[tuple[datetime, Row]]:
        midnight = ORIGIN + number * _ONE_DAY
        starts = [midnight + slot * _HALF_HOUR for slot in range(SLOTS)]
        return [(start, _intensity(carbon, feed, start, now)) for start in starts]

    return TimeSeries(
        folder=f"carbon_feeds/{feed_row['id']}/carbon_intensities",
        member="started_at",
        start=ORIGIN,
        end=now + _FORECAST_HORIZON,
        chunk=_ONE_DAY,
        make=entries_of_day,
    )


def _intensity(carbon: Carbon, feed: Feed, start: datetime, now: datetime) -> Row:
    """Return the final intensity of a half-hour, or the forecast made last."""
    start_us, created = micros(start), start - _FINAL_BEFORE_START
    is_final = created <= now
    if not is_final:  # forecasts are renewed at every full and half hour
        created = instant_of(micros(now) // HALF_HOUR * HALF_HOUR)
    grams = carbon.intensity(feed, start_us) if is_final else carbon.forecast(feed, start_us)
    return {
        "interval_seconds": 1800,
        "co2_intensity_grams_per_kilowatt_hour": grams,
        "created_at": write_instant(created),
    }


def _half_hours_with_level(now: datetime) -> range:
    """Return the half-hours, counted from 1970, whose levels are published."""
    end_day = (micros(now) - _LEVELS_PUBLISHED) // DAY + 2
    return range(micros(ORIGIN) // HALF_HOUR, end_day * SLOTS)


def _level(world: World, feed_row: Row, half_hour: int) -> Row:
    """Return the level of a half-hour, counted from 1970."""
    start = half_hour * HALF_HOUR
    return {
        "value": carbon_of(world).grid_level(feed_row["_feed"], start),
        "started_at": write_instant(instant_of(start)),
        "interval_seconds": 1800,
        "created_at": write_instant(instant_of((start // DAY - 1) * DAY + _LEVELS_PUBLISHED)),
    }


def _constant_level(feed_row: Row) -> dict[str, Any] | None:
    """Return the only level of a constant feed, or None if its levels vary."""
    signal: Signal = feed_row["_signal"]
    if signal.constant is None:
        return None
    return {
        "value": signal.constant,
        "started_at": None,
        "interval_seconds": None,
        "created_at": write_instant(ORIGIN),
    }


_INTENSITY_PAGE: Final[Handler] = log("started_at")


def _intensities(call: Call) -> Reply:
    """Return a page of intensities in an envelope; its entries have no URLs."""
    feed_row = call.row("carbon_feeds", "carbon_feed_id")
    page = _INTENSITY_PAGE(call)
    return Reply(
        {
            "url": f"{call.root}/{call.path}",
            "carbon_feed": f"{call.root}{feed_row['url'].path}",
            "carbon_intensities": [
                {name: value for name, value in entry.items() if name != "url"}
                for entry in page.body
            ],
        },
        headers=page.headers,
    )


def _levels(call: Call) -> Reply:
    feed_row = call.row("grid_feeds", "grid_feed_id")
    constant = _constant_level(feed_row)
    if constant is None:
        half_hours = _half_hours_with_level(call.now)
        return half_hours_page(
            call, half_hours, lambda half_hour: _level(call.world, feed_row, half_hour)
        )
    is_bounded = call.query.keys() & {"started_at__gte", "started_at__lte"}
    levels = iter(() if is_bounded else (constant,))  # without a start it matches no bound
    rows, links = numbered_page(levels, f"{call.root}/{call.path}", call.query, call.raw_query)
    return Reply(list(rows), headers={"Link": links})


ROUTES: Final[Routes] = {
    ("GET", "/carbon_feeds"): listing(),
    ("GET", "/carbon_feeds/{carbon_feed_id}"): detail(),
    ("GET", "/carbon_feeds/{carbon_feed_id}/carbon_intensities"): _intensities,
    ("GET", "/grid_feeds"): listing(),
    ("GET", "/grid_feeds/{grid_feed_id}"): detail(),
    ("GET", "/grid_feeds/{grid_feed_id}/levels"): _levels,
}
