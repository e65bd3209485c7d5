"""Dispatch coordinators, their dispatch events, and the power of their fleets."""

from __future__ import annotations

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._types import Instant


class DispatchEventCancelResponseStatus(OpenEnum):
    """The result of cancelling a dispatch event."""

    CANCELLED = "CANCELLED"


@model
class DispatchCoordinator(Model):
    """A party that dispatches the load of a fleet under a contract."""

    id: str | None = None
    """A short id, unlike those of other resources, such as ``dc000000``."""
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
    """URL of the list of this coordinator's dispatch logs."""


@model
class DispatchLog(Model):
    """The power of a dispatch coordinator's fleet at one moment."""

    url: str | None = None
    logged_at: Instant | None = None
    """When the server recorded it; with the coordinator, the key of this entry."""
    total_charge_rate_watts: int | None = None
    """Charging power of the whole fleet."""
    dispatch_coordinator: str | None = None
    """URL of the coordinator."""


@model
class DispatchEvent(Model):
    """Limits or a target for the power of a fleet during a period.

    The API does not say whether the watts apply to each site or to the whole fleet.
    """

    id: str | None = None
    url: str | None = None
    """No operation reads this URL: an event cannot be retrieved."""
    start_time: Instant | None = None
    end_time: Instant | None = None
    import_limit_watts: int | None = None
    """The highest power that may be drawn from the grid; None: no limit."""
    export_limit_watts: int | None = None
    """The highest power that may be fed into the grid; None: no limit."""
    target_power_watts: int | None = None
    """The power to hold; None: no target. The meaning of the sign is not documented."""
    dispatch_coordinator: str | None = None
    """URL of the coordinator."""


@model
class DispatchEventCancelResponse(Model):
    """The confirmation that a dispatch event will be cancelled."""

    status: DispatchEventCancelResponseStatus | None = None
