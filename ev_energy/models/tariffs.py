"""Energy suppliers and their tariffs."""

from __future__ import annotations

from ev_energy._enums import OpenEnum
from ev_energy._model import Model, model
from ev_energy._refs import Ref
from ev_energy._types import ClockTime, Day, Money


class TariffBaseType(OpenEnum):
    """How a tariff's price varies over time."""

    FLAT_RATE = "FLAT_RATE"
    DUAL_RATE = "DUAL_RATE"
    THREE_RATE = "THREE_RATE"
    DYNAMIC = "DYNAMIC"
    EXTERNALLY_MANAGED = "EXTERNALLY_MANAGED"
    OTHER = "OTHER"


@model
class Supplier(Model):
    """A company that sells electricity."""

    id: str
    url: str
    name: str
    icon: str | None
    """URL of a logo."""
    highlighted: bool | None = None
    """Whether many users choose it."""


@model
class Times(Model):
    """A part of the day, on the tariff's own clock; it may run past midnight."""

    start: ClockTime | None = None
    end: ClockTime | None = None


@model
class PriceSummary(Model):
    """One price, and when it applies."""

    price: Money | None = None
    """In **major** units of the tariff's currency: ``Decimal("0.10")`` is ten pence."""
    times: tuple[Times, ...] | None = None


@model
class DailyPrices(Model):
    """The price levels of one day, local to the tariff's ``timezone_name``."""

    peak: PriceSummary
    mid_peak: PriceSummary | None = None
    off_peak: PriceSummary | None = None


@model
class TariffBase(Model):
    """What every form of a tariff has."""

    id: str
    url: str
    supplier: Ref[Supplier]
    name: str
    currency: str
    """ISO 4217 code."""
    highlighted: bool | None = None
    """Whether many users choose it."""
    type: TariffBaseType | None = None
    """Only sent under contract."""
    daily_prices: DailyPrices | None = None
    """Only sent under contract, and when asked for."""
    timezone_name: str | None = None
    """IANA name of the zone that clock times of this tariff are in."""
    price_chart_url: str | None = None
    """A third party's web page that draws the prices."""
    gsp_group: str | None = None
    """Grid supply point group of Great Britain, such as ``_C``; None where prices are national."""
    valid_from: Day | None = None
    """First day new customers could choose it."""
    valid_until: Day | None = None
    """Last day new customers can choose it; None while it is on sale."""


@model
class Tariff(TariffBase):
    """What a household pays for electricity."""

    scheduler_tariff: Ref[Tariff] | None = None
    """The tariff that charging is planned by, where it is another one than is billed.

    Expanded, it holds the basic members only.
    """
