"""The electricity tariffs of this world."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import attrs

from ev_energy.models.tariffs import TariffType
from ev_energy.simulator._charging._prices import WEEKEND, Band, Tariff

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
