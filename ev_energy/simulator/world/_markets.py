"""What electricity costs at a home, and how clean it is: as the charging life wants to know it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ev_energy.simulator.charging._carbon import Feed
from ev_energy.simulator.charging._prices import Tariff

if TYPE_CHECKING:
    from ev_energy.simulator.world._rows import Link
    from ev_energy.simulator.world._world import World


_ELSEWHERE: Final = Feed("elsewhere", 300, timedelta(0))
_FEEDS: Final = {
    "GB": Feed("GB", 180, timedelta(0), wind=45),
    "NL": Feed("NL", 270, timedelta(hours=1)),
    "DE": Feed("DE", 320, timedelta(hours=1), solar=28),
    "US": Feed("US-CA", 230, timedelta(hours=-8), solar=45),
}
_NO_TARIFF: Final = Tariff("none", 2_500)


def feed_of(country: str | None) -> Feed:
    """Return the carbon feed of a country."""
    return _FEEDS.get(country or "", _ELSEWHERE)


def pricing_of(world: World, tariff: Link | None) -> Tariff:
    """Return the prices of a tariff."""
    row = world.follow(tariff)
    if row is None:
        return _NO_TARIFF
    pricing: Tariff = row["_pricing"]
    return pricing
