"""The energy of a sub-session over time, and its price."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref
from ev_energy.models._types import Instant, Money, OneOrMany

if TYPE_CHECKING:
    from ev_energy.models.charging import ChargingSubSession


class EnergyUsageRecalculationStatus(OpenEnum):
    """Whether a recalculation was stored."""

    RECALCULATION_TRIGGERED = "recalculation_triggered"
    """The recalculation was not a dry run."""
    DRY_RUN_COMPLETED = "dry_run_completed"
    """Nothing was stored."""


@model
class EnergyUsage(Model):
    """The energy that a sub-session delivered, interval by interval.

    It shows when the vehicle charged; the start and end of the sub-session do not.
    """

    url: str | None = None
    currency: str | None = None
    """The currency of every price in this model, such as ``GBP``; prices are in its **minor** unit
    (pence, cents)."""
    charging_sub_session: Ref[ChargingSubSession] | None = None
    intervals: tuple[UsageInterval, ...] | None = None
    """Intervals of one length, unless merged; intervals without energy are included."""
    last_updated_at: Instant | None = None


@model
class UsageInterval(Model):
    """The energy of one interval."""

    interval_seconds: int | None = None
    started_at: Instant | None = None
    total_energy_delivered_watt_hours: int | None = None
    """The sum over all prices."""
    meter_usage_watt_hours: int | None = None
    """The expected count of the supply meter: the energy delivered, and losses.

    An estimate; None if there is no estimate.
    """
    alt_usage_watt_hours: int | None = None
    """The energy that the vehicle would have drawn if it had charged at once and unmanaged.

    An estimate; None if there is no estimate.
    """
    percentage_import: int | None = None
    """Percentage of the energy that came from the grid, not from solar panels, 0 to 100."""
    electricity_cost_sub_unit: Money | None = None
    """Price of **one kWh**, in minor units (pence, cents) and fractions of them.

    An interval that was merged from several prices has their *sum*, which is not a price: use
    ``energy_delivered_by_price``.
    """
    energy_delivered_by_price: OneOrMany[EnergyDeliveredByPrice] | None = None
    """The energy by price, one entry for each price."""


@model
class EnergyDeliveredByPrice(Model):
    """The energy delivered at one price."""

    price: Money | None = None
    """In minor units and fractions of them: ``Decimal("21.3")`` is 21.3 pence.

    The quantity that it is the price of is not stated; presumably one kWh.
    """
    energy_delivered_watt_hours: int | None = None


@model
class EnergyUsageRecalculation(Model):
    """The effect of a recalculation on the energy of a sub-session."""

    status: EnergyUsageRecalculationStatus
    previous_energy_delivered_watt_hours: int
    """Energy of the whole sub-session before."""
    new_energy_delivered_watt_hours: int
    """Energy of the whole sub-session after; of a dry run, the energy that would result."""
