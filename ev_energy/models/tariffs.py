"""Energy suppliers and their tariffs."""

from __future__ import annotations

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref
from ev_energy.models._types import ClockTime, Day, Instant, Money


class TariffType(OpenEnum):
    """The way that the price of a tariff varies over time."""

    FLAT_RATE = "FLAT_RATE"
    """One price at all times."""
    DUAL_RATE = "DUAL_RATE"
    """Two prices, each at its times."""
    THREE_RATE = "THREE_RATE"
    """Three prices, each at its times."""
    DYNAMIC = "DYNAMIC"
    """Prices that change often, such as every half hour."""
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
    """A part of the day, in the tariff's time zone; it may extend past midnight."""

    start: ClockTime | str | None = None
    """The text itself if it is not a time of day, such as ``24:00:00``."""
    end: ClockTime | str | None = None


@model
class PriceSummary(Model):
    """One price and the times that it applies to."""

    price: Money | str | None = None
    """In **major** units of the tariff's currency: ``Decimal("0.10")`` is ten pence.

    The text itself if it is not a number: the API declares a string of any form.
    """
    times: tuple[Times, ...] | None = None


@model
class DailyPrices(Model):
    """The price levels of one day, in the time zone ``timezone_name`` of the tariff."""

    peak: PriceSummary
    mid_peak: PriceSummary | None = None
    off_peak: PriceSummary | None = None


@model
class Tariff(Model):
    """A tariff for electricity."""

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
    """Only sent under contract, and in a list only if ``include_optional`` requests it."""
    timezone_name: str | None = None
    """IANA name of the time zone of all times of day in this tariff."""
    price_chart_url: str | None = None
    """A third party's web page with a chart of the prices."""
    gsp_group: str | None = None
    """Grid supply point group of Great Britain, such as ``_C``; None if prices are national."""
    valid_from: Day | None = None
    """The first day on which new customers could choose it."""
    valid_until: Day | None = None
    """The last day on which new customers can choose it; None while it is on sale."""
    scheduler_tariff: Ref[Tariff] | None = None
    """The tariff used for planning charging, if it differs from the billed one.

    Expanded, it has only the basic fields.
    """


@model
class Price(Model):
    """The price of electricity during an interval."""

    started_at: Instant
    interval_seconds: int
    price_minor_units: int
    """In whole **minor** units of the tariff's currency: 10 is ten pence."""


@model
class TariffDetail(Tariff):
    """A tariff with its prices, as the API returns a single one."""

    current_price: int | None = None
    """The current price, in **minor** units of ``currency``: 10 is ten pence."""
    prices: tuple[Price, ...] | str | None = None
    """URL of the list of prices; expanded, the prices of the last 24 hours.

    Needs the scope ``tariff:prices:read``.
    """
