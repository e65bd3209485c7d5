"""Energy suppliers and their tariffs."""

from __future__ import annotations

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref
from ev_energy.models._types import ClockTime, Day, Instant, Money


class TariffType(OpenEnum):
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

    start: ClockTime | str | None = None
    """The text itself where it is no time of a day, such as ``24:00:00``."""
    end: ClockTime | str | None = None


@model
class PriceSummary(Model):
    """One price, and when it applies."""

    price: Money | str | None = None
    """In **major** units of the tariff's currency: ``Decimal("0.10")`` is ten pence.

    The text itself where it is no number: the API declares text of any form.
    """
    times: tuple[Times, ...] | None = None


@model
class DailyPrices(Model):
    """The price levels of one day, local to the tariff's ``timezone_name``."""

    peak: PriceSummary
    mid_peak: PriceSummary | None = None
    off_peak: PriceSummary | None = None


@model
class Tariff(Model):
    """What a household pays for electricity."""

    id: str
    url: str
    supplier: Ref[Supplier]
    name: str
    currency: str
    """ISO 4217 code."""
    highlighted: bool | None = None
    """Whether many users choose it."""
    type: TariffType | None = None
    """Only sent under contract."""
    daily_prices: DailyPrices | None = None
    """Only sent under contract; in a list, only if ``include_optional`` asks for it."""
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
    scheduler_tariff: Ref[Tariff] | None = None
    """The tariff that charging is planned by, where it is another one than is billed.

    Expanded, it holds the basic members only.
    """


@model
class Price(Model):
    """What electricity costs during an interval."""

    started_at: Instant
    interval_seconds: int
    price_minor_units: int
    """In **minor** units of the tariff's currency, whole ones: 10 is ten pence."""


@model
class TariffDetail(Tariff):
    """A tariff with its prices, as it is told where a single one is asked for."""

    current_price: int | None = None
    """The price now, in **minor** units of ``currency``: 10 is ten pence."""
    prices: tuple[Price, ...] | str | None = None
    """URL of the list of prices; expanded, the prices of the last 24 hours.

    Needs the scope ``tariff:prices:read``.
    """
