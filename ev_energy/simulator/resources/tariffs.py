"""The electricity tariffs of this world."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from ev_energy.models.tariffs import TariffType
from ev_energy.simulator.charging._prices import WEEKEND, Band, Prices, Tariff
from ev_energy.simulator.clock._instants import ANCHOR, micros, write_instant
from ev_energy.simulator.clock._microseconds import HALF_HOUR, SLOTS, instant_of
from ev_energy.simulator.http._filters import equals
from ev_energy.simulator.http._problems import invalid, not_found
from ev_energy.simulator.http._routes import Reply, collection_at, detail, listing
from ev_energy.simulator.resources._half_hours import half_hours_page
from ev_energy.simulator.world._rows import Address, Link
from ev_energy.simulator.world._tables import Made, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from ev_energy.simulator.http._routes import Call, Handler, Routes
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._tables import Collection
    from ev_energy.simulator.world._world import World


#: The standard offset of each zone with tariffs.
_OFFSETS: Final = {
    "Europe/London": timedelta(0),
    "Europe/Amsterdam": timedelta(hours=1),
    "Europe/Berlin": timedelta(hours=1),
    "America/Los_Angeles": timedelta(hours=-8),
}
_LONDON: Final = "Europe/London"
_HUNDREDTHS: Final = 100


@attrs.frozen
class Offer:
    """What a supplier asks for electricity. Prices are in minor units."""

    country: str
    supplier: str
    name: str
    currency: str
    zone: str
    type: TariffType
    night: int
    """What the cheapest hours cost."""
    day: int
    """What most hours cost; of a dynamic tariff, what they usually do."""
    bands: tuple[Band, ...] = ()
    gsp_group: str | None = None
    planned_by: str | None = None
    """The tariff of the same supplier that charging is planned by, where it is another one."""
    for_homes: bool = False
    """Whether users of this world have it."""
    chart: str | None = None
    since: int = 880
    """How many days before the world began it was first sold; fewer than none: after."""
    until: int | None = None
    """The same of the last day it was sold."""

    @property
    def is_popular(self) -> bool:
        """Whether many choose it."""
        return self.for_homes and self.type is TariffType.DUAL_RATE

    @property
    def is_priced(self) -> bool:
        """Whether anybody but the supplier knows what it costs."""
        return self.type is not TariffType.EXTERNALLY_MANAGED

    def pricing(self, key: str) -> Tariff:
        """Return how it is calculated."""
        return Tariff(
            key,
            self.day * _HUNDREDTHS,
            self.bands,
            self.zone,
            _OFFSETS[self.zone],
            self.type is TariffType.DYNAMIC,
        )


def _between(start: float, end: float, price: float, **options: frozenset[int]) -> Band:
    """Return the hours from ``start`` to ``end`` at a price in minor units."""
    return Band(
        round(start * 60), round(end * 60) % (24 * 60), round(price * _HUNDREDTHS), **options
    )


_FLAT, _DUAL, _THREE = TariffType.FLAT_RATE, TariffType.DUAL_RATE, TariffType.THREE_RATE
_DYNAMIC, _MANAGED, _OTHER = TariffType.DYNAMIC, TariffType.EXTERNALLY_MANAGED, TariffType.OTHER
#: Great Britain's grid supply points; there is no I and no O.
_GSP_GROUPS: Final = "ABCDEFGHJKLMNP"

_REGIONAL: Final = tuple(
    Offer("GB", "Hollow Oak Electric", "Local Nights", "GBP", _LONDON, _DUAL, night, 27 + night % 3,
          (_between(0.5, 5.5, night + 0.49),), gsp_group=f"_{group}")
    for night, group in enumerate(_GSP_GROUPS, 7)
)  # fmt: skip

OFFERS: Final = (
    Offer("GB", "Fernhill Energy", "One Price", "GBP", _LONDON, _FLAT, 26, 26,
          planned_by="Night Saver", for_homes=True),
    Offer("GB", "Fernhill Energy", "Market Half-Hours", "GBP", _LONDON, _DYNAMIC, 11, 22,
          for_homes=True, chart="https://charts.example.com/market-half-hours"),
    Offer("GB", "Saltmarsh Power", "Three Steps", "GBP", _LONDON, _THREE, 14, 27,
          (_between(0, 6, 14), _between(16, 19, 41.5)), for_homes=True),
    Offer("GB", "Fernhill Energy", "Night Saver", "GBP", _LONDON, _DUAL, 9, 29,
          (_between(0, 7, 9),), for_homes=True),
    Offer("GB", "Saltmarsh Power", "Easy Weekend", "GBP", _LONDON, _OTHER, 19, 31,
          (_between(0, 24, 19, days=WEEKEND),)),
    Offer("GB", "Saltmarsh Power", "Overnight Drive 2025", "GBP", _LONDON, _DUAL, 8, 30,
          (_between(23.5, 5.5, 8),), since=700, until=130),
    Offer("GB", "Saltmarsh Power", "Overnight Drive 2027", "GBP", _LONDON, _DUAL, 7, 30,
          (_between(23.5, 5.5, 7),), since=-60),
    Offer("NL", "Zuiderlicht", "Daluren", "EUR", "Europe/Amsterdam", _DUAL, 19, 27,
          (_between(23, 7, 19), _between(0, 24, 19, days=WEEKEND)), for_homes=True),
    Offer("NL", "Zuiderlicht", "Uurprijs", "EUR", "Europe/Amsterdam", _DYNAMIC, 12, 23,
          for_homes=True, chart="https://charts.example.com/uurprijs"),
    Offer("NL", "Polderstroom", "Vast", "EUR", "Europe/Amsterdam", _FLAT, 25, 25,
          planned_by="Schoon", for_homes=True),
    Offer("NL", "Polderstroom", "Schoon", "EUR", "Europe/Amsterdam", _DYNAMIC, 12, 24),
    Offer("DE", "Lindenwerk", "Nachtstrom", "EUR", "Europe/Berlin", _DUAL, 22, 34,
          (_between(22, 6, 22),), for_homes=True),
    Offer("DE", "Lindenwerk", "Festpreis", "EUR", "Europe/Berlin", _FLAT, 33, 33, for_homes=True),
    Offer("DE", "Kranich Energie", "Börsenstrom", "EUR", "Europe/Berlin", _DYNAMIC, 15, 29,
          for_homes=True, chart="https://charts.example.com/boersenstrom"),
    Offer("US", "Blue Mesa Power", "EV Time of Use", "USD", "America/Los_Angeles", _DUAL, 14, 38,
          (_between(0, 7, 14),), for_homes=True),
    Offer("US", "Blue Mesa Power", "Home and EV", "USD", "America/Los_Angeles", _THREE, 24, 33,
          (_between(0, 15, 24), _between(16, 21, 57)), for_homes=True),
    Offer("US", "Blue Mesa Power", "Utility Managed", "USD", "America/Los_Angeles", _MANAGED, 20,
          20),
    Offer("US", "Redwood Municipal", "Residential", "USD", "America/Los_Angeles", _FLAT, 31, 31,
          for_homes=True),
    *_REGIONAL,
)  # fmt: skip

#: Where the post towns of a grid supply point are, by the letters of their codes.
_GSP_OF_AREA: Final = {"SE": "_C", "EC": "_C", "WC": "_C", "LS": "_M", "BD": "_M", "YO": "_M"}


def gsp_group_at(postal_code: str | None) -> str | None:
    """Return the grid supply point of a British post code; None where it is not known."""
    letters = (postal_code or "").strip().upper()[:2]
    return _GSP_OF_AREA.get(letters)


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


_A_DAY: Final = 48


def _home(call: Call) -> Row | None:
    """Return the location of the user that things shall be available for, None if of nobody."""
    user_id = call.query.get("available_for_user_id")
    if user_id is None:
        return None
    users = call.world.tables["users"]
    user = users.get(user_id)
    if user is None or not call.can_see(users, user):
        raise invalid({"available_for_user_id": ["No such user."]})
    return user.get("default_location") or {}


def _is_offered(tariff: Row, home: Row) -> bool:
    offer: Offer = tariff["_offer"]
    here = gsp_group_at(home.get("postal_code"))
    if offer.country != home.get("country_code"):
        return False
    return offer.gsp_group is None or here is None or offer.gsp_group == here


def _suppliers(call: Call) -> Collection:
    everything, home = collection_at(call), _home(call)
    rows = everything.after(None)
    if home is not None:
        rows = (row for row in rows if row["_country"] == home.get("country_code"))
    return Rows(everything, rows, lambda row: row["name"])


def _tariffs(call: Call) -> Collection:
    everything, home = collection_at(call), _home(call)
    rows = everything.after(None)
    if home is not None:
        rows = (row for row in rows if _is_offered(row, home))
    if "valid" in call.query:
        wanted: bool = call.query["valid"]
        rows = (row for row in rows if is_sold(row, call.now) is wanted)
    return Rows(everything, rows, lambda row: row["name"])


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
        for shown in reply.body:
            shown.update(_daily(call, call.find("tariffs", shown["id"])))
    return reply


def _daily(call: Call, row: Row) -> Row:
    prices = daily_prices(row, call.now)
    return {} if prices is None else {"daily_prices": prices}


def _single(call: Call, row: Row) -> Row:
    """Return the members that only a tariff asked for alone has."""
    home = _home(call)
    if home is not None and not _is_offered(row, home):
        raise not_found("No such tariff")
    known = half_hours_with_price(row, call.now)
    prices: object = None
    if "prices" in call.expand:
        prices = [price_of(call.world, row, number) for number in reversed(known[-_A_DAY:])]
    elif known:
        prices = Address(f"{row['url'].path}/prices")
    return {
        **_daily(call, row),
        "current_price": price_of(call.world, row, known[-1])["price_minor_units"]
        if known
        else None,
        "prices": prices,
    }


def _prices(call: Call) -> Reply:
    tariff = call.row("tariffs", "tariff_id")
    known = half_hours_with_price(tariff, call.now)
    return half_hours_page(call, known, lambda number: price_of(call.world, tariff, number))


ROUTES: Final[Routes] = {
    ("GET", "/suppliers"): listing(_suppliers, filters={"available_for_user_id": None}),
    ("GET", "/suppliers/{supplier_id}"): detail(),
    ("GET", "/tariffs"): _list,
    ("GET", "/tariffs/{tariff_id}"): detail(_single),
    ("GET", "/tariffs/{tariff_id}/prices"): _prices,
}
