"""Dispatch coordinators, the events they order, and what their fleets draw."""

from __future__ import annotations

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._types import Instant


class DispatchEventCancelResponseStatus(OpenEnum):
    """What came of cancelling a dispatch event."""

    CANCELLED = "CANCELLED"


@model
class DispatchCoordinator(Model):
    """Whoever dispatches the load of a fleet, under a contract."""

    id: str | None = None
    """Unlike the ids of other resources: short, such as ``dc000000``."""
    url: str | None = None
    name: str | None = None
    reference_code: str | None = None
    contract_start: Instant | None = None
    """None if no start is set."""
    contract_end: Instant | None = None
    """None if no end is set."""
    timezone: str | None = None
    """IANA name, such as ``America/New_York``."""
    dispatch_logs: str | None = None
    """URL of the list of what this coordinator's fleet drew."""


@model
class DispatchLog(Model):
    """What the fleet of a dispatch coordinator drew at one moment."""

    url: str | None = None
    logged_at: Instant | None = None
    """When it was written down; with the coordinator, the key of this entry."""
    total_charge_rate_watts: int | None = None
    """Charging power of the fleet as a whole."""
    dispatch_coordinator: str | None = None
    """URL of the coordinator."""


@model
class DispatchEvent(Model):
    """Limits or a target for a fleet's power, for a while.

    The API does not say whether watts are meant for each site or for the fleet as a whole.
    """

    id: str | None = None
    url: str | None = None
    """No operation answers at it: an event cannot be read back."""
    start_time: Instant | None = None
    end_time: Instant | None = None
    import_limit_watts: int | None = None
    """The most that may be drawn from the grid; None: no limit."""
    export_limit_watts: int | None = None
    """The most that may be fed into the grid; None: no limit."""
    target_power_watts: int | None = None
    """The power to hold; None: no target. Which sign means what is not documented."""
    dispatch_coordinator: str | None = None
    """URL of the coordinator."""


@model
class DispatchEventCancelResponse(Model):
    """That an order to cancel a dispatch event was accepted."""

    status: DispatchEventCancelResponseStatus | None = None
