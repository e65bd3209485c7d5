"""Energy suppliers and what they charge."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator._instants import ANCHOR
from ev_energy.simulator._world import Link

if TYPE_CHECKING:
    from ev_energy.simulator._world import Row, World


@attrs.frozen
class Offer:
    """A tariff: a price by night, another by day, both in minor units."""

    country: str
    supplier: str
    name: str
    currency: str
    zone: str
    night: int
    day: int
    gsp_group: str | None = None
    planned_by: str | None = None
    """The tariff of the same supplier that charging is planned by, where it is another one."""


OFFERS: Final = (
    Offer("GB", "Fernhill Energy", "Night Saver", "GBP", "Europe/London", 9, 29, "_C"),
    Offer("GB", "Fernhill Energy", "One Price", "GBP", "Europe/London", 26, 26, "_G",
          planned_by="Night Saver"),
    Offer("NL", "Zuiderlicht", "Daluren", "EUR", "Europe/Amsterdam", 19, 27),
    Offer("DE", "Lindenwerk", "Nachtstrom", "EUR", "Europe/Berlin", 22, 34),
    Offer("US", "Blue Mesa Power", "EV Time of Use", "USD", "America/Los_Angeles", 14, 38),
)  # fmt: skip

_NIGHT_ENDS: Final = 7
_HALF_HOUR: Final = timedelta(minutes=30)


def add_suppliers(world: World) -> None:
    """Fill the tables of suppliers and tariffs."""
    suppliers = world.table("suppliers", "supl")
    tariffs = world.table("tariffs", "tari")
    began = ANCHOR - timedelta(days=900)
    known: dict[str, str] = {}
    for number, offer in enumerate(OFFERS):
        made_at = began + timedelta(days=number, hours=3)
        supplier_id = world.chance.uid("supl", made_at, offer.supplier)
        supplier_id = known.setdefault(offer.supplier, supplier_id)
        if suppliers.get(supplier_id) is None:
            picture = f"https://cdn.example.com/suppliers/{number}.png" if number else None
            suppliers.add({
                "id": supplier_id,
                "name": offer.supplier,
                "icon": picture,
                "highlighted": number == 0,
            })  # fmt: skip
        tariff_id = world.chance.uid("tari", made_at, offer.supplier, offer.name)
        known[offer.supplier + offer.name] = tariff_id
        planned_by = known.get(offer.supplier + (offer.planned_by or "/"))
        tariffs.add({
            "id": tariff_id,
            "supplier": Link("suppliers", supplier_id),
            "name": offer.name,
            "currency": offer.currency,
            "highlighted": number == 0,
            "timezone_name": offer.zone,
            "price_chart_url": None,
            "gsp_group": offer.gsp_group,
            "valid_from": (made_at + timedelta(days=10)).date().isoformat(),
            "valid_until": None,
            "scheduler_tariff": Link("tariffs", planned_by) if planned_by else None,
            "_offer": offer,
        })  # fmt: skip


def tariff_of_country(world: World, country: str, choice: int) -> Link:
    """Return a tariff that somebody in this country may have."""
    local = [row for row in world.tables["tariffs"].rows() if row["_offer"].country == country]
    link: Link = local[choice % len(local)]["url"]
    return link


def recent_prices(tariff: Row) -> list[Row]:
    """Return the half-hourly prices of the last day, the newest last."""
    offer: Offer = tariff["_offer"]
    prices: list[Row] = []
    for number in range(48, 0, -1):
        started = ANCHOR - number * _HALF_HOUR
        prices.append({
            "started_at": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "interval_seconds": int(_HALF_HOUR.total_seconds()),
            "price_minor_units": offer.night if started.hour < _NIGHT_ENDS else offer.day,
        })  # fmt: skip
    return prices
