"""When energy flowed during a sub-session, and what it cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref
from ev_energy.models._types import Instant, Money, OneOrMany

if TYPE_CHECKING:
    from ev_energy.models.charging import ChargingSubSession


class EnergyUsageRecalculationStatus(OpenEnum):
    """Whether a recalculation was meant."""

    RECALCULATION_TRIGGERED = "recalculation_triggered"
    DRY_RUN_COMPLETED = "dry_run_completed"
    """Nothing was stored."""


@model
class EnergyUsage(Model):
    """What a sub-session delivered, interval by interval.

    This tells when a vehicle really charged; start and end of the sub-session do not.
    """

    url: str | None = None
    currency: str | None = None
    """Of every price here, such as ``GBP``; prices are in its **minor** unit (pence, cents)."""
    charging_sub_session: Ref[ChargingSubSession] | None = None
    intervals: tuple[UsageInterval, ...] | None = None
    """All of one length, unless merged; stretches without energy are among them."""
    last_updated_at: Instant | None = None


@model
class UsageInterval(Model):
    """What flowed during a stretch of time."""

    interval_seconds: int | None = None
    started_at: Instant | None = None
    total_energy_delivered_watt_hours: int | None = None
    """At all prices together."""
    meter_usage_watt_hours: int | None = None
    """What the supply meter should have counted: the energy delivered, and losses on the way.

    An estimate; None where there is none.
    """
    alt_usage_watt_hours: int | None = None
    """What the vehicle would have drawn, had it charged at once and unmanaged.

    An estimate; None where there is none.
    """
    percentage_import: int | None = None
    """Share of the energy that came from the grid and not from solar panels, 0 to 100."""
    electricity_cost_sub_unit: Money | None = None
    """Price of **one kWh**, in minor units (pence, cents) and fractions of them.

    An interval that was merged from several prices has the *sum* of them, which is the price of
    nothing: use ``energy_delivered_by_price``.
    """
    energy_delivered_by_price: OneOrMany[EnergyDeliveredByPrice] | None = None
    """The energy by the price paid for it, one entry a price."""


@model
class EnergyDeliveredByPrice(Model):
    """What was delivered at one price."""

    price: Money | None = None
    """In minor units and fractions of them: ``Decimal("21.3")`` is 21.3 pence.

    What it is the price of is not stated, presumably one kWh.
    """
    energy_delivered_watt_hours: int | None = None


@model
class EnergyUsageRecalculation(Model):
    """What a recalculation did to the energy of a sub-session."""

    status: EnergyUsageRecalculationStatus
    previous_energy_delivered_watt_hours: int
    """Of the whole sub-session, before."""
    new_energy_delivered_watt_hours: int
    """Of the whole sub-session, after; of a dry run, what it would have been."""
