"""Energy suppliers and what they charge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ev_energy.simulator._charging._prices import Prices
from ev_energy.simulator._charging._time import HALF_HOUR, SLOTS, instant_of
from ev_energy.simulator._content._offers import OFFERS
from ev_energy.simulator._store._instants import ANCHOR, micros, write_instant
from ev_energy.simulator._store._rows import Link
from ev_energy.simulator._store._tables import Made

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from ev_energy.simulator._charging._prices import Tariff
    from ev_energy.simulator._content._offers import Offer
    from ev_energy.simulator._store._rows import Row
    from ev_energy.simulator._store._world import World

#: Prices are calculated in hundredths of a minor unit, of which a major one has a hundred.
_OF_MINOR: Final = 100
_OF_MAJOR: Final = Decimal(10_000)
_CENT: Final = Decimal("0.01")
_NAMES: Final = (
    ("peak",),
    ("peak", "off_peak"),
    ("peak", "mid_peak", "off_peak"),
)


def add_suppliers(world: World) -> None:
    """Fill the tables of suppliers and tariffs."""
    suppliers: dict[str, Row] = {}
    tariffs: list[Row] = []
    began = ANCHOR - timedelta(days=950)
    known: dict[str, str] = {}
    for number, offer in enumerate(OFFERS):
        made_at = began + timedelta(days=number, hours=3)
        supplier_id = world.chance.uid("supl", made_at, offer.supplier)
        supplier_id = known.setdefault(offer.supplier, supplier_id)
        picture = f"https://cdn.example.com/suppliers/{number}.png" if number else None
        suppliers.setdefault(supplier_id, {
            "id": supplier_id,
            "name": offer.supplier,
            "icon": picture,
            "highlighted": number == 0,
            "_country": offer.country,
        })  # fmt: skip
        region = offer.gsp_group or ""
        tariff_id = world.chance.uid("tari", made_at, offer.supplier, offer.name, region)
        known[offer.supplier + offer.name] = tariff_id
        tariffs.append({
            "id": tariff_id,
            "supplier": Link("suppliers", supplier_id),
            "name": offer.name,
            "currency": offer.currency,
            "highlighted": offer.is_popular,
            "type": str(offer.type),
            "timezone_name": offer.zone,
            "price_chart_url": offer.chart,
            "gsp_group": offer.gsp_group,
            "valid_from": _day(offer.since),
            "valid_until": None if offer.until is None else _day(offer.until),
            "_offer": offer,
            "_pricing": offer.pricing(tariff_id),
        })  # fmt: skip
    for row in tariffs:
        offer = row["_offer"]
        planned_by = known.get(offer.supplier + (offer.planned_by or "/"))
        row["scheduler_tariff"] = Link("tariffs", planned_by) if planned_by else None
    world.table("suppliers", "supl", Made.of(suppliers.values()))
    world.table("tariffs", "tari", Made.of(tariffs))


def _day(before: int) -> str:
    return (ANCHOR - timedelta(days=before)).date().isoformat()


def tariff_of_country(world: World, country: str, choice: int) -> Link:
    """Return a tariff that somebody in this country may have."""

    def offered() -> list[Link]:
        rows = ((row["_offer"], row["url"]) for row in world.tables["tariffs"])
        return [url for offer, url in rows if offer.country == country and offer.for_homes]

    local = world.once(("tariffs", country), offered)
    return local[choice % len(local)]


def pricing_of_row(tariff: Row) -> Tariff:
    """Return how the prices of a tariff are calculated."""
    pricing: Tariff = tariff["_pricing"]
    return pricing


def today_at(zone: str, now: datetime) -> date:
    """Return the date in a time zone; where its rules are not known, the one of UTC."""
    try:
        return now.astimezone(ZoneInfo(zone)).date()
    except ZoneInfoNotFoundError:
        return now.astimezone(UTC).date()


def is_sold(tariff: Row, now: datetime) -> bool:
    """Return whether new customers can choose a tariff."""
    today = today_at(tariff["timezone_name"], now).isoformat()
    until = tariff["valid_until"]
    return tariff["valid_from"] <= today and (until is None or today <= until)


def half_hours_with_price(tariff: Row, now: datetime) -> range:
    """Return the half-hours, counted from 1970, that have begun and have a price."""
    offer: Offer = tariff["_offer"]
    began = datetime.fromisoformat(tariff["valid_from"]).replace(tzinfo=UTC)
    last = micros(now) // HALF_HOUR if offer.is_priced else -1
    return range(micros(began) // HALF_HOUR, last + 1)


def price_of(world: World, tariff: Row, half_hour: int) -> Row:
    """Return the price of a half-hour, counted from 1970."""
    prices = world.once("prices", lambda: Prices(world.chance))
    at = half_hour * HALF_HOUR
    hundredths = prices.price(pricing_of_row(tariff), at)
    return {
        "started_at": write_instant(instant_of(at)),
        "interval_seconds": 1800,
        "price_minor_units": (hundredths + _OF_MINOR // 2) // _OF_MINOR,
    }


def daily_prices(tariff: Row, now: datetime) -> Row | None:
    """Return what the hours of a tariff's own day cost; None if no two days are alike."""
    offer: Offer = tariff["_offer"]
    pricing = pricing_of_row(tariff)
    if pricing.dynamic or not offer.is_priced:
        return None
    runs = list(_runs(pricing, today_at(pricing.zone, now).weekday()))
    if len(runs) > 1 and runs[0][0] == runs[-1][0]:  # what goes on past midnight is one
        price, start, _ = runs.pop()
        runs[0] = price, start, runs[0][2]
    prices = sorted({price for price, _, _ in runs}, reverse=True)
    return {
        name: {
            "price": _in_major_units(price),
            "times": [
                {"start": _clock(start), "end": _clock(end)}
                for cost, start, end in runs
                if cost == price
            ],
        }
        for name, price in zip(_NAMES[len(prices) - 1], prices, strict=True)
    }


def _runs(pricing: Tariff, weekday: int) -> Iterator[tuple[int, int, int]]:
    """Return the prices of a day, and from which half-hour to which they hold."""

    def cost(slot: int) -> int:
        held = (band.price for band in pricing.bands if band.holds(slot * 30, weekday))
        return next(held, pricing.price)

    for price, same in groupby(range(SLOTS), key=cost):
        slots = list(same)
        yield price, slots[0], slots[-1] + 1


def _in_major_units(hundredths: int) -> str:
    price = Decimal(hundredths) / _OF_MAJOR
    return str(price.quantize(_CENT) if price == price.quantize(_CENT) else price)


def _clock(slot: int) -> str:
    return f"{slot // 2 % 24:02}:{slot % 2 * 30:02}:00"
