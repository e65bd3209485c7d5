"""Boundary meters, their catalogue and their measurements."""

from __future__ import annotations

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref
from ev_energy.models._types import Instant


class BoundaryMeterStatusLogStatus(OpenEnum):
    """The direction in which power crosses a boundary meter."""

    IMPORTING = "IMPORTING"
    """From the grid into the home."""
    EXPORTING = "EXPORTING"
    """From the home to the grid."""
    IDLE = "IDLE"
    """No power crosses the meter."""
    UNKNOWN = "UNKNOWN"


@model
class BoundaryMeterMake(Model):
    """A manufacturer of boundary meters."""

    id: str
    url: str
    name: str


@model
class BoundaryMeterModel(Model):
    """A product of a make."""

    id: str
    url: str
    name: str
    make: Ref[BoundaryMeterMake] | None = None


@model
class BoundaryMeter(Model):
    """One physical meter between a home and the grid."""

    id: str
    url: str
    model: Ref[BoundaryMeterModel] | None = None
    created_at: Instant | None = None
    """When it was first connected to ev.energy."""
    latest_status_log: Ref[BoundaryMeterStatusLog] | None = None
    """None before the first report."""


@model
class BoundaryMeterStatusLog(Model):
    """One measurement of a boundary meter."""

    url: str | None = None
    sampled_at: Instant | None = None
    """When the meter measured; with the meter, the key of this entry."""
    boundary_meter: Ref[BoundaryMeter] | None = None
    power_watts: int | None = None
    """Positive: import from the grid. Negative: export to it. None if not measured."""
    status: BoundaryMeterStatusLogStatus | None = None
    """Derived from ``power_watts``."""
