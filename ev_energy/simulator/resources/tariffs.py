"""Suppliers, their electricity tariffs and the half-hourly prices of a tariff."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from ev_energy.models.tariffs import TariffType
from ev_energy.simulator.charging._prices import WEEKEND, Band, Prices, Tariff
from ev_energy.simulator.clock._instants import (
    ANCHOR,
    HALF_HOUR,
    SLOTS,
    instant_of,
    micros,
    write_instant,
)
from ev_energy.simulator.http._filters import equals
from ev_energy.simulator.http._problems import invalid, not_found
from ev_energy.simulator.http._routes import Reply, collection_at, detail, listing
from ev_energy.simulator.resources._half_hours import half_hours_page
from ev_energy.simulator.world._rows import ApiPath, Link
from ev_energy.simulator.world._tables import GeneratedRows, Selection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from ev_energy.simulator.http._routes import Call, Handler, Routes
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._tables import Collection
    from ev_energy.simulator.world._world import World


#: The standard offset of each zone with tariffs.
_STANDARD_OFFSETS: Final = {
    "Europe/London": timedelta(0),
    "Europe/Amsterdam": timedelta(hours=1),
    "Europe/Berlin": timedelta(hours=1),
    "America/Los_Angeles": timedelta(hours=-8),
}
_LONDON: Final = "Europe/London"
#: Prices are calculated in hundredths of a minor unit; a major unit has a hundred minor units.
_HUNDREDTHS_PER_MINOR_UNIT: Final = 100
_HUNDREDTHS_PER_MAJOR_UNIT: Final = Decimal(10_000)
_HALF_HOURS_PER_DAY: Final = 48


@attrs.frozen
class Offer:
    """A tariff in the catalogue of a supplier. Prices are in minor units per kWh."""

    country: str
    supplier: str
    name: str
    currency: str
    zone: str
    type: TariffType
    lowest_price: int
    """The price of the cheapest hours."""
    standard_price: int
    """The price outside of all bands; for a dynamic tariff, the mean price."""
    bands: tuple[Band, ...] = ()
    gsp_group: str | None = None
    scheduler: str | None = None
    """The name of the supplier's tariff that charging is planned with, if it is another one."""
    assignable: bool = False
    """Whether users of the seeded world have this tariff."""
    price_chart_url: str | None = None
    first_day: int = 880
    """The first day of sale, in days before the world's start; negative for a later day."""
    last_day: int | None = None
    """The last day of sale, counted like `first_day`; None if the tariff is still sold."""

    @property
    def is_highlighted(self) -> bool:
        """Whether apps present this tariff first."""
        return self.assignable and self.type is TariffType.DUAL_RATE

    @property
    def is_priced(self) -> bool:
        """Whether prices are known; only the supplier knows those of a managed tariff."""
        return self.type is not TariffType.EXTERNALLY_MANAGED

    def pricing(self, key: str) -> Tariff:
        """Return the pricing rules, in hundredths of a minor unit."""
        return Tariff(
            key,
            self.standard_price * _HUNDREDTHS_PER_MINOR_UNIT,
            self.bands,
            self.zone,
            _STANDARD_OFFSETS[self.zone],
            self.type is TariffType.DYNAMIC,
        )


def _band(start: float, end: float, price: float, **options: frozenset[int]) -> Band:
    """Return the band from hour ``start`` to hour ``end`` at a price in minor units."""
    return Band(
        round(start * 60),
        round(end * 60) % (24 * 60),
        round(price * _HUNDREDTHS_PER_MINOR_UNIT),
        **options,
    )


_FLAT, _DUAL, _THREE = TariffType.FLAT_RATE, TariffType.DUAL_RATE, TariffType.THREE_RATE
_DYNAMIC, _MANAGED, _OTHER = TariffType.DYNAMIC, TariffType.EXTERNALLY_MANAGED, TariffType.OTHER
#: The letters of Great Britain's grid supply point groups; I and O are not used.
_GSP_GROUPS: Final = "ABCDEFGHJKLMNP"

_REGIONAL: Final = tuple(
    Offer("GB", "Hollow Oak Electric", "Local Nights", "GBP", _LONDON, _DUAL, price, 27 + price % 3,
          (_band(0.5, 5.5, price + 0.49),), gsp_group=f"_{group}")
    for price, group in enumerate(_GSP_GROUPS, 7)
)  # fmt: skip

OFFERS: Final = (
    Offer("GB", "Fernhill Energy", "One Price", "GBP", _LONDON, _FLAT, 26, 26,
          scheduler="Night Saver", assignable=True),
    Offer("GB", "Fernhill Energy", "Market Half-Hours", "GBP", _LONDON, _DYNAMIC, 11, 22,
          assignable=True, price_chart_url="https://charts.example.com/market-half-hours"),
    Offer("GB", "Saltmarsh Power", "Three Steps", "GBP", _LONDON, _THREE, 14, 27,
          (_band(0, 6, 14), _band(16, 19, 41.5)), assignable=True),
    Offer("GB", "Fernhill Energy", "Night Saver", "GBP", _LONDON, _DUAL, 9, 29,
          (_band(0, 7, 9),), assignable=True),
    Offer("GB", "Saltmarsh Power", "Easy Weekend", "GBP", _LONDON, _OTHER, 19, 31,
          (_band(0, 24, 19, days=WEEKEND),)),
    Offer("GB", "Saltmarsh Power", "Overnight Drive 2025", "GBP", _LONDON, _DUAL, 8, 30,
          (_band(23.5, 5.5, 8),), first_day=700, last_day=130),
    Offer("GB", "Saltmarsh Power", "Overnight Drive 2027", "GBP", _LONDON, _DUAL, 7, 30,
          (_band(23.5, 5.5, 7),), first_day=-60),
    Offer("NL", "Zuiderlicht", "Daluren", "EUR", "Europe/Amsterdam", _DUAL, 19, 27,
          (_band(23, 7, 19), _band(0, 24, 19, days=WEEKEND)), assignable=True),
    Offer("NL", "Zuiderlicht", "Uurprijs", "EUR", "Europe/Amsterdam", _DYNAMIC, 12, 23,
          assignable=True, price_chart_url="https://charts.example.com/uurprijs"),
    Offer("NL", "Polderstroom", "Vast", "EUR", "Europe/Amsterdam", _FLAT, 25, 25,
          scheduler="Schoon", assignable=True),
    Offer("NL", "Polderstroom", "Schoon", "EUR", "Europe/Amsterdam", _DYNAMIC, 12, 24),
    Offer("DE", "Lindenwerk", "Nachtstrom", "EUR", "Europe/Berlin", _DUAL, 22, 34,
          (_band(22, 6, 22),), assignable=True),
    Offer("DE", "Lindenwerk", "Festpreis", "EUR", "Europe/Berlin", _FLAT, 33, 33, assignable=True),
    Offer("DE", "Kranich Energie", "Börsenstrom", "EUR", "Europe/Berlin", _DYNAMIC, 15, 29,
          assignable=True, price_chart_url="https://charts.example.com/boersenstrom"),
    Offer("US", "Blue Mesa Power", "EV Time of Use", "USD", "America/Los_Angeles", _DUAL, 14, 38,
          (_band(0, 7, 14),), assignable=True),
    Offer("US", "Blue Mesa Power", "Home and EV", "USD", "America/Los_Angeles", _THREE, 24, 33,
          (_band(0, 15, 24), _band(16, 21, 57)), assignable=True),
    Offer("US", "Blue Mesa Power", "Utility Managed", "USD", "America/Los_Angeles", _MANAGED, 20,
          20),
    Offer("US", "Redwood Municipal", "Residential", "USD", "America/Los_Angeles", _FLAT, 31, 31,
          assignable=True),
    *_REGIONAL,
)  # fmt: skip

#: Grid supply point groups by postcode area, for the cities of the seeded world.
_GSP_GROUP_BY_AREA: Final = {
    "SE": "_C", "EC": "_C", "WC": "_C", "LS": "_M", "BD": "_M", "YO": "_M",
}  # fmt: skip
_CENT: Final = Decimal("0.01")
#: The members of ``daily_prices``, dearest first, by the number of different prices.
_DAILY_PRICE_NAMES: Final = (
    ("peak",),
    ("peak", "off_peak"),
    ("peak", "mid_peak", "off_peak"),
)


def add_suppliers(world: World) -> None:
    """Fill the tables of suppliers and tariffs."""
    suppliers: dict[str, Row] = {}
    tariffs: list[Row] = []
    first_created = ANCHOR - timedelta(days=950)
    supplier_ids: dict[str, str] = {}
    tariff_ids: dict[tuple[str, str], str] = {}
    for number, offer in enumerate(OFFERS):
        created = first_created + timedelta(days=number, hours=3)
        supplier_id = world.random.uid("supl", created, offer.supplier)
        supplier_id = supplier_ids.setdefault(offer.supplier, supplier_id)
        icon = f"https://cdn.example.com/suppliers/{number}.png" if number else None
        suppliers.setdefault(supplier_id, {
            "id": supplier_id,
            "name": offer.supplier,
            "icon": icon,
            "highlighted": number == 0,
            "_country": offer.country,
        })  # fmt: skip
        gsp_group = offer.gsp_group or ""
        tariff_id = world.random.uid("tari", created, offer.supplier, offer.name, gsp_group)
        tariff_ids[offer.supplier, offer.name] = tariff_id
        tariffs.append({
            "id": tariff_id,
            "supplier": Link("suppliers", supplier_id),
            "name": offer.name,
            "currency": offer.currency,
            "highlighted": offer.is_highlighted,
            "type": str(offer.type),
            "timezone_name": offer.zone,
            "price_chart_url": offer.price_chart_url,
            "gsp_group": offer.gsp_group,
            "valid_from": _date(offer.first_day),
            "valid_until": None if offer.last_day is None else _date(offer.last_day),
            "_offer": offer,
            "_pricing": offer.pricing(tariff_id),
        })  # fmt: skip
    for row in tariffs:
        offer = row["_offer"]
        scheduler_id = tariff_ids.get((offer.supplier, offer.scheduler or ""))
        row["scheduler_tariff"] = Link("tariffs", scheduler_id) if scheduler_id else None
    world.table("suppliers", "supl", GeneratedRows.from_rows(suppliers.values()))
    world.table("tariffs", "tari", GeneratedRows.from_rows(tariffs))


def _date(days_before_start: int) -> str:
    return (ANCHOR - timedelta(days=days_before_start)).date().isoformat()


def tariff_of_country(world: World, country: str, choice: int) -> Link:
    """Return the link to one of the tariffs that homes in *country* can have."""

    def assignable() -> list[Link]:
        rows = ((row["_offer"], row["url"]) for row in world.tables["tariffs"])
        return [url for offer, url in rows if offer.country == country and offer.assignable]

    tariffs = world.cached(("tariffs", country), assignable)
    return tariffs[choice % len(tariffs)]


def _pricing_of(tariff: Row) -> Tariff:
    pricing: Tariff = tariff["_pricing"]
    return pricing


def _local_date(zone: str, now: datetime) -> date:
    """Return the date in a time zone, or the UTC date if the zone's rules are not installed."""
    try:
        return now.astimezone(ZoneInfo(zone)).date()
    except ZoneInfoNotFoundError:
        return now.astimezone(UTC).date()


def _is_valid(tariff: Row, now: datetime) -> bool:
    """Return whether new customers can choose the tariff today."""
    today = _local_date(tariff["timezone_name"], now).isoformat()
    valid_until = tariff["valid_until"]
    return tariff["valid_from"] <= today and (valid_until is None or today <= valid_until)


def _half_hours_with_price(tariff: Row, now: datetime) -> range:
    """Return the half-hours, counted from 1970, that have started and have a price."""
    offer: Offer = tariff["_offer"]
    valid_from = datetime.fromisoformat(tariff["valid_from"]).replace(tzinfo=UTC)
    last = micros(now) // HALF_HOUR if offer.is_priced else -1
    return range(micros(valid_from) // HALF_HOUR, last + 1)


def _price_entry(world: World, tariff: Row, half_hour: int) -> Row:
    """Return the price of a half-hour, counted from 1970."""
    prices = world.cached("prices", lambda: Prices(world.random))
    start = half_hour * HALF_HOUR
    hundredths = prices.price(_pricing_of(tariff), start)
    return {
        "started_at": write_instant(instant_of(start)),
        "interval_seconds": 1800,
        "price_minor_units": (hundredths + _HUNDREDTHS_PER_MINOR_UNIT // 2)
        // _HUNDREDTHS_PER_MINOR_UNIT,
    }


def _daily_prices(tariff: Row, now: datetime) -> Row | None:
    """Return today's prices and their times, or None if the tariff has no daily pattern."""
    offer: Offer = tariff["_offer"]
    pricing = _pricing_of(tariff)
    if pricing.dynamic or not offer.is_priced:
        return None
    periods = list(_price_periods(pricing, _local_date(pricing.zone, now).weekday()))
    if len(periods) > 1 and periods[0][0] == periods[-1][0]:  # one period spans midnight
        price, start, _ = periods.pop()
        periods[0] = price, start, periods[0][2]
    prices = sorted({price for price, _, _ in periods}, reverse=True)
    return {
        name: {
            "price": _in_major_units(price),
            "times": [
                {"start": _time_of_day(start), "end": _time_of_day(end)}
                for period_price, start, end in periods
                if period_price == price
            ],
        }
        for name, price in zip(_DAILY_PRICE_NAMES[len(prices) - 1], prices, strict=True)
    }


def _price_periods(pricing: Tariff, weekday: int) -> Iterator[tuple[int, int, int]]:
    """Yield price, first half-hour and end half-hour of each period of a day."""

    def price_at(slot: int) -> int:
        matching = (band.price for band in pricing.bands if band.includes(slot * 30, weekday))
        return next(matching, pricing.price)

    for price, group in groupby(range(SLOTS), key=price_at):
        slots = list(group)
        yield price, slots[0], slots[-1] + 1


def _in_major_units(hundredths: int) -> str:
    price = Decimal(hundredths) / _HUNDREDTHS_PER_MAJOR_UNIT
    return str(price.quantize(_CENT) if price == price.quantize(_CENT) else price)


def _time_of_day(slot: int) -> str:
    return f"{slot // 2 % 24:02}:{slot % 2 * 30:02}:00"


def _requested_location(call: Call) -> Row | None:
    """Return the location of the user in ``available_for_user_id``, or None without the filter."""
    user_id = call.query.get("available_for_user_id")
    if user_id is None:
        return None
    users = call.world.tables["users"]
    user = users.get(user_id)
    if user is None or not call.can_see(users, user):
        raise invalid({"available_for_user_id": ["No user has this id."]})
    return user.get("default_location") or {}


def _is_available(tariff: Row, location: Row) -> bool:
    """Return whether the tariff is sold at a location; an unknown GSP group excludes nothing."""
    offer: Offer = tariff["_offer"]
    if offer.country != location.get("country_code"):
        return False
    postcode_area = (location.get("postal_code") or "").strip().upper()[:2]
    gsp_group = _GSP_GROUP_BY_AREA.get(postcode_area)
    return offer.gsp_group is None or gsp_group is None or offer.gsp_group == gsp_group


def _suppliers(call: Call) -> Collection:
    suppliers, location = collection_at(call), _requested_location(call)
    rows = suppliers.after(None)
    if location is not None:
        rows = (row for row in rows if row["_country"] == location.get("country_code"))
    return Selection(suppliers, rows, lambda row: row["name"])


def _tariffs(call: Call) -> Collection:
    tariffs, location = collection_at(call), _requested_location(call)
    rows = tariffs.after(None)
    if location is not None:
        rows = (row for row in rows if _is_available(row, location))
    if "valid" in call.query:
        valid: bool = call.query["valid"]
        rows = (row for row in rows if _is_valid(row, call.now) is valid)
    return Selection(tariffs, rows, lambda row: row["name"])


_FILTERS: Final[dict[str, Any]] = {
    "available_for_user_id": None,
    "valid": None,
    "include_optional": None,
    "supplier_id": equals("supplier"),
}
_LISTING: Final[Handler] = listing(_tariffs, filters=_FILTERS)


def _list(call: Call) -> Reply:
    reply = _LISTING(call)
    if "include_optional" in call.query:
        for tariff in reply.body:
            tariff.update(_daily_prices_member(call, call.find("tariffs", tariff["id"])))
    return reply


def _daily_prices_member(call: Call, tariff: Row) -> Row:
    prices = _daily_prices(tariff, call.now)
    return {} if prices is None else {"daily_prices": prices}


def _detail_members(call: Call, tariff: Row) -> Row:
    """Return the members that a tariff has only when requested by id."""
    location = _requested_location(call)
    if location is not None and not _is_available(tariff, location):
        raise not_found("No such tariff exists.")
    half_hours = _half_hours_with_price(tariff, call.now)
    prices: object = None
    if "prices" in call.expand:
        last_day = reversed(half_hours[-_HALF_HOURS_PER_DAY:])
        prices = [_price_entry(call.world, tariff, half_hour) for half_hour in last_day]
    elif half_hours:
        prices = ApiPath(f"{tariff['url'].path}/prices")
    current_price = None
    if half_hours:
        current_price = _price_entry(call.world, tariff, half_hours[-1])["price_minor_units"]
    return {
        **_daily_prices_member(call, tariff),
        "current_price": current_price,
        "prices": prices,
    }


def _prices(call: Call) -> Reply:
    tariff = call.row("tariffs", "tariff_id")
    half_hours = _half_hours_with_price(tariff, call.now)
    return half_hours_page(
        call, half_hours, lambda half_hour: _price_entry(call.world, tariff, half_hour)
    )


ROUTES: Final[Routes] = {
    ("GET", "/suppliers"): listing(_suppliers, filters={"available_for_user_id": None}),
    ("GET", "/suppliers/{supplier_id}"): detail(),
    ("GET", "/tariffs"): _list,
    ("GET", "/tariffs/{tariff_id}"): detail(_detail_members),
    ("GET", "/tariffs/{tariff_id}/prices"): _prices,
}
